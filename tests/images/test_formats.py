"""Formats with libraries of their own: limits before decoding, missing libraries, drawings that reach out."""

import base64
import gzip
import io
import os
import subprocess
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

import sigsearch
from sigsearch import ImageError
from sigsearch.images import formats, jxl, picture_endings, read_pixels, svg
from sigsearch.limits import Limits
from sigsearch.sources import find_pictures

HEAD = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '


def encoded(image, format, **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def reason(data, **limits):
    with pytest.raises(ImageError) as caught:
        read_pixels(data, limits=Limits(**limits))
    assert "\n" not in caught.value.reason
    return caught.value.reason


@pytest.fixture
def rgb(small_picture):
    return Image.fromarray(small_picture)


def heif(image):
    import pillow_heif

    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream)
    return stream.getvalue()


def tiff(array, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


KINDS = {
    "PNG": lambda rgb: encoded(rgb, "PNG"),
    "JPEG": lambda rgb: encoded(rgb, "JPEG"),
    "GIF": lambda rgb: encoded(rgb, "GIF"),
    "WebP": lambda rgb: encoded(rgb, "WEBP"),
    "TIFF": lambda rgb: encoded(rgb, "TIFF"),
    "TIFF of floats": lambda rgb: tiff(np.asarray(rgb).astype(np.float32), photometric="rgb"),
    "HEIF": heif,
    "AVIF": lambda rgb: encoded(rgb, "AVIF"),
    "JPEG XL": lambda rgb: imagecodecs.jpegxl_encode(np.asarray(rgb)),
    "JPEG 2000": lambda rgb: encoded(rgb, "JPEG2000"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_too_many_pixels_is_refused(rgb, kind):
    data = KINDS[kind](rgb)
    assert reason(data, pixels=4799) == (
        "it has 80 x 60 pixels, more than the limit of 4,799 (Limits(pixels=...) or --max-pixels)"
    )
    assert read_pixels(data, limits=Limits(pixels=4800)).shape[:2] == (60, 80)


def png_of(width, height, data=b""):
    def chunk(kind, content):
        checksum = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + checksum

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\2\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_too_many_pixels_are_refused_by_the_header_alone():
    assert reason(png_of(64250, 64250)) == (
        "it has 64250 x 64250 pixels, more than the limit of 178,956,970 (Limits(pixels=...) or --max-pixels)"
    )
    codestream = b"\xff\x0a" + (0 | 3 << 1 | 64249 << 3 | 1 << 33).to_bytes(12, "little")
    assert reason(codestream).startswith("it has 64250 x 64250 pixels")
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x0cftypjxl " + b"\0\0\0\0jxlc" + codestream
    assert reason(boxed).startswith("it has 64250 x 64250 pixels")


@pytest.mark.parametrize("pillows", [1, 1000, None])
def test_it_is_not_pillows_limit_that_decides(rgb, monkeypatch, pillows):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
    data = encoded(rgb, "PNG")
    assert read_pixels(data).shape == (60, 80, 3)
    assert reason(data, pixels=100).startswith("it has 80 x 60 pixels")
    assert pillows == Image.MAX_IMAGE_PIXELS


def test_an_icon_that_holds_more_than_it_says_is_refused(rgb):
    icon = bytearray(encoded(rgb.resize((64, 64)), "ICO", sizes=[(64, 64)]))
    icon[6:8] = b"\x10\x10"
    assert reason(bytes(icon), pixels=1000).startswith("it has 64 x 64 pixels")


@pytest.mark.parametrize(
    "size", [(8, 8), (256, 256), (300, 200), (1, 5000), (5000, 1), (640, 480), (1920, 1080)]
)
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_header_of_a_jpeg_xl_is_read(size, bits):
    array = np.full((size[1], size[0], 3), 100, np.uint8 if bits == 8 else np.uint16)
    data = imagecodecs.jpegxl_encode(array, level=100, bitspersample=bits)
    assert jxl.header_of(data) == jxl.Header(*size, bits)
    boxed = imagecodecs.jpegxl_encode(array, level=100, bitspersample=bits, usecontainer=True)
    assert jxl.header_of(boxed) == jxl.Header(*size, bits)


def test_a_cut_jpeg_xl_is_refused(small_picture):
    data = imagecodecs.jpegxl_encode(small_picture)
    for length in (2, 3, 20, len(data) // 2, len(data) - 1):
        assert reason(data[:length])


MISSING = {
    "HEIF": ("a HEIF", "pillow_heif"),
    "JPEG XL": ("a JPEG XL", "imagecodecs"),
}


@pytest.mark.parametrize("kind", MISSING)
def test_a_missing_library_is_named(rgb, monkeypatch, kind):
    data = KINDS[kind](rgb)
    what, module = MISSING[kind]
    monkeypatch.setitem(sys.modules, module, None)
    assert reason(data) == f"it is {what} picture; reading these needs: pip install 'sigsearch[formats]'"


def test_a_missing_library_for_drawings_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    expected = "it is an SVG picture; reading these needs: pip install 'sigsearch[formats]'"
    for data in (
        HEAD + b"/>",
        gzip.compress(HEAD + b"/>"),
        b"\xef\xbb\xbf<?xml version='1.0'?>" + HEAD + b"/>",
    ):
        assert reason(data) == expected


def test_a_pillow_without_avif_is_said(rgb, monkeypatch):
    from PIL import features

    data = KINDS["AVIF"](rgb)
    monkeypatch.setattr(features, "check", lambda name: name != "avif")
    assert read_pixels(data).shape == (60, 80, 3)  # a plugin of others may read it
    monkeypatch.setitem(Image.OPEN, "AVIF", (None, lambda start: "it was built without"))
    assert reason(data) == "it is an AVIF picture; reading these needs: pip install 'sigsearch[formats]'"


def test_a_tiff_that_pillow_does_not_know_says_what_may_help(rgb, monkeypatch):
    data = KINDS["TIFF of floats"](rgb)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    assert reason(data).endswith("unknown pixel mode; rarer TIFFs need: pip install 'sigsearch[formats]'")
    assert read_pixels(KINDS["TIFF"](rgb)).shape == (60, 80, 3)


def test_the_endings_are_known_without_the_libraries(tmp_path, monkeypatch):
    for module in ("pillow_heif", "imagecodecs", "resvg_py"):
        monkeypatch.setitem(sys.modules, module, None)
    assert {".svg", ".svgz", ".heic", ".heif", ".avif", ".jxl"} <= picture_endings()
    (tmp_path / "a.HEIC").touch()
    assert list(find_pictures(tmp_path)) == [str(tmp_path / "a.HEIC")]


def test_a_jpeg_does_not_pay_for_other_formats(caravaggio):
    code = (
        "import sys, PIL.Image\n"
        "from sigsearch.images import read_pixels\n"
        "before = dict(PIL.Image.OPEN)\n"
        f"read_pixels({os.fspath(caravaggio)!r})\n"
        "late = {'pillow_heif', 'imagecodecs', 'resvg_py', 'tifffile', 'xml.etree.ElementTree'}\n"
        "print(sorted(late & set(sys.modules)), 'HEIF' in PIL.Image.OPEN)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "[] False\n"


def test_reading_a_heif_registers_nothing_in_pillow(rgb):
    read_pixels(heif(rgb))
    assert "HEIF" not in Image.OPEN


def test_a_broken_picture_says_of_what_kind_it_seems():
    assert reason(b"\x89PNG\r\n\x1a\nnothing").startswith("it begins as PNG does, but cannot be opened: ")
    assert reason(b"\xff\xd8\xff nothing").startswith("it begins as JPEG does, but cannot be opened")


def test_text_and_other_xml_are_no_drawings():
    unknown = "its content is not a picture of a known format"
    for data in (
        b"<html><body><svg/></body></html>",
        b"<!-- <svg> --><html/>",
        b"<svgs/>",
        gzip.compress(b"hello"),
        b"\x1f\x8b nothing",
        b"  text",
    ):
        assert reason(data) == unknown


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_drawing_may_be_preceded_by_much(encoding):
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<!-- {"<svg " * 1000}-->\n'
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" '
        '[<!ENTITY red "fill:#f00"> <!-- é -->]>\n'
        '<s:svg xmlns:s="http://www.w3.org/2000/svg" width="300" height="300">'
        '<s:rect width="300" height="150" style="&red;"/></s:svg>'
    )
    pixels = read_pixels(text.encode(encoding))
    assert pixels.shape == (300, 300, 3)
    assert pixels[75, 150].tolist() == [255, 0, 0]
    assert pixels[225, 150].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("size", "side"),
    [
        ('width="300" height="200"', 300),
        ('width="300px" height="600"', 600),
        ('width="24" height="24"', 264),
        ('width="3000" height="10"', 1000),
        ('width="1e9" height="1e9"', 512),
        ('width="4in" height="1in"', 384),
        ('width="210mm" height="297mm"', 561),
        ('viewBox="0 0 400 300"', 400),
        ('viewBox="0,0,400,300" width="100%"', 400),
        ('viewBox="0 0 400 300" width="800"', 800),
        ("", 512),
        ('width="many"', 512),
    ],
)
def test_a_drawing_is_drawn_at_its_own_size_within_bounds(size, side):
    import xml.etree.ElementTree as ElementTree

    assert svg.drawn_side(ElementTree.fromstring(f"<svg {size}/>")) == side


def test_a_drawing_in_inches_is_drawn():
    data = HEAD + b'width="4in" height="1in"><rect width="2in" height="1in"/></svg>'
    pixels = read_pixels(data)
    assert pixels.shape == (96, 384, 3)
    assert pixels[50, 100].tolist() == [0, 0, 0]
    assert pixels[50, 300].tolist() == [255, 255, 255]


IMAGE = HEAD + b'width="300" height="300"><image width="300" height="300" xlink:href="%s"/></svg>'


@pytest.fixture
def red(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (50, 50), "red").save(path)
    return path


def embedded(data, mime="image/png"):
    return f"data:{mime};base64,{base64.b64encode(data).decode()}".encode()


def is_blank(data):
    return bool((read_pixels(data) == 255).all())


def test_what_a_drawing_embeds_is_seen(red):
    assert read_pixels(IMAGE % embedded(red.read_bytes()))[150, 150].tolist() == [255, 0, 0]
    inner = IMAGE % embedded(red.read_bytes())
    assert read_pixels(IMAGE % embedded(inner, "image/svg+xml"))[150, 150].tolist() == [255, 0, 0]


def test_a_drawing_reads_no_file(red, monkeypatch):
    monkeypatch.chdir(red.parent)
    (red.parent / "data:x").mkdir()
    (red.parent / "red.svg").write_bytes(IMAGE % embedded(red.read_bytes()))
    path = os.fsencode(red)
    for reference in (
        b"red.png",
        path,
        b" " + path,
        b"file://" + path,
        b"red.svg",
        b"data:x/../red.png",
        b"DATA:x/../red.png",
        b"&#x2f;" + path[1:],
        b"./red.png",
    ):
        assert is_blank(IMAGE % reference), reference
        assert is_blank((IMAGE % reference).replace(b"xlink:href", b"href")), reference
        inner = embedded(IMAGE % reference, "image/svg+xml")
        assert is_blank(IMAGE % inner), reference
        assert is_blank(IMAGE % inner.replace(b"image/svg+xml", b"text/plain")), reference
    entity = b'<!DOCTYPE svg [<!ENTITY red "' + path + b'">]>' + IMAGE % b"&red;"
    assert is_blank(entity)
    filtered = HEAD + (
        b'width="300" height="300"><filter id="f"><feImage href="red.png"/></filter>'
        b'<rect width="300" height="300" filter="url(#f)"/></svg>'
    )
    assert not (read_pixels(filtered) == [255, 0, 0]).all(axis=2).any()


def test_a_drawing_does_not_wait_for_a_device_or_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero", "/dev/stdin"):
        assert is_blank(IMAGE % os.fsencode(path))


def test_entities_that_multiply_are_refused():
    entities = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
    data = (
        f'<!DOCTYPE svg [<!ENTITY e0 "{"a" * 10}">{entities}]>'.encode() + HEAD + b"><text>&e9;</text></svg>"
    )
    assert reason(data).startswith("its XML is broken: ")


@pytest.mark.parametrize("attribute", ["fill", "stroke", "mask", "clip-path", "style"])
def test_patterns_that_multiply_are_refused(attribute):
    value = {"style": "fill: url( '#p%d' )"}.get(attribute, "url(#p%d)")
    patterns = ""
    for i in range(9):
        squares = f'<rect width="9" height="9" {attribute}="{value % i}"/>' * 10
        patterns += f'<pattern id="p{i + 1}" width="9" height="9">{squares}</pattern>'
    last = f'<rect width="9" height="9" {attribute}="{value % 9}"/></svg>'
    data = HEAD + f'width="300" height="300"><defs>{patterns}</defs>{last}'.encode()
    assert reason(data) == "its parts refer to each other so that 1,000,000 or more would be drawn"


def test_references_in_a_circle_are_no_harm():
    pattern = b'<pattern id="%s" width="9" height="9"><rect width="9" height="9" fill="url(#%s)"/></pattern>'
    data = HEAD + b'width="300" height="300">' + pattern % (b"a", b"b") + pattern % (b"b", b"a")
    data += b'<rect width="300" height="150" fill="url(#a)"/><rect y="200" width="300" height="50"/></svg>'
    assert read_pixels(data)[220, 150].tolist() == [0, 0, 0]


def test_a_drawing_of_too_many_elements_is_refused():
    assert reason(gzip.compress(HEAD + b">" + b"<g/>" * 2_000_000 + b"</svg>")) == (
        "it has more than 1,000,000 elements"
    )


def test_entities_from_files_are_refused():
    data = b'<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + HEAD + b"><text>&e;</text></svg>"
    assert reason(data).startswith("its XML is broken: undefined entity")


def test_pictures_within_a_drawing_share_the_limit_of_pixels(red):
    one = b'<image width="9" height="9" href="%s"/>' % embedded(red.read_bytes())
    data = HEAD + b'width="300" height="300">' + one * 3 + b"</svg>"
    assert read_pixels(data, limits=Limits(pixels=90_000)).shape == (300, 300, 3)
    assert reason(data, pixels=7499).startswith("the pictures in it have more pixels than the limit of 7,499")
    assert reason(HEAD + b'><image href="%s"/></svg>' % embedded(png_of(60000, 60000))).startswith(
        "the pictures in it"
    )


def test_an_svgz_that_unpacks_to_too_much_is_refused():
    data = gzip.compress(HEAD + b">" + b" " * 10_000_000 + b"</svg>")
    assert reason(data, bytes=1_000_000) == "it unpacks to more than the limit of 1,000,000 bytes"


def test_a_drawing_too_deep_or_broken_is_refused():
    assert reason(HEAD + b">" + b"<g>" * 20_000 + b"</g>" * 20_000 + b"</svg>")
    assert reason(HEAD + b"><g></svg>").startswith("its XML is broken: mismatched tag")


@pytest.mark.parametrize("name", ["tEXt", "zTXt"])
def test_a_png_with_a_huge_comment_is_read(small_picture, name):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("comment", "a" * 3_000_000, zip=name == "zTXt")
    data = encoded(Image.fromarray(small_picture), "PNG", pnginfo=info)
    assert np.array_equal(read_pixels(data), small_picture)


def test_a_cut_tiff_stays_refused(small_picture):
    for options in ({}, {"compression": "zlib"}, {"compression": "zstd"}, {"tile": (32, 32)}):
        for array in (small_picture, small_picture.astype(np.float32)):
            data = tiff(array, photometric="rgb", metadata=None, **options)
            sigsearch.compute_signature(data)
            assert reason(data[: int(len(data) * 0.7)])


def test_nothing_is_known_of_other_content():
    assert formats.kind_of(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42") is None
    assert formats.kind_of(b"") is None
    assert formats.kind_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf") == "AVIF"
    assert formats.kind_of(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf") == "HEIF"
