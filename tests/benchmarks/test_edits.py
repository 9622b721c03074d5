"""Edits: each gives the same copy each time, of the size and with the pixels that its name tells."""

import numpy as np
import pytest
from PIL import Image

import sigsearch
from benchmarks import edits
from sigsearch.testing.pictures import make_picture

pytest_plugins = ["sigsearch_elasticsearch.testing.plugin"]

PICTURE = Image.fromarray(make_picture(3))  # 320 x 240


def pixels(picture):
    return np.asarray(picture).tobytes()


@pytest.mark.parametrize("name", edits.EDITS)
def test_an_edit_gives_the_same_copy_each_time_and_leaves_the_picture_alone(name):
    before = pixels(PICTURE)
    one, other = edits.edited(PICTURE, name, (1, 2)), edits.edited(PICTURE, name, (1, 2))
    assert one.mode == "RGB"
    assert pixels(one) == pixels(other) != before
    assert pixels(PICTURE) == before


def test_only_noise_depends_on_the_seed():
    differing = {
        name
        for name in edits.EDITS
        if pixels(edits.edited(PICTURE, name, (1,))) != pixels(edits.edited(PICTURE, name, (2,)))
    }
    assert differing == {"noise 15", "noise 40"}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("JPEG 10", (320, 240)),
        ("scale 0.5", (160, 120)),
        ("scale 0.12", (38, 28)),
        ("squash 0.7 x 1", (224, 240)),
        ("squash 1 x 0.5", (320, 120)),
        ("caption 10 %", (320, 240)),
        ("border 3 %, black", (334, 254)),
        ("border 6 %, white", (348, 268)),
        ("border 10 %, black", (368, 288)),
        ("crop 4 % a side", (295, 221)),
        ("crop 8 % left", (295, 240)),
        ("rotate 3 degrees", (320, 240)),
        ("caption 10 %, border 3 % white, JPEG 20", (334, 254)),
    ],
)
def test_sizes_of_copies(name, size):
    assert edits.edited(PICTURE, name).size == size


def test_what_edits_do_to_single_pixels():
    grey = Image.new("RGB", (100, 100), (100, 100, 100))
    assert edits.edited(grey, "brightness 0.7").getpixel((0, 0)) == (70, 70, 70)
    assert edits.edited(grey, "colours 1.15, 1, 0.8").getpixel((0, 0)) == (114, 100, 80)  # 1.15 * 100 < 115
    assert edits.edited(grey, "gamma 1.7").getpixel((0, 0)) == (
        52,
        52,
        52,
    )  # 255 * (100 / 255) ** 1.7 = 51.97
    assert edits.edited(grey, "border 6 %, white").getpixel((5, 50)) == (255, 255, 255)
    assert edits.edited(grey, "caption 10 %").getpixel((0, 99)) == (0, 0, 0)
    assert edits.edited(grey, "caption 10 %").getpixel((99, 89)) == (100, 100, 100)


def test_copies_of_pictures_and_of_what_is_none(tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    wanted = {3: ["grey", "JPEG 10"], tmp_path / "text.jpg": ["grey"], 4: []}
    first, second, third = edits.make_copies(wanted, 0)
    assert first.shape == (3, 648)
    assert np.array_equal(first[0], sigsearch.compute_signature(make_picture(3)))
    assert second is None
    assert third.shape == (1, 648)
