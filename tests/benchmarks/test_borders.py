"""The measurement of borders: views are found where the whole is not, and each false match counts once."""

import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import sigsearch
from benchmarks import borders, made
from benchmarks.__main__ import app
from sigsearch.testing.pictures import make_picture


@pytest.fixture
def folder(tmp_path):
    for seed in range(4):
        path = tmp_path / ("even" if seed % 2 == 0 else "odd") / f"{seed}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(make_picture(seed)).save(path)
    return tmp_path


def test_the_views_of_a_framed_copy_are_found_and_those_of_an_original_are_one(folder):
    done = CliRunner().invoke(app, ["borders", "--pictures", str(folder), "--workers", "0"])
    assert done.exit_code == 0, done.output
    rows = {line.split(" | ")[0]: line.split(" | ")[1:] for line in done.output.splitlines()}
    assert rows["| border 20 %, black"][1] == "100.0"
    assert rows["| screenshot, bars 12 % above, 15 % left"][:2] == ["0.0", "100.0"]
    assert rows["| mirror"][:2] == ["100.0", "100.0"]
    assert rows["| even"][:3] == rows["| odd"][:3] == ["2", "0.0", "0.00"]
    assert "nan" not in re.sub(r"\| all with a border .*", "", done.output)


def test_a_false_match_of_two_views_counts_once():
    [chunk] = made.make_chunks(64, [1, 2], 7, workers=0)
    views = np.zeros((3, 4, 1, 648), np.int8)
    views[0, 0] = views[0, 1] = chunk[5]
    views[1, 0] = sigsearch.compute_signature(make_picture(9))
    views[1, 2] = chunk[5]
    found = borders._false_matches(list(views), [1, 2], 64, 7)
    near = (sigsearch.distances(chunk[5], chunk) < 0.45).sum()
    assert near >= 1
    assert found[0, 1].tolist() == [near, near]
    assert found[1, 1].tolist() == [0, near]
    assert not found[2].any()
