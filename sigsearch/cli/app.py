"""The commands together, and the end of every error: one line on standard error and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

import sigsearch
from sigsearch.cli.add import add
from sigsearch.cli.calibrate import calibrate
from sigsearch.cli.demo import demo
from sigsearch.cli.migrate import migrate
from sigsearch.cli.output import INTERRUPTED, complain, say
from sigsearch.cli.records import backends, delete, get, info, list_
from sigsearch.cli.search import compare, explain, search
from sigsearch.cli.upkeep import check, compact
from sigsearch.errors import SigsearchError

app = typer.Typer(
    rich_markup_mode=None,  # its boxes cut words in a narrow terminal
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

for _command, _example in (
    (add, "add --index photos.sig ~/Pictures"),
    (search, "search --index photos.sig suspect.jpg --all-orientations"),
    (explain, "explain --index photos.sig suspect.jpg /home/me/Pictures/mona.jpg"),
    (compare, "compare mona.jpg suspect.jpg"),
    (list_, "list --index photos.sig --where museum=Louvre"),
    (get, "get --index photos.sig /home/me/Pictures/mona.jpg"),
    (delete, "delete --index photos.sig /home/me/Pictures/mona.jpg"),
    (info, "info --index photos.sig"),
    (calibrate, "calibrate --index photos.sig"),
    (check, "check --index photos.sig --salvage saved.sig"),
    (compact, "compact --index photos.sig"),
    (migrate, "migrate image-match://localhost:9200/images photos.sig"),
    (backends, "backends"),
    (demo, "demo"),
):
    app.command(_command.__name__.rstrip("_"), epilog=f"Example: sigsearch {_example}")(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"sigsearch {sigsearch.__version__}")
        raise typer.Exit


@app.callback(epilog="Example: sigsearch add ~/Pictures && sigsearch search suspect.jpg")
def _sigsearch(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Find the copies of a picture among millions: resized, recompressed, recoloured, framed, turned."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line and give its exit status; see `sigsearch.cli.main`.

    Raises
    ------
    KeyboardInterrupt, Interrupted
    """
    try:
        status = get_command(app).main(
            args=list(arguments) or ["--help"], prog_name="sigsearch", standalone_mode=False
        )
        sys.stdout.flush()
    except SigsearchError as error:
        complain(error)
        return 2
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "sigsearch"
        message = error.format_message().rstrip(".")
        complain(f"{message[:1].lower()}{message[1:]} (try '{command} --help')")
        return 2
    except BrokenPipeError:
        # Python would complain at its end that it cannot write what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1  # as typer does where it sees it first
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    return int(status or 0)
