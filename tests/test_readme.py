"""What the README shows works as it stands there."""

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
    [code] = blocks("python")
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


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_its_links_lead_somewhere(link):
    assert (Path(__file__).parents[1] / link).is_file()
