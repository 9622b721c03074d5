"""The server: one that is given, or one of one or more nodes that is started here and gone afterwards."""

from __future__ import annotations

import atexit
import http.client
import json
import logging
import os
import re
import secrets
import shutil
import signal
import ssl
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote, urlsplit

from sigsearch.errors import InputError
from sigsearch_elasticsearch.testing.download import DEFAULT_VERSION, installed_server
from sigsearch_elasticsearch.testing.errors import PrerequisiteError, ServerError
from sigsearch_elasticsearch.testing.java import find_java
from sigsearch_elasticsearch.testing.node import (
    NO_ROLES_INDEX,
    QUICK_START,
    Account,
    Build,
    Node,
    PortTakenError,
    Reaper,
    copied,
    free_ports,
    temporary_folder,
)
from sigsearch_elasticsearch.testing.security import SETTINGS as SECURITY_SETTINGS
from sigsearch_elasticsearch.testing.security import USER, Secrets, add_analysis, make_secrets

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

HTTP_PORTS = range(9200, 10000)
TRANSPORT_PORTS = range(19200, 20000)
"""Below the ports that the system gives to outgoing connections: while a node is down, none of its clients'
connections can come to sit on its port."""
STOP_PATIENCE = 30
"""Seconds after which a node that was asked to stop is killed."""
logger = logging.getLogger(__name__)


class ElasticsearchServer:
    """A running server, and all that is needed to talk to it. It is not ours to stop.

    Parameters
    ----------
    urls : sequence of str
        One for each node, as "http://127.0.0.1:9200".
    user, password : str, optional
        If it asks for them.
    ca_file : str, optional
        The certificate of the authority that signed the server's, if it is none that everybody knows.
    version : str, optional
        As "8.19.8"; the server is asked if it is not given.

    Attributes
    ----------
    urls : tuple of str
    user, password, ca_file : str or None
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        user: str | None = None,
        password: str | None = None,
        ca_file: str | None = None,
        version: str | None = None,
    ) -> None:
        self.urls = tuple(urls)
        self.user = user
        self.password = password
        self.ca_file = ca_file
        self._version = version

    @classmethod
    def from_url(cls, url: str, ca_file: str | None = None) -> ElasticsearchServer:
        """Describe a server by its URL, as "https://elastic:password@search.example:9200".

        Several nodes are several URLs, with commas; user and password are those of the first.
        """
        nodes = [urlsplit(part.strip()) for part in url.split(",")]
        for node in nodes:
            if node.scheme not in ("http", "https") or not node.hostname:
                raise InputError(f"a server's URL looks like http://127.0.0.1:9200, not {node.geturl()!r}")
        first = nodes[0]
        urls = []
        for node in nodes:
            host = f"[{node.hostname}]" if ":" in str(node.hostname) else node.hostname
            default = 443 if node.scheme == "https" else 9200
            urls.append(f"{node.scheme}://{host}:{node.port or default}{node.path.rstrip('/')}")
        return cls(
            urls,
            user=unquote(first.username) if first.username else None,
            password=unquote(first.password) if first.password else None,
            ca_file=ca_file,
        )

    @property
    def url(self) -> str:
        """The URL of the first node, without user and password."""
        return self.urls[0]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The ``host:port`` of each node."""
        return tuple(url.split("://", 1)[1] for url in self.urls)

    @property
    def version(self) -> str:
        """The version of Elasticsearch, as "8.19.8"."""
        if self._version is None:
            # Not GET / (client.info()): the build for tests has none.
            nodes = self._ask("/_nodes/_local?filter_path=nodes.*.version", timeout=30)["nodes"]
            self._version = str(next(iter(nodes.values()))["version"])
        return self._version

    @property
    def full_url(self) -> str:
        """The URL of the first node with user and password in it, as ``SIGSEARCH_TEST_ES_URL`` takes it."""
        return self.url.replace("://", f"://{self._userinfo}", 1)

    def location(self, index: str, scheme: str = "elasticsearch") -> str:
        """Give the location of an index here, as `sigsearch.open` takes it; beside it goes `options`.

        The scheme is that of a location without TLS.
        """
        if self.url.startswith("https:"):
            scheme += "+https"
        return f"{scheme}://{self._userinfo}{','.join(self.hosts)}/{index}"

    @property
    def options(self) -> dict[str, Any]:
        """What `sigsearch.open` needs beside a location: the authority's certificate, if there is one."""
        return {} if self.ca_file is None else {"ca_certs": self.ca_file}

    @property
    def _userinfo(self) -> str:
        if self.user is None:
            return ""
        return f"{quote(self.user, safe='')}:{quote(self.password or '', safe='')}@"

    def client(self, **options: Any) -> Elasticsearch:
        """Make a client of elasticsearch-py, with the password and the certificate; the caller closes it.

        Parameters
        ----------
        **options
            As `elasticsearch.Elasticsearch` takes them; they come before those made here.
        """
        from elasticsearch import Elasticsearch

        made: dict[str, Any] = {"hosts": list(self.urls), "request_timeout": 60}
        if self.ca_file is not None:
            made["ca_certs"] = self.ca_file
        if self.user is not None and not options.keys() & {"api_key", "bearer_auth", "basic_auth"}:
            made["basic_auth"] = (self.user, self.password or "")
        return Elasticsearch(**made | options)

    def make_api_key(self, name: str = "sigsearch-test", **options: Any) -> str:
        """Make an API key, in the form that goes into ``Elasticsearch(api_key=...)``.

        Parameters
        ----------
        name : str
            What the server calls it.
        **options
            As ``client.security.create_api_key`` takes them, such as ``role_descriptors``.
        """
        with self.client() as client:
            return str(client.security.create_api_key(name=name, **options)["encoded"])

    def _ask(self, path: str, *, node: int = 0, timeout: float) -> Any:
        """Ask a node for JSON.

        Raises
        ------
        OSError, http.client.HTTPException, ServerError
            It does not answer, or not with 200.
        """
        parts = urlsplit(self.urls[node])
        host = str(parts.hostname)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca_file)
            connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
        headers = {}
        if self.user is not None:
            token = b64encode(f"{self.user}:{self.password or ''}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        try:
            connection.request("GET", parts.path + path, headers=headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ServerError(
                f"{self.urls[node]}{path} answered {response.status}: {body[:200].decode(errors='replace')}"
            )
        return json.loads(body)


class LocalElasticsearch(ElasticsearchServer):
    """A server on this machine, started by `start` or by ``with``, stopped and removed with its data after.

    It goes as well when the interpreter ends, on Ctrl-C, and when the process that started it is killed.

    Parameters
    ----------
    version : str
        Of Elasticsearch. The build is fetched with Maven, once.
    nodes : int
        Each takes a heap and some 300 MB more. Of three any one may be stopped; of two the cluster stands
        still without the one that it voted for.
    security : bool
        With https, the user ``elastic`` and a password: `user`, `password`, `ca_file`.
    heap : str
        Java's heap of each node, as "512m" or "2g".
    port : int, optional
        Of the first node; the others follow it. By default free ones are looked for.
    full_speed : bool
        Let Java optimise, which is right for measuring: on 2 cores the start takes 23 s rather than 10.
    settings : mapping, optional
        More lines of elasticsearch.yml, such as ``{"http.max_content_length": "1mb"}``.
    start_timeout : float
        Seconds after which a start has failed.

    Raises
    ------
    PrerequisiteError
        From `start`: no fitting Java, no Maven, no POSIX system.
    ServerError
        From `start`: it does not come up. The message, one line, has what its log says of that; the end
        of the log is a note of the exception, which a traceback shows.
    """

    def __init__(
        self,
        version: str = DEFAULT_VERSION,
        nodes: int = 1,
        security: bool = False,
        *,
        heap: str = "512m",
        port: int | None = None,
        full_speed: bool = False,
        settings: Mapping[str, Any] | None = None,
        start_timeout: float = 180,
    ) -> None:
        if nodes < 1:
            raise InputError(f"a server has one node or more, not {nodes}")
        if not re.fullmatch(r"\d+[kmgKMG]", heap):
            raise InputError(f"a heap looks like 512m or 2g, not {heap!r}")
        super().__init__((), version=version)
        self.nodes = nodes
        self.security = security
        self.full_speed = full_speed
        self._heap = heap
        self._port = port
        self._settings = dict(settings or {})
        self._start_timeout = start_timeout
        self._running: list[Node] = []
        self._folder: Path | None = None
        self._reaper: Reaper | None = None
        self._secrets: Secrets | None = None
        self._has_api_keys = False
        self._owner = 0

    def __repr__(self) -> str:
        where = ", ".join(self.urls) or "not started"
        return f"<LocalElasticsearch {self.version}: {where}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        """The folder of its configuration, logs and data, while it is started."""
        if self._folder is None:
            raise ServerError("the server is not started; call start() or use it in a with statement")
        return self._folder

    def start(self) -> None:
        """Start all nodes and wait until they answer, with health yellow or green. If started, do nothing."""
        if self._folder is not None:
            return
        if os.name != "posix":
            raise PrerequisiteError(
                "a server for tests runs on Linux and macOS; name a running one in SIGSEARCH_TEST_ES_URL"
            )
        java = find_java(self.version)
        home = installed_server(self.version)
        account = Account.of_servers()
        logger.info("starting Elasticsearch %s on Java %d", self.version, java.release)
        with ExitStack() as stack:
            stack.callback(self.stop)
            reaper = self._prepare()
            # A copy where the server's user can read it, or where a plugin can be put into it.
            if self.security or not account.can_read(home):
                home = copied(home, self.folder / "server")
            if self.security:
                self._has_api_keys = add_analysis(home, java)
                self._secrets = make_secrets(self.folder / "secrets", home, java)
                self.user = USER
                self.password = self._secrets.password
                self.ca_file = str(self._secrets.ca_file)
            build = Build(self.version, home, java, account)
            for attempt in range(3):
                try:
                    self._launch(build, reaper)
                    break
                except PortTakenError:
                    # Another process came between our look and the node's; with a port that was asked
                    # for there is nothing else to try.
                    if self._port is not None or attempt == 2:
                        raise
                    for node in self._running:
                        node.kill()
                    self._running = []
            stack.pop_all()

    def stop(self) -> None:
        """Stop all nodes and remove everything. If stopped, do nothing."""
        if self._folder is None or os.getpid() != self._owner:
            return
        atexit.unregister(self.stop)
        try:
            for node in self._running:
                node.terminate()
            deadline = time.monotonic() + STOP_PATIENCE
            for node in self._running:
                node.wait_or_kill(deadline)
        finally:
            # Whatever is left, also after a second Ctrl-C, the reaper kills and removes.
            if self._reaper is not None:
                self._reaper.finish()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._running = []
            self._reaper = self._folder = self._secrets = None
            self.urls = ()
            self.user = self.password = self.ca_file = None

    def make_api_key(self, name: str = "sigsearch-test", **options: Any) -> str:
        """Make an API key; see `ElasticsearchServer.make_api_key`.

        Raises
        ------
        PrerequisiteError
            Java has no compiler, which API keys need here.
        """
        if not self.security:
            raise InputError("a server without security makes no API keys; start it with security=True")
        if not self._has_api_keys:
            raise PrerequisiteError(
                "API keys need a Java with a compiler on this server, and found one without; "
                "install it ('apt-get install default-jdk-headless')"
            )
        return super().make_api_key(name, **options)

    def kill(self, node: int = 0) -> None:
        """Kill a node as a power cut would, without a chance to write or say anything (SIGKILL)."""
        self._node(node).kill()

    def stop_node(self, node: int = 0) -> None:
        """Stop a node as an operator would (SIGTERM) and wait for its end; it keeps its data and its port."""
        self._node(node).terminate()
        self._node(node).wait_or_kill(time.monotonic() + STOP_PATIENCE)

    def start_node(self, node: int = 0, *, wait: bool = True) -> None:
        """Start a node again that was stopped or killed, with its data and at its port.

        Parameters
        ----------
        node : int
        wait : bool
            Until it answers with health yellow or green, together with the others that are running.
        """
        self._node(node).start()
        if wait:
            self.wait()

    def restart(self) -> None:
        """Stop all nodes, start them again with their data and ports, and wait until they answer."""
        for number in range(self.nodes):
            self._node(number).terminate()
        for number in range(self.nodes):
            self.stop_node(number)
        for number in range(self.nodes):
            self.start_node(number, wait=False)
        self.wait()

    def pause_node(self, node: int = 0) -> None:
        """Freeze a node (SIGSTOP): its port takes connections and nothing answers.

        Comes back when that is so: the threads of a busy node stop some time after the signal.
        """
        self._node(node).signal(signal.SIGSTOP)
        with suppress(OSError, http.client.HTTPException):
            while True:
                self._ask("/_cluster/health?local=true", node=node, timeout=1)

    def resume_node(self, node: int = 0) -> None:
        """Let a frozen node go on."""
        self._node(node).signal(signal.SIGCONT)

    def is_running(self, node: int = 0) -> bool:
        """Tell whether the process of a node is there."""
        return self._node(node).is_running()

    def log(self, node: int = 0) -> str:
        """Give what a node has said since the server was started."""
        return self._node(node).log()

    def wait(self) -> None:
        """Wait until all nodes that were started answer, with health yellow or green.

        Raises
        ------
        ServerError
            One of them died, or the time is over.
        """
        deadline = time.monotonic() + self._start_timeout
        started = [number for number, node in enumerate(self._running) if node.process is not None]
        for number in started:
            self._wait_for(number, len(started), deadline)

    def _wait_for(self, number: int, members: int, deadline: float) -> None:
        path = f"/_cluster/health?wait_for_status=yellow&wait_for_nodes=ge({members})&timeout=1s"
        node = self._node(number)
        said = "nothing"
        while True:
            if not node.is_running():
                raise node.death()
            try:
                health = self._ask(path, node=number, timeout=10)
                if not health["timed_out"]:
                    return
                said = f"health {health['status']} with {health['number_of_nodes']} nodes"
            except (OSError, http.client.HTTPException, ServerError) as error:
                said = str(error) or type(error).__name__
            if time.monotonic() > deadline:
                raise node.trouble(ServerError, f"is not ready after {self._start_timeout:g} s: {said}")
            time.sleep(0.1)

    def _node(self, number: int) -> Node:
        if not 0 <= number < len(self._running):
            raise InputError(f"no node {number} of {self!r}")
        return self._running[number]

    def _prepare(self) -> Reaper:
        """Make the folder, and see to it that it goes."""
        self._owner = os.getpid()
        self._folder = Path(tempfile.mkdtemp(prefix="sigsearch-elasticsearch-", dir=temporary_folder()))
        atexit.register(self.stop)
        if os.geteuid() == 0:
            self._folder.chmod(0o711)
        self._reaper = Reaper(self._folder)
        return self._reaper

    def _launch(self, build: Build, reaper: Reaper) -> None:
        ports = free_ports(self.nodes, HTTP_PORTS, self._port)
        peers = free_ports(self.nodes, TRANSPORT_PORTS)
        common = {"cluster.name": f"sigsearch-{secrets.token_hex(4)}"} | self._common_settings(peers)
        self.urls = tuple(f"{'https' if self.security else 'http'}://127.0.0.1:{port}" for port in ports)
        for number, (port, peer) in enumerate(zip(ports, peers, strict=True)):
            folder = self.folder / f"node-{number}"
            shutil.rmtree(folder, ignore_errors=True)
            settings = common | {
                "node.name": folder.name,
                "path.data": str(folder / "data"),
                "path.logs": str(folder / "logs"),
                "http.port": port,
                "transport.port": peer,
            }
            node = Node(folder, build, reaper)
            files = list(self._secrets.folder.iterdir()) if self._secrets else []
            node.configure(settings | self._settings, self._java_options(), files)
            self._running.append(node)
        for node in self._running:
            node.start()
        self.wait()

    def _common_settings(self, peers: Sequence[int]) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "network.host": "127.0.0.1",
            # A disk that is 90 % full is no reason for a test to fail.
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "xpack.security.enabled": self.security,
        } | (SECURITY_SETTINGS if self.security else {})
        if self.nodes == 1:
            settings["discovery.type"] = "single-node"
        else:
            settings["discovery.seed_hosts"] = [f"127.0.0.1:{peer}" for peer in peers]
            settings["cluster.initial_master_nodes"] = [f"node-{number}" for number in range(self.nodes)]
        return settings

    def _java_options(self) -> str:
        options = [f"-Xms{self._heap}", f"-Xmx{self._heap}", "-XX:-UsePerfData"]
        if self.security:
            options.append(NO_ROLES_INDEX)
        if not self.full_speed:
            options.append(QUICK_START)
        return "\n".join(options) + "\n"


@contextmanager
def elasticsearch_server(version: str | None = None) -> Iterator[ElasticsearchServer]:
    """Give a server without security, for the time of a with statement.

    That of ``SIGSEARCH_TEST_ES_URL`` if it is set, which is left running and not emptied; user and password
    may stand in it, and ``SIGSEARCH_TEST_ES_CA_CERTS`` names its authority's certificate. Else one that is
    started here.

    Parameters
    ----------
    version : str, optional
        Of the one started here; default: that of ``SIGSEARCH_TEST_ES_VERSION``, else `DEFAULT_VERSION`.

    Raises
    ------
    PrerequisiteError
        None is given, and none can be started on this machine.
    ServerError
        It does not come up.
    """
    url = os.environ.get("SIGSEARCH_TEST_ES_URL")
    if url:
        yield ElasticsearchServer.from_url(url, ca_file=os.environ.get("SIGSEARCH_TEST_ES_CA_CERTS") or None)
        return
    version = version or os.environ.get("SIGSEARCH_TEST_ES_VERSION") or DEFAULT_VERSION
    with LocalElasticsearch(version) as server:
        yield server
