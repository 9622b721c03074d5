"""Which index is opened when none is named."""

from pathlib import Path

import numpy as np
import pytest

import sigsearch
from sigsearch import ConfigError, Limits, Scheme
from sigsearch.config import find_config


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home and an empty working folder below it; no variable set."""
    monkeypatch.delenv("SIGSEARCH_INDEX", raising=False)
    for variable in ("HOME", "XDG_DATA_HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def test_the_environment_comes_first(home):
    (home / "sigsearch.toml").write_text('index = "file.sig"')
    found = find_config(home, {"SIGSEARCH_INDEX": "memory://"})
    assert found.location == "memory://"
    assert found.source == "the environment variable SIGSEARCH_INDEX"


def test_a_file_in_a_folder_above_is_found_and_its_paths_are_its_own(home):
    (home / "sigsearch.toml").write_text('index = "data/photos.sig"')
    deep = home / "a" / "b"
    deep.mkdir(parents=True)
    found = find_config(deep, {})
    assert Path(found.location) == home / "data" / "photos.sig"
    assert found.source == str(home / "sigsearch.toml")


def test_the_table_of_pyproject_is_read_and_a_pyproject_without_it_passed_over(home):
    (home / "pyproject.toml").write_text('[tool.sigsearch]\nindex = "memory://"\n')
    below = home / "below"
    below.mkdir()
    (below / "pyproject.toml").write_text('[project]\nname = "other"\n')
    assert find_config(below, {}).location == "memory://"


def test_options_and_scheme_come_with_the_location(home):
    (home / "sigsearch.toml").write_text(
        'index = "elasticsearch://host:9200/name"\n[options]\nreplicas = 0\n'
        "[scheme]\nword_length = 12\ndecode_side = 400\n"
        "[limits]\nseconds = 5\nprivate_addresses = true\n"
    )
    found = find_config(home, {})
    assert found.location == "elasticsearch://host:9200/name"
    assert found.options == {"replicas": 0}
    assert found.scheme == Scheme(word_length=12, decode_side=400)
    assert found.limits == Limits(seconds=5, private_addresses=True)


def test_by_default_it_is_a_file_of_the_user(home):
    found = find_config(home, {})
    assert Path(found.location).name == "default.sig"
    assert Path(found.location).is_relative_to(home.parent / "home")
    assert found.source == "the default"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index = ", "cannot read .*sigsearch.toml"),
        ("", 'no location; wanted a line such as index = "photos.sig"'),
        ('index = "a"\nindx = 1', "unknown key 'indx'; wanted index, options, scheme"),
        ("index = 3", "wanted a string for 'index', found 3"),
        ('index = "a"\noptions = 3', "wanted a table for 'options', found 3"),
        ('index = "a"\n[scheme]\nword_length = 99', "scheme: word_length must be"),
        ('index = "a"\n[scheme]\ncolour = 99', "scheme: .*colour"),
    ],
)
def test_a_file_that_means_nothing_is_named(home, text, message):
    (home / "sigsearch.toml").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        find_config(home, {})
    assert "sigsearch.toml" in str(caught.value)


def test_open_without_a_location_uses_them(home, monkeypatch):
    made = np.random.default_rng(0).integers(-2, 3, 648).astype(np.int8)
    with sigsearch.open() as index:
        index.add(made, id="default")
        assert Path(index.location).is_relative_to(home.parent / "home")
    (home / "sigsearch.toml").write_text(
        'index = "data/photos.sig"\n[scheme]\nword_length = 12\ndecode_side = 400\n'
    )
    with sigsearch.open() as index:
        assert index.count() == 0
        assert index.scheme.word_length == 12
        assert Path(index.location) == home / "data" / "photos.sig"
    monkeypatch.setenv("SIGSEARCH_INDEX", "memory://")
    with sigsearch.open() as index:
        assert index.location == "memory://"
