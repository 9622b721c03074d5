"""Signatures as short texts: base-5 digits packed into bits, bits as base64.

A difference between two neighbours stands in a signature twice with opposite signs, so half of it is
enough: 80 bytes, 108 characters. Signatures from elsewhere need not be so; one that is not is packed
whole, 189 bytes, and is told by its length. Nothing is ever lost.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigsearch.errors import StorageError
from sigsearch.neighbours import Positions, opposites
from sigsearch.scheme import Scheme

Signatures = npt.NDArray[np.int8]


class Form(NamedTuple):
    """One of the two ways to pack signatures of a scheme."""

    forward: Positions
    """Of the values that are packed."""
    backward: Positions
    """Of those that are their negatives; none in the full form. All others are 0."""
    base: int
    group: int
    """Values in a code: as many as fit in a byte."""
    table: Signatures
    """``(256, group)``: the values of a code."""

    @property
    def bits(self) -> int:
        """Of a code: 7 for three values of five levels."""
        return int(self.base**self.group - 1).bit_length()

    @property
    def codes(self) -> int:
        return -(-len(self.forward) // self.group)

    @property
    def bytes(self) -> int:
        return -(-self.codes * self.bits // 8)


def pack(signatures: Signatures, scheme: Scheme) -> list[str]:
    """Each signature, shape (n, length), as a text that `unpack` gives back to the last value."""
    folded, full = forms(scheme)
    folds = _unfold(signatures[:, folded.forward], folded, scheme) == signatures
    packed = [""] * len(signatures)
    for form, taken in ((folded, folds.all(axis=1)), (full, ~folds.all(axis=1))):
        places = np.flatnonzero(taken)
        for place, row in zip(places.tolist(), _pack(signatures[places], form, scheme), strict=True):
            packed[place] = base64.b64encode(row.tobytes()).decode()
    return packed


def unpack(packed: Sequence[str], scheme: Scheme) -> Signatures:
    """The signatures, shape (n, length), of what `pack` gave.

    Raises
    ------
    StorageError
        One of them is no packed signature of this scheme.
    """
    signatures = np.zeros((len(packed), scheme.signature_length), np.int8)
    rows = [_decode(text) for text in packed]
    left = set(range(len(rows)))
    for form in forms(scheme):
        places = [place for place in left if len(rows[place]) == form.bytes]
        left.difference_update(places)
        data = np.frombuffer(b"".join(rows[place] for place in places), np.uint8)
        values = _unpack(data.reshape(-1, form.bytes), form)
        if np.any(np.abs(values) > scheme.levels):
            raise StorageError("a packed signature is damaged: found a value out of range")
        signatures[places] = _unfold(values, form, scheme)
    if left:
        wanted = " or ".join(str(form.bytes) for form in forms(scheme))
        found = len(rows[min(left)])
        raise StorageError(f"a packed signature is damaged: wanted {wanted} bytes, found {found}")
    return signatures


@lru_cache
def forms(scheme: Scheme) -> tuple[Form, Form]:
    """The folded and the full form."""
    base = 2 * scheme.levels + 1
    group = next(n for n in range(8, 0, -1) if base**n <= 256)
    every = np.arange(scheme.signature_length)
    return (
        Form(*opposites(scheme.grid_size), base, group, _table(base, group, scheme.levels)),
        Form(every, every[:0], base, group, _table(base, group, scheme.levels)),
    )


def _table(base: int, group: int, levels: int) -> Signatures:
    """The values of each code of 8 bits; those that are none have values out of range."""
    digits = np.arange(256)[:, np.newaxis] // base ** np.arange(group)
    digits[:, :-1] %= base
    return (digits - levels).astype(np.int8)


def _pack(signatures: Signatures, form: Form, scheme: Scheme) -> npt.NDArray[np.uint8]:
    digits = np.zeros((len(signatures), form.codes * form.group), np.uint8)
    digits[:, : len(form.forward)] = signatures[:, form.forward] + scheme.levels
    powers = form.base ** np.arange(form.group)
    codes = (digits.reshape(len(signatures), form.codes, form.group) * powers).sum(axis=2).astype(np.uint8)
    bits = np.unpackbits(codes[:, :, np.newaxis], axis=2, count=form.bits, bitorder="little")
    return np.packbits(bits.reshape(len(signatures), form.codes * form.bits), axis=1, bitorder="little")


def _unpack(data: npt.NDArray[np.uint8], form: Form) -> Signatures:
    """The packed values, shape (n, values)."""
    bits = np.unpackbits(data, axis=1, count=form.codes * form.bits, bitorder="little")
    # A byte to a code: to pack rows of 7 bits takes ten times as long.
    padded = np.zeros((len(data), form.codes, 8), np.uint8)
    padded[:, :, : form.bits] = bits.reshape(len(data), form.codes, form.bits)
    codes = np.packbits(padded, bitorder="little")
    values = form.table.take(codes, axis=0).reshape(len(data), form.codes * form.group)
    return values[:, : len(form.forward)]


def _unfold(values: Signatures, form: Form, scheme: Scheme) -> Signatures:
    signatures = np.zeros((len(values), scheme.signature_length), np.int8)
    signatures[:, form.forward] = values
    signatures[:, form.backward] = -values[:, : len(form.backward)]
    return signatures


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise StorageError(f"a packed signature is damaged: {error}") from error
