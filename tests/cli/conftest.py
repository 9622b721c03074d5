"""The command line in this process, an index of the three paintings, and files that are no pictures."""

from dataclasses import dataclass

import pytest

import sigsearch
from sigsearch.cli import main


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def lines(self):
        return self.out.splitlines()

    def is_one_line_error(self, *parts):
        """Whether it ended with status 2 and one line that has these parts, and wrote nothing else."""
        return (
            self.status == 2
            and self.out == ""
            and self.err.startswith("sigsearch: ")
            and self.err.count("\n") == 1
            and self.err.endswith("\n")
            and all(part in self.err for part in parts)
        )


@pytest.fixture(autouse=True)
def _apart(monkeypatch, tmp_path):
    """Away from the user's own index and settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("SIGSEARCH_INDEX", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture
def photos(tmp_path, mona_lisa, other_mona_lisa, caravaggio):
    """The location of an index of the three paintings, with metadata."""
    location = tmp_path / "photos.sig"
    with sigsearch.open(location) as index:
        index.add(mona_lisa, metadata={"painter": "Leonardo", "year": 1503})
        index.add(other_mona_lisa, id="pixabay", metadata={"painter": "Leonardo", "year": "1503"})
        index.add(caravaggio, metadata={"painter": "Caravaggio", "year": 1601, "museum": {"city": "London"}})
    return location


@pytest.fixture
def count(photos):
    def count(location=photos):
        with sigsearch.open(location, create=False) as index:
            return index.count()

    return count


@pytest.fixture
def bad_files(tmp_path, mona_lisa):
    """Files that are no pictures, by what is wrong with them."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("This is a letter, not a picture.\n" * 20)
    (folder / "truncated.jpg").write_bytes(mona_lisa.read_bytes()[:20_000])
    (folder / "folder").mkdir()
    return {
        "missing": folder / "missing.jpg",
        "a folder": folder / "folder",
        "empty": folder / "empty.jpg",
        "text": folder / "text.jpg",
        "truncated": folder / "truncated.jpg",
    }
