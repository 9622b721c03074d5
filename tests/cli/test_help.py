"""--help, --version and shell completion."""

import re

import pytest

import sigsearch

COMMANDS = ["add", "search", "explain", "compare", "list", "get", "delete", "info"]
COMMANDS += ["calibrate", "check", "compact", "migrate", "backends", "demo"]


def test_help_lists_all_commands_in_the_order_of_their_use(run):
    result = run("--help")
    assert (result.status, result.err) == (0, "")
    listed = result.out.partition("Commands:\n")[2]
    assert re.findall(r"^  (\w+)  ", listed, re.MULTILINE) == COMMANDS
    assert "..." not in listed


def test_without_arguments_the_help_is_shown(run):
    assert run().out == run("--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_its_purpose_in_a_sentence_and_an_example(run, command):
    result = run(command, "--help")
    assert (result.status, result.err) == (0, "")
    assert re.search(r"^Usage: sigsearch \w+ .*\n\n  [A-Z][^.]+\.\n", " ".join(result.out.split("\n    ")))
    assert re.search(rf"^  Example: sigsearch {command}\b", result.out, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_help_is_cut_in_a_narrow_terminal(run, command, monkeypatch):
    def letters():
        return "".join(run(command, "--help").out.split())  # a line may end behind a hyphen

    wide = letters()
    monkeypatch.setenv("COLUMNS", "40")
    assert letters() == wide


def test_version_is_the_name_and_the_number(run):
    expected = f"sigsearch {sigsearch.__version__}\n"
    assert run("--version").out == expected
    assert run("--version", "list").out == expected
