"""What the README shows works as it stands there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_its_two_commands_are_a_line_each():
    first, second = (block.splitlines() for block in blocks("sh"))
    assert len(first) == len(second) == 1
    assert first[0].endswith("sigsearch demo")
    assert "pytest" in second[0]


def test_its_python_runs_and_says_what_it_promises(mona_lisa, other_mona_lisa, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "scans").mkdir()
    for name in ("mona.jpg", "scans/mona.jpg", "photos/mona.jpg"):
        shutil.copy(mona_lisa, tmp_path / name)
    shutil.copy(other_mona_lisa, tmp_path / "suspect.jpg")
    code = blocks("python")[0]
    for already_there in (0, 2):  # a second run must do as well
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=tmp_path,
            env=os.environ | {"NUMBA_DISABLE_JIT": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        lines = run.stdout.splitlines()
        assert lines[0] == f"{2 - already_there} added, {already_there} already there, 0 failed"
        assert lines[1].startswith("0.22095170140933634 as-is ")
        assert lines[-1] == "0.22095170140933634"


def test_its_configuration_is_understood(tmp_path):
    from sigsearch.config import find_config

    [text] = blocks("toml")
    assert tomllib.loads(text)["index"] == "photos.sig"
    (tmp_path / "sigsearch.toml").write_text(text)
    assert find_config(tmp_path, {}).location == str(tmp_path / "photos.sig")


def test_its_elasticsearch_documents_are_found(
    mona_lisa, other_mona_lisa, tmp_path, monkeypatch, capsys, elasticsearch_server, elasticsearch_index_name
):
    from elasticsearch.dsl import connections

    shutil.copy(other_mona_lisa, tmp_path / "query.jpg")
    monkeypatch.chdir(tmp_path)
    _, code = blocks("python")
    with_index = code.replace(
        "\nsimilar =",
        "\nProduct._index._name = NAME; Product.init(index=NAME)\n"
        "Product(name='a mug', category='mugs', picture=PICTURE).save(index=NAME, refresh=True)\n"
        "Product(name='a cup', category='cups', picture=PICTURE).save(index=NAME, refresh=True)\n\nsimilar =",
    )
    assert with_index != code
    with elasticsearch_server.client() as client:
        name = elasticsearch_index_name
        connections.add_connection("default", client)
        try:
            exec(with_index, {"NAME": name, "PICTURE": str(mona_lisa)})
        finally:
            connections.remove_connection("default")
        found, query = capsys.readouterr().out.splitlines()
        answer = client.search(index=name, body=json.loads(query))["hits"]["hits"]
    assert found == "0.22095170140933634 a mug"
    assert sorted(hit["_source"]["name"] for hit in answer) == ["a cup", "a mug"]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_its_links_lead_somewhere(link):
    assert (Path(__file__).parents[1] / link).is_file()
