"""What is given to be added: what it stands for, its id, when it was changed, whether it is gone."""

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import sigsearch
from sigsearch import ImageError, InputError, Item
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.reading import archives, read_bytes
from sigsearch.reading.archives import Member
from sigsearch.reading.located import Unreadable
from sigsearch.sources import describe, expand, find_pictures, is_one, known_id, path_of, stamp_of, vanished


@pytest.fixture(autouse=True)
def _close():
    yield
    archives.close_archives()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder, which is the current one, with photos in it, a zip and a tar."""
    for name in ("photos/b.jpg", "photos/a.png", "photos/deep/c.jpg", "photos/notes.txt", "photos-2/d.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    with zipfile.ZipFile(tmp_path / "photos/in.zip", "w") as file:
        file.writestr("z.jpg", b"z")
        file.writestr("er/y.jpg", b"y")
    with tarfile.open(tmp_path / "more.tgz", "w:gz") as file:
        info = tarfile.TarInfo("t.jpg")
        info.size = 1
        file.addfile(info, io.BytesIO(b"t"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ids(*sources):
    here = os.getcwd() + os.sep
    return [known_id(source).removeprefix(here) for source in expand(list(sources))]


def reasons(*sources):
    found = []
    for source in expand(list(sources)):
        with pytest.raises(ImageError) as caught:
            read_bytes(source, DEFAULT_LIMITS)
        found.append((caught.value.source, caught.value.reason))
    return found


PHOTOS = ["photos/a.png", "photos/b.jpg", "photos/deep/c.jpg"]


# What it stands for


def test_a_folder_stands_for_its_pictures_but_not_for_those_in_its_archives(tree):
    assert ids("photos") == ids(Path("photos")) == ids(tree / "photos") == PHOTOS


def test_an_archive_that_is_named_stands_for_its_pictures(tree):
    assert ids("photos/in.zip", Path("more.tgz")) == [
        "photos/in.zip!/z.jpg",
        "photos/in.zip!/er/y.jpg",
        "more.tgz!/t.jpg",
    ]
    assert [read_bytes(source, DEFAULT_LIMITS) for source in expand("more.tgz")] == [b"t"]


def test_a_folder_named_as_an_archive_is_a_folder(tree):
    (tree / "x.zip").mkdir()
    (tree / "x.zip" / "a.jpg").touch()
    assert ids("x.zip") == ["x.zip/a.jpg"]


def test_the_limits_are_those_of_a_compressed_tars_members(tree):
    with tarfile.open("big.tgz", "w:gz") as file:
        info = tarfile.TarInfo("t.jpg")
        info.size = 100
        file.addfile(info, io.BytesIO(bytes(100)))
    [small], [large] = expand("big.tgz", Limits(bytes=100)), expand("big.tgz", Limits(bytes=99))
    assert small.data == bytes(100)
    assert large == Unreadable(f"{tree}/big.tgz!/t.jpg", "it is larger than the limit of 99 bytes")


def test_a_pattern_stands_for_what_it_matches_in_order(tree):
    assert ids("photos/*.jpg", "photos/?.png") == ["photos/b.jpg", "photos/a.png"]
    assert ids("photos/[ab].*") == ["photos/a.png", "photos/b.jpg"]
    assert ids("**/*.jpg") == ["photos-2/d.jpg", "photos/b.jpg", "photos/deep/c.jpg"]


def test_what_a_pattern_matches_is_taken_as_if_it_were_given(tree):
    assert ids("photos/*.zip") == ["photos/in.zip!/z.jpg", "photos/in.zip!/er/y.jpg"]
    assert ids("*.tgz") == ["more.tgz!/t.jpg"]
    assert ids("photo*") == ["photos/a.png", "photos/b.jpg", "photos/deep/c.jpg", "photos-2/d.jpg"]
    assert ids("photos/*.txt") == ["photos/notes.txt"]


def test_a_pattern_that_matches_a_folder_and_what_is_in_it_takes_each_picture_once(tree):
    assert ids("photos/**") == PHOTOS
    assert sorted(ids("**")) == sorted([*PHOTOS, "photos-2/d.jpg", "more.tgz!/t.jpg"])
    assert ids("phot*/**") == ["photos-2/d.jpg", *PHOTOS]


def test_a_file_named_like_a_pattern_is_that_file(tree):
    (tree / "a[1].jpg").write_bytes(b"itself")
    (tree / "a1.jpg").write_bytes(b"matched")
    assert ids("a[1].jpg") == ["a[1].jpg"]
    (tree / "a[1].jpg").unlink()
    assert ids("a[1].jpg") == ["a1.jpg"]
    assert ids(Path("a[1].jpg")) == ["a[1].jpg"]  # a Path is never a pattern


def test_a_member_named_like_a_pattern_is_that_member(tree):
    with zipfile.ZipFile("x.zip", "w") as file:
        file.writestr("a[1]*.jpg", b"itself")
    assert ids(*[source.path for source in expand("x.zip")]) == ["x.zip!/a[1]*.jpg"]
    assert [read_bytes(source, DEFAULT_LIMITS) for source in expand("x.zip!/a[1]*.jpg")] == [b"itself"]


@pytest.mark.parametrize("pattern", ["none/*.jpg", "*.none", "[", "a\0*", "**/\udcff*"])
def test_a_pattern_that_nothing_matches_says_so(tree, pattern):
    assert reasons(pattern) == [(pattern, "no file matches")] or "pattern" in reasons(pattern)[0][1]


def test_an_address_below_which_nothing_can_be_looked_for_says_so_when_it_is_read():
    [(source, reason)] = reasons("memory://a/")
    assert source == "memory://a/"
    assert "private_addresses" in reason


def test_addresses_are_not_looked_up_as_paths(tree):
    given = ["http://a/*.jpg", "https://a/b.zip", "s3://b/k[1]*.jpg", "S3://b/k.jpg"]
    assert list(expand(given)) == given
    assert [known_id(source) for source in given] == given


def test_anything_else_is_passed_on_as_it_is():
    given = [b"x", np.zeros((2, 2)), Item(id="a"), io.BytesIO(), None, Member("/a.zip", "b.jpg")]
    assert all(one is other for one, other in zip(expand(given), given, strict=True))


def test_one_source_is_not_several():
    for source in (
        "a",
        Path("a"),
        b"a",
        Item(),
        Member("/a.zip", "b.jpg"),
        Unreadable("a", "b"),
        io.BytesIO(),
    ):
        assert is_one(source)
    assert not is_one(["a"])
    with pytest.raises(InputError, match="wanted paths"):
        list(expand(3))


# Folders


def test_links_to_folders_are_not_followed_and_those_to_files_are_pictures(tree):
    (tree / "photos/loop").symlink_to(tree / "photos")
    (tree / "photos/link.jpg").symlink_to(tree / "photos/b.jpg")
    (tree / "photos/loop.jpg").symlink_to(tree / "photos")
    (tree / "photos/broken.jpg").symlink_to(tree / "none")
    expected = ["photos/a.png", "photos/b.jpg", "photos/broken.jpg", "photos/deep/c.jpg", "photos/link.jpg"]
    assert sorted(find_pictures("photos")) == expected


def test_a_folder_is_walked_as_os_walk_does_it(tree):
    for name in ("z/a.jpg", "a/z/b.jpg", "a/b.jpg", "a.jpg", "a-b/c.jpg", "A/d.jpg"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    expected = []
    for here, folders, files in os.walk(tree):
        folders.sort()
        expected += [os.path.join(here, name) for name in sorted(files) if name.endswith((".jpg", ".png"))]
    assert list(find_pictures(tree)) == expected


def test_a_folder_that_is_gone_is_yielded_so_that_reading_it_says_so(tmp_path):
    assert list(find_pictures(tmp_path / "none")) == [str(tmp_path / "none")]


# Names


def test_a_members_path_is_its_id_and_what_is_in_an_archive_is_no_place(tree):
    member = Member("/a/b.zip", "../c//./d.jpg")
    assert known_id(member) == path_of(member) == describe(member) == "/a/b.zip!/../c//./d.jpg"
    assert known_id(member.path) == known_id(Item(image=member)) == member.path
    assert known_id("x/../photos/in.zip!/../z.jpg") == f"{tree}/photos/in.zip!/../z.jpg"
    assert known_id("photos!/../z.jpg") == f"{tree}/z.jpg"
    assert describe(Item(image=member)) == member.path


def test_a_member_goes_into_an_index_and_is_found_by_the_path_of_its_match(tmp_path, mona_lisa, caravaggio):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.write(mona_lisa, "mona.jpg")
        file.write(caravaggio, "folder/cara.jpg")
        file.writestr("text.jpg", b"hello")
    with sigsearch.open("memory://") as index:
        report = index.add_many([str(tmp_path / "x.zip"), str(tmp_path / "none.tar")])
        assert report.added == 2
        assert [str(failure) for failure in report.failures] == [
            f"{tmp_path}/x.zip!/text.jpg: its content is not a picture of a known format",
            f"{tmp_path}/none.tar: no such file",
        ]
        assert index.add_many(tmp_path / "x.zip").skipped == 2
        [match] = index.search(mona_lisa, cutoff=0.1)
        assert match.id == match.path == f"{tmp_path}/x.zip!/mona.jpg"
        assert index.search(match.path, cutoff=0.1) == [match]


def test_a_member_whose_name_is_not_unicode_fails_alone(tmp_path, mona_lisa):
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        for name in ("\udcff.jpg", "a.jpg"):
            info = tarfile.TarInfo(name)
            info.size = mona_lisa.stat().st_size
            with mona_lisa.open("rb") as picture:
                file.addfile(info, picture)
    with sigsearch.open("memory://") as index:
        report = index.add_many(tmp_path / "x.tar")
        assert report.added == 1
        assert "not valid Unicode" in report.failures[0].reason


def test_what_cannot_be_read_can_be_sent_to_another_process():
    source = Unreadable("a", "b")
    assert pickle.loads(pickle.dumps(source)) == source


# When it was changed


@pytest.fixture
def in_future(monkeypatch):
    """It is the year 2500, so that times of writing can be set which are later than the times of change."""
    monkeypatch.setattr("sigsearch.sources.time", SimpleNamespace(time=lambda: float(2**34)))


def test_a_time_of_writing_that_is_yet_to_come_says_nothing(tree):
    path = tree / "photos/b.jpg"
    os.utime(path, (2**33, 2**33))
    assert stamp_of(path) == path.stat().st_ctime


@pytest.mark.usefixtures("in_future")
def test_a_file_was_changed_when_it_was_written_or_renamed(tree):
    path = tree / "photos/b.jpg"
    os.utime(path, (1, 1))
    status = path.stat()
    assert stamp_of(path) == stamp_of(str(path)) == stamp_of(Item(image=path)) == status.st_ctime
    os.utime(path, (2**33, 2**33))
    assert stamp_of(path) == 2**33


@pytest.mark.usefixtures("in_future")
def test_a_link_that_leads_elsewhere_has_changed(tree):
    os.utime(tree / "photos/a.png", (2**33, 2**33))
    link = tree / "link.jpg"
    link.symlink_to(tree / "photos/a.png")
    assert stamp_of(link) == 2**33
    os.utime(link, (2**33 + 1, 2**33 + 1), follow_symlinks=False)
    assert stamp_of(link) == 2**33 + 1


@pytest.mark.usefixtures("in_future")
def test_what_is_in_an_archive_was_changed_when_the_archive_was(tree):
    os.utime("photos/in.zip", (2**33, 2**33))
    [member, _] = expand("photos/in.zip")
    assert stamp_of(member) == stamp_of(member.path) == stamp_of(Path(member.path)) == 2**33


def test_of_anything_else_it_is_not_known_when_it_was_changed(tree):
    (tree / "broken.jpg").symlink_to(tree / "none")
    others = [
        "none.jpg",
        "none.zip!/a.jpg",
        "photos",
        "broken.jpg",
        "a\0b",
        "http://127.0.0.1/a",
        "s3x://b/a",
    ]
    others += [b"x", None, io.BytesIO(), Item(), Item(path="photos/b.jpg"), Unreadable("a", "b")]
    for source in others:
        assert stamp_of(source) is None, source


# Whether it is gone


def test_what_is_gone_from_a_folder_or_an_archive_is_told(tree):
    everything = [known_id(source) for source in expand(["photos", "photos/in.zip", "more.tgz", "photos-2"])]
    assert list(vanished(everything, ["photos", "more.tgz", "photos-2"])) == []
    (tree / "photos/deep/c.jpg").unlink()
    (tree / "photos/deep").rmdir()
    (tree / "photos/b.jpg").rename(tree / "photos/renamed.jpg")
    (tree / "photos-2/d.jpg").unlink()
    gone = [f"{tree}/photos/{name}" for name in ("b.jpg", "deep/c.jpg")]
    assert list(vanished(everything, ["photos"])) == gone
    assert list(vanished(everything, [tree])) == [*gone, f"{tree}/photos-2/d.jpg"]
    assert list(vanished(everything, [])) == []
    with zipfile.ZipFile("photos/in.zip", "w") as file:
        file.writestr("z.jpg", b"z")
    assert list(vanished(everything, ["photos/in.zip"])) == [f"{tree}/photos/in.zip!/er/y.jpg"]
    (tree / "photos/in.zip").unlink()
    assert f"{tree}/photos/in.zip!/z.jpg" in list(vanished(everything, ["photos"]))


def test_what_is_gone_from_a_compressed_tar_is_told_and_the_tar_read_once(tree, monkeypatch):
    read = []
    names_in = archives.names_in
    monkeypatch.setattr("sigsearch.sources.names_in", lambda path: read.append(path) or names_in(path))
    given = [f"{tree}/more.tgz!/{name}" for name in ("t.jpg", "u.jpg", "v.jpg")]
    assert list(vanished(given, ["more.tgz"])) == given[1:]
    assert read == [f"{tree}/more.tgz"]


def test_nothing_is_gone_from_a_place_that_is_not_there_or_cannot_be_read(tree, monkeypatch):
    everything = [known_id(source) for source in expand(["photos", "more.tgz"])]
    (tree / "photos").rename(tree / "elsewhere")
    (tree / "more.tgz").write_bytes(b"damaged")
    assert list(vanished(everything, ["photos", "more.tgz"])) == []
    (tree / "elsewhere").rename(tree / "photos")
    (tree / "photos/b.jpg").unlink()

    def lstat(path, **options):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "lstat", lstat)
        assert list(vanished(everything, ["photos"])) == []
    assert list(vanished(everything, ["photos"])) == [f"{tree}/photos/b.jpg"]


def test_only_what_lies_in_a_place_is_looked_for(tree, monkeypatch):
    looked_for = []
    monkeypatch.setattr("sigsearch.sources._is_gone", lambda path, listings: looked_for.append(path))
    inside = [f"{tree}/photos/x.jpg", f"{tree}/more.tgz!/x.jpg"]
    outside = [
        f"{tree}/photos-2/x.jpg",
        f"{tree}/photos",
        f"{tree}/more.tgz",
        "s3://b/x.jpg",
        "path:0",
        "",
        "x",
    ]
    assert list(vanished(inside + outside, ["photos/", "more.tgz"])) == []
    assert looked_for == inside
