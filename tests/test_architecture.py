"""The rules of the house that no type checker knows: who may import whom, and what each file says first."""

import ast
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import sigsearch
from sigsearch import plugins
from sigsearch.testing.conformance import differing_signatures

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "sigsearch").rglob("*.py"))
BACKENDS = sorted((ROOT / "backends").rglob("*.py"))
BACKEND_PACKAGES = sorted(file.parent.name for file in (ROOT / "backends").glob("*/__init__.py"))


BUILT_ON = {"sigsearch_image_match": {"sigsearch_elasticsearch"}}
"""image-match's layout is another one on the same servers."""


def name_of(file):
    return str(file.relative_to(ROOT))


def imported(file):
    """Every module that a file imports anywhere in it, and each name taken from one, with dots."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(file.relative_to(ROOT).parent.parts) if node.level else ""
            module = ".".join(part for part in (package, node.module) if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_there_are_files_to_look_at():
    assert len(CORE) > 15
    assert {"sigsearch_local", "sigsearch_memory"} <= set(BACKEND_PACKAGES)


@pytest.mark.parametrize("file", BACKENDS, ids=name_of)
def test_a_backend_imports_only_what_is_public_in_sigsearch(file):
    private = [
        name
        for name in imported(file)
        if name.split(".")[0] == "sigsearch" and any(part.startswith("_") for part in name.split("."))
    ]
    assert private == []


@pytest.mark.parametrize("file", BACKENDS, ids=name_of)
def test_a_backend_imports_no_other_backend(file):
    own = file.relative_to(ROOT / "backends").parts[0]
    others = set(BACKEND_PACKAGES) - {own} - BUILT_ON.get(own, set())
    assert [name for name in imported(file) if name.split(".")[0] in others] == []


@pytest.mark.parametrize("file", CORE, ids=name_of)
def test_the_core_knows_no_backend_by_name(file):
    assert [name for name in imported(file) if name.split(".")[0] in BACKEND_PACKAGES] == []
    # Nor by a string, as importlib takes it.
    constants = [
        node.value
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert [text for text in constants if text.split(".")[0] in BACKEND_PACKAGES] == []


@pytest.mark.parametrize("file", CORE + BACKENDS, ids=name_of)
def test_a_file_begins_by_saying_what_it_is_for(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    said = ast.get_docstring(tree)
    assert said, "no docstring"
    assert tree.body[0].lineno == 1
    first = said.splitlines()[0]
    assert len(first) > 20, first


def test_every_backend_is_announced_by_this_distribution():
    announced = {point.value for point in entry_points(group="sigsearch") if point.dist.name == "sigsearch"}
    assert announced == set(BACKEND_PACKAGES)


def test_the_methods_of_every_backend_take_the_arguments_of_the_abstract_class():
    registry = plugins.discover()
    for found in registry.backends:
        assert differing_signatures(registry.load(found.info.schemes[0])) == [], found.info.name


def test_every_public_name_is_there():
    assert len(sigsearch.__all__) > 30
    for name in sigsearch.__all__:
        assert getattr(sigsearch, name) is not None
    assert set(sigsearch.__all__) <= set(dir(sigsearch))


def test_every_public_name_for_tests_is_there():
    from sigsearch import testing

    for name in testing.__all__:
        assert getattr(testing, name) is not None
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="no_such_name"):
        testing.no_such_name  # noqa: B018


HEAVY = {"numba", "numpy", "PIL", "imageio", "typer", "rich", "sqlite3", "hypothesis", "elasticsearch"}


@pytest.mark.parametrize(
    "module",
    ["sigsearch", "sigsearch.testing", "sigsearch.testing.plugin", "sigsearch.hookspecs", "sigsearch.errors"],
)
def test_importing_it_loads_nothing_heavy(module):
    # What the environment itself loads at the start is not ours.
    code = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()
