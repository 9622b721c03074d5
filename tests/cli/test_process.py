"""The command line as a process of its own: pipes, terminals, signals, and what it loads."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pexpect
import pytest
from odd_pictures import picture
from PIL import Image

import sigsearch

COMMAND = [sys.executable, "-m", "sigsearch"]
HEAVY = ["numba", "numpy", "imageio", "PIL", "rich", "sqlite3", "sigsearch.index"]


def finish(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, **options
    )


def wait_for(happened):
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def stored(location):
    """How many records there are; 0 if there is no index yet."""
    if not os.path.exists(location):
        return 0
    with sigsearch.open(location) as index:
        return index.count()


@pytest.fixture
def terminal():
    """Run on a terminal of so many columns; gives the exit status and all that was shown."""

    def terminal(*arguments, columns=80):
        child = pexpect.spawn(
            COMMAND[0],
            [*COMMAND[1:], *map(str, arguments)],
            dimensions=(24, columns),
            encoding="utf-8",
            timeout=120,
            env=os.environ | {"TERM": "xterm"},
        )
        child.expect(pexpect.EOF)
        child.close()
        return child.exitstatus, child.before

    return terminal


@pytest.fixture
def many(tmp_path, mona_lisa):
    """Seventy small pictures: more than are stored at once."""
    folder = tmp_path / "many"
    folder.mkdir()
    with Image.open(mona_lisa) as image:
        image.resize((60, 80)).save(folder / "00.png")
    for i in range(1, 70):
        shutil.copy(folder / "00.png", folder / f"{i:02}.png")
    return folder


@pytest.mark.parametrize(
    "code",
    [
        "import sigsearch",
        "from sigsearch.cli import main; main(['--version'])",
        "from sigsearch.cli import main; main(['search', '--help'])",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code):
    loaded = (
        subprocess.run(
            [sys.executable, "-c", f"{code}\nimport sys; print('loaded:', *sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        )
        .stdout.split("loaded:")[1]
        .split()
    )
    assert set(loaded).isdisjoint(HEAVY)


def test_version_does_not_wait_for_typer():
    code = "from sigsearch.cli import main; main(['--version']); import sys; print('typer' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == f"sigsearch {sigsearch.__version__}\nFalse\n"


def test_the_installed_command_and_the_module_are_the_same(mona_lisa):
    installed = shutil.which("sigsearch", path=os.path.dirname(sys.executable))
    assert installed, "sigsearch is not installed beside this Python"
    for command in ([installed], COMMAND):
        ended = subprocess.run([*command, "compare", mona_lisa, mona_lisa], capture_output=True, check=False)
        assert (ended.returncode, ended.stdout) == (0, b"0.0 below the cutoff 0.45\n")


def test_an_error_is_one_line_and_exit_status_2(photos):
    ended = finish("search", "--index", photos, b"bad\xff.jpg".decode(errors="surrogateescape"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "sigsearch: cannot read bad\\udcff.jpg: no such file\n"


def test_a_path_that_the_encoding_of_standard_output_does_not_have_is_escaped(mona_lisa):
    with sigsearch.open("new.sig") as index:
        index.add(mona_lisa, id="Größe")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    ended = finish("list", "--index", "new.sig", env=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"Gr\\xf6\\xdfe\t{mona_lisa}\n"


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"]])
def test_a_reader_that_goes_away_ends_it_quietly(photos, arguments):
    with subprocess.Popen(
        [*COMMAND, *arguments, "--index", photos], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_there_is_no_progress_bar_in_a_pipe(many):
    ended = finish("add", "--index", "new.sig", many)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "70 added\n", "")


def test_there_is_a_progress_bar_on_a_terminal(terminal, many):
    status, shown = terminal("add", "--index", "new.sig", many)
    assert status == 0
    assert "━" in shown
    assert "70/70" in shown
    assert "70 added\r\n" in shown


def test_on_a_terminal_matches_are_a_table(terminal, photos, mona_lisa, caravaggio):
    status, shown = terminal("search", "--index", photos, mona_lisa, columns=200)
    assert status == 0
    lines = shown.splitlines()
    distance, expected_false, *rest = lines[1].split()
    assert (distance, rest) == ("0.0000", ["as-is", str(mona_lisa)])
    assert 0 < float(expected_false) < 1e-6
    for name in ("distance", "expected false", "orientation", "path"):
        assert name in lines[0]


def test_in_a_narrow_terminal_no_path_is_cut_and_no_blank_is_wrapped(terminal, tmp_path, mona_lisa):
    long = "long " * 40 + "[red]name.jpg"
    with sigsearch.open("new.sig") as index:
        index.add(mona_lisa, id="long", path=long)
        index.add(mona_lisa, id="short", path="short.jpg")
    status, shown = terminal("search", "--index", "new.sig", mona_lisa, columns=40)
    assert status == 0
    assert f"  {long}\r\n" in shown
    assert "  short.jpg\r\n" in shown


def test_on_a_terminal_a_search_in_vain_says_so(terminal, photos, tmp_path):
    Image.linear_gradient("L").save(tmp_path / "other.png")
    status, shown = terminal("search", "--index", photos, "other.png")
    assert status == 1
    lines = [line for line in shown.split("\r\n") if "compiling the kernels" not in line]  # said if slow
    assert lines[0] == "no match"


def test_an_interrupted_add_says_so_in_one_line_and_goes_on_when_repeated(many):
    paths = "".join(f"{path}\n" for path in sorted(many.iterdir()))
    with subprocess.Popen(
        [*COMMAND, "add", "--index", "new.sig", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdin.write(paths)
        process.stdin.flush()  # not closed: it stores what makes a batch and waits for more
        stored = 0
        while not stored:
            assert process.poll() is None
            time.sleep(0.1)
            if os.path.exists("new.sig"):
                with sigsearch.open("new.sig") as index:
                    stored = index.count()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.startswith("sigsearch: interrupted; ")
    assert "goes on where it stopped" in err
    assert err.count("\n") == 1
    with sigsearch.open("new.sig") as index:
        stored = index.count()  # what was read by then is stored
    again = finish("add", "--index", "new.sig", "-", input=paths)
    assert again.returncode == 0
    assert again.stdout == f"{70 - stored} added, {stored} already there\n"


@pytest.mark.long
def test_what_standard_input_has_listed_is_stored_though_no_more_comes(many):
    with subprocess.Popen([*COMMAND, "add", "--index", "new.sig", "-"], stdin=subprocess.PIPE) as process:
        process.stdin.write(f"{many / '00.png'}\n{many / '01.png'}\n".encode())
        process.stdin.flush()
        wait_for(lambda: stored("new.sig") == 2)
        process.stdin.write(f"{many / '02.png'}".encode())  # without an end of the line
        process.stdin.close()
        assert process.wait(120) == 0
    assert stored("new.sig") == 3


@pytest.fixture
def hundreds(tmp_path):
    """Three hundred small pictures, each another, by their path."""
    folder = tmp_path / "hundreds"
    folder.mkdir()
    pictures = {str(folder / f"{k:03}.png"): picture(k) for k in range(300)}
    for path, data in pictures.items():
        with open(path, "wb") as file:
            file.write(data)
    (folder / "bad.jpg").write_text("no picture")
    return folder, pictures


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_add_may_be_stopped_at_any_time_and_repeated_until_all_is_there(hundreds, number):
    folder, pictures = hundreds
    rng = random.Random(number)
    stopped = 0
    for _ in range(40):
        process = subprocess.Popen(
            [*COMMAND, "add", "--index", "new.sig", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        # Some 0.5 s pass before the first picture is stored, and all take 1 to 2 s: the first stop is sure.
        with suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.3, 1.8) if stopped else 0.3)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
        if os.path.exists("new.sig"):
            with sigsearch.open("new.sig") as index:
                assert index.check() == []
                assert {record.id for record in index.scan()} <= set(pictures)
        if process.returncode == 2:
            break
        stopped += 1
        assert process.returncode in ((130, -signal.SIGINT) if number == signal.SIGINT else (-number,))
        if process.returncode == 130:
            assert err.count(b"\n") == 1
            assert err.startswith(b"sigsearch: interrupted")
    ended = finish("add", "--index", "new.sig", folder)
    assert ended.returncode == 2
    assert ended.stdout.endswith("1 failed\n")
    assert stopped
    with sigsearch.open("new.sig") as index:
        assert index.check() == []
        records = list(index.scan())
    assert sorted(record.id for record in records) == sorted(pictures)
    for record in records:
        made = sigsearch.compute_signature(pictures[record.id])
        assert (record.views[0].signature == made).all()
    with open("new.sig.failures.jsonl") as file:
        assert [json.loads(line)["source"] for line in file] == [str(folder / "bad.jpg")]


@pytest.mark.long
def test_the_bar_shows_the_count_the_rate_and_the_failures(terminal, many):
    (many / "bad.jpg").write_text("no picture")
    status, shown = terminal("add", "--index", "new.sig", many, columns=200)
    assert status == 2
    assert "71/71" in shown
    assert "1 failed" in shown
    assert re.search(r"\d pictures/s", shown)
    assert "70 added, 1 failed\r\n" in shown
    assert f"sigsearch: {many / 'bad.jpg'}: its content is not a picture of a known format\r\n" in shown


@pytest.mark.long
def test_without_a_terminal_a_line_now_and_then_tells_how_far_it_is(many):
    (many / "bad.jpg").write_text("no picture")
    code = (
        "import sys\n"
        "from sigsearch import progress\n"
        "from sigsearch.cli import main\n"
        "progress.EVERY = 0.0\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "add", "--index", "new.sig", many],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "70 added, 1 failed\n")
    *told, failure = ended.stderr.splitlines()
    assert failure.startswith(f"sigsearch: {many / 'bad.jpg'}: ")
    told = [line for line in told if "compiling" not in line]
    assert told
    for line in told:
        assert re.fullmatch(r"sigsearch: \d+ pictures, [\d,]+ a second(, 1 failed)?", line)
    assert told[-1].startswith("sigsearch: 71 pictures, ")


@pytest.mark.long
@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_that_the_kernels_are_compiled_is_told_once(tmp_path, many):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cold")}
    ended = finish("add", "--index", "new.sig", many, env=environment)
    assert ended.returncode == 0
    assert ended.stdout.startswith("70 added")
    assert ended.stderr.splitlines()[0] == "sigsearch: compiling the kernels, once; some 20 s"
    assert ended.stderr.count("compiling") == 1


def test_an_interrupt_elsewhere_is_one_line_too(tmp_path):
    code = (
        "import os, signal, sys, sigsearch\n"
        "from sigsearch.cli import main\n"
        "sigsearch.open = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(main(['list']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "sigsearch: interrupted\n")


def test_bash_completes_commands():
    environment = os.environ | {
        "_SIGSEARCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "sigsearch se",
        "COMP_CWORD": "1",
    }
    ended = finish(env=environment)
    assert (ended.returncode, ended.stdout.split()) == (0, ["search"])


def test_the_demo_says_that_it_compiles_the_kernels():
    code = (
        "import sys, time, types\n"
        "from sigsearch.cli import options\n"
        "options.PATIENCE = 0.01\n"
        "options.import_module = lambda name: time.sleep(0.5)\n"
        "options.load_kernels()\n"
        "print('quiet in a pipe')\n"
        "options.load_kernels(note=True)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "quiet in a pipe\n"
    assert ended.stderr == "sigsearch: compiling the kernels, once; some 20 s\n"


def test_an_interrupt_while_the_kernels_load_is_one_line():
    code = (
        "import os, signal, sys\n"
        "from sigsearch.cli import main, options\n"
        "options.import_module = lambda name: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(main(['compare', 'a.jpg', 'b.jpg']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "sigsearch: interrupted\n")
