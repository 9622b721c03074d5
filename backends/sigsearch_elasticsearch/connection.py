"""From a location and options to a client and the name of an index; the server is not asked yet."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from elasticsearch import Elasticsearch

from sigsearch.backend import refuse_options
from sigsearch.errors import ConfigError, InputError
from sigsearch.plugins import without_password
from sigsearch_elasticsearch.serializer import FastSerializer

DEFAULT_PORT: Final = 9200
DEFAULT_TIMEOUT: Final = 30.0
CONNECTIONS: Final = 32
"""To a host at once. They are made when needed; a thread more than that waits for one."""

API_KEY: Final = "SIGSEARCH_ES_API_KEY"
CA_CERTS: Final = "SIGSEARCH_ES_CA_CERTS"
USER: Final = "SIGSEARCH_ES_USER"
PASSWORD: Final = "SIGSEARCH_ES_PASSWORD"  # noqa: S105 - the name of the variable

_FORM: Final = "user:password@host:9200/name"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/@,]+)(?::([0-9]+))?")
_MAX_NAME_BYTES: Final = 248
"""Elasticsearch takes 255; the index behind the name has 7 more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """What a location says."""

    name: str
    """Of the index, or the alias."""
    hosts: tuple[str, ...] = ()
    """Each with its port."""
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def urls(self) -> list[str]:
        """Of the hosts."""
        return [f"http{'s' * self.tls}://{host}" for host in self.hosts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The backend's options, checked. Those from `shards` on, but `refresh`, count when an index is made.

    Attributes
    ----------
    client : elasticsearch.Elasticsearch, optional
        To be used instead of one of our own, and left open. Of the location only the name counts then.
    api_key : str, optional
        Instead of a user and a password. Also from SIGSEARCH_ES_API_KEY.
    ca_certs : str, optional
        The file of the certificate that signed the server's. Also from SIGSEARCH_ES_CA_CERTS.
    ca_fingerprint : str, optional
        Instead: the SHA-256, in hexadecimal, of a certificate that the server sends. It always sends its
        own, and as a rule the one that signed it.
    verify_certs : bool
        False talks to whoever answers.
    timeout : float
        Seconds: how long one request may take, and for how long writing is tried again while a server is
        overloaded or does not answer.
    refresh : {'auto', 'none', 'wait_for', 'true'}
        When what was written is found. See `sigsearch_elasticsearch.backend.ElasticsearchBackend`.
    shards, replicas : int, optional
        Default: one shard, and one replica if there is a second server.
    refresh_interval : str, optional
        As Elasticsearch has it: ``"30s"``, or ``"-1"`` for never.
    codec : str, optional
        As Elasticsearch has it: ``"best_compression"``.
    metadata : 'flattened', 'stored', None or mapping
        How metadata is indexed for others, such as Kibana; sigsearch's own filters do not depend on it.
        A mapping has the properties that Elasticsearch is to know, and all metadata must fit it.
        'stored' or None: not at all.
    settings : mapping, optional
        Further settings of the index.
    """

    client: Elasticsearch | None = None
    api_key: str | None = field(default=None, repr=False)
    ca_certs: str | None = None
    ca_fingerprint: str | None = None
    verify_certs: bool = True
    timeout: float | None = None
    refresh: str = "auto"
    shards: int | None = None
    replicas: int | None = None
    refresh_interval: str | None = None
    codec: str | None = None
    metadata: str | Mapping[str, Any] | None = "flattened"
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Check options as they come from a caller or from sigsearch.toml."""
        refuse_options(given, _CHECKS)
        given = dict(given)
        if isinstance(given.get("refresh"), bool):  # as one writes it in Python and TOML
            given["refresh"] = "true" if given["refresh"] else "none"
        for name, value in given.items():
            wanted, fits = _CHECKS[name]
            if not fits(value):
                found = f"a {type(value).__name__}" if name == "api_key" else repr(value)
                raise InputError(f"wanted the option {name} as {wanted}, found {found}")
        if given.get("client") is not None:
            for name in ("api_key", "ca_certs", "ca_fingerprint", "verify_certs"):
                if name in given:
                    raise InputError(f"wanted the option client or {name}, found both: give it to the client")
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A client, and the index it is for."""

    client: Elasticsearch
    owns_client: bool
    name: str
    place: str
    """Of the index, for a person; without secrets."""
    patience: float
    """Seconds for which writing is tried again."""


def connect(location: str, options: Options, environment: Mapping[str, str] = os.environ) -> Connection:
    """Make the client of a location, or take the one in the options.

    Raises
    ------
    InputError
        The location or an option is not what it should be.
    ConfigError
        An environment variable is not.
    """
    parsed = parse_location(location)
    client = options.client
    if client is None:
        if not parsed.hosts:
            raise InputError(
                f"wanted a location such as {_form(location)}, found no host in {without_password(location)}"
            )
        client = _make_client(parsed, options, environment)
    elif options.timeout is not None:
        client = client.options(request_timeout=options.timeout)
    return Connection(
        client=client,
        owns_client=options.client is None,
        name=parsed.name,
        place=f"{client.transport.node_pool.all()[0].base_url}/{parsed.name}",
        patience=options.timeout or DEFAULT_TIMEOUT,
    )


def parse_location(location: str) -> Location:
    """Take a location apart.

    Raises
    ------
    InputError
        It is not one. The password does not stand in the message.
    """
    scheme, _, rest = location.partition("://")
    authority, _, path = rest.partition("/")
    userinfo, _, hosts = authority.rpartition("@")
    shown = without_password(location)
    if "@" in path:  # what comes before it may be a password with a slash in it
        raise InputError(f"wanted / and @ in a user, password or name as %2F and %40: {shown}")
    user, has_password, password = userinfo.partition(":")
    try:
        return Location(
            name=check_name(unquote(path)),
            hosts=tuple(map(_host, hosts.split(","))) if hosts else (),
            tls=scheme.lower().endswith("+https"),
            user=unquote(user) if user else None,
            password=unquote(password) if has_password else None,
        )
    except InputError as error:
        raise InputError(f"wanted a location such as {_form(location)}: {error}") from error


def _form(location: str) -> str:
    return f"{location.partition('://')[0]}://{_FORM}"


def check_name(name: str) -> str:
    """Give the name of an index back, or raise `InputError`: by the rules of Elasticsearch."""
    if not name:
        raise InputError("found no name of an index")
    if name != name.lower():
        raise InputError(f"the name of an index must be in lower case, found {name!r}")
    if found := sorted(set(name) & set('\\/*?"<>| ,#:')):
        raise InputError(f"the name of an index must not have {' '.join(map(repr, found))}, found {name!r}")
    if name[0] in "-_+.":
        raise InputError(f"the name of an index must not begin with - _ + or a dot, found {name!r}")
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise InputError(f"the name of an index must have at most {_MAX_NAME_BYTES} bytes, found {name!r}")
    return name


def _host(text: str) -> str:
    found = _HOST.fullmatch(text)
    if not found:
        # Not what was found: without the host behind it, that is a user and a password.
        raise InputError(f"a host must be as localhost:{DEFAULT_PORT} or [::1]:{DEFAULT_PORT}")
    port = int(found[2] or DEFAULT_PORT)
    if not 0 < port < 1 << 16:
        raise InputError(f"wanted a port from 1 to 65535, found {port}")
    return f"{found[1]}:{port}"


def _make_client(location: Location, options: Options, environment: Mapping[str, str]) -> Elasticsearch:
    given: dict[str, Any] = _credentials(location, options, environment)
    if location.tls:
        given |= _trust(options, environment)
    elif options.ca_certs or options.ca_fingerprint or not options.verify_certs:
        raise InputError("ca_certs, ca_fingerprint and verify_certs are for elasticsearch+https:// locations")
    try:
        return Elasticsearch(
            location.urls,
            request_timeout=options.timeout or DEFAULT_TIMEOUT,
            connections_per_node=CONNECTIONS,
            serializers={FastSerializer.mimetype: FastSerializer()},
            **given,
        )
    except (ValueError, TypeError, OSError) as error:
        raise InputError(f"cannot connect to {', '.join(location.urls)}: {error}") from error


def _credentials(
    location: Location, options: Options, environment: Mapping[str, str]
) -> dict[str, str | tuple[str, str]]:
    """The location's user, else the option, else the environment."""
    if location.user is not None:
        # The password may come from the environment, so that the location can stand in a file.
        password = location.password if location.password is not None else environment.get(PASSWORD)
        if password is None:
            raise InputError(f"wanted a password for {location.user!r}, in the location or in {PASSWORD}")
        return {"basic_auth": (location.user, password)}
    if key := options.api_key or environment.get(API_KEY):
        return {"api_key": key}
    user, password = environment.get(USER), environment.get(PASSWORD)
    if user and password is not None:
        return {"basic_auth": (user, password)}
    if user:
        raise ConfigError(f"wanted {USER} and {PASSWORD}, found only the former in the environment")
    return {}


def _trust(options: Options, environment: Mapping[str, str]) -> dict[str, Any]:
    """Whose certificates are believed."""
    if not options.verify_certs:
        return {"verify_certs": False, "ssl_show_warn": False}
    if options.ca_fingerprint:
        return {"ssl_assert_fingerprint": options.ca_fingerprint}
    file = options.ca_certs or environment.get(CA_CERTS)
    if not file:
        return {}
    if not os.path.isfile(file):
        kind = InputError if options.ca_certs else ConfigError
        source = "the option ca_certs" if options.ca_certs else CA_CERTS
        raise kind(f"wanted a file of certificates in {source}, found none at {file!r}")
    return {"ca_certs": file}


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _number(least: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and value >= least


_CHECKS: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "client": ("an elasticsearch.Elasticsearch", lambda value: isinstance(value, Elasticsearch)),
    "api_key": ("a text", _text),
    "ca_certs": ("the path of a file", _text),
    "ca_fingerprint": (
        "a SHA-256 in hexadecimal",
        lambda value: _text(value) and bool(re.fullmatch(r"(?i)[0-9a-f]{64}", value.replace(":", ""))),
    ),
    "verify_certs": ("True or False", lambda value: isinstance(value, bool)),
    "timeout": ("seconds above 0", lambda value: type(value) in (int, float) and value > 0),
    "refresh": (
        "one of 'auto', 'none', 'wait_for' and 'true'",
        lambda value: value in ("auto", "none", "wait_for", "true"),
    ),
    "shards": ("a whole number of at least 1", _number(1)),
    "replicas": ("a whole number of at least 0", _number(0)),
    "refresh_interval": ("a text such as '30s'", _text),
    "codec": ("a text such as 'best_compression'", _text),
    "metadata": (
        "'flattened', 'stored', None or a mapping of properties",
        lambda value: value in ("flattened", "stored", None) or isinstance(value, Mapping),
    ),
    "settings": ("a mapping", lambda value: isinstance(value, Mapping)),
}
