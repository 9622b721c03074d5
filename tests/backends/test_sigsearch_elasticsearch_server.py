"""The Elasticsearch server for tests: that it comes, holds its data, and goes, however its owner ends.

Those that stop, kill or secure a server start their own, also where SIGSEARCH_TEST_ES_URL names another.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from sigsearch_elasticsearch import testing
from sigsearch_elasticsearch.testing import __main__ as command_line
from sigsearch_elasticsearch.testing import download, java, sharing
from sigsearch_elasticsearch.testing.download import installed_server
from sigsearch_elasticsearch.testing.server import ElasticsearchServer, LocalElasticsearch

from sigsearch.errors import InputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the server is started on POSIX systems only")

PATIENCE = 180
"""Seconds for a start on a busy machine."""
UP = [sys.executable, "-m", "sigsearch_elasticsearch.testing", "up", "--quick"]


def eventually(condition, patience=30):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


# What is needed: Java


@pytest.fixture
def no_java(monkeypatch, tmp_path):
    """A machine without any Java. Gives the folder that is on the path."""
    for name in ("SIGSEARCH_TEST_JAVA_HOME", "ES_JAVA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(java, "INSTALLED", tmp_path / "jvm")
    monkeypatch.setattr(java, "open_to_all", lambda _: True)  # root's tests lie where only root can come
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def pretend_java(home, release):
    """Make a program that says what Java of that release says."""
    written = f"1.{release}" if release < 9 else str(release)
    said = f"    java.home = {home}\n    java.specification.version = {written}\n"
    return pretend(home / "bin" / "java", f"cat >&2 <<'EOF'\nProperty settings:\n{said}\nEOF\n")


def pretend(program, script):
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}")
    program.chmod(0o755)
    return program


def test_without_java_the_error_says_what_to_install(no_java):
    with pytest.raises(testing.PrerequisiteError) as caught:
        testing.find_java("8.19.8")
    assert str(caught.value) == (
        "Elasticsearch 8.19.8 needs Java 17 or newer; found none; install one "
        "('apt-get install default-jre-headless') or name its folder in SIGSEARCH_TEST_JAVA_HOME"
    )
    assert not testing.has_java("8.19.8")


def test_where_every_java_is_too_old_the_error_names_them(no_java, tmp_path):
    pretend_java(tmp_path / "jvm" / "eight", 8)
    pretend_java(tmp_path / "jvm" / "seventeen", 17)
    with pytest.raises(
        testing.PrerequisiteError, match=r"needs Java 21 or newer; found only Java 8 in .*eight, "
    ):
        testing.find_java("9.2.0")
    assert testing.has_java("8.19.8")


def test_versions_that_newer_javas_do_not_run_get_an_older_one(no_java, tmp_path):
    """As seen: on Java 25 8.17.0, 8.18.0 and 9.0.0 end by themselves, 8.19.0, 8.19.8, 9.1.0 and 9.2.0 run."""
    pretend_java(tmp_path / "jvm" / "new", 25)
    for version in ("8.19.0", "8.19.8", "9.1.0", "9.2.0"):
        assert testing.has_java(version)
    for version, wanted in (("8.17.0", "17 to 23"), ("8.18.0", "17 to 24"), ("9.0.0", "21 to 24")):
        with pytest.raises(testing.PrerequisiteError, match=f"needs Java {wanted}; found only Java 25 in "):
            testing.find_java(version)


def test_the_java_that_was_asked_for_comes_first_unless_it_is_too_old(no_java, tmp_path, monkeypatch):
    pretend_java(tmp_path / "jvm" / "a", 25)
    pretend_java(tmp_path / "jvm" / "b", 21)
    assert testing.find_java("9.2.0") == testing.Java(tmp_path / "jvm" / "b", 21)
    (no_java / "java").symlink_to(pretend_java(tmp_path / "found", 22))
    assert testing.find_java("9.2.0").release == 22
    pretend_java(tmp_path / "asked", 23)
    monkeypatch.setenv("SIGSEARCH_TEST_JAVA_HOME", str(tmp_path / "asked"))
    assert testing.find_java("9.2.0").release == 23
    pretend_java(tmp_path / "old", 17)
    monkeypatch.setenv("SIGSEARCH_TEST_JAVA_HOME", str(tmp_path / "old"))
    assert testing.find_java("9.2.0").release == 22
    assert testing.find_java("8.19.8").release == 17


# What is needed: the build


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    """A user who has fetched nothing yet. Gives the folder of the servers."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(download, "user_cache_path", lambda _: folder)
    return folder / "elasticsearch"


def pretend_maven(folder, archive, before=""):
    """Make a Maven that gives this archive, and writes down that it was called."""
    called = folder / "called"
    pretend(
        folder / "mvn",
        f"echo $* >> {called}\n{before}\n"
        f'for a in "$@"; do case $a in -DoutputDirectory=*) cp {archive} "${{a#*=}}/it.zip";; esac; done\n',
    )
    return called


@pytest.fixture
def archive(tmp_path):
    """A build of which only the shape is right."""
    path = tmp_path / "build.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("elasticsearch-8.19.8/bin/elasticsearch", "#!/bin/sh\n")
        packed.writestr("elasticsearch-8.19.8/lib/elasticsearch-8.19.8.jar", "")
    return path


def test_without_maven_the_error_says_what_to_install(empty_cache, no_java):
    with pytest.raises(testing.PrerequisiteError, match=r"no 'mvn' on the path; .*apt-get install maven"):
        installed_server("8.19.8")


def test_what_maven_says_when_it_fails_is_in_the_error(empty_cache, tmp_path, monkeypatch):
    pretend(tmp_path / "mvn", "echo '[ERROR] Could not find it'; echo '[ERROR] Help'; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(testing.PrerequisiteError, match=r"8\.18\.0 .*: Could not find it$"):
        installed_server("8.18.0")
    assert [file.name for file in empty_cache.iterdir()] == ["lock"]


def test_a_version_is_three_numbers_and_nothing_else():
    for version in ("8", "8.19", "8.19.8:zip -Dx=y", "../../etc", ""):
        with pytest.raises(InputError, match=r"looks like 8\.19\.8"):
            installed_server(version)


def test_maven_is_called_once_for_each_version(empty_cache, archive, tmp_path, monkeypatch):
    called = pretend_maven(tmp_path, archive)
    monkeypatch.setenv("PATH", str(tmp_path))
    server = installed_server("8.19.8")
    assert server == empty_cache / "8.19.8"
    assert os.access(server / "bin" / "elasticsearch", os.X_OK)
    assert installed_server("8.19.8") == server
    assert len(called.read_text().splitlines()) == 1
    assert sorted(file.name for file in empty_cache.iterdir()) == ["8.19.8", "lock"]


def test_a_kill_while_it_fetches_leaves_no_half_server_and_the_next_one_cleans_up(
    empty_cache, archive, tmp_path, monkeypatch
):
    called = pretend_maven(tmp_path, archive, before="sleep 60")
    monkeypatch.setenv("PATH", str(tmp_path))
    code = (
        "import pathlib, sys; from sigsearch_elasticsearch.testing import download\n"
        "download.user_cache_path = lambda _: pathlib.Path(sys.argv[1])\n"
        "download.installed_server('8.19.8')"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", code, empty_cache.parent], process_group=0, env=with_our_path()
    )
    eventually(called.exists)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert [file.name for file in empty_cache.glob("8*")] == []
    assert len(list(empty_cache.glob("unpacking-*"))) == 1
    pretend_maven(tmp_path, archive)
    assert (installed_server("8.19.8") / "lib").is_dir()
    assert list(empty_cache.glob("unpacking-*")) == []


def with_our_path(**variables):
    """The environment for a Python that finds what this one finds, and is no worker of pytest-xdist."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | variables


# A server that is given


def test_a_url_may_name_nodes_a_user_and_a_password():
    server = ElasticsearchServer.from_url("https://me:p%40ss@a.example,https://b.example:9201/es/", "ca.pem")
    assert server.urls == ("https://a.example:443", "https://b.example:9201/es")
    assert (server.user, server.password, server.ca_file) == ("me", "p@ss", "ca.pem")
    assert ElasticsearchServer.from_url("http://[::1]").url == "http://[::1]:9200"
    for url in ("", "localhost:9200", "ftp://a.example"):
        with pytest.raises(InputError, match=r"looks like http://127\.0\.0\.1:9200"):
            ElasticsearchServer.from_url(url)


def test_a_given_server_is_used_and_left_alone(elasticsearch_server, monkeypatch):
    monkeypatch.setenv("SIGSEARCH_TEST_ES_URL", elasticsearch_server.full_url)
    monkeypatch.setenv("SIGSEARCH_TEST_ES_CA_CERTS", elasticsearch_server.ca_file or "")
    with testing.elasticsearch_server() as given:
        assert type(given) is ElasticsearchServer
        assert given.urls == elasticsearch_server.urls[:1]
        assert given.version == elasticsearch_server.version
    with elasticsearch_server.client() as client:
        assert client.cluster.health()["number_of_nodes"] >= 1


# The fixtures


def test_the_fixtures_give_a_server_and_the_name_of_an_index_that_is_not_there(
    elasticsearch_server, elasticsearch_index_name
):
    with elasticsearch_server.client() as client:
        assert not client.indices.exists(index=f"{elasticsearch_index_name}*", allow_no_indices=False)


@pytest.mark.parametrize("time", ["first", "second"])
def test_what_a_test_made_under_its_name_is_gone_for_the_next(
    elasticsearch_server, elasticsearch_index_name, request, time
):
    with elasticsearch_server.client() as client:
        names = request.config.stash.setdefault(NAMES, [])
        for name in names:
            assert not client.indices.exists(index=name)
        for name in (elasticsearch_index_name, f"{elasticsearch_index_name}-other"):
            client.indices.create(index=name)
            names.append(name)


NAMES = pytest.StashKey()
ASKED = """
import pytest
pytest_plugins = ["sigsearch_elasticsearch.testing.plugin"]
@pytest.mark.parametrize("number", range({count}))
def test_it(elasticsearch_server, number, worker_id):
    import time; time.sleep({pause})
    with elasticsearch_server.client() as client:
        assert client.cluster.health()["number_of_nodes"] == 1
    with open({notes!r}, "a") as notes:
        print(worker_id, elasticsearch_server.url, file=notes)
"""


def run_pytest(folder, *arguments, count=2, pause=0, **variables):
    """Run pytest, in a folder, on a test that asks for the server. Gives what it said, and the notes."""
    notes = folder / "notes"
    (folder / "test_it.py").write_text(ASKED.format(notes=str(notes), count=count, pause=pause))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=with_our_path(**variables),
        capture_output=True,
        text=True,
    )
    return done, [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []


@pytest.mark.long
def test_without_java_the_tests_are_skipped_with_the_reason_or_fail_if_they_must_not(tmp_path):
    missing = {"SIGSEARCH_TEST_ES_VERSION": "999.0.0", "SIGSEARCH_TEST_ES_URL": ""}
    done, _ = run_pytest(tmp_path, "-rs", "-n", "0", SIGSEARCH_TEST_ES="", PATH="/nowhere", **missing)
    assert "2 skipped" in done.stdout
    assert "no Elasticsearch: Elasticsearch 999.0.0 " in done.stdout
    done, _ = run_pytest(tmp_path, "-n", "2", SIGSEARCH_TEST_ES="require", PATH="/nowhere", **missing)
    assert "2 errors" in done.stdout
    assert "PrerequisiteError: Elasticsearch 999.0.0 " in done.stdout


@pytest.mark.long
def test_the_workers_of_xdist_share_a_server_and_the_last_one_ends_it(own_elasticsearch, tmp_path, common):
    """Starts its own, in another pytest."""
    done, notes = run_pytest(
        tmp_path, "-n", "2", count=6, pause=0.3, SIGSEARCH_TEST_ES_URL="", TMPDIR=str(common)
    )
    if "skipped" in done.stdout:
        pytest.skip("no Elasticsearch")
    assert "6 passed" in done.stdout, done.stdout + done.stderr
    assert {worker for worker, _ in notes} == {"gw0", "gw1"}
    assert len({url for _, url in notes}) == 1
    eventually(lambda: not is_listening(notes[0][1]))
    eventually(lambda: folders_in(common) == [])


def is_listening(url):
    host, port = url.split("://")[1].split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.mark.long
def test_who_comes_when_the_last_one_has_left_gets_a_new_server_and_no_dying_one(tmp_path, monkeypatch):
    """With a host that serves nothing: only the coming and going is looked at."""
    monkeypatch.setattr(sharing, "__name__", "pretended_host")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "pretended_host.py").write_text(
        "import contextlib, os, pathlib, sys\n"
        "from sigsearch_elasticsearch.testing import server, sharing\n"
        "@contextlib.contextmanager\n"
        "def pretended(version):\n"
        "    yield server.ElasticsearchServer([f'http://127.0.0.1:{os.getpid()}'], version=version)\n"
        "server.LocalElasticsearch = pretended\n"
        "sharing.host(pathlib.Path(sys.argv[1]), sys.argv[2])\n"
    )
    folder = tmp_path / "run"
    folder.mkdir()
    hosts = []
    for _ in range(3):
        with sharing.shared_server(folder, "8.19.8") as first:
            with sharing.shared_server(folder, "ignored") as second:
                assert (second.url, second.version) == (first.url, "8.19.8")
            time.sleep(3 * sharing.INTERVAL)
            with sharing.shared_server(folder, "ignored") as third:
                assert third.url == first.url
        hosts.append(int(first.url.rpartition(":")[2]))
        time.sleep(3 * sharing.INTERVAL)
    assert len(set(hosts)) == 3
    # And after a host that was killed with a user still there.
    with sharing.shared_server(folder, "8.19.8") as first:
        os.kill(int(first.url.rpartition(":")[2]), signal.SIGKILL)
        eventually(lambda: not has_reader(folder / "elasticsearch.users"))
        with sharing.shared_server(folder, "8.19.8") as second:
            assert second.url != first.url


def has_reader(pipe):
    with suppress(OSError):
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return True
    return False


# Its own life


@pytest.fixture
def common():
    """A folder for temporary folders that every user can come into, as the server's must be."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def folders_in(folder):
    return sorted(folder.glob("sigsearch-elasticsearch-*"))


def processes_of(folder):
    """The processes that name a folder among their arguments, however long these are."""
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


@pytest.fixture
def up(common, own_elasticsearch):
    """Start ``up``, with nothing but its errors left alone; killed at the end of the test."""
    if not testing.has_java(testing.DEFAULT_VERSION):
        pytest.skip("no Elasticsearch: no Java")
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [*UP, *arguments],
            env=with_our_path(TMPDIR=str(common)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def test_up_says_how_to_reach_it_and_goes_with_its_data_on_ctrl_c(up, common):
    process = up()
    said = {}
    for line in process.stdout:
        name, _, value = line.strip().partition(" ")
        said[name] = value.strip()
        if name == "Ctrl-C":
            break
    assert is_listening(said["url"]), process.stderr.read()
    assert said["try"].startswith("sigsearch add --index elasticsearch://127.0.0.1:")
    with ElasticsearchServer.from_url(said["url"]).client() as client:
        client.indices.create(index="photos")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert not is_listening(said["url"])
    assert folders_in(common) == []
    assert processes_of(common) == []


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_nothing_is_left_of_it_when_its_owner_is_stopped_or_killed_while_it_starts(
    up, common, number, status
):
    process = up()
    eventually(lambda: any("java" in line for line in processes_of(common)), PATIENCE)
    process.send_signal(number)
    assert process.wait(PATIENCE) == status
    eventually(lambda: processes_of(common) == [])
    eventually(lambda: folders_in(common) == [])


def test_a_server_that_lost_its_owner_to_a_kill_goes_even_if_a_child_of_the_owner_lives_on(
    own_elasticsearch, common
):
    """The child, forked, has the pipe open at whose end the reaper waits."""
    code = (
        "import os, sys, time, pathlib, tempfile\n"
        "from sigsearch_elasticsearch.testing import node\n"
        "folder = pathlib.Path(tempfile.mkdtemp(prefix='sigsearch-elasticsearch-'))\n"
        "reaper = node.Reaper(folder)\n"
        "reaper.add(int(sys.argv[1]))\n"
        "if os.fork() == 0: time.sleep(30); os._exit(0)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen(["sleep", "60"], process_group=0) as served:
        owner = subprocess.run(
            [sys.executable, "-c", code, str(served.pid)], env=with_our_path(TMPDIR=str(common))
        )
        assert owner.returncode == -9
        assert served.wait(30) == -9
    eventually(lambda: folders_in(common) == [])


@pytest.fixture(scope="module")
def own(own_elasticsearch):
    """A server that these tests may stop and kill, with security: one for all, for it takes its time."""
    with own_elasticsearch(security=True) as server:
        yield server


def test_what_was_acknowledged_is_there_after_a_kill_at_the_same_address(own):
    """Starts its own."""
    url = own.url
    with own.client() as client:
        client.index(index="kept", id="1", document={"name": "Mona Lisa"})
        own.kill()
        assert not own.is_running()
        assert not is_listening(url)
        own.start_node()
        assert own.url == url
        assert client.get(index="kept", id="1")["_source"] == {"name": "Mona Lisa"}
    assert "started" in own.log()


def test_a_paused_server_takes_connections_and_does_not_answer(own):
    """Starts its own."""
    from elasticsearch import ConnectionTimeout

    with own.client(request_timeout=0.5, max_retries=0) as client:
        own.pause_node()
        try:
            assert is_listening(own.url)
            with pytest.raises(ConnectionTimeout):
                client.cluster.health()
        finally:
            own.resume_node()
    with own.client() as client:
        assert client.cluster.health()["status"] in ("green", "yellow")


def test_what_is_running_is_not_started_again_and_no_other_node_is_known(own):
    own.start()
    with pytest.raises(InputError, match="node-0 is running"):
        own.start_node()
    with pytest.raises(InputError, match="no node 1"):
        own.kill(1)


def test_a_server_that_does_not_start_says_why_in_one_line_and_shows_its_log(own_elasticsearch, common):
    """Starts its own."""
    with (
        pytest.raises(
            testing.ServerError, match=r"ended by itself, .*unknown setting \[no\.such\]"
        ) as caught,
        own_elasticsearch(settings={"no.such": 1}),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert "The log of node-0 ends with:" in caught.value.__notes__[0]


def test_a_port_that_is_taken_is_refused_before_anything_is_started(own):
    port = int(own.url.rpartition(":")[2])
    with pytest.raises(testing.ServerError, match=f"wanted 1 free of the ports {port} to {port}"):
        LocalElasticsearch(port=port).start()


@pytest.mark.parametrize(
    "wrong", [{"nodes": 0}, {"heap": "much"}, {"heap": "512m -Dx=y"}], ids=["nodes", "heap", "options"]
)
def test_arguments_that_make_no_server_are_refused(wrong):
    with pytest.raises(InputError):
        LocalElasticsearch(**wrong)


def test_a_server_with_security_wants_its_password_over_https(own):
    """Starts its own."""
    from elasticsearch import AuthenticationException, SSLError

    assert own.url.startswith("https://")
    assert own.user == "elastic"
    assert own.location("photos") == f"elasticsearch+https://elastic:{own.password}@{own.hosts[0]}/photos"
    with own.client() as client:
        assert client.security.authenticate()["username"] == "elastic"
    with own.client(basic_auth=("elastic", "wrong")) as client, pytest.raises(AuthenticationException):
        client.cluster.health()
    with own.client(ca_certs=None) as client, pytest.raises(SSLError):
        client.cluster.health()
    given = ElasticsearchServer.from_url(own.full_url, own.options["ca_certs"])
    assert given.version == own.version


def test_a_server_with_security_makes_api_keys(own):
    """Starts its own."""
    try:
        key = own.make_api_key("of a test")
    except testing.PrerequisiteError as error:
        pytest.skip(str(error))
    with own.client(api_key=key) as client:
        assert client.security.authenticate()["api_key"]["name"] == "of a test"


def test_a_server_without_security_says_that_it_makes_no_api_keys():
    with pytest.raises(InputError, match="start it with security=True"):
        LocalElasticsearch().make_api_key()


@pytest.mark.long
def test_of_three_nodes_one_may_be_killed_and_come_back(own_elasticsearch):
    """Starts its own."""
    with own_elasticsearch(nodes=3) as server, server.client() as client:
        client.indices.create(index="kept", settings={"number_of_replicas": 1})
        client.index(index="kept", id="1", document={}, wait_for_active_shards=2)
        assert len(set(server.hosts)) == 3
        server.kill(2)
        assert client.get(index="kept", id="1")["found"]
        server.start_node(2)
        assert client.cluster.health()["number_of_nodes"] == 3
        server.restart()
        assert client.get(index="kept", id="1")["found"]


# By hand


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--version", "8"], "looks like 8.19.8"),
        (["up", "--nodes", "none"], "try 'python -m sigsearch_elasticsearch.testing up --help'"),
        (["up", "--heap", "much"], "a heap looks like 512m or 2g"),
    ],
    ids=["version", "nodes", "heap"],
)
def test_an_error_of_up_is_one_line_and_status_2(arguments, said, capsys):
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert command_line.main(arguments) == 2
    finally:
        signal.signal(signal.SIGTERM, handler)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sigsearch: ")
    assert err.count("\n") == 1
    assert said in err


def test_the_lock_of_the_cache_is_not_left_held(empty_cache, archive, tmp_path, monkeypatch):
    pretend_maven(tmp_path, archive)
    monkeypatch.setenv("PATH", str(tmp_path))
    installed_server("8.19.8")
    with open(empty_cache / "lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
