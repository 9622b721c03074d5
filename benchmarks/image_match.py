"""image-match 1.1.2 itself, fetched from the package index: the reference for signatures and words."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import platformdirs

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

VERSION = "1.1.2"
SHA256 = "36c551adff79df1b9710060300f30802168bd2485cdfcea10c17cf35cc5aab37"


class ImageMatch:
    """Signatures and words by image-match's own code with its defaults."""

    def __init__(self) -> None:
        try:
            import skimage  # noqa: F401 - image-match imports it
        except ImportError as error:
            raise SystemExit("image-match needs scikit-image: pip install 'sigsearch[benchmarks]'") from error
        folder = _unpacked()
        # A bare package: its own __init__ would import the Elasticsearch 2 driver's dependencies.
        package = ModuleType("image_match")
        package.__path__ = [str(folder)]
        sys.modules["image_match"] = package
        goldberg: Any = importlib.import_module("image_match.goldberg")
        self._database: Any = importlib.import_module("image_match.signature_database_base")
        self._generator = _taking_grey(goldberg.ImageSignature())

    def driver(self, client: Elasticsearch, index: str, **options: Any) -> Any:
        """Its SignatureES, with a client of today."""
        module: Any = importlib.import_module("image_match.elasticsearch_driver")
        driver = module.SignatureES(_OldClient(client), index=index, **options)
        driver.gis = _taking_grey(driver.gis)
        return driver

    def signature(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
        """Of an RGB array of uint8, or of a grey array of floats from 0 to 1."""
        with np.errstate(all="ignore"):
            found: npt.NDArray[np.int8] = self._generator.generate_signature(pixels)
        return found

    def words(self, signature: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
        """As its make_record computes them, with k = 16 and N = 63."""
        words = self._database.get_words(signature, 16, 63)
        self._database.max_contrast(words)
        found: npt.NDArray[np.int64] = self._database.words_to_int(words)
        return found

    def grey(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Grey as it computes it, 0 to 1."""
        found: npt.NDArray[np.float64] = self._generator.preprocess_image(rgb)
        return found

    def differences(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Its neighbour differences before they become levels, ``(648,)``, as it rounds them."""
        generator = self._generator
        grey = generator.preprocess_image(pixels)
        window = generator.crop_image(grey)
        means = generator.compute_mean_level(grey, *generator.compute_grid_points(grey, window=window))
        return np.ravel(generator.compute_differentials(means))


class _OldClient:
    """What image-match's driver asks of a client, which had types of documents then."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client

    def search(self, *, index: str, body: dict[str, Any], doc_type: str = "", **options: Any) -> Any:
        source = body.get("_source")
        query = body["query"]
        return self._client.search(index=index, query=query, source=source, **options)

    def index(self, *, index: str, doc_type: str, body: dict[str, Any], refresh: bool) -> Any:
        return self._client.index(index=index, document=body, refresh=refresh)

    def delete(self, *, index: str, doc_type: str, id: str) -> Any:
        return self._client.delete(index=index, id=id)


def _taking_grey(generator: Any) -> Any:
    """The other change: the rgb2gray of image-match's day gave grey arrays back as they were."""
    preprocess = generator.preprocess_image
    generator.preprocess_image = lambda image, *arguments, **options: (
        image
        if isinstance(image, np.ndarray) and image.ndim == 2
        else preprocess(image, *arguments, **options)
    )
    return generator


def _unpacked() -> Path:
    """The package's folder, fetched, checked and unpacked on first use."""
    cache = platformdirs.user_cache_path("sigsearch") / f"image_match-{VERSION}"
    package = cache / f"image_match-{VERSION}" / "image_match"
    if package.is_dir():
        return package
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*command, "--dest", folder, f"image-match=={VERSION}"], check=True)
        archive = next(Path(folder).glob("*.tar.gz"))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise SystemExit(f"{archive.name} is not the image-match {VERSION} that was measured against")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        source = next(Path(folder).glob("image_match-*/image_match/goldberg.py"))
        # One change: scikit-image renamed the argument in 0.18.
        source.write_text(source.read_text().replace("as_grey=True", "as_gray=True"))
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.mkdir(exist_ok=True)
        source.parent.parent.rename(cache / f"image_match-{VERSION}")
    return package
