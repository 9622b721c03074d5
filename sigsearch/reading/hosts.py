"""Connections to hosts: to public addresses only unless others are allowed, and until a deadline only."""

from __future__ import annotations

import io
import ipaddress
import socket
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import WriteableBuffer

    Found = Sequence[tuple[int, int, int, str, tuple[Any, ...]]]
    """What ``socket.getaddrinfo`` gives."""

_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Beside what ipaddress knows, in all its versions (it learned some of these in 3.11.10 and 3.13).
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a cloud's metadata service
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # looks public, and is answered by Azure's own host
        "3fff::/20",  # documentation
    )
)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's hosts, also when it is written into an IPv6 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)


class Deadline:
    """When all that belongs to one picture must have ended."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left; `TimeoutError` if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def resolve(host: str, port: int, deadline: Deadline) -> Found:
    """The addresses of a host.

    Raises
    ------
    TimeoutError
        The deadline has come.
    OSError, UnicodeError
        It has none.
    """
    answer: Future[Found] = Future()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:
            answer.set_exception(error)

    # Nothing breaks a lookup off; so it is left to end by itself.
    threading.Thread(target=ask, name=f"lookup of {host}", daemon=True).start()
    return answer.result(deadline.left())


def refuse_private(found: Found) -> None:
    """Raise `ValueError`, which says how to allow it, for the first address that is not public."""
    for *_, (address, *_) in found:
        if not is_public(address):
            raise ValueError(
                f"{address} is not a public address; "
                "allow it with Limits(private_addresses=True) or --allow-private"
            )


def connect(found: Found, deadline: Deadline) -> socket.socket:
    """A connection to the first of these addresses that takes one; names are not looked up again.

    Raises
    ------
    OSError
        None does, or the deadline has come.
    """
    failure = OSError("it has no address")
    for waiting, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        connection = None
        try:
            connection = socket.socket(family, kind, protocol)
            # One that never answers, such as IPv6's where only IPv4 is routed, leaves time for the next.
            connection.settimeout(deadline.left() / waiting)
            connection.connect(address)
        except OSError as error:
            failure = error
            if connection is not None:
                connection.close()
        else:
            return connection
    raise failure


class Line(io.RawIOBase):
    """A connection on which nothing outlasts the deadline.

    A socket's own timeout begins anew with every byte that comes. It is as much of a socket as
    `http.client.HTTPResponse` wants; whoever opened the connection closes it.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        """That it is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Wait for bytes, and put them into the buffer; 0 at the end."""
        self._connection.settimeout(self._deadline.left())
        return self._connection.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What comes, buffered."""
        return io.BufferedReader(self)

    def sendall(self, data: bytes) -> None:
        """Send bytes."""
        self._connection.settimeout(self._deadline.left())
        self._connection.sendall(data)
