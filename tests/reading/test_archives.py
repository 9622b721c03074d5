"""Pictures in zip and tar archives, among them archives that are damaged or made to do harm."""

import bz2
import io
import multiprocessing
import os
import pickle
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from sigsearch import ImageError
from sigsearch.images import picture_endings
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.reading import archives, read_bytes
from sigsearch.reading.archives import Member, find_members, is_archive, member_at, names_in, split

SMALL = Limits(bytes=1000)
KINDS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]
COMPRESSED = KINDS[2:]


@pytest.fixture(autouse=True)
def _close():
    yield
    archives.close_archives()


def make(path, files):
    """An archive of names and contents, of the kind that its ending says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in files:
                file.writestr(name, data)
        return path
    compression = path.suffix.removeprefix(".").replace("tar", "")
    with tarfile.open(path, f"w:{compression}") as file:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def found(path, limits=DEFAULT_LIMITS):
    return list(find_members(str(path), picture_endings(), limits))


def paths(path, limits=DEFAULT_LIMITS):
    return [member.path.removeprefix(f"{path}!/") for member in found(path, limits)]


def reason(source, limits=DEFAULT_LIMITS):
    with pytest.raises(ImageError) as caught:
        read_bytes(source, limits)
    assert "\n" not in str(caught.value)
    return caught.value.reason


FILES = [("b.JPG", b"b"), ("a.png", b"a"), ("folder/er/c.webp", b"c" * 1000), ("empty.gif", b"")]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_found_in_the_archives_order(tmp_path, kind):
    passed_over = ["notes.txt", ".hidden.png", ".cache/d.png", "x/.y/z.png", "__MACOSX/a.png", "e.mpg"]
    path = make(tmp_path / f"photos.{kind}", [(name, b"no") for name in passed_over] + FILES)
    members = found(path)
    assert [member.path for member in members] == [f"{path}!/{name}" for name, _ in FILES]
    assert [member.read(DEFAULT_LIMITS) for member in members] == [data for _, data in FILES]


@pytest.mark.parametrize("kind", KINDS)
def test_the_path_of_a_member_is_enough_to_read_it(tmp_path, kind):
    path = make(tmp_path / f"photos.{kind}", FILES)
    for name, data in FILES:
        assert read_bytes(f"{path}!/{name}", DEFAULT_LIMITS) == data
    assert reason(f"{path}!/none.jpg") == "the archive has no such file"
    assert names_in(str(path)) == {name for name, _ in FILES}


def test_a_file_of_a_members_path_comes_before_the_member(tmp_path):
    path = make(tmp_path / "photos.zip", [("a.jpg", b"member")])
    (tmp_path / "photos.zip!").mkdir()
    (tmp_path / "photos.zip!" / "a.jpg").write_bytes(b"file")
    assert read_bytes(f"{path}!/a.jpg", DEFAULT_LIMITS) == b"file"


def test_an_archive_that_is_not_there_is_a_file_that_is_not_there(tmp_path):
    assert member_at(f"{tmp_path}/none.zip!/a.jpg") is None
    assert reason(f"{tmp_path}/none.zip!/a.jpg") == "no such file"
    assert [reason(source) for source in found(tmp_path / "none.zip")] == ["no such file"]


def test_the_archive_of_a_path_is_the_first_that_is_there(tmp_path):
    folder = tmp_path / "a.zip!"
    folder.mkdir()
    path = make(folder / "b.zip", [("c.zip!/d.jpg", b"deep")])
    assert read_bytes(f"{path}!/c.zip!/d.jpg", DEFAULT_LIMITS) == b"deep"
    assert split("/x!/y.TGZ!/z.jpg") == ("/x!/y.TGZ", "z.jpg")
    assert split("/x!/y.jpg!/z.jpg") is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_can_be_read_by_another_process(tmp_path, kind):
    members = found(make(tmp_path / f"photos.{kind}", FILES))
    assert pickle.loads(pickle.dumps(members)) == members
    [member, *_] = members
    assert member.read(DEFAULT_LIMITS) == b"b"  # so that the archive is open, and is forked so
    with multiprocessing.get_context("fork" if os.name == "posix" else "spawn").Pool(1) as pool:
        assert pool.map(read, members) == [data for _, data in FILES]
    assert member.read(DEFAULT_LIMITS) == b"b"


def read(member):
    return member.read(DEFAULT_LIMITS)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_has_changed_is_read_again(tmp_path, kind):
    path = make(tmp_path / f"photos.{kind}", [("a.jpg", b"old"), ("b.jpg", b"gone")])
    a, b = found(path)
    assert a.read(DEFAULT_LIMITS) == b"old"
    make(path, [("c.jpg", b"x" * 20_000), ("a.jpg", b"new")])
    assert a.read(DEFAULT_LIMITS) == b"new"
    assert reason(b) == "the archive has no such file"
    path.unlink()
    assert reason(a) == "the archive is not there"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_is_not_opened_anew_for_each_member(tmp_path, kind, monkeypatch):
    members = found(make(tmp_path / f"photos.{kind}", [(f"{i}.jpg", b"%d" % i) for i in range(100)]))
    opened = []
    monkeypatch.setattr(archives, "_Zip", opened.append)
    monkeypatch.setattr(archives, "_Tar", opened.append)
    assert [member.read(DEFAULT_LIMITS) for member in members] == [b"%d" % i for i in range(100)]
    assert opened == []


def test_few_archives_are_kept_open(tmp_path):
    members = [found(make(tmp_path / f"{i}.zip", [("a.jpg", b"%d" % i)]))[0] for i in range(20)]
    for _ in range(2):
        assert [member.read(DEFAULT_LIMITS) for member in members] == [b"%d" % i for i in range(20)]
    assert len(archives._open_archives) == 8


@pytest.mark.parametrize("kind", COMPRESSED)
def test_of_a_compressed_tar_no_more_is_held_than_the_consumer_holds(tmp_path, kind):
    path = make(tmp_path / f"photos.{kind}", [(f"{i}.jpg", bytes(2**20)) for i in range(64)])
    tracemalloc.start()
    try:
        for member in find_members(str(path), picture_endings(), DEFAULT_LIMITS):
            assert len(member.data) == 2**20
        assert tracemalloc.get_traced_memory()[1] < 2**25  # xz takes 8 MiB for itself
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_members_of_one_name_the_last_counts(tmp_path, kind):
    path = make(tmp_path / f"x.{kind}", [("a.jpg", b"first"), ("b.jpg", b"b"), ("./a.jpg", b"last")])
    assert paths(path) == ["b.jpg", "a.jpg"]
    assert read_bytes(f"{path}!/a.jpg", DEFAULT_LIMITS) == b"last"


@pytest.mark.parametrize("kind", COMPRESSED)
def test_of_members_of_one_name_in_a_compressed_tar_the_first_is_read_by_its_path(tmp_path, kind):
    path = make(tmp_path / f"x.{kind}", [("a.jpg", b"first"), ("a.jpg", b"last")])
    assert [member.data for member in found(path)] == [b"first", b"last"]
    assert read_bytes(f"{path}!/a.jpg", DEFAULT_LIMITS) == b"first"


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_lead_elsewhere_are_just_names(tmp_path, kind):
    (tmp_path / "a.jpg").write_bytes(b"outside")
    names = ["../a.jpg", "x/../../a.jpg", str(tmp_path / "a.jpg"), "C:\\a.jpg", "~/a.jpg"]
    path = make(tmp_path / f"photos.{kind}", [(name, b"inside") for name in names])
    assert paths(path) == names
    for name in names:
        assert read_bytes(f"{path}!/{name}", DEFAULT_LIMITS) == b"inside"


def test_the_beginning_that_tar_gives_to_all_names_is_left_out(tmp_path):
    path = make(tmp_path / "photos.tar", [("./a.jpg", b"a"), ("././b/./c.jpg", b"c")])
    assert paths(path) == ["a.jpg", "b/./c.jpg"]
    assert [member.read(SMALL) for member in found(path)] == [b"a", b"c"]


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_links_and_devices_in_a_tar_are_passed_over(tmp_path, kind):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    path = tmp_path / f"photos.{kind}"
    with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as file:
        for type in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"{type.decode()}.jpg")
            info.type, info.linkname = type, str(tmp_path / "secret.jpg")
            file.addfile(info)
        file.addfile(tarfile.TarInfo("real.jpg"))
    assert paths(path) == ["real.jpg"]
    assert reason(f"{path}!/2.jpg") == "the archive has no such file"


def test_links_and_folders_in_a_zip_are_passed_over(tmp_path):
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = 0o120777 << 16
    path = make(tmp_path / "photos.zip", [(link, "/etc/passwd"), ("folder.jpg/", b""), ("a.jpg", b"a")])
    assert paths(path) == ["a.jpg"]


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_a_long_name_or_one_of_any_bytes_is_read(tmp_path, kind):
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        names = ["x" * 300 + ".jpg", "\udcff.jpg", "é" * 150 + ".jpg", "\n.jpg"]
        path = tmp_path / f"{format}.{kind}"
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w", format=format) as file:
            for i, name in enumerate(names):
                info = tarfile.TarInfo(name)
                info.size = 1
                file.addfile(info, io.BytesIO(b"%d" % i))
        assert [member.name for member in found(path)] == names
        assert [read_bytes(f"{path}!/{name}", SMALL) for name in names] == [b"0", b"1", b"2", b"3"]


def test_names_of_a_zip_that_are_not_unicode_do_not_crash(tmp_path):
    path = make(tmp_path / "photos.zip", [("????.jpg", b"a")])
    path.write_bytes(path.read_bytes().replace(b"????", b"\xff\xfe\x80\x81"))
    [member] = found(path)  # as code page 437, which knows all bytes
    assert member.read(DEFAULT_LIMITS) == b"a"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("é.jpg", b"a")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    assert "codec can't decode" in reason(found(path)[0])


# Bombs


def test_a_member_that_says_it_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.png", "w") as member:
        for _ in range(300):
            member.write(bytes(10**6))
    assert path.stat().st_size < 10**6
    [bomb] = found(path)
    assert reason(bomb) == "it is larger than the limit of 268,435,456 bytes"


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_larger_than_the_limit_does_not_stop_the_others(tmp_path, kind):
    files = [("a.png", bytes(1000)), ("big.png", bytes(1001)), ("c.png", b"c")]
    path = make(tmp_path / f"photos.{kind}", files)
    a, big, c = found(path, SMALL)
    assert a.read(SMALL) == bytes(1000)
    assert big.path == f"{path}!/big.png"
    assert reason(big, SMALL) == "it is larger than the limit of 1,000 bytes"
    assert reason(f"{path}!/big.png", SMALL) == "it is larger than the limit of 1,000 bytes"
    assert c.read(SMALL) == b"c"


METHODS = [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def patch_directory(path, offset, format, *values):
    """Change a field of the only member, in the directory at the end."""
    data = bytearray(path.read_bytes())
    struct.pack_into(format, data, data.index(b"PK\1\2") + offset, *values)
    path.write_bytes(data)


@pytest.mark.parametrize("method", METHODS)
def test_a_bomb_that_says_it_is_small_takes_no_memory(tmp_path, method):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", method) as file, file.open("a.png", "w") as member:
        for _ in range(100):
            member.write(bytes(10**6))
    patch_directory(path, 24, "<I", 500)  # the size
    [bomb] = found(path, SMALL)
    tracemalloc.start()
    try:
        assert "Bad CRC-32" in reason(bomb, SMALL)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, *METHODS])
def test_every_method_of_zipfile_gives_what_was_put_in(tmp_path, method):
    data = os.urandom(3_000_000) + bytes(3_000_000)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", method) as file:
        file.writestr("a.jpg", data)
        file.writestr("empty.jpg", b"")
    assert [member.read(DEFAULT_LIMITS) for member in found(tmp_path / "photos.zip")] == [data, b""]


def test_a_zip_of_bzip2_that_ends_too_soon_says_so(tmp_path):
    path = tmp_path / "photos.zip"
    data = os.urandom(10_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("a.jpg", data)
    patch_directory(path, 20, "<I", len(bz2.compress(data)) // 2)  # the compressed size
    assert reason(found(path)[0]) == "unexpected end of data"


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
@pytest.mark.parametrize("type", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_name_of_gigabytes_is_not_read(tmp_path, kind, type):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = type, 2**30
    good = tarfile.TarInfo("a.jpg")
    good.size = 1
    data = good.tobuf() + b"a".ljust(512, b"\0") + header.tobuf()
    path = tmp_path / f"bomb.{kind}"
    write_compressed(path, data + bytes(2**25))
    tracemalloc.start()
    try:
        a, damage = found(path)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()
    assert a.read(SMALL) == b"a"
    assert "1,073,741,824 bytes" in reason(damage)


def write_compressed(path, data):
    import gzip

    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
@pytest.mark.parametrize("size", [-512, -1024, -(2**40)])
def test_a_member_of_negative_size_does_not_go_on_forever(tmp_path, kind, size):
    good = tarfile.TarInfo("a.jpg")
    bad = bytearray(tarfile.TarInfo("b.jpg").tobuf())
    bad[124:136] = b"\xff" + (256**11 + size).to_bytes(11, "big")
    bad[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(bad))[0]
    path = tmp_path / f"evil.{kind}"
    write_compressed(path, good.tobuf() + bytes(bad) + bytes(1024))
    first, *others, damage = found(path)
    assert first.read(SMALL) == b""
    assert len(others) < 2
    assert damage.path == str(path)
    assert "damaged" in reason(damage)


def test_headers_without_end_do_not_crash(tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    good = tarfile.TarInfo("a.jpg")
    write_compressed(tmp_path / "evil.tar.gz", good.tobuf() + (header.tobuf() + bytes(512)) * 5000)
    _, damage = found(tmp_path / "evil.tar.gz")
    assert "damaged" in reason(damage)


# Damage


def test_an_encrypted_member_does_not_stop_the_others(tmp_path):
    path = make(tmp_path / "photos.zip", [("a.jpg", b"a"), ("b.jpg", b"b")])
    data = bytearray(path.read_bytes())
    for magic, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(magic) + flags] |= 1
    path.write_bytes(data)
    a, b = found(path)
    assert reason(a) == "it is encrypted"
    assert b.read(SMALL) == b"b"


def test_a_method_of_compression_that_is_not_supported_does_not_stop_the_others(tmp_path):
    path = make(tmp_path / "photos.zip", [("a.jpg", b"a"), ("b.jpg", b"b")])
    patch_directory(path, 10, "<H", 9)
    a, b = found(path)
    assert reason(a) == "it is compressed by a method that is not supported: 9 deflate64"
    assert b.read(SMALL) == b"b"


def test_a_damaged_member_of_a_zip_does_not_stop_the_others(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        file.writestr("a.jpg", b"hello")
        file.writestr("b.jpg", b"b")
    path = tmp_path / "photos.zip"
    path.write_bytes(path.read_bytes().replace(b"hello", b"hallo"))
    a, b = found(path)
    assert "Bad CRC-32" in reason(a)
    assert b.read(SMALL) == b"b"


MANY = [(f"{i}.jpg", os.urandom(5000)) for i in range(20)]


def test_a_zip_that_is_cut_off_says_so(tmp_path):
    path = make(tmp_path / "photos.zip", MANY)
    path.write_bytes(path.read_bytes()[:60_000])
    [damage] = found(path)
    assert damage.path == str(path)
    assert "damaged" in reason(damage)
    with pytest.raises(ImageError, match="damaged"):
        names_in(str(path))


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("share", [0.3, 0.55, 0.9])
def test_what_lies_before_the_end_of_a_tar_that_is_cut_off_is_read(tmp_path, kind, share):
    path = make(tmp_path / f"photos.{kind}", MANY)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    *members, damage = found(path)
    assert damage.path == str(path)
    assert "what lies behind the damage is lost" in reason(damage)
    if kind == "tar" and share != 0.55:  # which is where a member ends
        assert reason(members.pop()) == "unexpected end of data"
    # bzip2 decompresses in blocks of 900 kB, of which there is but one.
    assert len(members) >= (0 if kind == "tar.bz2" else int(20 * share) - 2)
    assert [(member.name, member.read(DEFAULT_LIMITS)) for member in members] == MANY[: len(members)]
    with pytest.raises(ImageError, match="damaged"):
        names_in(str(path))


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_damage_in_the_middle_of_a_tar_is_not_taken_for_its_end(tmp_path, kind):
    path = make(tmp_path / "photos.tar", MANY)
    data = bytearray(path.read_bytes())
    data[10 * 5632 + 100] ^= 255  # the header of the eleventh
    path = tmp_path / f"damaged.{kind}"
    write_compressed(path, bytes(data))
    *members, damage = found(path)
    assert [member.name for member in members] == [name for name, _ in MANY[:10]]
    assert "bad checksum" in reason(damage)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_archive_but_named_so_says_so(tmp_path, kind):
    path = tmp_path / f"photos.{kind}"
    for content in (b"", b"hello", b"\xff\xd8\xff\xe0" + bytes(2000)):
        path.write_bytes(content)
        [damage] = found(path)
        assert damage.path == str(path)
        assert "it is no archive, or is damaged" in reason(damage)


def test_how_a_tar_is_compressed_is_told_by_its_content(tmp_path):
    make(tmp_path / "photos.tar.gz", FILES).rename(tmp_path / "photos.tar")
    assert paths(tmp_path / "photos.tar") == [name for name, _ in FILES]
    make(tmp_path / "x.tar", FILES).rename(tmp_path / "x.tgz")
    assert paths(tmp_path / "x.tgz") == [name for name, _ in FILES]


def test_a_tar_compressed_by_zstd_is_read_or_the_python_named_that_does(tmp_path):
    path = tmp_path / "photos.tar.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    [damage] = found(path)
    assert "from 3.14 on" in reason(damage) or "damaged" in reason(damage)


def test_a_pipe_named_as_an_archive_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "photos.zip")
    os.mkfifo(tmp_path / "photos.tar.gz")
    assert [reason(source) for source in found(tmp_path / "photos.zip")] == ["it is not a regular file"]
    assert [reason(source) for source in found(tmp_path / "photos.tar.gz")] == ["it is not a regular file"]


def test_the_endings_of_archives_are_known_in_any_case():
    for name in ("a.zip", "A.ZIP", "a.tar", "a.tar.gz", "a.tgz", "a.Tar.Bz2", "a.tar.xz", "/b/a.txz"):
        assert is_archive(name), name
    for name in ("a.gz", "a.jpg", "zip", "a.zip.jpg", "a.rar", ""):
        assert not is_archive(name), name


def test_an_archive_that_is_named_relative_has_members_that_are_not(tmp_path, monkeypatch):
    make(tmp_path / "photos.zip", [("a.jpg", b"a")])
    monkeypatch.chdir(tmp_path)
    assert found("photos.zip") == [Member(str(tmp_path / "photos.zip"), "a.jpg")]
    assert read_bytes("photos.zip!/a.jpg", SMALL) == b"a"
