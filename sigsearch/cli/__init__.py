"""The command line: its entry point. Answers ``--version`` by itself, before anything is imported."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import sigsearch


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; default: those of the process.

    Returns
    -------
    int
        The exit status, as grep's: 0 something was found, 1 nothing was, 2 an error, which has been
        told in one line on standard error; 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        print(f"sigsearch {sigsearch.__version__}")  # noqa: T201
        return 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path that the terminal's encoding does not have is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    from sigsearch.cli.output import INTERRUPTED, Interrupted, complain

    try:
        from sigsearch.cli.app import run

        return run(arguments)
    except (KeyboardInterrupt, Interrupted) as interrupt:
        complain("; ".join(["interrupted", *interrupt.args]))
        return INTERRUPTED
