"""The test server by hand: ``python -m sigsearch_elasticsearch.testing up`` starts one until Ctrl-C."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.main import get_command

from sigsearch.errors import SigsearchError
from sigsearch_elasticsearch.testing.download import DEFAULT_VERSION, KNOWN_VERSIONS
from sigsearch_elasticsearch.testing.errors import ServerError
from sigsearch_elasticsearch.testing.server import LocalElasticsearch

PROGRAM = "python -m sigsearch_elasticsearch.testing"
INTERRUPTED = 130

app = typer.Typer(
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _server() -> None:
    """A real Elasticsearch server on this machine, for tests and for looking around."""


@app.command(epilog=f"Example: {PROGRAM} up --security --port 9200")
def up(
    version: Annotated[
        str, typer.Option(metavar="V", help=f"Of Elasticsearch: {', '.join(KNOWN_VERSIONS)}.")
    ] = DEFAULT_VERSION,
    nodes: Annotated[int, typer.Option(min=1, metavar="N", help="How many, in one cluster.")] = 1,
    security: Annotated[bool, typer.Option("--security", help="With https, a user and a password.")] = False,
    heap: Annotated[str, typer.Option(metavar="SIZE", help="Of Java, for each node, as 1g.")] = "512m",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="P", help="Of the first node; else a free one.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Start twice as fast and search slower; not for measuring.")
    ] = False,
) -> None:
    """Start a server, say how to reach it, and stay until Ctrl-C; its data is gone then."""
    server = LocalElasticsearch(version, nodes, security, heap=heap, port=port, full_speed=not quick)
    # As Ctrl-C: a script that started it in the background has nothing else.
    signal.signal(signal.SIGTERM, _interrupt)
    with server:
        _introduce(server)
        try:
            while all(server.is_running(node) for node in range(nodes)):
                time.sleep(0.5)
        except KeyboardInterrupt:
            return
        raise ServerError("a node ended by itself; all others were stopped")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status: 0, 2 after an error, 130 if interrupted too early."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("sigsearch_elasticsearch").setLevel(logging.INFO)
    try:
        status = get_command(app).main(
            args=list(sys.argv[1:] if arguments is None else arguments) or ["--help"],
            prog_name=PROGRAM,
            standalone_mode=False,
        )
    except SigsearchError as error:
        return _complain(str(error))
    except typer.TyperException as error:
        return _complain(f"{error.format_message().rstrip('.')} (try '{PROGRAM} up --help')")
    except KeyboardInterrupt:
        return INTERRUPTED
    return int(status or 0)


def _introduce(server: LocalElasticsearch) -> None:
    """Say how to reach it, in lines of a name and a value, which a script can read too."""
    said = {"url": " ".join(server.urls)}
    tests = f"SIGSEARCH_TEST_ES_URL={shlex.quote(server.full_url)} pytest"
    example = f"sigsearch add --index {shlex.quote(server.location('photos'))} ~/Pictures"
    if server.ca_file is not None:
        said |= {"user": str(server.user), "password": str(server.password), "ca": server.ca_file}
        tests = f"SIGSEARCH_TEST_ES_CA_CERTS={server.ca_file} {tests}"
        example = f"SIGSEARCH_ES_CA_CERTS={server.ca_file} {example}"
    said |= {"log": str(server.folder / "node-0" / "console.log"), "tests": tests, "try": example}
    for name, value in said.items():
        print(f"{name:10}{value}")  # noqa: T201
    print("Ctrl-C stops it and removes its data.", flush=True)  # noqa: T201


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _complain(message: str) -> int:
    print(f"sigsearch: {message}", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main())
