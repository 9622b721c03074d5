"""What counts as the same picture: labels, bytes, looks, and what does not."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.same_pictures import Pair, labelled_pairs, read_pairs, same_pictures
from sigsearch.testing.pictures import make_picture


@pytest.fixture
def files(tmp_path):
    made = {name: Image.fromarray(make_picture(seed)) for seed, name in enumerate("abcd")}
    paths = {name: tmp_path / f"{name}.png" for name in [*made, "copy", "smaller", "none"]}
    for name, picture in made.items():
        picture.save(paths[name])
    shutil.copy(paths["a"], paths["copy"])
    made["b"].resize((160, 120)).save(paths["smaller"])
    paths["none"].write_text("no picture")
    return paths


def test_equal_bytes_and_equal_looks_are_the_same_and_others_are_not(files):
    some = [files["a"], files["b"], files["none"]]
    same = same_pictures(some, list(files.values()))
    assert same == {
        files["a"]: {files["copy"]: "same bytes"},
        files["b"]: {files["smaller"]: "same picture"},
        files["none"]: {},
    }


def test_labels_count_through_others_and_a_different_one_keeps_apart(files):
    a, b, c, d = (files[name] for name in "abcd")
    labelled = [Pair(c, a, "crop"), Pair(d, a, "edit"), Pair(b, files["smaller"], "different")]
    same = same_pictures([c, b, 7], [a, d, files["copy"], files["smaller"]], labelled)
    assert same[c] == {a: "crop", d: "same as another", files["copy"]: "same as another"}
    assert same[b] == {}
    assert same[7] == {}


def test_pairs_are_read_and_what_is_no_list_of_pairs_is_refused(tmp_path):
    file = tmp_path / "pairs.json"
    file.write_text(json.dumps([{"a": "x/1.png", "b": "2.png", "label": "crop", "verified_by_eye": True}]))
    [*known, pair] = labelled_pairs(read_pairs(file), tmp_path)
    assert {Path(pair.a).exists() and Path(pair.b).exists() for pair in known} == {True}
    assert pair == Pair(tmp_path / "x" / "1.png", tmp_path / "2.png", "crop")
    for text in ("[", "{}", "[1]", '[{"a": "x"}]'):
        file.write_text(text)
        with pytest.raises(SystemExit, match="wanted a JSON list of pairs with a, b and label, found"):
            read_pairs(file)
