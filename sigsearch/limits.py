"""Limits: what one picture may cost to read, and where it may come from."""

from __future__ import annotations

from dataclasses import dataclass

from sigsearch.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one picture may cost to read, and where it may come from; beyond it is an `ImageError`.

    Parameters
    ----------
    seconds : float
        To fetch it, and as long again to decode it. In this process only the fetching can be broken off;
        `Index.add_many` decodes in processes of its own and breaks off both.
    pixels : int
        Width times height, told before it is decoded. The default is Pillow's own; that of Pillow's
        itself, which belongs to the process, decides only of parts: frames of a GIF, tiles of a TIFF.
    bytes : int
        Of the file, the archive's member, or what a server sends.
    memory : int
        Bytes that a process of `Index.add_many` that decodes may have in all, where the system can hold it
        to that (Linux).
    redirects : int
        That are followed from one address to another.
    private_addresses : bool
        Whether servers may be asked whose address is not a public one: this machine, the local network,
        a cloud's metadata service. Also object stores that lead anywhere.
    file_urls : bool
        Whether ``file://`` addresses are read.

    Raises
    ------
    InputError
        A limit is not a positive number.
    """

    seconds: float = 60.0
    pixels: int = 178_956_970
    bytes: int = 2**28
    memory: int = 2**31
    redirects: int = 5
    private_addresses: bool = False
    file_urls: bool = False

    def __post_init__(self) -> None:
        for name, kinds, least in (
            ("seconds", (int, float), 0),
            ("pixels", (int,), 0),
            ("bytes", (int,), 0),
            ("memory", (int,), 0),
            ("redirects", (int,), -1),
        ):
            value = getattr(self, name)
            if type(value) not in kinds or not value > least:
                raise InputError(f"wanted a limit of {name} above {least}, found {value!r}")


DEFAULT_LIMITS = Limits()
