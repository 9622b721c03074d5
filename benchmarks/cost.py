"""What a signature costs on top of decoding the picture, and what 16 orientations cost on top of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import typer
from PIL import Image

import sigsearch
from benchmarks.pictures import SHIPPED, find_jpegs, spread
from sigsearch import images
from sigsearch.signatures import compute_orientations, compute_signature


def cost(
    pictures: Annotated[
        Path | None, typer.Option(help="a folder of photographs; default: the paintings, cut and scaled")
    ] = None,
    limit: Annotated[int, typer.Option(help="at most so many pictures, spread over the folder")] = 60,
    least: Annotated[float, typer.Option(help="only JPEGs of so many megapixels or more")] = 0.4,
    rounds: Annotated[int, typer.Option(help="times each step is timed; the median counts")] = 7,
    verbose: Annotated[bool, typer.Option(help="also a line for each picture")] = False,
) -> None:
    """Time decoding to RGB by imageio, then signature and words of those pixels, picture by picture.

    And all of it, from the encoded picture to its words, as sigsearch does it: it asks imageio for pixels
    that need not be writeable, which saves a copy.

    The steps take turns, so that a busy machine hurts all of them alike; read the ratios.
    """
    large = [path for path in find_jpegs(pictures or SHIPPED) if _megapixels(path) >= least]
    chosen = spread(large, limit)
    if not chosen:
        raise SystemExit(f"no JPEG of {least} megapixels or more in {pictures or SHIPPED}")
    rows = np.array([_measure(path, rounds) for path in chosen])
    megapixels, decode, sign, one, turn, whole = rows.T
    print(f"{len(rows)} JPEGs, {np.median(megapixels):.2f} Mpx in the median; median times in ms")
    for name, column in (
        ("decode (imageio)", decode),
        ("signature and words", sign),
        ("signature", one),
        ("16 orientations", turn),
        ("bytes to words", whole),
    ):
        print(f"  {name:20} {np.median(column):8.3f}")
    share = sign / decode
    print(f"signature and words / decode: {sign.sum() / decode.sum():.3f} of the total time; by picture")
    print(f"  {_spread(share)}; above 0.10 in {np.mean(share > 0.1):.0%} of them")
    print(f"16 orientations / 1 signature: {_spread(turn / one)}")
    print(f"from bytes to words, decoding included / decode: {whole.sum() / decode.sum():.3f} in total;")
    print(f"  {_spread(whole / decode)}")
    if verbose:
        for i in np.argsort(share):
            print(
                f"{share[i]:.3f} {decode[i] / megapixels[i]:5.1f} ns/px {megapixels[i]:5.2f} Mpx {chosen[i]}"
            )


def _measure(path: Path, rounds: int) -> list[float]:
    """Megapixels, then the median time of each step in ms."""
    data = path.read_bytes()
    times: list[list[float]] = []
    for _ in range(rounds):
        # Each step works on what the decoder has just written, as in use.
        decode, pixels = _timed(partial(iio.imread, data, plugin="pillow", index=0, mode="RGB"))
        sign, _ = _timed(partial(_sign, pixels))
        one, _ = _timed(partial(compute_signature, pixels))
        turn, _ = _timed(partial(compute_orientations, pixels))
        whole, _ = _timed(partial(_sign, data))
        times.append([decode, sign, one, turn, whole])
    return [pixels.shape[0] * pixels.shape[1] / 1e6, *np.median(times, axis=0)]


def _sign(image: images.ImageLike) -> object:
    return sigsearch.encode_words(compute_signature(image))


def _timed(step: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter_ns()
    result = step()
    return (time.perf_counter_ns() - start) / 1e6, result


def _spread(ratios: npt.NDArray[np.float64]) -> str:
    median, most = np.quantile(ratios, [0.5, 0.9])
    return f"median {median:.3f}, 90 % below {most:.3f}, worst {ratios.max():.3f}"


def _megapixels(path: Path) -> float:
    with Image.open(path) as image:
        return image.width * image.height / 1e6
