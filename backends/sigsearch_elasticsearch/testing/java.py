"""Finds a Java that is new enough for a version of Elasticsearch: the builds used here bring none."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sigsearch.errors import InputError
from sigsearch_elasticsearch.testing.errors import PrerequisiteError

INSTALLED = Path("/usr/lib/jvm")
"""Where Linux distributions put them."""
PATIENCE = 60
"""Seconds that a ``java -version`` may take; it takes a tenth of one, and more where the machine is busy."""


@dataclass(frozen=True)
class Java:
    """A Java that was found.

    Attributes
    ----------
    home : pathlib.Path
        Its folder; the program is ``bin/java`` in there.
    release : int
        17 for Java 17.0.15; 8 for Java 1.8.
    """

    home: Path
    release: int


def parse_version(version: str) -> tuple[int, int, int]:
    """Take a version of Elasticsearch apart, or raise `InputError`: it goes into a path and to Maven."""
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version, re.ASCII)
    if not found:
        raise InputError(f"a version of Elasticsearch looks like 8.19.8, not {version!r}")
    return int(found[1]), int(found[2]), int(found[3])


def fitting_java(version: str) -> range:
    """Give the releases of Java that run a version of Elasticsearch."""
    major, minor, _ = parse_version(version)
    oldest = 21 if major >= 9 else 17
    if (major, minor) < (8, 18):
        return range(oldest, 24)  # 24 is without the security manager that it asks for
    if (major, minor) in ((8, 18), (9, 0)):
        return range(oldest, 25)  # on 25 it ends with "Failed entitlement protection self-test"
    return range(oldest, sys.maxsize)  # 8.19.0, 8.19.8, 9.1.0 and 9.2.0 were seen to run on 25


def find_java(version: str) -> Java:
    """Give the first Java that runs a version of Elasticsearch.

    Looked for in ``$SIGSEARCH_TEST_JAVA_HOME``, ``$ES_JAVA_HOME``, ``$JAVA_HOME``, on the path, and in
    ``/usr/lib/jvm``, there the oldest that will do: the nearest to what that version was made for.

    Parameters
    ----------
    version : str
        Of Elasticsearch, as "8.19.8".

    Raises
    ------
    PrerequisiteError
        None is new enough, or old enough. It says which were found.
    """
    fitting = fitting_java(version)
    found: dict[Path, Java] = {}
    for program in _programs():
        java = _ask(program)
        if java is not None:
            if java.release in fitting:
                return java
            found[java.home] = java
    had = ", ".join(f"Java {java.release} in {java.home}" for java in found.values())
    oldest = fitting[0]
    wanted = f"{oldest} or newer" if fitting.stop == sys.maxsize else f"{oldest} to {fitting[-1]}"
    package = "default-jre-headless" if oldest <= 17 else f"openjdk-{oldest}-jre-headless"
    raise PrerequisiteError(
        f"Elasticsearch {version} needs Java {wanted}; found {'only ' + had if had else 'none'}; "
        f"install one ('apt-get install {package}') or name its folder in SIGSEARCH_TEST_JAVA_HOME"
    )


def has_java(version: str) -> bool:
    """Tell whether a Java that runs a version of Elasticsearch is on this machine."""
    try:
        find_java(version)
    except PrerequisiteError:
        return False
    return True


def open_to_all(path: Path) -> bool:
    """Tell whether every user can come as far as this file or folder, whoever owns what is above it."""
    path = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents) if folder.is_dir())


def _programs() -> Iterator[Path]:
    for name in ("SIGSEARCH_TEST_JAVA_HOME", "ES_JAVA_HOME", "JAVA_HOME"):
        if home := os.environ.get(name):
            yield Path(home, "bin", "java")
    if program := shutil.which("java"):
        yield Path(program)
    installed = [java for home in INSTALLED.glob("*") if (java := _ask(home / "bin" / "java"))]
    for java in sorted(installed, key=lambda java: (java.release, java.home)):
        yield java.home / "bin" / "java"


@cache
def _ask(program: Path) -> Java | None:
    """Ask a program which Java it is; None if it is none, or none that the server's user could run."""
    try:
        said = subprocess.run(  # noqa: S603
            [program, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    # Asked for its home because the program on the path is a link, or on some systems a stub.
    home = re.search(r"^\s*java\.home = (.+)$", said, re.MULTILINE)
    release = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", said, re.MULTILINE)
    if not (home and release) or (os.geteuid() == 0 and not open_to_all(Path(home[1]))):
        return None
    return Java(Path(home[1]), int(release[1]))
