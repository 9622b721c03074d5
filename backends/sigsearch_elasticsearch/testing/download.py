"""Gets the server: Maven fetches the build, which is unpacked into the cache, once for each version."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from platformdirs import user_cache_path

from sigsearch_elasticsearch.testing.errors import PrerequisiteError
from sigsearch_elasticsearch.testing.java import parse_version

DEFAULT_VERSION = "8.19.8"
KNOWN_VERSIONS = (
    "8.17.0",
    "8.18.0",
    "8.19.0",
    "8.19.2",
    "8.19.5",
    "8.19.8",
    "9.0.0",
    "9.1.0",
    "9.2.0",
)
"""Versions of which the build is known to be there."""
ARTIFACT = "org.elasticsearch.distribution.integ-test-zip:elasticsearch"
"""Elasticsearch's own build for integration tests: the server, security and little else; it has no Java,
no scripts, no ``GET /``."""
PATIENCE = 900
"""Seconds that Maven may take to fetch 100 MB."""

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Give the folder that holds the unpacked servers, each in a folder named after its version."""
    return user_cache_path("sigsearch") / "elasticsearch"


def installed_server(version: str) -> Path:
    """Give the folder of an unpacked server, fetched and unpacked if it is not there yet.

    Parameters
    ----------
    version : str
        As "8.19.8".

    Returns
    -------
    pathlib.Path
        With ``bin/elasticsearch`` in it. Nothing in there may be changed: all servers share it.

    Raises
    ------
    PrerequisiteError
        The version has not been fetched before, and there is no Maven or Maven cannot fetch it.
    """
    parse_version(version)
    cache = cache_folder()
    server = cache / version
    if not server.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # One process fetches, the others wait for it and find it done.
        with _locked(cache / "lock"):
            if not server.is_dir():
                _install(version, server)
    return server


def _install(version: str, server: Path) -> None:
    # What was being unpacked when its process was killed; nobody else is at it, we hold the lock.
    for leftover in server.parent.glob("unpacking-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with TemporaryDirectory(prefix="unpacking-", dir=server.parent, ignore_cleanup_errors=True) as folder:
        archive = _fetch(version, Path(folder))
        logger.info("unpacking it into %s", server)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        (unpacked,) = Path(folder).glob("elasticsearch-*/")
        for program in (unpacked / "bin").iterdir():
            program.chmod(0o755)  # zipfile forgets who may execute
        # The name appears when all is there, so that Ctrl-C or a kill leaves no half server under it.
        os.rename(unpacked, server)


def _fetch(version: str, folder: Path) -> Path:
    """Let Maven put the build into a folder; it takes it from the local repository if it is there."""
    maven = shutil.which("mvn")
    if maven is None:
        raise PrerequisiteError(
            f"Elasticsearch {version} is fetched with Maven, and there is no 'mvn' on the path; "
            "install it ('apt-get install maven'), or name a running server in SIGSEARCH_TEST_ES_URL"
        )
    logger.info("fetching Elasticsearch %s with Maven: 100 MB, once", version)
    command = [
        maven,
        "-q",
        "-B",
        "dependency:copy",
        f"-Dartifact={ARTIFACT}:{version}:zip",
        f"-DoutputDirectory={folder}",
    ]
    try:
        # In its own empty folder: a pom.xml where the user happens to be is not ours to obey.
        done = subprocess.run(  # noqa: S603
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise PrerequisiteError(
            f"Maven has not fetched Elasticsearch {version} in {PATIENCE} s; "
            f"see what '{' '.join(command[:-1])}' says"
        ) from error
    archives = list(folder.glob("*.zip"))
    if done.returncode or not archives:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise PrerequisiteError(
            f"Maven cannot fetch Elasticsearch {version} (known to be there: {', '.join(KNOWN_VERSIONS)}): "
            f"{said[0].removeprefix('[ERROR] ') if said else f'exit status {done.returncode}'}"
        )
    return archives[0]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system gives back when its process dies."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)
