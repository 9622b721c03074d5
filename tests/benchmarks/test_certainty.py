"""Promised against what came: the counting by hand, the parts of a folder, and a small run."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks import certainty
from benchmarks.__main__ import app
from benchmarks.certainty import PLAIN, Queries, came_at, count_strangers, plain_signatures, split
from sigsearch.calibration import mirrored
from sigsearch.signatures import compute_signature
from sigsearch.testing.pictures import make_picture


@pytest.fixture
def folder(tmp_path):
    for number in range(30):
        path = tmp_path / f"{number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(make_picture(number)).save(path)
    return tmp_path


def test_what_came_is_counted_where_the_share_was_promised():
    shares = np.array([[0.001, 0.01, 0.1], [0.005, 0.02, 0.3], [0.02, 0.03, 0.04]])
    below = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    compared = np.array([100, 200, 100])
    # The first at its second cutoff, the second at its first; the third is promised no so small one.
    came = came_at(0.01, shares, below, compared)
    assert came.promised == pytest.approx((0.01 + 0.005) / 2)
    assert came.came == pytest.approx((2 / 100 + 4 / 200) / 2)
    assert came.seen == 6
    assert came_at(0.0001, shares, below, compared) is None
    assert came_at(0.5, shares, below, compared) is None


def test_what_lies_in_a_folder_of_the_same_name_is_no_stranger():
    signatures = np.stack([compute_signature(make_picture(seed)) for seed in range(4)])
    queries = Queries(signatures[:2], np.array(["a", ""]), np.array(["photo", PLAIN]))
    strangers = np.concatenate([signatures[:1], mirrored(signatures[1:2], 9), signatures[2:]])
    below, compared = count_strangers(queries, strangers, np.array(["a", "b", "b", "b"]))
    assert compared.tolist() == [6, 8]
    np.testing.assert_array_equal(below[:, 0], [0, 1])  # only the other's mirrored mirror image


def test_a_picture_has_one_part(folder):
    background, queries, strangers = split(folder)
    assert len(background) + len(queries) + len(strangers) == 30
    assert len({*background, *queries, *strangers}) == 30
    assert split(folder) == (background, queries, strangers)


def test_plain_pictures_have_features():
    assert plain_signatures(8, 0).any(axis=1).sum() == 8


def test_a_background_is_written_and_a_small_run_tells_the_ratios(folder, tmp_path):
    kinds = tmp_path / "kinds.tsv"
    kinds.write_text("kind\tpath\n" + "".join(f"drawing\t{n % 2}/{n}.png\n" for n in range(30)))
    runner = CliRunner()
    file = tmp_path / "background.npz"
    written = runner.invoke(
        app, ["certainty", "--pictures", folder, "--write", file, "--count", "40"], catch_exceptions=False
    )
    assert written.exit_code == 0
    with np.load(file) as stored:
        assert stored["values"].shape[1] == 272
    result = runner.invoke(
        app,
        ["certainty", "--pictures", folder, "--kinds", kinds, "--strangers", "60"],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    for text in ("10,000 records", "1,000,000 records", "all pictures", "drawing", "plain"):
        assert text in result.output


def test_what_is_left_out_is_not_in_the_background(folder, tmp_path):
    options = ["--pictures", folder, "--write", tmp_path / "none.npz", "--leave-out", "0", "--leave-out", "1"]
    result = CliRunner().invoke(app, ["certainty", *map(str, options)])
    assert "wanted a folder of pictures" in str(result.exception or result.output)


def test_a_folder_without_pictures_makes_no_background(tmp_path):
    with pytest.raises(SystemExit, match="wanted a folder of pictures"):
        certainty.make_background([], 10, 0)
