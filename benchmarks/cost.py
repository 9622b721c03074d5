"""What a signature costs on top of decoding the picture, and what 16 orientations cost on top of one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import imageio.v3 as iio
import numpy as np
import typer
from PIL import Image

import sigsearch
from benchmarks.pictures import SHIPPED
from sigsearch import images
from sigsearch.signatures import compute_orientations, compute_signature


def cost(
    pictures: Annotated[
        Path | None, typer.Option(help="a folder of photographs; default: the paintings, cut and scaled")
    ] = None,
    limit: Annotated[int, typer.Option(help="at most so many pictures, spread over the folder")] = 60,
    least: Annotated[float, typer.Option(help="only JPEGs of so many megapixels or more")] = 0.4,
    rounds: Annotated[int, typer.Option(help="times each step is timed; the median counts")] = 7,
) -> None:
    """Time decoding by imageio, then signature and words of the decoded pixels, picture by picture.

    The steps of a picture take turns, so that a busy machine hurts all of them alike; read the ratios.
    """
    files = [path for path in images.find_pictures(pictures or SHIPPED) if path.suffix in (".jpg", ".jpeg")]
    chosen = [path for path in files if _megapixels(path) >= least]
    chosen = chosen[:: max(1, len(chosen) // limit)][:limit]
    if not chosen:
        raise SystemExit(f"no JPEG of {least} megapixels or more in {pictures or SHIPPED}")
    rows = []
    for path in chosen:
        data = path.read_bytes()
        pixels = images.read_pixels(data)

        def decode(data: bytes = data) -> object:
            return iio.imread(data, plugin="pillow", index=0)

        def sign(pixels: images.Pixels = pixels) -> object:
            return sigsearch.encode_words(compute_signature(pixels))

        def turn(pixels: images.Pixels = pixels) -> object:
            return compute_orientations(pixels)

        def single(pixels: images.Pixels = pixels) -> object:
            return compute_signature(pixels)

        def read(data: bytes = data) -> object:
            return images.read_pixels(data)

        rows.append(
            (pixels.shape[0] * pixels.shape[1] / 1e6, *_times([decode, sign, single, turn, read], rounds))
        )
    table = np.array(rows)
    print(f"{len(table)} JPEGs, {np.median(table[:, 0]):.2f} Mpx in the median; times in ms, median of each")
    names = ("decode (imageio)", "signature and words", "signature", "16 orientations", "read_pixels, all")
    for name, column in zip(names, table[:, 1:].T, strict=True):
        print(f"  {name:20} {np.median(column):8.3f}")
    share = table[:, 2] / table[:, 1]
    print(
        f"signature and words / decode: {table[:, 2].sum() / table[:, 1].sum():.3f} of the total time,",
        end=" ",
    )
    print(f"median {np.median(share):.3f}, worst picture {share.max():.3f}, ", end="")
    print(f"above 0.10 in {np.mean(share > 0.1):.0%} of them")
    print(f"16 orientations / 1 signature: {np.median(table[:, 4] / table[:, 3]):.2f}, worst ", end="")
    print(f"{(table[:, 4] / table[:, 3]).max():.2f}")
    print(f"read_pixels / decode: {np.median(table[:, 5] / table[:, 1]):.2f}")


def _megapixels(path: Path) -> float:
    with Image.open(path) as image:
        return image.width * image.height / 1e6


def _times(steps: list[Callable[[], object]], rounds: int) -> list[float]:
    """Median time of each step in ms; the steps take turns."""
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(rounds):
        for step, taken in zip(steps, times, strict=True):
            start = time.perf_counter_ns()
            step()
            taken.append((time.perf_counter_ns() - start) / 1e6)
    return [statistics.median(taken) for taken in times]
