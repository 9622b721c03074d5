"""Pictures at http and https addresses, from servers that may be slow, wrong or hostile."""

from __future__ import annotations

import functools
import gzip
import http.client
import io
import socket
import ssl
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, cast

from sigsearch import __version__
from sigsearch.errors import ImageError
from sigsearch.limits import Limits
from sigsearch.reading.addresses import Url, is_url, without_password
from sigsearch.reading.content import HEAD, plainly_no_picture
from sigsearch.reading.hosts import Deadline, Line, connect, refuse_private, resolve
from sigsearch.reading.located import too_large

__all__ = ["fetch", "is_url", "without_password"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PIECE = 1 << 16

_HEADERS = {
    "User-Agent": f"sigsearch/{__version__}",
    "Accept": "image/*, */*;q=0.5",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


def fetch(url: str, limits: Limits) -> bytes:
    """The bytes at an address.

    Raises
    ------
    ImageError
        They cannot be had, are beyond the limits, or are plainly no picture.
    """
    deadline = Deadline(limits.seconds)
    where = ""
    try:
        at = Url.parse(url)
        for _ in range(limits.redirects + 1):
            with _asked(at, limits, deadline) as response:
                location = response.getheader("Location") if response.status in _REDIRECTS else None
                if location is None:
                    return _body(response, limits)
            at = at.redirected(location)
            where = f"it redirects to {at.origin}: "
        where = ""
        raise ValueError(f"it redirects more often than the limit of {limits.redirects}")
    except (OSError, EOFError, ValueError, http.client.HTTPException, zlib.error) as error:
        raise ImageError(without_password(url), where + _reason(error, limits)) from error


@contextmanager
def _asked(url: Url, limits: Limits, deadline: Deadline) -> Iterator[http.client.HTTPResponse]:
    """What a server answers, its body not yet read."""
    with ExitStack() as opened:
        proxy = _proxy(url)
        connection = opened.enter_context(
            _direct(url, limits, deadline) if proxy is None else _by_proxy(proxy, url, limits, deadline)
        )
        target, headers = url.target, {"Host": url.named, **_HEADERS}
        if url.credentials is not None:
            headers["Authorization"] = url.credentials
        if url.scheme == "https":
            if proxy is not None:
                _open_tunnel(connection, proxy, url, deadline)
            connection = opened.enter_context(_over_tls(connection, url.host, deadline))
        elif proxy is not None:
            target = url.origin + url.target
            if proxy.credentials is not None:
                headers["Proxy-Authorization"] = proxy.credentials
        yield _ask(connection, deadline, "GET", target, headers)


def _proxy(url: Url) -> Url | None:
    """The proxy that the environment names for an address, if any."""
    named = urllib.request.getproxies().get(url.scheme)
    if not named or urllib.request.proxy_bypass(url.authority):
        return None
    try:
        return Url.parse(named if "://" in named else f"http://{named}")
    except ValueError as error:
        raise ValueError(f"the proxy for {url.scheme}: {error}") from error


def _direct(url: Url, limits: Limits, deadline: Deadline) -> socket.socket:
    found = resolve(url.host, url.port, deadline)
    if not limits.private_addresses:
        # Only what was looked at is connected to: asked again, a name server may answer something else.
        refuse_private(found)
    return connect(found, deadline)


def _by_proxy(proxy: Url, url: Url, limits: Limits, deadline: Deadline) -> socket.socket:
    if not limits.private_addresses:
        try:
            found = resolve(url.host, url.port, deadline)
        except socket.gaierror:
            found = []  # names of the world are often known to the proxy alone
        refuse_private(found)
    try:
        connection = connect(resolve(proxy.host, proxy.port, deadline), deadline)
        # As urllib has it: what goes through a tunnel is encrypted anyway.
        if proxy.scheme == "https" and url.scheme == "http":
            connection = _over_tls(connection, proxy.host, deadline)
    except OSError as error:
        deadline.left()
        raise OSError(f"the proxy {proxy.origin}: {error.strerror or error}") from error
    return connection


def _open_tunnel(connection: socket.socket, proxy: Url, url: Url, deadline: Deadline) -> None:
    headers = {"Host": url.authority, "User-Agent": _HEADERS["User-Agent"]}
    if proxy.credentials is not None:
        headers["Proxy-Authorization"] = proxy.credentials
    answer = _ask(connection, deadline, "CONNECT", url.authority, headers)
    if not 200 <= answer.status < 300:
        raise ValueError(f"the proxy {proxy.origin}: {_status(answer)}")


def _over_tls(connection: socket.socket, host: str, deadline: Deadline) -> ssl.SSLSocket:
    connection.settimeout(deadline.left())
    try:
        return _tls().wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


@functools.cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _ask(
    connection: socket.socket, deadline: Deadline, method: str, target: str, headers: dict[str, str]
) -> http.client.HTTPResponse:
    # Not http.client.HTTPConnection, which looks names up itself and has no deadline.
    line = Line(connection, deadline)
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    line.sendall(f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode("ascii"))
    response = http.client.HTTPResponse(cast(socket.socket, line), method=method)
    response.begin()
    return response


def _body(response: http.client.HTTPResponse, limits: Limits) -> bytes:
    """The body of an answer, its length and content looked at as they come."""
    if not 200 <= response.status < 300:
        raise ValueError(_status(response))
    announced = response.length
    if announced is not None and announced > limits.bytes:
        raise ValueError(f"{too_large(limits)}: {announced:,} bytes")
    encoding = response.getheader("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise ValueError(f"it is encoded as {encoding}, wanted it as it is")
    stream = cast(IO[bytes], gzip.GzipFile(fileobj=response, mode="rb") if "gzip" in encoding else response)
    data = io.BytesIO()
    while piece := stream.read(_PIECE if data.tell() else HEAD):
        if not data.tell() and (found := plainly_no_picture(piece)):
            raise ValueError(f"it is {found}, wanted a picture")
        if data.tell() + len(piece) > limits.bytes:
            raise ValueError(too_large(limits))
        data.write(piece)
    if response.length:
        sent = (announced or 0) - response.length
        raise ValueError(f"the server sent {sent:,} of {announced:,} bytes")
    return data.getvalue()


def _status(response: http.client.HTTPResponse) -> str:
    return f"HTTP Error {response.status}: {response.reason}".rstrip(": ")


def _reason(error: Exception, limits: Limits) -> str:
    """What went wrong, in one short line, whatever a server put into it."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"it took longer than the limit of {limits.seconds:g} seconds"
    if isinstance(error, http.client.IncompleteRead):
        return "the server broke off in the middle"
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        return f"wanted an answer in HTTP, found {str(error)[:60]!r}"
    said = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return "".join(c if c.isprintable() else " " for c in said[:300])
