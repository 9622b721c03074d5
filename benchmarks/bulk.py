"""Adding a folder of photographs: beside a bare decode loop, threads, and what other libraries do with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from PIL import Image

import sigsearch
from benchmarks.pictures import SHIPPED, find_jpegs, spread
from benchmarks.report import Report, cores, machine, take_turns
from sigsearch.testing.pictures import make_picture

BARE: Final = "bare decode loop, one core"
EMBEDDED: Final = "add_many, embedded index"
SERVER: Final = "add_many, Elasticsearch"
THEIRS: Final = "image-match, one by one, Elasticsearch"
HASHERS: Final = Path(__file__).with_name("hashers.py")
"""Run by a Python that has the other libraries."""


def bulk(
    pictures: Annotated[
        Path | None, typer.Option(help="a folder of photographs; default: the paintings and made pictures")
    ] = None,
    limit: Annotated[int, typer.Option(help="at most so many JPEGs, spread over the folder")] = 400,
    least: Annotated[float, typer.Option(help="only JPEGs of so many megapixels or more")] = 0.3,
    rounds: Annotated[int, typer.Option(help="times each is done, in turns; the median counts")] = 3,
    elasticsearch: Annotated[bool, typer.Option(help="also into a server, which is started")] = True,
    peers: Annotated[
        Path | None, typer.Option(help="a Python with imagededup and perception; default: this one")
    ] = None,
    raw: Annotated[Path | None, typer.Option(help="keep all numbers here, as JSON lines")] = None,
) -> None:
    """Add the JPEGs of a folder in several ways, all in one run; read the ratios.

    A bare decode loop is what any of them must do at least: ``np.asarray(Image.open(path).convert("RGB"))``,
    a file after the other on one core. The files are in the system's cache for all alike.
    """
    with ExitStack() as stack:
        report = stack.enter_context(closing(Report(raw)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sigsearch-bulk-")))
        paths = _choose(pictures, limit, least, folder / "pictures")
        megapixels = sum(_pixels(path) for path in paths) / 1e6
        report.facts(machine() | {"pictures": str(pictures), "jpegs": len(paths), "megapixels": megapixels})
        steps: dict[str, Callable[[int], object]] = {
            BARE: lambda _: _decode_all(paths),
            EMBEDDED: lambda number: _add(folder / f"{number}-{time.monotonic_ns()}.sig", paths),
            "threads in one process, embedded index": lambda number: _add_by_threads(
                folder / f"t{number}-{time.monotonic_ns()}.sig", paths
            ),
            "one by one, embedded index": lambda number: _add_one_by_one(
                folder / f"o{number}-{time.monotonic_ns()}.sig", paths
            ),
        }
        if elasticsearch:
            steps |= stack.enter_context(_server_steps(paths))
        steps |= stack.enter_context(_peer_steps(peers or Path(sys.executable), paths[0].parent, report))
        report.part("adding", f"{len(paths)} JPEGs, {megapixels:.0f} Mpx in all; {cores()} cores")
        times = take_turns(steps, rounds)
        report.times(times)
        bare = float(np.median(times[BARE]))
        for name, values in times.items():
            rate = bare / float(np.median(values))
            report.number(f"{name}: rate / (cores x bare rate)", rate / cores())
        report.number("pictures a second, embedded", 1000 * len(paths) / float(np.median(times[EMBEDDED])))
        _again(report, folder / "again.sig", paths)


def _choose(pictures: Path | None, limit: int, least: float, folder: Path) -> list[Path]:
    """JPEGs of a folder, or made ones, in a folder of their own: others take a folder, not a list."""
    folder.mkdir()
    if pictures is None:
        for path in SHIPPED.glob("*.jpg"):
            shutil.copy(path, folder)
        for seed in range(max(limit - 3, 0)):
            Image.fromarray(make_picture(seed, (1024, 768))).save(folder / f"{seed}.jpg", quality=90)
    else:
        large = [path for path in find_jpegs(pictures) if _pixels(path) >= least * 1e6]
        for number, path in enumerate(spread(large, limit)):
            if _is_whole(path):
                shutil.copy(path, folder / f"{number:06}.jpg")
    chosen = sorted(folder.iterdir())
    if not chosen:
        raise SystemExit(f"no JPEG of {least} megapixels or more in {pictures}")
    return chosen


def _pixels(path: Path) -> int:
    try:
        with Image.open(path) as image:
            return image.width * image.height if image.mode in ("RGB", "L") else 0
    except Exception:
        return 0


def _is_whole(path: Path) -> bool:
    """Whether it decodes; what does not would end the bare loop."""
    try:
        _decode_all([path])
    except Exception:
        return False
    return True


def _decode_all(paths: list[Path]) -> None:
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB"))


def _add(location: Path, paths: list[Path]) -> None:
    with sigsearch.open(location) as index:
        _check(index.add_many(paths).added, paths)


def _add_by_threads(location: Path, paths: list[Path]) -> None:
    with sigsearch.open(location) as index, ThreadPoolExecutor(cores()) as threads:
        signatures = threads.map(sigsearch.compute_signature, paths)
        items = (
            sigsearch.Item(signature=signature, id=str(path))
            for path, signature in zip(paths, signatures, strict=True)
        )
        _check(index.add_many(items).added, paths)


def _add_one_by_one(location: Path, paths: list[Path]) -> None:
    with sigsearch.open(location) as index:
        for path in paths:
            index.add(path)
        _check(index.count(), paths)


def _check(added: int, paths: list[Path]) -> None:
    if added != len(paths):
        raise SystemExit(f"{added} of {len(paths)} pictures were added")


@contextmanager
def _server_steps(paths: list[Path]) -> Iterator[dict[str, Callable[[int], object]]]:
    """Adding to a server, and what image-match does with the same."""
    from benchmarks.image_match import ImageMatch
    from benchmarks.server import start_server

    with start_server(None) as server, server.client(request_timeout=60) as client:
        prefix = f"sigsearch-bulk-{os.getpid()}"
        theirs = ImageMatch()

        def ours(number: int) -> None:
            location = server.location(f"{prefix}-{time.monotonic_ns()}")
            with sigsearch.open(location, **server.options) as index:
                _check(index.add_many(paths).added, paths)
            remove(location.rsplit("/", 1)[1])

        def by_image_match(number: int) -> None:
            name = f"{prefix}-{time.monotonic_ns()}"
            driver = theirs.driver(client, name)
            for path in paths:
                driver.add_image(str(path))
            remove(name)

        def remove(name: str) -> None:
            client.indices.delete(index=list(client.indices.get(index=name)))  # the name may be an alias

        yield {SERVER: ours, THEIRS: by_image_match}


@contextmanager
def _peer_steps(python: Path, folder: Path, report: Report) -> Iterator[dict[str, Callable[[int], object]]]:
    """Imagededup and perception hashing the folder, as many at once as there are cores."""
    with subprocess.Popen(
        [str(python), str(HASHERS), str(folder), str(cores())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        asked, told = process.stdin, process.stdout
        if asked is None or told is None:
            raise SystemExit("no pipe to the other libraries")
        known = told.readline().split()

        def ask(name: str) -> Callable[[int], object]:
            def step(_: int) -> None:
                print(name, file=asked, flush=True)
                if told.readline().strip() != name:
                    raise SystemExit(f"{name} failed")

            return step

        if not known:
            report.note(f"{python} has neither imagededup nor perception, which are left out")
        yield {f"{name}, hashes only": ask(name) for name in known}
        asked.close()


def _again(report: Report, location: Path, paths: list[Path]) -> None:
    """What is added once more is not read once more."""
    folder: Any = paths[0].parent
    with sigsearch.open(location) as index:
        times = {}
        for name in ("the first time", "again, unchanged"):
            start = time.perf_counter()
            index.add_many(folder, on_conflict="update")
            times[name] = time.perf_counter() - start
    report.part("again", "the same folder into the same index")
    for name, seconds in times.items():
        report.number(name, seconds, "s")
