"""Records whose file is gone: told, and deleted only where that is surely meant."""

import shutil
import zipfile

import pytest
from odd_pictures import picture

import sigsearch
from sigsearch import Item


@pytest.fixture
def tree(tmp_path):
    """Folders and archives whose names begin alike, one within another, and an index's own ids."""
    tree = tmp_path / "tree"
    for k, name in enumerate(("b/1.png", "b/2.png", "b/deep/3.png", "bc/4.png", "b.png", "b!/5.png")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(picture(k))
    for name in ("b.zip", "bc.zip"):
        with zipfile.ZipFile(tree / name, "w") as file:
            for k in range(6, 8):
                file.writestr(f"in/{k}.png", picture(k))
    return tree


@pytest.fixture
def filled(index, tree):
    index.add_many([tree, tree / "b.zip", tree / "bc.zip", Item(image=picture(9), id="b")])
    assert index.count() == 11
    return index


def names(ids, tree):
    return sorted(id.removeprefix(f"{tree}/") for id in ids)


def left(index, tree):
    return names((record.id for record in index.scan()), tree)


EVERYTHING = sorted(
    ["b", "b!/5.png", "b.png", "b/1.png", "b/2.png", "b/deep/3.png", "bc/4.png"]
    + [f"{archive}.zip!/in/{k}.png" for archive in ("b", "bc") for k in (6, 7)]
)


def without(*gone):
    return [name for name in EVERYTHING if name not in gone]


def test_nothing_is_looked_for_unless_asked(filled, tree):
    (tree / "b/1.png").unlink()
    report = filled.add_many(tree)
    assert (report.vanished, report.pruned) == ((), 0)
    assert left(filled, tree) == EVERYTHING


def test_what_is_gone_is_told_and_deleted_only_if_wanted(filled, tree):
    (tree / "b/1.png").unlink()
    shutil.rmtree(tree / "b/deep")
    (tree / "b/2.png").rename(tree / "b/renamed.png")
    gone = ["b/1.png", "b/2.png", "b/deep/3.png"]
    report = filled.add_many(tree, vanished="report")
    assert (names(report.vanished, tree), report.pruned) == (gone, 0)
    assert left(filled, tree) == sorted([*EVERYTHING, "b/renamed.png"])
    report = filled.add_many(tree, vanished="prune")
    assert (names(report.vanished, tree), report.pruned) == (gone, 3)
    assert left(filled, tree) == sorted([*without(*gone), "b/renamed.png"])
    assert filled.add_many(tree, vanished="prune").vanished == ()


@pytest.mark.parametrize("ending", ["", "/", "/.", "/../b"])
def test_only_what_is_below_the_folder_that_was_given_is_deleted(filled, tree, ending):
    for name in ("b/1.png", "bc/4.png", "b.png", "b!/5.png"):
        (tree / name).unlink()
    report = filled.add_many(f"{tree}/b{ending}", vanished="prune")
    assert (names(report.vanished, tree), report.pruned) == (["b/1.png"], 1)
    assert left(filled, tree) == without("b/1.png")


def test_a_file_that_was_given_by_itself_prunes_nothing(filled, tree):
    (tree / "b/1.png").unlink()
    report = filled.add_many([tree / "b/1.png", tree / "b/2.png"], vanished="prune")
    assert (report.vanished, report.pruned, report.skipped) == ((), 0, 2)
    assert left(filled, tree) == EVERYTHING


@pytest.mark.parametrize("sources", [["b", "b"], ["", "b"], ["b", ""], ["b", "b/deep"], ["b/*", "b"]])
@pytest.mark.parametrize("vanished", ["report", "prune"])
def test_places_within_others_tell_each_id_once(filled, tree, sources, vanished):
    (tree / "b/1.png").unlink()
    (tree / "b/deep/3.png").rename(tree / "b/deep/4.png")
    report = filled.add_many([f"{tree}/{source}" for source in sources], vanished=vanished)
    assert names(report.vanished, tree) == ["b/1.png", "b/deep/3.png"]
    assert report.pruned == 2 * (vanished == "prune")


def test_where_no_picture_is_found_none_is_deleted_for_the_disk_may_not_be_mounted(filled, tree):
    shutil.rmtree(tree / "b")
    report = filled.add_many(tree / "b", vanished="prune")
    assert (report.vanished, report.pruned) == ((), 0)
    (tree / "b").mkdir()
    report = filled.add_many(tree / "b", vanished="prune")
    assert (len(report.vanished), report.pruned) == (3, 0)
    (tree / "b/.hidden.png").write_bytes(picture(1))
    (tree / "b/text.txt").write_text("no picture")
    assert filled.add_many(tree / "b", vanished="prune").pruned == 0
    assert left(filled, tree) == EVERYTHING


def test_a_picture_that_is_there_and_cannot_be_read_is_not_gone(filled, tree):
    (tree / "b/1.png").write_bytes(b"no picture")
    report = filled.add_many(tree / "b", on_conflict="update", vanished="prune")
    assert (report.vanished, report.pruned, len(report.failures)) == ((), 0, 1)
    assert left(filled, tree) == EVERYTHING


def test_what_is_gone_from_an_archive_is_deleted_and_no_other_archives(filled, tree):
    for name in ("b.zip", "bc.zip"):
        with zipfile.ZipFile(tree / name, "w") as file:
            file.writestr("in/6.png", picture(6))
    report = filled.add_many(tree / "b.zip", vanished="prune")
    assert (names(report.vanished, tree), report.pruned) == (["b.zip!/in/7.png"], 1)
    assert left(filled, tree) == without("b.zip!/in/7.png")
    (tree / "bc.zip").unlink()
    report = filled.add_many(tree, vanished="prune")
    assert names(report.vanished, tree) == ["bc.zip!/in/6.png", "bc.zip!/in/7.png"]
    assert left(filled, tree) == without("b.zip!/in/7.png", "bc.zip!/in/6.png", "bc.zip!/in/7.png")


def test_a_damaged_archive_prunes_nothing(filled, tree):
    (tree / "b.zip").write_bytes((tree / "b.zip").read_bytes()[:-30])
    report = filled.add_many([tree / "b.zip", tree], vanished="prune")
    assert (report.vanished, report.pruned) == ((), 0)


def test_many_are_deleted_in_batches(index, tmp_path, monkeypatch):
    monkeypatch.setattr("sigsearch.adding.vanished._BATCH", 3)
    folder = tmp_path / "many"
    folder.mkdir()
    index.add_many([Item(signature=sigsearch.compute_signature(picture(1)), path=f"{folder}/{k}.png",
                         id=f"{folder}/{k}.png") for k in range(10)])  # fmt: skip
    (folder / "there.png").write_bytes(picture(1))
    report = index.add_many(folder, vanished="prune")
    assert (len(report.vanished), report.pruned, index.count()) == (10, 10, 1)
