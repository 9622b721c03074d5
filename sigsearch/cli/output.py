"""What is written where: results on standard output, one line an error on standard error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_NOT_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line ends of any kind, and the surrogates of undecodable bytes in a path."""


INTERRUPTED = 130
"""Exit status after Ctrl-C; what typer makes of it, too."""


class Interrupted(Exception):  # noqa: N818
    """Ctrl-C, by a name that typer does not know and lets pass; its argument says what to do next."""


def one_line(text: object) -> str:
    r"""Text that stays in its line and its column: a line end is shown as ``\n``, and so on."""
    return _NOT_IN_A_LINE.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def complain(message: object) -> None:
    """Write an error or a note: one line on standard error."""
    print(f"sigsearch: {one_line(message)}", file=sys.stderr)  # noqa: T201


def say(text: object = "") -> None:
    """Write one line of result."""
    print(one_line(text))  # noqa: T201


def short(expected: float | None) -> str:
    """An expected number as a person reads it: 3e-05, 0.2, 40."""
    if expected is None:
        return "unknown"
    return f"{expected:.1g}" if expected < 1 else f"{float(f'{expected:.2g}'):,.0f}"


def say_json(value: Any) -> None:
    """Write one JSON value in a line, in ASCII: what any reader in any locale takes."""
    print(json.dumps(value))  # noqa: T201


def say_rows(headers: Sequence[str], rows: Iterable[Sequence[str]], *, aligned: bool | None = None) -> None:
    """Write a table: aligned under its headers for a person, a tab-separated line a row for a program.

    Nothing is ever cut, nor broken but by the terminal itself, so that a path can be copied; the
    longest cells belong into the last column.

    Parameters
    ----------
    aligned : bool, optional
        Default: whether standard output is a terminal.
    """
    lines = [[one_line(cell) for cell in row] for row in rows]
    if not (sys.stdout.isatty() if aligned is None else aligned):
        for line in lines:
            print("\t".join(line))  # noqa: T201
        return
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    bold = (Text.assemble((header, "bold")) for header in headers)
    columns = (Column(header, header_style="", no_wrap=True) for header in bold)
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))  # Text: brackets in a path are no markup
    console = Console(width=100_000)  # to rich the terminal is wide enough for any path
    with console.capture() as capture:
        console.print(table)
    for text in capture.get().splitlines():
        print(text.rstrip())  # noqa: T201
