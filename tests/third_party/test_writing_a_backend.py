"""The page on writing a backend: its code is that of the example, and it leaves out no verb or capability."""

import inspect
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from sigsearch import errors
from sigsearch.backend import Backend, Capability
from sigsearch.scheme import Scheme

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "writing-a-backend.md").read_text(encoding="utf-8")
SHELF = HERE / "sigsearch-shelf"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def lines_of(code):
    return [line.strip() for line in code.splitlines() if line.strip()]


def test_the_page_has_code():
    assert [kind for kind, _ in BLOCKS].count("python") >= 4


@pytest.mark.parametrize("code", [code for kind, code in BLOCKS if kind == "python"], ids=range(4))
def test_python_on_the_page_compiles_and_stands_in_the_example(code):
    compile(code, "docs/writing-a-backend.md", "exec")
    files = [textwrap.dedent(file.read_text(encoding="utf-8")) for file in SHELF.rglob("*.py")]
    assert any("\n".join(lines_of(code)) in "\n".join(lines_of(file)) for file in files)


def test_toml_on_the_page_stands_in_the_example():
    (code,) = (code for kind, code in BLOCKS if kind == "toml")
    assert tomllib.loads(code)
    assert code.strip() in (SHELF / "pyproject.toml").read_text(encoding="utf-8")


def test_every_file_of_the_layout_is_there():
    layout = re.search(r"    sigsearch-shelf/\n((?:        .*\n)+)", PAGE)[1]
    for line in layout.splitlines():
        assert (SHELF / line.split()[0]).is_file()


def test_every_verb_is_in_the_table_with_its_arguments():
    verbs = re.findall(r"^\| `(\w+)(?:\((.*?)\))?` \| (optional)?", PAGE, re.MULTILINE)
    table = {verb: re.sub(r"[*\s]", "", arguments) for verb, arguments, _ in verbs}
    optional = {verb for verb, _, word in verbs if word}
    assert optional == {"compact", "check", "examine", "salvage"}
    assert optional.isdisjoint(Backend.__abstractmethods__)
    assert set(Backend.__abstractmethods__) <= table.keys()
    for verb in Backend.__abstractmethods__ - {"scheme"} | optional:
        arguments = [name for name in inspect.signature(getattr(Backend, verb)).parameters if name != "self"]
        assert [name for name in table[verb].split(",") if name] == arguments


def test_every_capability_is_in_the_table():
    assert {capability.name for capability in Capability} == set(re.findall(r"^\| `([A-Z]+)` \|", PAGE, re.M))


def test_every_error_on_the_page_exists():
    named = set(re.findall(r"`(\w+Error)`", PAGE)) - {"ImportError"}
    assert len(named) >= 7
    assert all(issubclass(getattr(errors, name), errors.SigsearchError) for name in named)


def test_the_numbers_on_the_page_are_right():
    assert "eleven methods" in PAGE
    assert len(Backend.__abstractmethods__) == 11
    assert "80 numbers" in PAGE
    assert Scheme().word_count == 80
