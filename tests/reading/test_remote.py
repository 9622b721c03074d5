"""Pictures in object stores: where they may be, how they are read; with fsspec's file system in memory."""

import builtins
from datetime import UTC, datetime

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from sigsearch import ImageError
from sigsearch.images import picture_endings
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.reading import read_bytes
from sigsearch.reading.located import Unreadable
from sigsearch.reading.remote import changed_at, find_remote, is_remote

ANYWHERE = Limits(private_addresses=True)


@pytest.fixture(autouse=True)
def memory():
    """A file system of which there is one in a process, here empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def found(url, limits=ANYWHERE):
    return list(find_remote(url, picture_endings(), limits))


def reason(url, limits=ANYWHERE):
    with pytest.raises(ImageError) as caught:
        read_bytes(url, limits)
    assert caught.value.source == url
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_addresses_are_told_from_paths_and_from_those_of_the_web():
    for url in (
        "s3://b/k.jpg",
        "GS://b",
        "memory://a",
        "s3a://b/k",
        "zip::s3://b/k",
        "simplecache::http://a/b",
    ):
        assert is_remote(url), url
    for url in (
        "http://a/b.jpg",
        "HTTPS://a",
        "file:///a",
        "/a/b.jpg",
        "C://a.jpg",
        "C:\\a",
        "a/s3://b",
        "a:b",
    ):
        assert not is_remote(url), url
    assert not is_remote(b"s3://b/k")
    assert not is_remote(None)


def test_what_is_at_an_address_is_read(memory):
    memory.pipe({"/b/a.jpg": b"a", "/b/empty.jpg": b""})
    assert read_bytes("memory://b/a.jpg", ANYWHERE) == b"a"
    assert read_bytes("memory://b/empty.jpg", ANYWHERE) == b""
    assert reason("memory://b/none.jpg") == "no such file"


def test_no_more_is_read_than_the_limit(memory, monkeypatch):
    memory.pipe({"/a.jpg": bytes(1000), "/big.jpg": bytes(10**6)})
    limits = Limits(bytes=1000, private_addresses=True)
    asked = []
    cat_file = MemoryFileSystem.cat_file
    monkeypatch.setattr(
        MemoryFileSystem,
        "cat_file",
        lambda self, path, start=None, end=None: (
            asked.append((start, end)) or cat_file(self, path, start=start, end=end)
        ),
    )
    assert len(read_bytes("memory://a.jpg", limits)) == 1000
    assert reason("memory://big.jpg", limits) == "it is larger than the limit of 1,000 bytes"
    assert asked == [(0, 1001), (0, 1001)]


def test_an_empty_object_of_which_no_range_can_be_had_is_empty(memory, monkeypatch):
    memory.pipe({"/empty.jpg": b"", "/a.jpg": b"a"})

    def cat_file(self, path, start=None, end=None):
        raise OSError("416 Requested Range Not Satisfiable\nand more")

    monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)
    assert read_bytes("memory://empty.jpg", ANYWHERE) == b""
    assert reason("memory://a.jpg") == "416 Requested Range Not Satisfiable"


FOLDER = {
    "/b/photos/b.JPG": b"",
    "/b/photos/a.png": b"",
    "/b/photos/deep/er/c.webp": b"",
    "/b/photos/notes.txt": b"",
    "/b/photos/.hidden.png": b"",
    "/b/photos/.cache/d.png": b"",
    "/b/photos-of-others/e.png": b"",
}


@pytest.mark.parametrize("url", ["memory://b/photos", "memory://b/photos/", "memory:///b/photos"])
def test_a_folder_stands_for_the_pictures_below_it(memory, url):
    memory.pipe(FOLDER)
    base = url.rstrip("/")
    assert found(url) == [f"{base}/{name}" for name in ("a.png", "b.JPG", "deep/er/c.webp")]
    assert [read_bytes(address, ANYWHERE) for address in found(url)] == [b"", b"", b""]


def test_the_root_stands_for_all(memory):
    memory.pipe({"/b/a.jpg": b"a", "/c.jpg": b"c"})
    assert found("memory://") == ["memory://b/a.jpg", "memory://c.jpg"]
    assert sorted(read_bytes(address, ANYWHERE) for address in found("memory://")) == [b"a", b"c"]


def test_a_folder_below_a_hidden_one_that_is_named_is_no_hidden_one(memory):
    memory.pipe({"/.hidden/a.jpg": b"a"})
    assert found("memory://.hidden") == ["memory://.hidden/a.jpg"]


def test_what_has_a_pictures_ending_is_not_asked_whether_it_is_a_folder(monkeypatch):
    monkeypatch.setattr(MemoryFileSystem, "isdir", None)
    assert found("memory://b/a.jpg") == ["memory://b/a.jpg"]


def test_a_picture_without_an_ending_is_itself(memory):
    memory.pipe({"/b/a": b"a"})
    assert found("memory://b/a") == ["memory://b/a"]


def test_a_folder_in_which_there_is_nothing_says_so():
    assert found("memory://none/") == [Unreadable("memory://none/", "nothing is there")]


def test_a_store_that_fails_says_why(monkeypatch):
    def find(self, path, **options):
        raise RuntimeError("the token has expired\nrenew it")

    monkeypatch.setattr(MemoryFileSystem, "find", find)
    assert found("memory://b/") == [Unreadable("memory://b/", "the token has expired")]


@pytest.mark.parametrize("scheme", ["memory", "ftp", "sftp", "ssh", "smb", "webhdfs", "github", "unheard-of"])
def test_what_may_lead_anywhere_is_not_asked_unless_the_limits_allow_it(scheme, monkeypatch):
    monkeypatch.setattr("fsspec.core.url_to_fs", None)
    url = f"{scheme}://127.0.0.1/a.jpg"
    assert reason(url, DEFAULT_LIMITS).startswith(f"{scheme}:// may lead anywhere")
    folder = f"{scheme}://127.0.0.1/"
    [source] = found(folder, DEFAULT_LIMITS)
    assert isinstance(source, Unreadable)
    assert changed_at(url, DEFAULT_LIMITS) is None


def test_files_are_only_read_if_the_limits_allow_it(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"a")
    url = f"local://{tmp_path}/a.jpg"
    assert "file_urls" in reason(url, ANYWHERE)
    assert read_bytes(url, Limits(file_urls=True)) == b"a"
    assert found(f"local://{tmp_path}", Limits(file_urls=True)) == [url]


@pytest.mark.parametrize(
    "url",
    [
        "simplecache::s3://b/a.jpg",
        "zip://a.jpg::s3://b/c.zip",
        "zip://a.jpg::file:///c.zip",
        "filecache::http://127.0.0.1/a.jpg",
        "s3://b/a.jpg::file:///c.jpg",
        "zip:///etc/a.jpg",
        "dir:///etc/a.jpg",
        "reference://a.jpg",
        "git:///a.jpg",
    ],
)
def test_addresses_that_lead_on_to_others_are_refused(url, monkeypatch):
    monkeypatch.setattr("fsspec.core.url_to_fs", None)
    assert "leads on to another" in reason(url, Limits(private_addresses=True, file_urls=True))


def test_without_fsspec_the_extra_is_named(monkeypatch):
    import_module = builtins.__import__

    def without(name, *rest):
        if name.startswith("fsspec"):
            raise ImportError(f"No module named {name!r}")
        return import_module(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert reason("s3://b/a.jpg").endswith("missing: pip install 'sigsearch[remote]'")


@pytest.mark.parametrize(
    ("url", "package"), [("s3://b/a.jpg", "s3fs"), ("gs://b/", "gcsfs"), ("az://b/", "adlfs")]
)
def test_a_protocols_package_that_is_missing_is_named(url, package, monkeypatch):
    def missing(address, **options):
        raise ImportError("Install it")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    assert f"needs {package}, and that is missing: pip install {package}" in reason(url, DEFAULT_LIMITS)


def test_a_protocol_that_nobody_knows_says_so():
    assert "not known" in reason("unheard-of://b/a.jpg")


@pytest.mark.parametrize(
    ("info", "time"),
    [
        ({"mtime": 12.5}, 12.5),
        ({"LastModified": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)}, 1704164645),
        ({"last_modified": datetime(2024, 1, 2, 3, 4, 5)}, 1704164645),
        ({"updated": "2024-01-02T04:04:05+01:00"}, 1704164645),
        ({"updated": "2024-01-02T03:04:05Z"}, 1704164645),
        ({"mtime": None, "created": 3}, 3),
        ({"created": 3, "mtime": 4}, 4),
        ({"mtime": "yesterday"}, None),
        ({"size": 3}, None),
    ],
)
def test_the_time_of_a_change_is_read_in_whatever_way_a_store_gives_it(info, time, monkeypatch):
    monkeypatch.setattr(MemoryFileSystem, "info", lambda self, path: info)
    assert changed_at("memory://a.jpg", ANYWHERE) == time


def test_of_what_is_not_there_no_time_is_known(memory):
    memory.pipe({"/a.jpg": b"a"})
    assert changed_at("memory://none.jpg", ANYWHERE) is None
    assert changed_at("memory://a.jpg", ANYWHERE) == memory.info("/a.jpg")["created"].timestamp()
