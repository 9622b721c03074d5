"""A made-up third party's distribution, installed into an environment of its own and tested there."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

SHELF = Path(__file__).parent / "sigsearch-shelf"


def run(*command, **options):
    """Run a command and give what it printed; its errors are the test's."""
    # Nor does a third party run its tests with kernels that are not compiled.
    unwanted = ("PYTEST_", "NUMBA_DISABLE_JIT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=environment, **options
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def install_command(python, source):
    """How to install a folder into another environment from what is here, without a network."""
    options = ["--no-index", "--no-deps", "--no-build-isolation", source]
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
        return [*pip, "install", "--quiet", *options]
    if shutil.which("uv"):  # environments that uv makes have no pip
        return ["uv", "pip", "install", "--quiet", "--python", python, *options]
    pytest.fail("this test installs a distribution: install pip here, or put uv on the PATH")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A copy of the distribution's folder, for the build to leave its traces in."""
    copy = tmp_path_factory.mktemp("third-party") / "sigsearch-shelf"
    shutil.copytree(SHELF, copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return copy


@pytest.fixture(scope="module")
def python(tmp_path_factory, shelf):
    """The Python of an environment that has the distribution, and all that this environment has."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    variables = {"base": str(folder), "platbase": str(folder)}
    paths = sysconfig.get_paths(scheme="venv", vars=variables)
    python = Path(paths["scripts"]) / f"python{sysconfig.get_config_var('EXE') or ''}"
    outer = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    # addsitedir, and not the bare path: it also reads the .pth files there, of editable installs.
    Path(paths["purelib"], "outer.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in outer)
    )
    run(*install_command(python, shelf))
    return python


def test_it_is_discovered_by_its_entry_point_beside_the_built_in_backends(python, tmp_path):
    code = """
import json, sys
from sigsearch import plugins
registry = plugins.discover()
names = {found.info.name: found.distribution for found in registry.backends}
broken = [str(plugin) for plugin in registry.broken]
print(json.dumps([names, broken, "sigsearch_shelf.backend" in sys.modules]))
"""
    names, broken, loaded = json.loads(run(python, "-c", code, cwd=tmp_path))
    assert names["shelf"] == "sigsearch-shelf 1.0.0"
    assert {"local", "memory"} <= names.keys()
    assert broken == []
    assert not loaded, "the backend was imported before anybody opened a shelf"


def test_its_locations_are_opened_by_sigsearch(python, tmp_path):
    code = """
import sigsearch
from sigsearch.testing import make_near_duplicate, make_picture
with sigsearch.open("shelf://pictures.shelf") as index:
    for seed in range(3):
        index.add(make_picture(seed, (96, 72)), id=f"{seed}")
with sigsearch.open("shelf://pictures.shelf", create=False) as index:
    print([match.id for match in index.search(make_near_duplicate(make_picture(1, (96, 72))))])
"""
    assert run(python, "-c", code, cwd=tmp_path) == "['1']\n"
    assert (tmp_path / "pictures.shelf").exists()


@pytest.mark.long
def test_it_passes_the_conformance_suite_in_its_own_environment(python, shelf, tmp_path):
    report = tmp_path / "report.xml"
    # -P: what is tested is what was installed, not the folder that pytest stands in.
    run(python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", cwd=shelf)
    cases = list(ET.parse(report).getroot().iter("testcase"))
    skipped = [case.find("skipped").get("message") for case in cases if case.find("skipped") is not None]
    assert len(cases) - len(skipped) > 75
    # What it does not declare is skipped, and nothing else.
    needed = {"needs Capability.EXACT", "needs Capability.VIEWS"}
    assert {message.partition(",")[0] for message in skipped} == needed
    # What it does declare is not.
    passed = {case.get("name").partition("[")[0] for case in cases if case.find("skipped") is None}
    assert {
        "test_records_that_share_most_words_are_offered_first",
        "test_everything_is_there_when_opened_again",
        "test_another_process_sees_what_was_acknowledged",
        "test_a_record_of_several_views_is_refused_rather_than_cut_down",
        "test_it_behaves_as_a_dict_of_records_does",
    } <= passed
