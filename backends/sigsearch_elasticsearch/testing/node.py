"""One node of the server: its folder, its process, its port, the user it runs as, and who ends it at last."""

from __future__ import annotations

import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigsearch.errors import InputError
from sigsearch_elasticsearch.testing import reaper
from sigsearch_elasticsearch.testing.errors import ServerError
from sigsearch_elasticsearch.testing.java import Java, open_to_all

SHOWN_LINES = 15
"""Lines of a dead node's log that the error shows."""
QUICK_START = "-XX:TieredStopAtLevel=1"
"""Java's first compiler alone: on 2 cores a node answers after 10 s rather than 23, and searches slower."""
NO_ROLES_INDEX = "-Des.queryable_built_in_roles_enabled=false"
"""Elasticsearch 8.18 and later make an index of their roles a moment after the start; while it is being made,
the right password is refused."""


class PortTakenError(ServerError):
    """A node found its port taken."""


class Account:
    """Who runs the nodes: Elasticsearch refuses to be root, so for root it is nobody."""

    def __init__(self, name: str | None) -> None:
        self.name = name
        entry = pwd.getpwnam(name) if name else None
        self.user = entry.pw_uid if entry else None
        self.group = entry.pw_gid if entry else None

    @classmethod
    def of_servers(cls) -> Account:
        return cls("nobody" if os.geteuid() == 0 else None)

    def can_read(self, home: Path) -> bool:
        """Tell whether this user can read a folder: the cache of root may lie in root's own home."""
        return self.name is None or open_to_all(home)

    def give(self, folder: Path) -> None:
        """Hand a folder and all in it over to this user."""
        if self.user is None or self.group is None:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.user, self.group)


@dataclass(frozen=True)
class Build:
    """What all nodes of a server are run with."""

    version: str
    home: Path
    java: Java
    account: Account


class Node:
    """One node: its folder, its process."""

    def __init__(self, folder: Path, build: Build, reaper: Reaper) -> None:
        self.name = folder.name
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self._build = build
        self._reaper = reaper
        self._log = folder / "console.log"

    def configure(self, settings: Mapping[str, Any], java_options: str, files: Sequence[Path]) -> None:
        """Write the node's folder; the files go beside its settings."""
        config = self._folder / "config"
        shutil.copytree(self._build.home / "config", config)
        for name in ("data", "logs", "tmp"):
            (self._folder / name).mkdir()
        # A value in JSON is one in YAML.
        lines = [f"{name}: {json.dumps(value)}\n" for name, value in settings.items()]
        (config / "elasticsearch.yml").write_text("".join(lines))
        options = (config / "jvm.options").read_text().splitlines(keepends=True)
        # Else it writes 64 MB files of how it collects garbage, and one of the size of the heap if that
        # runs out.
        unwanted = ("-Xlog:gc", "-XX:+HeapDumpOnOutOfMemoryError")
        (config / "jvm.options").write_text(
            "".join(line for line in options if not line.startswith(unwanted))
        )
        (config / "jvm.options.d" / "sigsearch.options").write_text(java_options)
        (config / "log4j2.properties").write_text(LOGGING)
        for file in files:
            shutil.copy(file, config)
        self._log.touch()
        self._build.account.give(self._folder)
        self._folder.chmod(0o700)

    def start(self) -> None:
        """Start the process, without waiting for an answer."""
        if self.is_running():
            raise InputError(f"{self.name} is running; stop_node or kill it first")
        # Nothing else of our environment: ES_JAVA_OPTS or JAVA_TOOL_OPTIONS there are for other servers.
        environment = {
            "PATH": os.pathsep.join([*filter(None, [os.environ.get("PATH")]), "/usr/bin", "/bin"]),
            "HOME": str(self._folder),
            "LC_ALL": "C.UTF-8",
            "ES_JAVA_HOME": str(self._build.java.home),
            "ES_PATH_CONF": str(self._folder / "config"),
            "ES_TMPDIR": str(self._folder / "tmp"),
            # Of the small Java that starts the large one, and waits for it.
            "CLI_JAVA_OPTS": f"{QUICK_START} -XX:-UsePerfData -Djava.io.tmpdir={self._folder / 'tmp'}",
        }
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                [str(self._build.home / "bin" / "elasticsearch")],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self._build.account.user,
                group=self._build.account.group,
                extra_groups=None if self._build.account.user is None else [],
            )
        self._reaper.add(self.process.pid)

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the node and to what started it."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def terminate(self) -> None:
        """Ask the node to stop."""
        if self.process is not None and self.is_running():
            self.signal(signal.SIGCONT)
            self.process.terminate()

    def wait_or_kill(self, deadline: float) -> None:
        """Wait for the end of a node that was asked to stop; at the deadline kill it."""
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(max(0.0, deadline - time.monotonic()))
            self.kill()

    def kill(self) -> None:
        """Kill the node, and come back when nothing of it is left."""
        if self.process is None:
            return
        self.signal(signal.SIGKILL)
        self.process.wait()
        # What it started is not our child; where nobody collects the dead they stay in the group.
        deadline = time.monotonic() + 5
        with suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(self.process.pid, signal.SIGKILL)
                time.sleep(0.01)
        self._reaper.drop(self.process.pid)
        self.process = None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def death(self) -> ServerError:
        """Make the error for a node that ended by itself."""
        log = self.log()
        taken = "BindHttpException" in log or "BindTransportException" in log
        status = self.process.returncode if self.process else None
        return self.trouble(
            PortTakenError if taken else ServerError, f"ended by itself, with exit status {status}"
        )

    def trouble(self, kind: type[ServerError], what: str) -> ServerError:
        """Make an error that tells what happened and what the log says of it."""
        lines = [line.strip() for line in self.log().splitlines() if line.strip()]
        # Java, where it does not come as far as logging, and then the small Java that waits for it.
        telling = [line.split("] ", 1)[-1] for line in lines if re.search(r"\[(ERROR|FATAL)", line)]
        last = (telling or [line for line in lines if "rror" in line] or lines or ["nothing"])[-1][:500]
        build = self._build
        error = kind(
            f"{self.name} of Elasticsearch {build.version}, on Java {build.java.release}, {what}; "
            f"its log says: {last}"
        )
        error.add_note("\n".join([f"The log of {self.name} ends with:", *lines[-SHOWN_LINES:]]))
        return error


class Reaper:
    """The process that ends the nodes and removes their folder when this one cannot; see `reaper`."""

    def __init__(self, folder: Path) -> None:
        read, self._pipe = os.pipe()
        try:
            # Isolated, without site: it starts in a twentieth of a second and needs nothing. In its own
            # session, so that Ctrl-C does not end it before its time.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", reaper.__file__, str(os.getpid()), str(folder)],
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(read)

    def add(self, group: int) -> None:
        """Put a process group into its care."""
        self._say("add", group)

    def drop(self, group: int) -> None:
        """Take a process group out of its care: its number may be another's by and by."""
        self._say("drop", group)

    def finish(self) -> None:
        """Let it do its work, and wait until it is done."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        self._process.wait()

    def _say(self, verb: str, group: int) -> None:
        with suppress(BrokenPipeError):
            os.write(self._pipe, f"{verb} {group}\n".encode())


LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m %throwable{1}%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


def copied(home: Path, copy: Path) -> Path:
    """Make a copy of an unpacked server, of hard links: some 200, which take no time and no room."""
    shutil.copytree(home, copy, copy_function=_link_or_copy)
    return copy


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


def temporary_folder() -> str:
    """Give the folder for temporary folders; for root one that nobody can come into too."""
    candidates = (tempfile.gettempdir(), "/var/tmp", "/tmp")  # noqa: S108
    if os.geteuid() != 0:
        return candidates[0]
    return next((folder for folder in candidates if open_to_all(Path(folder))), candidates[0])


def free_ports(count: int, among: range, first: int | None = None) -> list[int]:
    """Find ports of 127.0.0.1 that nobody listens at; with a first one, that and those after it."""
    found: list[int] = []
    candidates = random.sample(among, len(among)) if first is None else range(first, first + count)
    with ExitStack() as held:
        for port in candidates:
            probe = held.enter_context(socket.socket())
            # As the server does it: what is left of closed connections is no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
                if len(found) == count:
                    return found
    raise ServerError(
        f"wanted {count} free of the ports {candidates[0]} to {candidates[-1]} of 127.0.0.1, "
        f"found {len(found)}; stop what listens there or choose another port"
        if first is not None
        else f"fewer than {count} of the ports {among[0]} to {among[-1]} of 127.0.0.1 are free"
    )
