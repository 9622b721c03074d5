"""A picture has the signature of its plain RGB rendering, in whatever file and pixels it is kept."""

import base64
import gzip
import io
import zlib

import imagecodecs
import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps
from pillow_heif.as_plugin import _save_heif

import sigsearch
from sigsearch.images import read_pixels

NEAR = 0.05


def encoded(image, format, **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def tiff(array, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def rgb():
    """A (300, 200, 3) uint8 mosaic of 150 colours: a palette can hold them, and a drawing be made of them."""
    stones = np.random.default_rng(7).integers(0, 256, (15, 10, 3)).astype(np.uint8)
    return stones.repeat(20, axis=0).repeat(20, axis=1)


@pytest.fixture(scope="module")
def photograph(caravaggio):
    """A (300, 200, 3) uint8 photograph."""
    with Image.open(caravaggio) as image:
        return np.asarray(image.convert("RGB").resize((200, 300), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def grey(rgb):
    return grey_of(rgb)


def grey_of(rgb):
    return np.rint(rgb @ np.array([0.2125, 0.7154, 0.0721])).astype(np.uint8)


def far(data, array):
    """How far the signature of a file is from that of an array of RGB."""
    return sigsearch.distance(sigsearch.compute_signature(data), sigsearch.compute_signature(array))


def halves(rgb):
    """An alpha that shows the upper part only, and what is then seen on white."""
    alpha = np.full(rgb.shape[:2], 255, np.uint8)
    alpha[200:] = 0
    alpha[150:200] = 128
    shown = rgb * (alpha[:, :, None] / 255) + 255 * (1 - alpha[:, :, None] / 255)
    return alpha, np.rint(shown).astype(np.uint8)


def cmyk(rgb):
    """Inks of a picture, worked by hand: as much black as all three colours share."""
    inks = 255 - rgb.astype(int)
    black = inks.min(axis=2, keepdims=True)
    return np.dstack([np.rint(255 * (inks - black) / np.maximum(255 - black, 1)), black]).astype(np.uint8)


IN_COLOUR = {
    "PNG": lambda rgb: encoded(Image.fromarray(rgb), "PNG"),
    "BMP": lambda rgb: encoded(Image.fromarray(rgb), "BMP"),
    "TGA": lambda rgb: encoded(Image.fromarray(rgb), "TGA"),
    "PPM": lambda rgb: encoded(Image.fromarray(rgb), "PPM"),
    "SGI": lambda rgb: encoded(Image.fromarray(rgb), "SGI"),
    "PCX": lambda rgb: encoded(Image.fromarray(rgb), "PCX"),
    "DDS": lambda rgb: encoded(Image.fromarray(rgb), "DDS"),
    "QOI": lambda rgb: imagecodecs.qoi_encode(rgb),
    "JPEG 2000": lambda rgb: encoded(Image.fromarray(rgb), "JPEG2000"),
    "JPEG 2000 of 12 bits": lambda rgb: imagecodecs.jpeg2k_encode(
        (rgb.astype(int) * 4095 // 255).astype(np.uint16), bitspersample=12, reversible=True
    ),
    "JPEG 2000 of 16 bits": lambda rgb: imagecodecs.jpeg2k_encode(
        rgb.astype(np.uint16) * 257, reversible=True
    ),
    "GIF": lambda rgb: encoded(Image.fromarray(rgb).quantize(256), "GIF"),
    "WebP": lambda rgb: encoded(Image.fromarray(rgb), "WEBP", quality=90),
    "WebP, lossless": lambda rgb: encoded(Image.fromarray(rgb), "WEBP", lossless=True),
    "AVIF": lambda rgb: encoded(Image.fromarray(rgb), "AVIF", quality=90),
    "AVIF of 10 bits": lambda rgb: imagecodecs.avif_encode(
        rgb.astype(np.uint16) * 4, level=90, bitspersample=10
    ),
    "HEIF": lambda rgb: heif(Image.fromarray(rgb)),
    "HEIF of 12 bits": lambda rgb: heif_16(rgb),
    "JPEG XL": lambda rgb: imagecodecs.jpegxl_encode(rgb, level=90),
    "JPEG XL of 16 bits": lambda rgb: imagecodecs.jpegxl_encode(rgb.astype(np.uint16) * 257, level=100),
    "JPEG XL of 10 bits": lambda rgb: imagecodecs.jpegxl_encode(ten_bits(rgb), level=100, bitspersample=10),
    "JPEG XL of floats": lambda rgb: imagecodecs.jpegxl_encode((rgb / 255).astype(np.float32), level=100),
    "JPEG XL of a JPEG": lambda rgb: imagecodecs.jpegxl_encode_jpeg(
        encoded(Image.fromarray(rgb), "JPEG", quality=95)
    ),
    "JPEG": lambda rgb: encoded(Image.fromarray(rgb), "JPEG", quality=95),
    "JPEG, progressive": lambda rgb: encoded(Image.fromarray(rgb), "JPEG", quality=95, progressive=True),
    "JPEG of RGB": lambda rgb: encoded(Image.fromarray(rgb), "JPEG", quality=95, keep_rgb=True),
    "JPEG of inverted CMYK, as Adobe's": lambda rgb: imagecodecs.jpeg8_encode(
        255 - cmyk(rgb), level=95, colorspace="CMYK", outcolorspace="CMYK"
    ),
    "JPEG of YCCK": lambda rgb: imagecodecs.jpeg8_encode(
        255 - cmyk(rgb), level=95, colorspace="CMYK", outcolorspace="YCCK"
    ),
    "PNG of 16 bits": lambda rgb: imagecodecs.png_encode(rgb.astype(np.uint16) * 257),
    "PNG of 16 bits with alpha": lambda rgb: imagecodecs.png_encode(
        np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]).astype(np.uint16) * 257
    ),
    "TIFF": lambda rgb: tiff(rgb, photometric="rgb"),
    "TIFF in planes": lambda rgb: tiff(np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate"),
    "TIFF in tiles": lambda rgb: tiff(rgb, photometric="rgb", tile=(64, 64), compression="zlib"),
    "BigTIFF": lambda rgb: tiff(rgb, photometric="rgb", bigtiff=True),
    "TIFF, big-endian": lambda rgb: tiff(rgb, photometric="rgb", byteorder=">"),
    "TIFF of 16 bits": lambda rgb: tiff(rgb.astype(np.uint16) * 257, photometric="rgb"),
    "TIFF of 16 bits, big-endian": lambda rgb: tiff(
        rgb.astype(np.uint16) * 257, photometric="rgb", byteorder=">"
    ),
    "TIFF of 16 bits in planes": lambda rgb: tiff(
        np.moveaxis(rgb.astype(np.uint16) * 257, 2, 0), photometric="rgb", planarconfig="separate"
    ),
    "TIFF of 16 bits with alpha, in planes": lambda rgb: tiff(
        np.moveaxis(np.dstack([rgb, np.full(rgb.shape[:2], 255)]).astype(np.uint16) * 257, 2, 0),
        photometric="rgb",
        planarconfig="separate",
        extrasamples=["unassalpha"],
    ),
    "TIFF of 32 bits": lambda rgb: tiff(rgb.astype(np.uint32) * (2**32 // 255), photometric="rgb"),
    "TIFF of floats": lambda rgb: tiff((rgb / 255).astype(np.float32), photometric="rgb"),
    "TIFF of half floats": lambda rgb: tiff((rgb / 255).astype(np.float16), photometric="rgb"),
    "TIFF of floats to 255": lambda rgb: tiff(rgb.astype(np.float32), photometric="rgb"),
    "TIFF of CMYK": lambda rgb: tiff(cmyk(rgb), photometric="separated"),
    "TIFF of CMYK by Pillow": lambda rgb: encoded(Image.fromarray(rgb).convert("CMYK"), "TIFF"),
    "TIFF of 16-bit CMYK": lambda rgb: tiff(cmyk(rgb).astype(np.uint16) * 257, photometric="separated"),
    "TIFF of 16-bit CMYK in planes": lambda rgb: tiff(
        np.moveaxis(cmyk(rgb).astype(np.uint16) * 257, 2, 0),
        photometric="separated",
        planarconfig="separate",
    ),
    "TIFF of Lab": lambda rgb: encoded(lab(rgb), "TIFF"),
    "TIFF of YCbCr": lambda rgb: encoded(Image.fromarray(rgb).convert("YCbCr"), "TIFF"),
    "TIFF of JPEG": lambda rgb: encoded(Image.fromarray(rgb), "TIFF", compression="jpeg", quality=95),
    "TIFF of WebP": lambda rgb: tiff(rgb, photometric="rgb", compression="webp"),
    "TIFF of Zstandard": lambda rgb: tiff(rgb, photometric="rgb", compression="zstd"),
    "TIFF of LZMA": lambda rgb: tiff(rgb, photometric="rgb", compression="lzma"),
    "TIFF of JPEG XL": lambda rgb: tiff(rgb, photometric="rgb", compression="jpegxl"),
    "TIFF of JPEG 2000": lambda rgb: tiff(rgb, photometric="rgb", compression="jpeg2000"),
    "TIFF of a palette": lambda rgb: encoded(Image.fromarray(rgb).quantize(256), "TIFF"),
    "SVG": lambda rgb: drawing(rgb),
    "SVGZ": lambda rgb: gzip.compress(drawing(rgb)),
}


def ten_bits(array):
    return (array.astype(int) * 1023 // 255).astype(np.uint16)


def heif(image, **options):
    """By pillow-heif's plugin, which writes an orientation as HEIF's own, but without registering it."""
    stream = io.BytesIO()
    image.encoderinfo = {"quality": 95, **options}
    _save_heif(image, stream, "")
    return stream.getvalue()


def heif_16(rgb):
    stream = io.BytesIO()
    deep = np.ascontiguousarray(rgb.astype(np.uint16) * 257)
    pillow_heif.from_bytes("RGB;16", (rgb.shape[1], rgb.shape[0]), deep.tobytes()).save(stream, quality=90)
    return stream.getvalue()


def lab(rgb):
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(Image.fromarray(rgb), *profiles, outputMode="LAB")


def svg(rgb):
    png = base64.b64encode(encoded(Image.fromarray(rgb), "PNG")).decode()
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 300">'
        f'<image width="200" height="300" href="data:image/png;base64,{png}"/></svg>'
    ).encode()


def drawing(rgb):
    """A drawing of squares of 20 x 20, as a mosaic is made of."""
    squares = "".join(
        f'<rect x="{x}" y="{y}" width="20" height="20" fill="rgb({",".join(map(str, rgb[y, x]))})"/>'
        for y in range(0, 300, 20)
        for x in range(0, 200, 20)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 300" shape-rendering="crispEdges">'
        f"{squares}</svg>"
    ).encode()


OF_FEW_COLOURS = {"GIF", "TIFF of a palette", "SVG", "SVGZ"}
OF_NO_LOUD_COLOURS = {"TIFF of Lab"}  # 8 bits of Lab do not tell them apart as finely


@pytest.mark.parametrize("kind", sorted(IN_COLOUR.keys() - OF_NO_LOUD_COLOURS))
def test_a_mosaic_in_colour(rgb, kind):
    assert far(IN_COLOUR[kind](rgb), rgb) < NEAR


@pytest.mark.parametrize("kind", sorted(IN_COLOUR.keys() - OF_FEW_COLOURS))
def test_a_photograph_in_colour(photograph, kind):
    assert far(IN_COLOUR[kind](photograph), photograph) < NEAR


DEEP_GREY = {
    "PNG of 8 bits": lambda grey: encoded(Image.fromarray(grey), "PNG"),
    "PNG of 16 bits": lambda grey: imagecodecs.png_encode(grey.astype(np.uint16) * 257),
    "PNG with alpha": lambda grey: imagecodecs.png_encode(np.dstack([grey, np.full_like(grey, 255)])),
    "PNG of 16 bits with alpha": lambda grey: imagecodecs.png_encode(
        np.dstack([grey, np.full_like(grey, 255)]).astype(np.uint16) * 257
    ),
    "PGM of 12 bits": lambda grey: (
        b"P5 200 300 4095\n" + (grey.astype(int) * 4095 // 255).astype(">u2").tobytes()
    ),
    "PGM of 16 bits": lambda grey: b"P5 200 300 65535\n" + (grey.astype(int) * 257).astype(">u2").tobytes(),
    "PFM": lambda grey: b"Pf 200 300 -1.0\n" + (grey[::-1] / 255).astype("<f4").tobytes(),
    "JPEG": lambda grey: encoded(Image.fromarray(grey), "JPEG", quality=95),
    "JPEG 2000 of 12 bits": lambda grey: imagecodecs.jpeg2k_encode(
        grey.astype(np.uint16) * 16, level=0, bitspersample=12
    ),
    "JPEG XL": lambda grey: imagecodecs.jpegxl_encode(grey, level=95),
    "JPEG XL of 16 bits": lambda grey: imagecodecs.jpegxl_encode(grey.astype(np.uint16) * 257, level=100),
    "TIFF of 12 bits": lambda grey: tiff_of_12_bits(grey),
    "TIFF of 16 bits": lambda grey: tiff(grey.astype(np.uint16) * 257),
    "TIFF of 16 bits, big-endian": lambda grey: tiff(grey.astype(np.uint16) * 257, byteorder=">"),
    "TIFF of 16 bits in which 0 is white": lambda grey: tiff(
        65535 - grey.astype(np.uint16) * 257, photometric="miniswhite"
    ),
    "TIFF of 8 bits in which 0 is white": lambda grey: tiff(255 - grey, photometric="miniswhite"),
    "TIFF of 16 signed bits": lambda grey: tiff((grey.astype(int) * 257 - 32768).astype(np.int16)),
    "TIFF of 32 bits": lambda grey: tiff(grey.astype(np.uint32) * 16843009),
    "TIFF of 32 signed bits": lambda grey: tiff(grey.astype(np.int32) * 8421504),
    "TIFF of 32 bits to 255": lambda grey: tiff(grey.astype(np.int32)),
    "TIFF of 32 bits to 65535": lambda grey: tiff(grey.astype(np.int32) * 257),
    "TIFF of 64 bits": lambda grey: tiff(grey.astype(np.uint64) * (2**64 // 255)),
    "TIFF of floats to 1": lambda grey: tiff((grey / 255).astype(np.float32)),
    "TIFF of floats to 255": lambda grey: tiff(grey.astype(np.float32)),
    "TIFF of floats to 65535": lambda grey: tiff(grey.astype(np.float32) * 257),
    "TIFF of negative floats": lambda grey: tiff(grey.astype(np.float32) - 1000),
    "TIFF of half floats": lambda grey: tiff((grey / 255).astype(np.float16)),
    "TIFF of doubles": lambda grey: tiff(grey / 255),
    "TIFF of doubles, predicted": lambda grey: tiff(grey / 255, compression="zlib", predictor=3),
    "TIFF of floats with holes": lambda grey: tiff(np.where(grey == grey.max(), np.nan, grey / 255.0)),
    "TIFF with alpha": lambda grey: encoded(
        Image.merge("LA", [Image.fromarray(grey), Image.new("L", (200, 300), 255)]), "TIFF"
    ),
    "TIFF with premultiplied alpha": lambda grey: tiff(
        np.dstack([grey, np.full_like(grey, 255)]),
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["assocalpha"],
    ),
    "FITS": lambda grey: fits(grey),
}


def tiff_of_12_bits(grey):
    """Two pixels in three bytes, put together by hand: tifffile does not write these."""
    values = grey.astype(int).reshape(-1, 2) * 4095 // 255
    first, second = values.T
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1).astype(np.uint8)
    entries = [(256, 200), (257, 300), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 300)]
    entries.append((279, packed.size))
    directory = len(entries).to_bytes(2, "little")
    for tag, value in entries:
        directory += b"".join((tag.to_bytes(2, "little"), b"\4\0\1\0\0\0", value.to_bytes(4, "little")))
    pixels = packed.tobytes()
    return b"II*\0" + (8 + len(pixels)).to_bytes(4, "little") + pixels + directory + bytes(4)


def fits(grey):
    cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 200", "NAXIS2  = 300", "END"]
    header = "".join(card.ljust(80) for card in cards).ljust(2880)
    return header.encode() + np.ascontiguousarray(grey[::-1]).tobytes() + bytes(-grey.size % 2880)


@pytest.mark.parametrize("kind", DEEP_GREY)
def test_a_picture_in_grey(grey, photograph, kind):
    for shown in (grey, grey_of(photograph)):
        assert far(DEEP_GREY[kind](shown), np.dstack([shown] * 3)) < NEAR


def test_four_bits_of_grey(grey):
    shown = grey // 17 * 17
    for depth in (4, 8):
        data = encoded(Image.fromarray(shown).quantize(16), "PNG", bits=depth)
        assert far(data, np.dstack([shown] * 3)) < NEAR


def bmp(rgb, bits, masks, kind=3):
    """A BMP whose colours lie where masks say."""
    values = np.zeros(rgb.shape[:2], np.uint32)
    for channel, mask in enumerate(masks[:3]):
        lowest = (mask & -mask).bit_length() - 1
        values |= np.rint(rgb[:, :, channel] / 255 * (mask >> lowest)).astype(np.uint32) << lowest
    values |= masks[3] if len(masks) > 3 else 0
    pixels = values[::-1].astype("<u2" if bits == 16 else "<u4").tobytes()
    header = [40, rgb.shape[1], rgb.shape[0], 1 | bits << 16, kind, len(pixels), 0, 0, 0, 0, *masks]
    start = 14 + 4 * len(header)
    numbers = b"".join(value.to_bytes(4, "little") for value in header)
    return (
        b"BM" + (start + len(pixels)).to_bytes(8, "little") + start.to_bytes(4, "little") + numbers + pixels
    )


@pytest.mark.parametrize(
    ("bits", "masks", "kind"),
    [
        (16, (0xF800, 0x07E0, 0x001F), 3),
        (16, (0x7C00, 0x03E0, 0x001F), 3),
        (16, (0x0F00, 0x00F0, 0x000F, 0xF000), 6),
        (16, (0xC000, 0x3800, 0x0700), 3),
        (32, (0x3FF00000, 0x000FFC00, 0x000003FF), 3),
        (32, (0xFF000000, 0x00FF0000, 0x0000FF00), 3),
        (32, (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000), 6),
    ],
)
def test_a_bmp_with_its_colours_anywhere(photograph, bits, masks, kind):
    shown = photograph.astype(int)
    for channel, mask in enumerate(masks[:3]):
        largest = mask >> ((mask & -mask).bit_length() - 1)
        shown[:, :, channel] = np.rint(np.rint(shown[:, :, channel] / 255 * largest) * 255 / largest)
    data = bmp(photograph, bits, masks, kind)
    assert far(data, shown.astype(np.uint8)) < NEAR
    with pytest.raises(sigsearch.ImageError):
        read_pixels(data[:-1])


def test_an_icon(rgb):
    icon = rgb[:200]
    assert far(encoded(Image.fromarray(icon), "ICO", sizes=[(16, 16), (200, 200)]), icon) < NEAR
    assert far(encoded(Image.fromarray(icon), "ICO", sizes=[(200, 200)], bitmap_format="bmp"), icon) < NEAR


def test_a_picture_within_a_drawing(rgb):
    assert far(svg(rgb), rgb) < NEAR


def test_the_least_bright_of_twelve_bits_are_not_stretched(grey):
    darker = grey // 2
    assert abs(read_pixels(tiff_of_12_bits(darker)).mean() / 10000 - darker.mean()) < 1
    data = imagecodecs.jpegxl_encode(ten_bits(darker), level=100, bitspersample=10)
    assert abs(read_pixels(data).mean() / 10000 - darker.mean()) < 1


def test_black_and_white(grey):
    dithered = Image.fromarray(grey).convert("1")
    expected = np.asarray(dithered.convert("RGB"))
    for data in (
        encoded(dithered, "PNG"),
        encoded(dithered, "TIFF", compression="group4"),
        encoded(dithered, "PPM"),
        encoded(dithered, "BMP"),
        tiff(~np.asarray(dithered), photometric="miniswhite"),
    ):
        assert far(data, expected) < NEAR


WITH_ALPHA = {
    "PNG": lambda rgba: encoded(Image.fromarray(rgba), "PNG"),
    "PNG of 16 bits": lambda rgba: imagecodecs.png_encode(rgba.astype(np.uint16) * 257),
    "WebP": lambda rgba: encoded(Image.fromarray(rgba), "WEBP", lossless=True),
    "AVIF": lambda rgba: encoded(Image.fromarray(rgba), "AVIF", quality=95),
    "HEIF": lambda rgba: heif(Image.fromarray(rgba)),
    "JPEG XL": lambda rgba: imagecodecs.jpegxl_encode(rgba, level=100),
    "JPEG XL of 16 bits": lambda rgba: imagecodecs.jpegxl_encode(rgba.astype(np.uint16) * 257, level=100),
    "JPEG 2000": lambda rgba: encoded(Image.fromarray(rgba), "JPEG2000"),
    "TGA": lambda rgba: encoded(Image.fromarray(rgba), "TGA"),
    "TIFF": lambda rgba: tiff(rgba, photometric="rgb", extrasamples=["unassalpha"]),
    "TIFF of 16 bits": lambda rgba: tiff(
        rgba.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"]
    ),
    "TIFF of floats": lambda rgba: tiff(
        (rgba / 255).astype(np.float32), photometric="rgb", extrasamples=["unassalpha"]
    ),
    "TIFF, premultiplied": lambda rgba: tiff(
        multiplied(rgba), photometric="rgb", extrasamples=["assocalpha"]
    ),
    "TIFF of floats, premultiplied": lambda rgba: tiff(
        (multiplied(rgba) / 255).astype(np.float32), photometric="rgb", extrasamples=["assocalpha"]
    ),
    "palette PNG": lambda rgba: encoded(Image.fromarray(rgba).quantize(256), "PNG"),
    "SVG": lambda rgba: svg(rgba),
}


def multiplied(rgba):
    return np.dstack([np.rint(rgba[:, :, :3] * (rgba[:, :, 3:] / 255)), rgba[:, :, 3]]).astype(np.uint8)


@pytest.mark.parametrize("kind", WITH_ALPHA)
def test_what_is_transparent_is_white(rgb, kind):
    alpha, shown = halves(rgb)
    assert far(WITH_ALPHA[kind](np.dstack([rgb, alpha])), shown) < NEAR


def test_the_transparent_value_of_deep_grey_is_white(grey):
    deep = grey.astype(np.uint16) * 257
    deep[200:] = 0x1234
    png = bytearray(imagecodecs.png_encode(deep))
    at = png.index(b"IDAT") - 4
    chunk = b"tRNS\x12\x34"
    png[at:at] = b"\0\0\0\2" + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    shown = grey.copy()
    shown[200:] = 255
    assert far(bytes(png), np.dstack([shown] * 3)) < NEAR


def test_the_transparent_colour_of_a_gif_is_white(rgb):
    alpha, shown = halves(rgb)
    shown[150:200] = rgb[150:200]
    image = Image.fromarray(np.dstack([rgb, np.where(alpha > 0, 255, 0).astype(np.uint8)]))
    assert far(encoded(image, "GIF"), shown) < NEAR


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_of_an_animation_the_first_frame_is_seen(rgb, format):
    frames = [Image.fromarray(rgb), Image.fromarray(rgb[::-1].copy()), Image.new("RGB", (200, 300), "red")]
    data = encoded(
        frames[0],
        format,
        save_all=True,
        append_images=frames[1:],
        **({"duration": 100} if format != "TIFF" else {}),
    )
    assert far(data, rgb) < NEAR


def test_of_an_animated_jpeg_xl_the_first_frame_is_seen(rgb):
    data = imagecodecs.jpegxl_encode(np.stack([rgb, rgb[::-1]]), level=95, photometric="rgb")
    assert far(data, rgb) < NEAR


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_a_first_frame_that_does_not_fill_a_gif_lies_on_white(rgb, disposal):
    palette = Image.fromarray(rgb[50:250, 40:160]).quantize(255)
    data = bytearray(encoded(palette, "GIF", disposal=disposal, transparency=255))
    # A larger canvas: the screen's size stands at 6, the frame's place after its separator.
    data[6:10] = (200).to_bytes(2, "little") + (300).to_bytes(2, "little")
    at = data.index(b",\0\0\0\0") + 1
    data[at : at + 4] = (40).to_bytes(2, "little") + (50).to_bytes(2, "little")
    expected = np.full_like(rgb, 255)
    expected[50:250, 40:160] = rgb[50:250, 40:160]
    assert far(bytes(data), expected) < NEAR


def turned(image, orientation):
    """A picture kept so that a viewer who minds the tag shows it upright."""
    operation = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    return image if operation is None else image.transpose(operation)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "TIFF", "PNG", "WEBP", "AVIF", "HEIF"])
def test_a_turned_picture_is_seen_upright(rgb, format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = turned(Image.fromarray(rgb), orientation)
    if format == "HEIF":
        data = heif(image, exif=exif.tobytes())
    else:
        options = {"lossless": True} if format == "WEBP" else {"quality": 95}
        data = encoded(image, format, exif=exif, **(options if format != "PNG" else {}))
    assert read_pixels(data).shape == rgb.shape
    assert far(data, rgb) < NEAR


def test_a_turned_grey_png_of_16_bits_is_seen_upright(grey):
    deep = Image.fromarray(np.rot90(grey).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert far(encoded(deep, "PNG", exif=exif), np.dstack([grey] * 3)) < NEAR


def test_the_exif_of_another_is_no_picture_turned_twice(rgb):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(turned(Image.fromarray(rgb), 6), "JPEG", quality=95, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert far(data, upright) < 0.01


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_picture_with_a_colour_profile(rgb, format):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert far(encoded(Image.fromarray(rgb), format, icc_profile=profile), rgb) < NEAR
