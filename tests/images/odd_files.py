"""Some 3,300 odd, broken and hostile pictures from image libraries' own tests, and what became of each.

::

    python tests/images/odd_files.py fetch FOLDER  # as root on Debian 12 or 13: asks apt for some 130 MB
    python tests/images/odd_files.py list FOLDER   # writes odd.tsv: look at what changed before committing it

The files are other people's, under other licences, and stay out of this repository; the list knows them by
what is in them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

LIST = Path(__file__).with_name("odd.tsv")
SOURCES = (
    "exiv2",
    "gdk-pixbuf",
    "giflib",
    "libexif",
    "libimage-exiftool-perl",
    "libpng1.6",
    "libwebp",
    "pillow",
    "tiff",
    "vips",
)
"""Source packages of Debian with pictures in their tests."""
TESTS = ("librsvg2-tests",)
"""Packages of Debian that are such tests."""
LIBRARIES = ("pillow", "imagecodecs", "pillow-heif", "resvg-py", "tifffile")
"""What reads them, and may read more or less in another version."""

IN = "in"
BROKEN = "broken"
# The first that is found in the reason says the outcome; any other reason is a decoder's, of a broken file.
_OUTCOMES = {
    "not-a-picture": r"not a picture of a known format|^it is empty",
    "needs-extra": r"sigsearch\[formats\]",
    "too-large": r"pixels, more than the limit|exceeds limit of \d+ pixels|more pixels than the limit",
    "too-much": r"or more would be drawn|nodes limit|more than [\d,]+ elements|unpacks to more",
    "too-slow": r"longer than the limit of [\d.]+ seconds",
    "too-hungry": r"not enough memory",
    "crash": r"the process that decoded it died",
    "unsupported": r"Unsupported BMP|Unimplemented|unknown (pixel mode|data organization)|cannot handle",
}
_PREFIX = "usr/libexec/installed-tests/RSVG/fixtures/"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in the list: what is in it, what became of it, and where it was found."""

    digest: str
    outcome: str
    path: str


def outcome_of(reason: str) -> str:
    """A word for the reason why a picture was refused."""
    found = (outcome for outcome, pattern in _OUTCOMES.items() if re.search(pattern, reason))
    return next(found, BROKEN)


def digest_of(path: str | os.PathLike[str]) -> str:
    """What a file is known by, whatever its package's version and its place in it."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def short(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> str:
    """The path of a file from its package on."""
    return os.path.relpath(path, folder).replace(_PREFIX, "")


def listed() -> dict[str, Entry]:
    """The list, by digest."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    entries = (Entry(*line.split("\t")) for line in lines if not line.startswith("#"))
    return {entry.digest: entry for entry in entries}


def versions() -> str:
    """The libraries that read the files, as the list's first line has them."""
    return ", ".join(f"{library} {version(library)}" for library in LIBRARIES)


def listed_versions() -> str:
    """The libraries that the list was made with."""
    with LIST.open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").partition(";")[0]


def outcomes(folder: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """The path of each picture in a folder, and the reason why it was refused or `IN`."""
    import sigsearch
    from sigsearch import Limits
    from sigsearch.sources import find_pictures

    limits = Limits(seconds=60, memory=2**31)
    with sigsearch.open("memory://", limits=limits) as index:
        report = index.add_many(folder)
        reasons = {failure.source: failure.reason for failure in report.failures}
        for path in find_pictures(folder):
            yield path, reasons.get(path, IN)


def write_list(folder: str) -> None:
    """Make the list anew from a folder that was fetched."""
    entries: dict[str, Entry] = {}
    for path, reason in outcomes(folder):
        entry = Entry(digest_of(path), IN if reason == IN else outcome_of(reason), short(path, folder))
        entries.setdefault(entry.digest, entry)
    counts = Counter(entry.outcome for entry in entries.values()).most_common()
    lines = [f"# {versions()}; " + ", ".join(f"{count} {outcome}" for outcome, count in counts)]
    lines += [
        "\t".join((e.digest, e.outcome, e.path)) for e in sorted(entries.values(), key=lambda e: e.path)
    ]
    LIST.write_text("\n".join(lines) + "\n", encoding="utf-8")


def fetch(folder: str) -> None:
    """Fetch the packages and unpack them, each into a folder of its name.

    apt is given lists of packages of its own, with sources enabled, so that the system's settings stay.
    """
    with tempfile.TemporaryDirectory(prefix="odd-") as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        for name in ("parts", "lists/partial", "archives/partial", "packages"):
            (root / name).mkdir(parents=True)
        _enable_sources(root / "parts")
        settings = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": root / "parts",
            "Dir::State::lists": root / "lists",
            "Dir::Cache::archives": root / "archives",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Sandbox::User": "root",
            "Acquire::Retries": 3,
        }
        apt = ["apt-get", "-q=2", *(f"-o{name}={value}" for name, value in settings.items())]
        subprocess.run([*apt, "update"], check=True)
        for package in SOURCES:
            there = root / "packages" / package
            there.mkdir()
            # Mirrors lack some of Debian's own part of a security update, which is not needed: what is
            # there counts.
            subprocess.run([*apt, "source", "--download-only", package], check=False, cwd=there)
            archives = [file for file in sorted(there.glob("*.orig*.tar.*")) if file.suffix != ".asc"]
            if not archives:
                raise SystemExit(f"apt gives no source of {package}")
            for archive in archives:
                _unpack(archive, Path(folder, package))
        for package in TESTS:
            there = root / "packages" / package
            there.mkdir()
            subprocess.run([*apt, "download", package], check=True, cwd=there)
            (deb,) = there.glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", str(deb), str(Path(folder, package))], check=True)


def _enable_sources(parts: Path) -> None:
    """Write the system's sources of packages anew, with the source packages, which containers leave out."""
    here = Path("/etc/apt")
    for file in sorted((here / "sources.list.d").glob("*.sources")):
        text = re.sub(r"(?m)^Types:.*$", "Types: deb deb-src", file.read_text(encoding="utf-8"))
        (parts / file.name).write_text(text, encoding="utf-8")
    for file in [here / "sources.list", *sorted((here / "sources.list.d").glob("*.list"))]:
        if file.exists():
            binary = re.findall(r"(?m)^deb\s.*$", file.read_text(encoding="utf-8"))
            lines = [*binary, *(line.replace("deb", "deb-src", 1) for line in binary)]
            (parts / f"{file.stem}.list").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack what lies in the one folder of an archive."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch, tarfile.open(archive) as tar:
        tar.extractall(scratch, filter=_files_and_folders)
        for top in Path(scratch).iterdir():
            shutil.copytree(top, folder, dirs_exist_ok=True)


def _files_and_folders(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    return tarfile.data_filter(member, folder) if member.isfile() or member.isdir() else None


if __name__ == "__main__":
    {"fetch": fetch, "list": write_list}[sys.argv[1]](sys.argv[2])
