"""The commands of the suite: a quick run, a full run, and the report of either."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from benchmarks.suite.rows import RowFile, RowsError, read
from benchmarks.suite.run import Run, Settings, header

ROWS: Final = "rows.jsonl"
_OUT: Final = Path("benchmarks-out")

Pictures: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="a folder of pictures; default: made ones, and those that packages ship"),
]
Pairs: TypeAlias = Annotated[
    Path | None, typer.Option(help="labelled pairs of that folder's files, as JSON; see docs/benchmarks.md")
]
Elasticsearch: TypeAlias = Annotated[bool, typer.Option(help="whether to measure what needs a server")]
Version: TypeAlias = Annotated[str | None, typer.Option(help="of the Elasticsearch that is started")]
Seed: TypeAlias = Annotated[int, typer.Option(min=0, help="of all that is chosen at random")]


def quick(
    out: Annotated[Path, typer.Option(help="the folder for rows and report")] = _OUT / "quick",
    pictures: Pictures = None,
    pairs: Pairs = None,
    elasticsearch: Elasticsearch = True,
    version: Version = None,
    seed: Seed = 0,
) -> None:
    """Run everything in small, in two minutes; exit 1 if a figure is absurd.

    It shows that all works here, not what sigsearch is worth: for that there is `full`. It needs Java and
    Maven for Elasticsearch; without them that part is left out, and the report says so.
    """
    settings = Settings(
        mode="quick",
        pictures=_folder(pictures),
        pairs=_file(pairs, pictures),
        seed=seed,
        originals=8,
        strangers=400,
        records=(2_000, 6_000),
        hnsw_records=2_000,
        queries=40,
        words_records=6_000,
        elasticsearch=elasticsearch,
        version=version,
    )
    _forget_quick_run(out / ROWS)
    _measure(settings, out)


def full(
    out: Annotated[Path, typer.Option(help="the folder for rows and report")] = _OUT / "full",
    pictures: Pictures = None,
    pairs: Pairs = None,
    records: Annotated[
        str, typer.Option(help="sizes of the indexes, ascending, with commas between")
    ] = "10000,30000,100000,300000,1000000",
    originals: Annotated[int, typer.Option(min=10, help="pictures that are edited, at most")] = 400,
    strangers: Annotated[int, typer.Option(min=100, help="distractors of all descriptors")] = 20_000,
    queries: Annotated[int, typer.Option(min=20, help="copies that each index is asked for")] = 1_000,
    hnsw_records: Annotated[
        int, typer.Option(min=0, help="the largest index of Elasticsearch's own vectors")
    ] = 100_000,
    words_records: Annotated[int, typer.Option(min=1000, help="records that words are tried on")] = 200_000,
    elasticsearch: Elasticsearch = True,
    version: Version = None,
    seed: Seed = 0,
) -> None:
    """Measure all at the sizes that count, in an hour or more; a run that was stopped goes on.

    What is measured already, with the same options, in the folder that --out names, is kept. If all is, the
    report is made again.
    """
    settings = Settings(
        mode="full",
        pictures=_folder(pictures),
        pairs=_file(pairs, pictures),
        seed=seed,
        originals=originals,
        strangers=strangers,
        records=_sizes(records),
        hnsw_records=hnsw_records,
        queries=queries,
        words_records=words_records,
        elasticsearch=elasticsearch,
        version=version,
    )
    _measure(settings, out)


def report(
    rows: Annotated[Path, typer.Argument(help="raw rows, compressed with gzip or not")],
    out: Annotated[Path | None, typer.Option(help="a folder for page, tables and plots")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="where the pictures lie, if they are to be shown")
    ] = None,
) -> None:
    """Print the tables of a run; with --out, write them as Markdown, with plots, and as one page of HTML.

    All of it comes from the raw rows alone, and can be made again from them.
    """
    from benchmarks import results

    try:
        if out is None:
            print(results.markdown(rows))
        else:
            print(results.report(rows, out, _folder(pictures)))
    except RowsError as error:
        raise SystemExit(f"{error}") from error


def _measure(settings: Settings, out: Path) -> None:
    """Do what is not done yet, then make the report and look for absurd figures."""
    from benchmarks import results
    from benchmarks.suite import descriptors, engines, false_matches, words
    from benchmarks.suite.sanity import absurdities
    from benchmarks.suite.server import start_server

    start = time.perf_counter()
    try:
        run = Run(settings, RowFile(out / ROWS, header(settings)))
    except (OSError, RowsError) as error:
        raise SystemExit(f"{error}") from error
    if run.rows.done:
        run.note(f"{out / ROWS} has {len(run.rows.done)} units already: going on")
    try:
        descriptors.measure(run)
        false_matches.measure(run)
        if not (words.is_done(run) and engines.is_done(run)):
            with start_server(run) as server:
                words.measure(run, server)
                engines.measure(run, server)
    except KeyboardInterrupt:
        run.note(f"stopped; the same command goes on with what is in {out / ROWS}")
        raise SystemExit(130) from None
    run.note(f"measured in {time.perf_counter() - start:.0f} s; making the report")
    page = results.report(out / ROWS, out, settings.pictures)
    print((out / "report.md").read_text(encoding="utf-8"))
    run.note(f"rows: {out / ROWS}; page: {page}; {time.perf_counter() - start:.0f} s in all")
    if absurd := absurdities(read(out / ROWS)):
        for line in absurd:
            print(f"ABSURD: {line}")
        raise SystemExit(1)


def _forget_quick_run(rows: Path) -> None:
    """Delete the rows of a quick run that was here before; those of any other are not ours to delete."""
    if not rows.exists():
        return
    try:
        mode = read(rows)[0].get("mode")
    except RowsError as error:
        raise SystemExit(f"{error}") from error
    if mode != "quick":
        raise SystemExit(f"{rows} is of a {mode} run, which may have taken hours: name another folder")
    rows.unlink()


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or sizes[0] < 100 or list(sizes) != sorted(set(sizes)):
        raise SystemExit(
            f"wanted numbers of records of 100 and more, ascending, with commas between, found {text!r}"
        )
    return sizes


def _folder(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise SystemExit(f"wanted a folder of pictures, found none at {path}")
    return path and path.resolve()


def _file(path: Path | None, pictures: Path | None) -> Path | None:
    if path is not None and pictures is None:
        raise SystemExit("wanted the folder that the pairs lie in as --pictures, found none")
    if path is not None and not path.is_file():
        raise SystemExit(f"wanted a file of labelled pairs, found none at {path}")
    return path and path.resolve()
