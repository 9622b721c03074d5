"""Edits as copies of pictures have been through: named, with their parameters, and made with Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from benchmarks.report import cores
from sigsearch.signatures import compute_signature
from sigsearch.testing.pictures import make_picture

Picture: TypeAlias = Image.Image
"""RGB."""
Edit: TypeAlias = Callable[[Picture, np.random.Generator], Picture]
"""Gives an edited copy. Only noise is random."""
Source: TypeAlias = Path | int
"""A file, or the seed of a made picture."""
Pixels: TypeAlias = npt.NDArray[np.uint8]
"""``(h, w, 3)``, RGB."""
Colour: TypeAlias = tuple[int, int, int]

LARGEST: Final = 1024
"""Pixels of a picture's longer side, before it is edited."""
THUMBNAIL: Final = 96
BLACK: Final = (0, 0, 0)
WHITE: Final = (255, 255, 255)
_SMALLEST: Final = 16
_ALONE: Final = 200
"""Copies that are made in this process: to start others takes longer."""


def jpeg(quality: int) -> Edit:
    """Saved as a JPEG and read again."""

    def edit(picture: Picture, _: np.random.Generator) -> Picture:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(io.BytesIO(file.getvalue())).convert("RGB")

    return edit


def scale(across: float, down: float | None = None) -> Edit:
    """Made smaller, the two sides by different factors if two are given."""

    def edit(picture: Picture, _: np.random.Generator) -> Picture:
        factors = (across, across if down is None else down)
        width, height = (max(_SMALLEST, int(f * side)) for f, side in zip(factors, picture.size, strict=True))
        return picture.resize((width, height), Image.Resampling.LANCZOS)

    return edit


def blur(radius: float) -> Edit:
    """Blurred by a Gaussian of so many pixels."""
    return lambda picture, _: picture.filter(ImageFilter.GaussianBlur(radius))


def noise(deviation: float) -> Edit:
    """With Gaussian noise in each channel."""

    def edit(picture: Picture, rng: np.random.Generator) -> Picture:
        values = np.asarray(picture, np.float64)
        values = values + rng.normal(0, deviation, values.shape)
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))

    return edit


def brightness(factor: float) -> Edit:
    """All channels multiplied."""
    return lambda picture, _: ImageEnhance.Brightness(picture).enhance(factor)


def contrast(factor: float) -> Edit:
    """The differences from the mean grey multiplied."""
    return lambda picture, _: ImageEnhance.Contrast(picture).enhance(factor)


def gamma(exponent: float) -> Edit:
    """Each channel, as a share of white, to the power of the exponent."""
    levels = [round(255 * (level / 255) ** exponent) for level in range(256)]
    return lambda picture, _: picture.point(levels * 3)


def grey() -> Edit:
    """Without colour."""
    return lambda picture, _: picture.convert("L").convert("RGB")


def colours(red: float, green: float, blue: float) -> Edit:
    """Each channel multiplied by a factor of its own."""
    levels = [min(255, int(factor * level)) for factor in (red, green, blue) for level in range(256)]
    return lambda picture, _: picture.point(levels)


def caption(share: float) -> Edit:
    """With a black bar and white text over that share of the height, at the bottom."""

    def edit(picture: Picture, _: np.random.Generator) -> Picture:
        picture = picture.copy()
        draw = ImageDraw.Draw(picture)
        width, height = picture.size
        draw.rectangle((0, int((1 - share) * height), width, height), fill=BLACK)
        draw.text((10, int((1 - 0.8 * share) * height)), "SAMPLE CAPTION TEXT", fill=WHITE)
        return picture

    return edit


def watermark(opacity: int) -> Edit:
    """With eight lines of white letters all over it, 255 being opaque."""

    def edit(picture: Picture, _: np.random.Generator) -> Picture:
        layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(layer)
        size = max(12, picture.height // 16)
        for top in range(0, picture.height, max(20, picture.height // 8)):
            where = (picture.width // 10, top)
            draw.text(where, "WATERMARK " * 8, fill=(*WHITE, opacity), font_size=size)
        return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")

    return edit


def border(share: float, colour: Colour) -> Edit:
    """In a frame whose width is that share of the shorter side, on all four sides."""
    return lambda picture, _: ImageOps.expand(picture, int(share * min(picture.size)), colour)


def crop(left: float, top: float, right: float, bottom: float) -> Edit:
    """With those shares of its width and height cut off."""

    def edit(picture: Picture, _: np.random.Generator) -> Picture:
        width, height = picture.size
        box = int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height)
        return picture.crop(box)

    return edit


def letterbox(share: float) -> Edit:
    """With black bars above and below, each of that share of the height."""

    def edit(picture: Picture, _: np.random.Generator) -> Picture:
        bar = int(share * picture.height)
        return ImageOps.expand(picture, (0, bar, 0, bar), BLACK)

    return edit


def screenshot(top: float, bottom: float, left: float, colour: Colour) -> Edit:
    """In a window with bars: shares of its height above and below, of its width at the left."""

    def edit(picture: Picture, _: np.random.Generator) -> Picture:
        width, height = picture.size
        above, below, beside = int(top * height), int(bottom * height), int(left * width)
        window = Image.new("RGB", (width + beside, height + above + below), colour)
        window.paste(picture, (beside, above))
        draw = ImageDraw.Draw(window)
        size = max(8, above // 2)
        draw.text((size, above // 4), "12:30   File  Edit  View", fill=BLACK, font_size=size)
        if below:
            draw.text((size, above + height + below // 4), "< back   o   menu =", fill=BLACK, font_size=size)
        return window

    return edit


def transpose(method: Image.Transpose) -> Edit:
    """Turned by quarters, or mirrored."""
    return lambda picture, _: picture.transpose(method)


def invert() -> Edit:
    """As a negative."""
    return lambda picture, _: ImageOps.invert(picture)


def rotate(degrees: float) -> Edit:
    """Turned counterclockwise, of the same size; black where nothing is left."""
    return lambda picture, _: picture.rotate(degrees, Image.Resampling.BICUBIC)


def together(*edits: Edit) -> Edit:
    """One after the other."""

    def edit(picture: Picture, rng: np.random.Generator) -> Picture:
        for each in edits:
            picture = each(picture, rng)
        return picture

    return edit


EDITS: Final[Mapping[str, Edit]] = {
    "JPEG 40": jpeg(40),
    "JPEG 10": jpeg(10),
    "scale 0.5": scale(0.5),
    "scale 0.12": scale(0.12),
    "squash 0.7 x 1": scale(0.7, 1),
    "squash 1 x 0.5": scale(1, 0.5),
    "blur 3 px": blur(3),
    "blur 6 px": blur(6),
    "noise 15": noise(15),
    "noise 40": noise(40),
    "brightness 1.25": brightness(1.25),
    "brightness 0.7": brightness(0.7),
    "contrast 1.5": contrast(1.5),
    "contrast 0.6": contrast(0.6),
    "gamma 0.6": gamma(0.6),
    "gamma 1.7": gamma(1.7),
    "grey": grey(),
    "colours 1.15, 1, 0.8": colours(1.15, 1, 0.8),
    "caption 10 %": caption(0.1),
    "watermark 110": watermark(110),
    "border 3 %, black": border(0.03, BLACK),
    "border 6 %, white": border(0.06, WHITE),
    "border 10 %, black": border(0.1, BLACK),
    "crop 2 % a side": crop(0.02, 0.02, 0.02, 0.02),
    "crop 4 % a side": crop(0.04, 0.04, 0.04, 0.04),
    "crop 6 % a side": crop(0.06, 0.06, 0.06, 0.06),
    "crop 4 % left": crop(0.04, 0, 0, 0),
    "crop 8 % left": crop(0.08, 0, 0, 0),
    "rotate 1 degree": rotate(1),
    "rotate 2 degrees": rotate(2),
    "rotate 3 degrees": rotate(3),
    "scale 0.4, contrast 1.3, JPEG 30": together(scale(0.4), contrast(1.3), jpeg(30)),
    "crop 2, 1, 2, 1 %, gamma 0.8, JPEG 20": together(crop(0.02, 0.01, 0.02, 0.01), gamma(0.8), jpeg(20)),
    "caption 10 %, border 3 % white, JPEG 20": together(caption(0.1), border(0.03, WHITE), jpeg(20)),
    "squash 1 x 0.4, crop 3 % left and right, contrast 1.6": together(
        scale(1, 0.4), crop(0.03, 0, 0.03, 0), contrast(1.6)
    ),
    "watermark 110, rotate 1.5, scale 0.3": together(watermark(110), rotate(1.5), scale(0.3)),
    "JPEG 70": jpeg(70),
    "scale 2": scale(2),
    "caption 20 %": caption(0.2),
    "border 5 %, grey 128": border(0.05, (128, 128, 128)),
    "border 20 %, black": border(0.2, BLACK),
    "letterbox 12 % above and below": letterbox(0.12),
    "screenshot, bars 6 % above, 5 % below": screenshot(0.06, 0.05, 0, (235, 235, 235)),
    "screenshot, bars 12 % above, 15 % left": screenshot(0.12, 0, 0.15, (200, 210, 220)),
    "crop 10 % a side": crop(0.1, 0.1, 0.1, 0.1),
    "crop 20 % a side": crop(0.2, 0.2, 0.2, 0.2),
    "crop 25 % left": crop(0.25, 0, 0, 0),
    "crop 20 % below": crop(0, 0, 0, 0.2),
    "rotate 5 degrees": rotate(5),
    "rotate 10 degrees": rotate(10),
    "mirror": transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "rotate 90 degrees": transpose(Image.Transpose.ROTATE_90),
    "rotate 180 degrees": transpose(Image.Transpose.ROTATE_180),
    "invert": invert(),
    "mirror, JPEG 40, scale 0.5": together(transpose(Image.Transpose.FLIP_LEFT_RIGHT), jpeg(40), scale(0.5)),
}
"""By what they do, with all parameters: factors, shares, pixels, levels of 255, degrees."""

TURNED: Final = frozenset(
    {"mirror", "rotate 90 degrees", "rotate 180 degrees", "invert", "mirror, JPEG 40, scale 0.5"}
)
"""Edits whose copies are found in another orientation only."""


def load(source: Source) -> Picture:
    """A picture as a person sees it, its longer side of `LARGEST` pixels or less."""
    if isinstance(source, int):
        return Image.fromarray(make_picture(source))
    with warnings.catch_warnings(), Image.open(source) as image:
        warnings.simplefilter("ignore")
        picture = ImageOps.exif_transpose(image).convert("RGB")
    picture.thumbnail((LARGEST, LARGEST))
    return picture


def edited(picture: Picture, name: str, seed: Sequence[int] = (0,)) -> Picture:
    """A copy of a picture under an edit of `EDITS`; the same seed gives the same."""
    rng = np.random.default_rng([*seed, list(EDITS).index(name)])
    return EDITS[name](picture, rng)


def make_thumbnail(source: Source) -> npt.NDArray[np.uint8]:
    """So small a picture that to read it costs next to nothing, shape (96 or less, 96 or less, 3)."""
    picture = load(source)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture)


def make_copies(
    wanted: Mapping[Source, Sequence[str]],
    seed: int,
    *,
    describe: Callable[[Pixels], npt.NDArray[Any]] = compute_signature,
    workers: int | None = None,
) -> list[npt.NDArray[Any] | None]:
    """What describes pictures and their copies: signatures, if nothing else is asked for.

    Parameters
    ----------
    wanted : mapping of Source to sequence of str
        Pictures, and the names of edits.
    seed : int
        Of the noise.
    describe : callable
        Gives an array for an RGB one; of a module, so that other processes find it.
    workers : int, optional
        Processes; 0: in this one. Default: one for each core, if they are worth their start.

    Returns
    -------
    list of ndarray, shape (1 + edits, ...), or None
        For each picture, its own and those of its copies; None for one that cannot be read.
    """
    if workers is None:
        workers = cores() if sum(map(len, wanted.values())) > _ALONE else 0
    seeds = [(seed, number) for number in range(len(wanted))]
    task = partial(_copies_of, describe)
    if not workers:
        return list(map(task, wanted, wanted.values(), seeds))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(task, wanted, wanted.values(), seeds, chunksize=4))


def _copies_of(
    describe: Callable[[Pixels], npt.NDArray[Any]],
    source: Source,
    names: Sequence[str],
    seed: tuple[int, int],
) -> npt.NDArray[Any] | None:
    try:
        picture = load(source)
    except Exception:
        return None
    made = map(partial(edited, picture, seed=seed), names)
    return np.stack([describe(np.asarray(each)) for each in (picture, *made)])
