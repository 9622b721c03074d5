"""Decoders of JPEGs side by side, and what it brings and costs to scale pictures while they are decoded."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeAlias
from unittest import mock

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import typer
from PIL import Image

import sigsearch
from benchmarks.edits import EDITS, make_copies
from benchmarks.pictures import SHIPPED, find_jpegs, spread
from benchmarks.report import Report, machine, progress, take_turns
from sigsearch import Scheme
from sigsearch.bounds import CUTOFF
from sigsearch.images import jpeg, read_picture
from sigsearch.limits import DEFAULT_LIMITS
from sigsearch.scheme import DEFAULT_SCHEME
from sigsearch.signatures import Signature, _sum_scaled_squares, compute_signature

SIZES: Final = ((0.3, 1.0), (1.0, 4.0), (4.0, 8.0), (8.0, 11.5), (11.5, 1000.0))
"""Megapixels, from and below; what camera makers call 12 begins at 11.5."""
SCALES: Final = (2, 4, 8)
LEAST_SIDE: Final = 64
NEAR: Final = 0.05
_ENLARGED: Final = (0.5, 2.0, 6.0, 12.0)
_QUANTILES: Final = (0.5, 0.9, 0.99, 1.0)
_BARE: Final = "bare loop"

Pixels: TypeAlias = npt.NDArray[Any]
Decoder: TypeAlias = Callable[[bytes], Any]


class Photograph(NamedTuple):
    """A JPEG: where it is from, its bytes, its rows and columns."""

    path: Path
    data: bytes
    size: tuple[int, int]

    @property
    def megapixels(self) -> float:
        """Millions of pixels."""
        return self.size[0] * self.size[1] / 1e6


def decoding(
    pictures: Annotated[
        Path | None,
        typer.Option(help="a folder of photographs; default: the paintings, enlarged, for the times only"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many pictures of a size are timed")] = 12,
    rounds: Annotated[int, typer.Option(min=1, help="times each step is timed; the median counts")] = 5,
    sides: Annotated[str, typer.Option(help="values of decode_side to try")] = "200,300,400,600",
    copies: Annotated[int, typer.Option(min=0, help="at most so many pictures are edited")] = 40,
    raw: Annotated[Path | None, typer.Option(help="a file for the raw numbers, as JSON lines")] = None,
) -> None:
    """Time decoders of JPEGs in turns, and compare signatures of scaled pictures with the exact ones.

    Read the ratios: a busy machine hurts all sides alike. pyvips and PyTurboJPEG are timed where they are
    installed.
    """
    tried = [int(side) for side in sides.split(",")]
    photographs = _enlarged() if pictures is None else _read(pictures)
    if not photographs:
        raise SystemExit(f"no JPEG of {SIZES[0][0]} megapixels or more in {pictures}")
    report = Report(raw)
    report.facts({**machine(), "pictures": len(photographs)})
    if pictures is None:
        report.note(
            "the paintings that come with sigsearch, enlarged: smoother than photographs of this size"
        )
    timed = [each for group in _by_size(photographs).values() for each in _spread(group, limit)]
    _time_decoders(report, timed, rounds)
    _time_sides(report, timed, rounds, tried)
    _measure_distances(report, photographs, tried)
    if copies:
        _compare_copies(
            report, [each for each in photographs if min(each.size) >= 2 * tried[0]], tried, copies
        )
    report.close()


def _read(folder: Path) -> list[Photograph]:
    found = {}
    for path in find_jpegs(folder):
        data = path.read_bytes()
        try:
            plain = jpeg.read_jpeg(data, str(path), DEFAULT_LIMITS)
        except sigsearch.ImageError:
            continue
        if plain is not None and plain.size[0] * plain.size[1] >= SIZES[0][0] * 1e6:
            found[data] = Photograph(path, data, plain.size)
    return list(found.values())


def _enlarged() -> list[Photograph]:
    made = []
    for path in sorted(SHIPPED.glob("*.jpg")):
        with Image.open(path) as image:
            for megapixels in _ENLARGED:
                factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
                size = round(image.width * factor), round(image.height * factor)
                file = io.BytesIO()
                image.convert("RGB").resize(size).save(file, "JPEG", quality=90)
                made.append(Photograph(path, file.getvalue(), size[::-1]))
    return made


def _by_size(photographs: Sequence[Photograph]) -> dict[str, list[Photograph]]:
    groups = {
        (f"{low:g} to {high:g} Mpx" if high < SIZES[-1][1] else f"{low:g} Mpx and more"): [
            each for each in photographs if low <= each.megapixels < high
        ]
        for low, high in SIZES
    }
    return {name: group for name, group in groups.items() if group}


def _spread(group: Sequence[Photograph], limit: int) -> Sequence[Photograph]:
    return spread(group, limit)


def _time_decoders(report: Report, photographs: Sequence[Photograph], rounds: int) -> None:
    decoders = _decoders()
    report.part("decoders", f"time / {_BARE} of np.asarray(PIL.Image.open(file).convert('RGB'))")
    rows = {}
    for number, each in enumerate(photographs):
        progress(f"decoders: {number} of {len(photographs)}")
        steps = {name: partial(_call, decode, each.data) for name, decode in decoders.items()}
        try:
            times = take_turns(steps, rounds)
        except Exception as error:  # decoders raise whatever they please
            report.note(f"passed over {each.path.name}: {error}")
            continue
        rows[each] = {name: float(np.median(values)) for name, values in times.items()}
    progress("")
    _print_ratios(report, rows, [(name, name, _BARE) for name in decoders])


def _call(step: Callable[..., object], argument: object, _: int) -> object:
    return step(argument)


def _decoders() -> dict[str, Decoder]:
    def bare(data: bytes) -> Any:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def by_imageio(data: bytes) -> Any:
        return iio.imread(data, plugin="pillow", index=0, mode="RGB")

    def alone(data: bytes) -> Any:
        with _without_extra():
            return read_picture(data)

    found: dict[str, Decoder] = {_BARE: bare, "imageio": by_imageio, "sigsearch, by Pillow": alone}
    if (quick := jpeg.optional_decoder()) is not None:
        found["sigsearch, by simplejpeg"] = read_picture
        found["simplejpeg"] = partial(quick, colorspace="RGB")
    try:
        pyvips = importlib.import_module("pyvips")
        found["pyvips"] = lambda data: pyvips.Image.new_from_buffer(data, "").numpy()
    except (ImportError, OSError):
        pass
    try:
        turbojpeg = importlib.import_module("turbojpeg")
        turbo = turbojpeg.TurboJPEG()
        found["PyTurboJPEG"] = partial(turbo.decode, pixel_format=turbojpeg.TJPF_RGB)
    except (ImportError, OSError, RuntimeError):
        pass
    return found


@contextmanager
def _without_extra() -> Iterator[None]:
    found = jpeg.optional_decoder
    # mock.patch takes longer than to decode a small picture.
    setattr(jpeg, "optional_decoder", lambda: None)  # noqa: B010
    try:
        yield
    finally:
        setattr(jpeg, "optional_decoder", found)  # noqa: B010


def _time_sides(report: Report, photographs: Sequence[Photograph], rounds: int, sides: Sequence[int]) -> None:
    report.part("scaled, times", "from bytes to signature, in full / scaled")
    ways: dict[str, Callable[..., object]] = {"by Pillow": _sign_without_extra}
    if jpeg.optional_decoder() is not None:
        ways["by simplejpeg"] = _sign
    schemes = {"in full": Scheme()} | {f"decode_side={side}": Scheme(decode_side=side) for side in sides}
    bare = f"{_BARE}, signature"
    rows = {}
    for number, each in enumerate(photographs):
        progress(f"scaled: {number} of {len(photographs)}")
        steps: dict[str, Callable[[int], object]] = {bare: partial(_call, _sign_bare, each.data)}
        for way, sign in ways.items():
            for name, scheme in schemes.items():
                steps[f"{name}, {way}"] = partial(_call, partial(sign, scheme=scheme), each.data)
        times = take_turns(steps, rounds)
        rows[each] = {name: float(np.median(values)) for name, values in times.items()}
    progress("")
    ratios = []
    for way in ways:
        ratios.append((f"{bare} / in full, {way}", bare, f"in full, {way}"))
        for name in list(schemes)[1:]:
            ratios.append((f"{bare} / {name}, {way}", bare, f"{name}, {way}"))
            ratios.append((f"in full / {name}, {way}", f"in full, {way}", f"{name}, {way}"))
    _print_ratios(report, rows, ratios)


def _sign(data: bytes, scheme: Scheme) -> object:
    return compute_signature(data, scheme=scheme)


def _sign_without_extra(data: bytes, scheme: Scheme) -> object:
    with _without_extra():
        return compute_signature(data, scheme=scheme)


def _sign_bare(data: bytes) -> object:
    return compute_signature(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def _print_ratios(
    report: Report,
    rows: dict[Photograph, dict[str, float]],
    ratios: Sequence[tuple[str, str, str]],
) -> None:
    """Of each ratio the median by size, and that of the total times."""
    groups = _by_size(list(rows))
    report.note(f"{'':45}" + "".join(f"{name:>18}" for name in (*groups, "total time")))
    report.note(f"{'pictures':45}" + "".join(f"{len(group):18}" for group in (*groups.values(), rows)))
    for name, one, other in ratios:
        values = [
            np.median([rows[each][one] / rows[each][other] for each in group]) for group in groups.values()
        ]
        values.append(sum(row[one] for row in rows.values()) / sum(row[other] for row in rows.values()))
        report.note(f"{name:45}" + "".join(f"{value:18.2f}" for value in values))
        report.keep(name, [[row[one], row[other]] for row in rows.values()])


def _measure_distances(report: Report, photographs: Sequence[Photograph], sides: Sequence[int]) -> None:
    report.part("scaled, distances", "of the scaled signature to the exact one")
    exact = {each: compute_signature(each.data) for each in photographs}
    header = "".join(f"{name:>10}" for name in ("50 %", "90 %", "99 %", "most", f"<= {NEAR:g}", "in full"))
    for group_name, group in _by_size(photographs).items():
        report.note(f"{group_name:51}{'pictures':>10}{header}")
        for scale in SCALES:
            fitting = [each for each in group if min(each.size) // scale >= LEAST_SIDE]
            with mock.patch.object(jpeg, "_SCALES", (scale,)):
                found = [_scaled(each, min(each.size) // scale) for each in fitting]
            signatures, small, full = zip(*found, strict=True) if found else ((), (), ())
            apart = list(map(_apart, map(exact.__getitem__, fitting), signatures))
            _print_distances(report, f"1/{scale}", apart, full)
            apart = list(map(_apart, map(exact.__getitem__, fitting), small))
            _print_distances(report, f"1/{scale}, signature of the small picture as it is", apart, full)
        for side in sides:
            signatures, _, full = zip(*(_scaled(each, side) for each in group), strict=True)
            apart = list(map(_apart, map(exact.__getitem__, group), signatures))
            _print_distances(report, f"decode_side={side}", apart, full)


def _scaled(photograph: Photograph, side: int) -> tuple[Signature, Signature, bool]:
    """Signatures: of the scaled picture, of its pixels as if that were all; was it decoded in full?"""
    picture = read_picture(photograph.data, decode_side=side)
    in_full = picture.scale == 1 or _sum_scaled_squares(picture, DEFAULT_SCHEME, turned=False) is None
    small = compute_signature(_seen(picture.pixels, picture.turn))
    return compute_signature(photograph.data, scheme=Scheme(decode_side=side)), small, in_full


def _seen(pixels: Pixels, turn: int) -> Pixels:
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if turn // 4 else pixels, turn % 4))


def _apart(one: npt.NDArray[np.int8], other: npt.NDArray[np.int8]) -> float:
    return 0.0 if np.array_equal(one, other) else sigsearch.distance(one, other)


def _print_distances(report: Report, name: str, found: Sequence[float], full: Sequence[bool]) -> None:
    if not found:
        return
    values = [*np.quantile(found, _QUANTILES), np.mean(np.array(found) <= NEAR), np.mean(full)]
    report.note(f"  {name:49}{len(found):10}" + "".join(f"{value:10.3f}" for value in values))
    report.keep(name, found)


def _compare_copies(
    report: Report, photographs: Sequence[Photograph], sides: Sequence[int], limit: int
) -> None:
    """What a search loses whose query is exact and whose records are scaled."""
    report.part(
        "scaled, copies", f"distances of edited copies ({len(EDITS)} edits), read in full, to records"
    )
    chosen = list({each.path: each for each in _spread(photographs, limit)}.values())
    made = make_copies({each.path: list(EDITS) for each in chosen}, seed=0)
    exact: list[float] = []
    scaled: dict[int, list[float]] = {side: [] for side in sides}
    for each, signatures in zip(chosen, made, strict=True):
        if signatures is None:
            continue
        exact.extend(sigsearch.distances(compute_signature(each.data), signatures[1:]))
        for side, found in scaled.items():
            stored = compute_signature(each.data, scheme=Scheme(decode_side=side))
            found.extend(sigsearch.distances(stored, signatures[1:]))
    before = np.array(exact)
    copies = before < CUTOFF
    report.note(
        f"{len(chosen)} pictures, {len(before)} copies, {copies.sum()} below {CUTOFF} of the exact record"
    )
    for side, found in scaled.items():
        after = np.array(found)
        shift = (after - before)[copies]
        low, high = np.quantile(shift, [0.01, 0.99])
        report.note(
            f"decode_side={side}: these lie {shift.mean():+.4f} further in the mean, {low:+.3f} at 1 % and "
            f"{high:+.3f} at 99 %; lost {np.sum(copies & (after >= CUTOFF))}, "
            f"won {np.sum(~copies & (after < CUTOFF))}"
        )
        report.keep(f"decode_side={side}", found)
