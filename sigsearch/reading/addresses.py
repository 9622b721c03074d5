"""Addresses of the web: what is one, its parts, and how it is shown."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}
_UNQUOTED = ":/?#[]@!$&'()*+,;=%~"

# A password may hold, against the rules, what ends the part it stands in: no port begins like that.
_SECRET = re.compile(r"(?<=://)(?:([^/?#:@\[]*:)?[^/?#]*|([^/?#:@\[]*:)(?!\d*(?:[/?#]|$)).*)@", re.DOTALL)


def is_url(image: object) -> bool:
    """Whether a picture is given by an http or https address."""
    return isinstance(image, str) and re.match(r"https?://", image, re.IGNORECASE) is not None


def without_password(url: str) -> str:
    """An address that can be shown: of ``https://user:secret@host/`` without what is secret."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2] or ''}***@", url, count=1)


@dataclass(frozen=True, slots=True)
class Url:
    """An address in its parts, each fit to be sent."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query."""
    credentials: str | None
    """As ``Authorization`` wants them."""

    @classmethod
    def parse(cls, url: str) -> Url:
        """Take one apart; `ValueError` says what is wrong with it."""
        parts = urlsplit(quote(url, safe=_UNQUOTED))
        if parts.scheme not in _PORTS:
            raise ValueError(f"wanted an http or https address, found {parts.scheme}:")
        try:
            host = unquote(parts.hostname or "").encode("idna").decode()
        except UnicodeError as error:
            raise ValueError(f"its host has no valid name: {error}") from error
        if not re.fullmatch(r"[\w.:%-]+", host, re.ASCII):
            raise ValueError("its host has no valid name" if host else "it names no host")
        try:
            port = parts.port
        except ValueError as error:
            raise ValueError("its port is not a number up to 65535") from error
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        credentials = None
        if parts.username or parts.password:
            pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
            credentials = "Basic " + base64.b64encode(pair.encode()).decode()
        return cls(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, target, credentials)

    @property
    def authority(self) -> str:
        """Host and port, as a proxy wants them to be named."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def named(self) -> str:
        """The host, and the port where it is not the usual one."""
        return self.authority.removesuffix(f":{_PORTS[self.scheme]}")

    @property
    def origin(self) -> str:
        """All but what is asked for there."""
        return f"{self.scheme}://{self.named}"

    def redirected(self, location: str) -> Url:
        """The address that a server names instead of this one."""
        # http.client takes header fields for Latin-1; mostly they are UTF-8.
        written = quote(location, safe=_UNQUOTED, encoding="latin-1")
        try:
            other = Url.parse(urljoin(self.origin + self.target, written))
        except ValueError as error:
            raise ValueError(f"it redirects where nothing is fetched from: {error}") from error
        if other.credentials is None and other.origin == self.origin:
            return replace(other, credentials=self.credentials)
        return other
