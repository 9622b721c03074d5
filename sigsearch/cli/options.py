"""What several commands share: options, opening the index, waiting for the kernels."""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from threading import Timer
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

import sigsearch
from sigsearch.bounds import MOST_EFFORT, check_cutoff, check_max_false
from sigsearch.cli.output import INTERRUPTED, complain
from sigsearch.errors import InputError
from sigsearch.limits import DEFAULT_LIMITS
from sigsearch.progress import COMPILING, PATIENCE

if TYPE_CHECKING:
    from sigsearch.index import Index

_NO_SETTINGS = frozenset({"location", "scheme", "create", "limits"})
"""What else `sigsearch.open` takes."""


def _check_cutoff(cutoff: float) -> float:
    check_cutoff(cutoff)
    return cutoff


def _check_max_false(max_false: float | None) -> float | None:
    check_max_false(max_false)
    return max_false


Location: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--index",
        metavar="LOCATION",
        help="A path, or scheme://… for another backend. Default: what SIGSEARCH_INDEX or sigsearch.toml "
        "says, else a file in your data folder.",
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON, one object a line.")]
Cutoff: TypeAlias = Annotated[
    float,
    typer.Option(metavar="D", callback=_check_cutoff, help="Matches have a distance below it, from 0 to 1."),
]
MaxFalse: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        callback=_check_max_false,
        help="Only matches of which chance alone would give no more than this, such as 0.01.",
    ),
]
Limit: TypeAlias = Annotated[int, typer.Option(metavar="N", help="At most so many matches, the nearest.")]
Effort: TypeAlias = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        max=MOST_EFFORT,
        help="How hard to look, where not every record is compared: from 1, quickest, to 5.",
    ),
]
AllOrientations: TypeAlias = Annotated[
    bool, typer.Option("--all-orientations", help="Also find turned, mirrored and inverted copies.")
]
Where: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Only records whose metadata has museum=Louvre; also !=, <, <=, >, >=, or a bare path for "
        "any value. May be repeated: all must hold.",
    ),
]
Seconds: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="S",
        help="So long one picture may take to fetch, and again to decode. Default: "
        f"{DEFAULT_LIMITS.seconds:g}",
    ),
]
MaxPixels: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Pictures with more pixels are refused before they are decoded. Default: "
        f"{DEFAULT_LIMITS.pixels:,}",
    ),
]
AllowPrivate: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--allow-private",
        help="Also fetch from addresses that are not public: this machine, the local network.",
    ),
]
AllowFileUrls: TypeAlias = Annotated[
    bool, typer.Option("--allow-file-urls", help="Also read file:// addresses.")
]
Ids: TypeAlias = Annotated[list[str], typer.Argument(metavar="ID", help="As 'sigsearch list' shows it.")]
SomeIds: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="As 'sigsearch list' shows it.")
]


def open_there(location: str | None, **options: Any) -> Index:
    """Open an index that must exist."""
    return sigsearch.open(location, create=False, **options)


def limit_to(index: Index, **given: Any) -> None:
    """Change the limits of an index to those that were typed."""
    typed = {name: value for name, value in given.items() if value is not None and value is not False}
    index.limits = replace(index.limits, **typed)


def parse_settings(given: Sequence[str] | None) -> dict[str, Any]:
    """Settings of a backend as they are typed, each ``name=value``: JSON, or else text.

    Raises
    ------
    InputError
        One has no name or no value.
    """
    settings = {}
    for each in given or ():
        name, _, value = each.partition("=")
        if not name.isidentifier() or not value or name in _NO_SETTINGS:
            raise InputError(f"wanted a setting such as timezone=Europe/Berlin, found {each!r}")
        try:
            settings[name] = json.loads(value)
        except (ValueError, RecursionError):
            settings[name] = value
    return settings


def load_kernels(*, note: bool | None = None) -> None:
    """Load the kernels, with a note on standard error if they turn out to be compiled first.

    Parameters
    ----------
    note : bool, optional
        Default: whether standard error is a terminal.
    """
    # At its end Python would look at each of numba's objects once more, for a fifth of a second.
    atexit.register(gc.freeze)
    import_module("numba")  # slow enough on a cold disk to be taken for compiling
    timer = Timer(PATIENCE, complain, [COMPILING])
    if sys.stderr.isatty() if note is None else note:
        timer.start()
    # While LLVM compiles, an exception is raised in a callback of its and goes no further.
    handler = signal.signal(signal.SIGINT, _stop)
    try:
        import_module("sigsearch._kernels")
    finally:
        signal.signal(signal.SIGINT, handler)
        timer.cancel()


def _stop(*_: object) -> None:
    complain("interrupted")
    os._exit(INTERRUPTED)
