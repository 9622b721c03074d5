"""search --show: pictures of the matches, side by side, in a folder and in terminals that show them."""

import json
import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFont, ImageOps

import sigsearch
from sigsearch.cli import inline, side_by_side
from sigsearch.images import WHITE
from sigsearch.limits import DEFAULT_LIMITS
from sigsearch.records import Box, Match

PART = (0.1, 0.05, 0.7, 0.55)
GREY = np.full((300, 400, 3), 128, np.uint8)
KITTY = {"KITTY_WINDOW_ID": "1"}
COLOUR = np.array(side_by_side.COLOUR)


def make_match(**given):
    known = {"distance": 0.25, "id": "a", "path": "/a.jpg", "metadata": None, "orientation": "as-is"}
    return Match(**known | {"word_matches": 9, "expected_false": 3e-5} | given)


@pytest.fixture(scope="module")
def places(tmp_path_factory, mona_lisa, caravaggio):
    """An index of regions, and a part of one of its pictures."""
    folder = tmp_path_factory.mktemp("regions")
    with sigsearch.open(folder / "photos.sig", views="regions") as index:
        index.add_many([mona_lisa, caravaggio], workers=0)
    with Image.open(mona_lisa) as image:
        left, top, right, bottom = PART
        box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        image.crop(tuple(map(round, box))).save(folder / "part.png")
    return folder / "photos.sig", folder / "part.png"


@pytest.fixture
def regions(places):
    return places[0]


@pytest.fixture
def part(places):
    return places[1]


@pytest.fixture
def on_a_terminal(monkeypatch):
    def on_a_terminal(**environment):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        for name in ("TMUX", "STY", "KITTY_WINDOW_ID", "TERM_PROGRAM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in ({"TERM": "xterm"} | environment).items():
            monkeypatch.setenv(name, value)

    return on_a_terminal


def pixels(image):
    return np.asarray(image.convert("RGB")).astype(int)


def is_coloured(values, tolerance=0):
    return (np.abs(values - COLOUR) <= tolerance).all(axis=-1)


# What is drawn


def test_both_boxes_have_a_line_of_3_pixels_inside_their_edges():
    match = make_match(query_box=Box(0.25, 0.5, 0.75, 1.0), box=Box(0.1, 0.2, 0.9, 0.6), windows=7)
    drawn = pixels(side_by_side.side_by_side(GREY, GREY, match))
    query, stored = drawn[:300, :400], drawn[:300, 410:810]
    for picture, (left, top, right, bottom) in (
        (query, (100, 150, 300, 300)),
        (stored, (40, 60, 360, 180)),
    ):
        expected = np.zeros((300, 400), bool)
        expected[top:bottom, left:right] = True
        expected[top + 3 : bottom - 3, left + 3 : right - 3] = False
        np.testing.assert_array_equal(is_coloured(picture), expected)


def test_of_whole_pictures_no_box_is_drawn():
    drawn = pixels(side_by_side.side_by_side(GREY, GREY, make_match()))
    assert not is_coloured(drawn).any()
    assert (drawn[:300, :400] == 128).all()


def test_a_box_as_large_as_the_picture_is_drawn_if_the_other_is_a_part():
    drawn = pixels(side_by_side.side_by_side(GREY, GREY, make_match(box=Box(0.5, 0.5, 1, 1), windows=7)))
    assert is_coloured(drawn[0, :400]).all()
    assert is_coloured(drawn[299, :400]).all()


@pytest.mark.parametrize(
    ("shapes", "height", "widths"),
    [
        ([(300, 400), (300, 400)], 300, (400, 400)),  # not enlarged
        ([(300, 400), (500, 500)], 500, (667, 500)),  # but for the other
        ([(2400, 1200), (60, 80)], 600, (300, 800)),
        ([(100, 3000), (100, 3000)], 26, (780, 780)),  # 1,600 / (30 + 30)
        ([(3000, 2), (3000, 2)], 600, (1, 1)),
    ],
)
def test_both_pictures_have_one_height(shapes, height, widths):
    query, stored = (
        np.full((*shape, 3), shade, np.uint8) for shape, shade in zip(shapes, (50, 90), strict=True)
    )
    drawn = pixels(side_by_side.side_by_side(query, stored, make_match()))
    assert drawn.shape[0] == height + 32
    left, right = widths
    assert (drawn[:height, :left] == 50).all()
    assert (drawn[:height, left : left + 10] == 255).all()
    assert (drawn[:height, left + 10 : left + 10 + right] == 90).all()


def test_grey_of_more_than_8_bits_is_shown_as_8():
    grey = np.full((300, 400), WHITE * 3 // 5, np.int32)
    assert (pixels(side_by_side.side_by_side(grey, GREY, make_match()))[:300, :400] == 153).all()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "distance 0.2500, expected false 3e-05, as-is"),
        (
            {"windows": 12, "orientation": "mirror", "expected_false": None},
            "distance 0.2500, 12 windows, expected false unknown, mirror",
        ),
    ],
)
def test_the_caption_says_what_is_known(given, text):
    assert side_by_side.caption(make_match(**given)) == text


def test_the_caption_stands_beneath_and_is_not_cut_from_narrow_pictures():
    narrow = GREY[:, :30]
    match = make_match()
    drawn = side_by_side.side_by_side(narrow, narrow, match)
    beneath = ImageOps.invert(drawn.crop((0, 300, *drawn.size))).getbbox()
    wanted = ImageFont.load_default(16).getmask(side_by_side.caption(match)).getbbox()
    assert beneath[2] - beneath[0] == wanted[2] - wanted[0]
    assert beneath[2] < drawn.width


# What is written where


def test_a_picture_of_each_match_is_written(run, regions, part, mona_lisa):
    result = run("search", "--index", regions, part, "--show", "new/shown")
    assert (result.status, result.err) == (0, "")
    assert result.out.endswith(f"\tas-is\t{mona_lisa}\n")
    assert result.out.count("\n") == 1
    [written] = sorted((regions.parent.cwd() / "new" / "shown").iterdir())
    assert written.name == "part-1-MonaLisa_Wikipedia.jpg"
    with Image.open(written) as image, Image.open(part) as query:
        assert image.height == 600 + 32
        drawn = pixels(image)
        width = round(600 * query.width / query.height)
    coloured = is_coloured(drawn, 60)
    assert coloured[:, width // 2].sum() >= 6, "the query's box, above and below"
    stored = coloured[:600, width + 10 :]
    columns, rows = np.flatnonzero(stored.any(axis=0)), np.flatnonzero(stored.any(axis=1))
    found = (
        np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        / np.array([687 / 1024, 1, 687 / 1024, 1])
        / 600
    )
    np.testing.assert_allclose(found, PART, atol=0.03)


def test_a_picture_is_shown_turned_as_its_exif_says(run, photos, mona_lisa):
    with Image.open(mona_lisa) as image:
        exif = image.getexif()
        exif[0x0112] = 6  # to be turned by a quarter, with the clock
        image.transpose(Image.Transpose.ROTATE_90).save("turned.jpg", exif=exif, quality=95)
    assert run("search", "--index", photos, "turned.jpg", "--show", "out", "--limit", 1).status == 0
    with Image.open("out/turned-1-MonaLisa_Wikipedia.jpg") as drawn:
        width = round(600 * 687 / 1024)
        assert drawn.width == 2 * width + 10
        left = drawn.crop((0, 0, width, 600))
        right = drawn.crop((width + 10, 0, 2 * width + 10, 600))
        assert np.asarray(ImageChops.difference(left, right)).mean() < 5


def test_a_second_run_writes_its_own_pictures_again_and_leaves_those_of_others(
    run, photos, caravaggio, tmp_path
):
    arguments = ("search", "--index", photos, caravaggio, "--show", "out", "--limit", 1)
    assert run(*arguments).status == 0
    [written] = (tmp_path / "out").iterdir()
    first = written.read_bytes()
    run(*arguments)
    assert [path.read_bytes() for path in (tmp_path / "out").iterdir()] == [first]
    for other in (caravaggio.read_bytes(), b"a letter", b""):
        written.write_bytes(other)
        result = run(*arguments)
        assert (result.status, len(result.lines)) == (0, 1)
        assert (
            result.err == f"sigsearch: out/{written.name} was left as it is: it was not made by sigsearch\n"
        )
        assert written.read_bytes() == other


def test_queries_of_one_name_have_pictures_of_their_own(run, photos, mona_lisa, caravaggio, tmp_path):
    for folder, path in (("a", mona_lisa), ("b", caravaggio)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jpg").write_bytes(path.read_bytes())
    run("search", "--index", photos, "a/x.jpg", "b/x.jpg", "--show", "out", "--limit", 1)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["x-1-MonaLisa_Wikipedia.jpg", "x.2-1-Caravaggio_Wikipedia.jpg"]


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("/photos/mona lisa (2).tar.jpg", "mona_lisa_2_.tar"),
        ("https://user:secret@host.example/a/b.jpg?size=3#top", "b"),
        ("photos.zip!/folder/a.png", "a"),
        ("/photos/Größe.jpg", "Größe"),
        ("bad\udcff.jpg", "bad_"),
        ("https://host.example/", "picture"),
        ("x" * 300 + ".jpg", "x" * 40),
    ],
)
def test_pictures_are_named_such_that_any_system_takes_it(path, stem):
    assert side_by_side._stem(path) == stem


def test_a_stored_picture_that_cannot_be_read_is_told_in_a_line_and_the_others_are_shown(
    run, mona_lisa, other_mona_lisa, tmp_path
):
    gone = tmp_path / "gone.jpg"
    gone.write_bytes(mona_lisa.read_bytes())
    with sigsearch.open("new.sig") as index:
        index.add(gone)
        index.add(mona_lisa.read_bytes(), id="no path")
        index.add(other_mona_lisa)
    gone.unlink()
    result = run("search", "--index", "new.sig", mona_lisa, "--show", "out")
    assert (result.status, len(result.lines)) == (0, 3)
    assert sorted(result.err.splitlines()) == [
        f"sigsearch: cannot read {gone}: no such file",
        "sigsearch: no picture of 'no path' to show: its record has no path",
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [
        "MonaLisa_Wikipedia-3-MonaLisa_WikiImages.jpg"
    ]


def test_a_query_that_is_gone_meanwhile_is_told_once(capsys, tmp_path):
    album = side_by_side.Album(str(tmp_path), DEFAULT_LIMITS)
    assert list(album.draw("nope.jpg", [make_match(), make_match()])) == []
    assert capsys.readouterr().err == "sigsearch: cannot read nope.jpg: no such file\n"


def test_a_folder_that_is_a_file_is_an_error_in_a_line_and_stays_as_it_is(run, photos, mona_lisa, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = run("search", "--index", photos, mona_lisa, "--show", "file")
    assert result.is_one_line_error("wanted a folder for the pictures, found a file: file")
    result = run("search", "--index", photos, mona_lisa, "--show", "file/inner")
    assert result.is_one_line_error("cannot write pictures to file/inner: Not a directory")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_picture_that_cannot_be_written_is_an_error_in_a_line(
    run, photos, caravaggio, monkeypatch, tmp_path
):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "Caravaggio_Wikipedia-1-Caravaggio_Wikipedia.jpg").symlink_to("/nowhere/a.jpg")
    monkeypatch.setattr(side_by_side, "_is_own", lambda path: True)
    result = run("search", "--index", photos, caravaggio, "--show", "out")
    assert result.status == 2
    assert result.err == "sigsearch: cannot write pictures to out: No such file or directory\n"


def test_without_a_match_nothing_is_written(run, photos, tmp_path):
    Image.linear_gradient("L").save("other.png")
    result = run("search", "--index", photos, "other.png", "--show", "out")
    assert (result.status, result.out, result.err) == (1, "", "")
    assert list((tmp_path / "out").iterdir()) == []


def test_where_there_is_no_index_no_folder_is_made(run, mona_lisa, tmp_path):
    assert run("search", "--index", "none.sig", mona_lisa, "--show", "out").status == 2
    assert not (tmp_path / "out").exists()


def test_with_json_there_are_pictures_too_and_nothing_else_on_standard_output(
    run, regions, part, on_a_terminal, tmp_path
):
    on_a_terminal(**KITTY)
    result = run("search", "--index", regions, part, "--show", "out", "--json")
    [match] = json.loads(result.out)["matches"]
    assert (result.out.count("\n"), match["windows"] > 0) == (1, True)
    assert len(list((tmp_path / "out").iterdir())) == 1


# On a terminal


def test_an_index_of_regions_has_columns_of_windows_and_parts(run, regions, part, mona_lisa, on_a_terminal):
    on_a_terminal()
    result = run("search", "--index", regions, part, mona_lisa)
    shown = re.sub("\x1b\\[[0-9;]*m", "", result.out).splitlines()
    headings = "distance expected false windows of the query of the picture orientation path"
    assert " ".join(shown[1].split()) == headings
    cells = re.split("  +", shown[2])
    assert int(cells[2]) > 2
    assert cells[3] == "whole"
    edges = re.fullmatch(r"(\d+)-(\d+) % x (\d+)-(\d+) %", cells[4])
    left, top, right, bottom = (round(100 * edge) for edge in PART)
    np.testing.assert_allclose([int(edge) for edge in edges.groups()], [left, right, top, bottom], atol=3)
    assert cells[5:] == ["as-is", str(mona_lisa)]


def test_an_index_of_whole_pictures_has_no_such_columns(run, photos, mona_lisa, on_a_terminal):
    on_a_terminal()
    assert "windows" not in run("search", "--index", photos, mona_lisa).lines[0]


@pytest.mark.parametrize(
    ("given", "cells"),
    [
        ({}, ("whole", "whole", "whole")),
        (
            {"windows": 12, "query_box": Box(0.2, 0.1, 0.8, 0.9), "box": Box(0.001, 0, 0.999, 1)},
            ("12", "20-80 % x 10-90 %", "whole"),
        ),
    ],
)
def test_a_part_is_told_across_and_down(given, cells):
    from sigsearch.cli.search import _parts

    assert _parts(make_match(**given)) == cells


def test_the_end_says_how_many_pictures_are_where(run, photos, mona_lisa, caravaggio, on_a_terminal):
    on_a_terminal()
    out = run("search", "--index", photos, mona_lisa, caravaggio, "--show", "out").out
    assert out.endswith("\n3 pictures are in out\n")
    assert "\x1b_G" not in out
    assert "\x1b]" not in out
    assert run("search", "--index", photos, caravaggio, "--show", "out").out.endswith("1 picture is in out\n")


@pytest.mark.parametrize("environment", [KITTY, {"TERM": "xterm-kitty"}])
def test_kitty_is_sent_the_picture_in_chunks(capsys, on_a_terminal, environment):
    on_a_terminal(COLUMNS="80")
    picture = Image.effect_noise((900, 200), 90).convert("RGB")
    assert inline.show(picture, environment)
    sent = capsys.readouterr().out
    chunks = re.findall("\x1b_G([^;]*);([^\x1b]*)\x1b\\\\", sent)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in chunks) + "\n" == sent
    assert len(chunks) > 2
    assert [keys for keys, _ in chunks] == ["a=T,f=100,c=80,q=2,m=1", *["m=1"] * (len(chunks) - 2), "m=0"]
    assert all(len(data) == 4096 for _, data in chunks[:-1])
    with Image.open(BytesIO(b64decode("".join(data for _, data in chunks)))) as shown:
        assert shown.format == "PNG"
        assert ImageChops.difference(shown, picture).getbbox() is None


@pytest.mark.parametrize("program", ["iTerm.app", "WezTerm"])
def test_iterm2_is_sent_the_picture_at_once(capsys, on_a_terminal, program):
    on_a_terminal()
    picture = Image.new("RGB", (30, 20), "red")
    assert inline.show(picture, {"TERM": "xterm-256color", "TERM_PROGRAM": program})
    size, data = re.fullmatch(
        "\x1b]1337;File=inline=1;size=(\\d+):([^\a]*)\a\n", capsys.readouterr().out
    ).groups()
    assert len(b64decode(data)) == int(size)
    with Image.open(BytesIO(b64decode(data))) as shown:
        assert ImageChops.difference(shown, picture).getbbox() is None


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"},
        KITTY | {"TMUX": "/tmp/tmux,1,0"},
        {"TERM_PROGRAM": "iTerm.app", "STY": "1"},
    ],
)
def test_other_terminals_are_sent_nothing(capsys, on_a_terminal, environment):
    on_a_terminal()
    assert not inline.show(Image.new("RGB", (30, 20)), environment)
    assert capsys.readouterr().out == ""


def test_a_pipe_is_sent_nothing(capsys):
    assert not inline.show(Image.new("RGB", (30, 20)), KITTY)
    assert capsys.readouterr().out == ""


def test_kitty_shows_each_match_beneath_the_table(run, photos, mona_lisa, on_a_terminal):
    on_a_terminal(**KITTY)
    out = run("search", "--index", photos, mona_lisa, "--show", "out").out
    assert out.count("\x1b_Ga=T,") == 2
    assert out.index("MonaLisa_WikiImages.jpg") < out.index("\x1b_G")
