"""The views of a picture as bytes: what a worker process answers with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sigsearch.records import Box, View

_BOX: Final = np.dtype(("<f8", 4))


def to_bytes(views: Sequence[View]) -> bytes:
    """All boxes, then all signatures, one after the other."""
    boxes = np.array([view.box for view in views], "<f8")
    return boxes.tobytes() + b"".join(view.signature.tobytes() for view in views)


def from_bytes(data: bytes, signature_length: int) -> tuple[View, ...]:
    """What `to_bytes` was given."""
    count = len(data) // (_BOX.itemsize + signature_length)
    boxes = np.frombuffer(data, _BOX, count)
    signatures = np.frombuffer(data, np.int8, offset=count * _BOX.itemsize).reshape(count, signature_length)
    return tuple(
        View(signature, Box(*box)) for signature, box in zip(signatures, boxes.tolist(), strict=True)
    )
