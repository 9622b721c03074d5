"""Finding backends: real entry points of made-up distributions, good ones and broken ones."""

import subprocess
import sys
import textwrap

import pytest

import sigsearch
from sigsearch import plugins
from sigsearch.backend import PROTOCOL_VERSION, Backend
from sigsearch.errors import (
    BackendConflictError,
    BackendNotInstalledError,
    BrokenBackendError,
    PluginError,
    SigsearchError,
    UnknownBackendError,
)

GOOD = """
    from sigsearch.backend import BackendInfo
    from sigsearch.hookspecs import hookimpl

    def load():
        from sigsearch_memory.backend import MemoryBackend
        return MemoryBackend

    @hookimpl
    def sigsearch_register_backends():
        yield BackendInfo(
            name={name!r}, schemes=({scheme!r},), summary="made up", load=load,
            install="pip install sigsearch-{name}", protocol={protocol},
        )
"""


def good(name="foo", scheme=None, protocol=PROTOCOL_VERSION):
    return GOOD.format(name=name, scheme=scheme or name, protocol=protocol)


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Put a distribution with one plugin on the path, as an installer would."""
    made = []

    def distribution(code, point="foo", name="sigsearch-foo", version="1.2"):
        module = f"made_up_plugin_{len(made)}"
        made.append(module)
        folder = tmp_path / module
        (folder / f"{name.replace('-', '_')}-{version}.dist-info").mkdir(parents=True)
        (info,) = folder.glob("*.dist-info")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[sigsearch]\n{point} = {module}\n")
        (folder / f"{module}.py").write_text(textwrap.dedent(code))
        monkeypatch.syspath_prepend(folder)
        return module

    yield distribution
    for module in made:
        sys.modules.pop(module, None)


def broken_of(registry):
    return {plugin.name: plugin for plugin in registry.broken}


# Good ones


def test_the_built_in_backends_come_through_the_same_door():
    registry = plugins.discover()
    assert {"local", "memory"} <= {found.info.name for found in registry.backends}
    assert all(found.distribution == f"sigsearch {sigsearch.__version__}" for found in registry.backends)
    assert registry.broken == ()


def test_each_built_in_backend_loads_a_backend_class():
    registry = plugins.discover()
    for found in registry.backends:
        for scheme in found.info.schemes:
            assert issubclass(registry.load(scheme), Backend)


def test_a_distribution_that_is_installed_is_found_without_further_ado(distribution):
    distribution(good())
    registry = plugins.discover()
    found = registry.find("foo")
    assert (found.info.name, found.distribution) == ("foo", "sigsearch-foo 1.2")
    with sigsearch.open("foo://anything") as index:
        assert index.count() == 0


def test_a_plugin_is_not_loaded_before_it_is_asked_for(distribution):
    module = distribution(good())
    assert module not in sys.modules
    plugins.discover()
    assert module in sys.modules


def test_looking_for_plugins_imports_no_driver():
    code = (
        "import sys; from sigsearch import plugins; plugins.discover(); "
        "print(sorted({'numba', 'sqlite3', 'sigsearch_local.backend', 'sigsearch_memory.backend'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Broken ones: named when asked for, harmless otherwise

BROKEN = {
    "a missing module": ("import no_such_module_at_all", "ModuleNotFoundError: No module named"),
    "a syntax error": ("def (", "SyntaxError: "),
    "an error of its own": ("raise ValueError('boom')", "ValueError: boom"),
    "an exit": ("import sys; sys.exit('goodbye')", "SystemExit: goodbye"),
    "an error without words": ("raise RuntimeError", "RuntimeError"),
    "a misspelt hook": (
        """
        from sigsearch.hookspecs import hookimpl

        @hookimpl
        def sigsearch_register_backend():
            return []
        """,
        "PluginValidationError: ",
    ),
    "a hook that is not marked": (
        """
        def sigsearch_register_backends():
            return []
        """,
        "InputError: it has no function sigsearch_register_backends marked with @hookimpl",
    ),
    "a hook that fails": (
        """
        from sigsearch.hookspecs import hookimpl

        @hookimpl
        def sigsearch_register_backends():
            raise OSError("no licence")
        """,
        "OSError: no licence",
    ),
    "a hook that gives something else": (
        """
        from sigsearch.hookspecs import hookimpl

        @hookimpl
        def sigsearch_register_backends():
            return ["foo"]
        """,
        "gave 'foo', wanted a BackendInfo",
    ),
    "schemes that are one string": (
        GOOD.replace("({scheme!r},)", "{scheme!r}").format(name="foo", scheme="foo", protocol=1),
        "wanted schemes of 'foo' that are a tuple, found 'foo'",
    ),
    "a field that this version does not know": (
        GOOD.replace("protocol=", "colour='red', protocol=").format(name="foo", scheme="foo", protocol=1),
        "TypeError: ",
    ),
}


@pytest.mark.parametrize(("code", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plugin_is_named_when_asked_for_and_hurts_nobody_else(distribution, code, reason):
    distribution(code)
    distribution(good("bar"), point="bar", name="sigsearch-bar")
    registry = plugins.discover()
    assert {"local", "memory", "bar"} <= {found.info.name for found in registry.backends}
    assert reason in broken_of(registry)["foo"].reason

    with sigsearch.open("memory://") as index:
        assert index.count() == 0
    with pytest.raises(
        BrokenBackendError, match=r"foo:// does not load: plugin 'foo' of sigsearch-foo 1\.2: "
    ) as caught:
        sigsearch.open("foo://host/name")
    assert reason in str(caught.value)
    with pytest.raises(UnknownBackendError, match=r"broken: plugin 'foo' of sigsearch-foo 1\.2"):
        sigsearch.open("another://host/name")


def test_ctrl_c_while_plugins_load_is_not_swallowed(distribution):
    distribution("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        plugins.discover()


# Loading

LOADS = {
    "a missing driver": (
        "import no_such_driver",
        BackendNotInstalledError,
        r"'foo' needs something that is not installed \(No module named 'no_such_driver'\): "
        r"pip install sigsearch-foo",
    ),
    "a name that a driver no longer has": (
        "from json import no_such_name",
        BackendNotInstalledError,
        r"pip install sigsearch-foo",
    ),
    "an error": (
        "raise RuntimeError('no display')",
        BrokenBackendError,
        r"'foo' of sigsearch-foo 1\.2 does not load: RuntimeError: no display",
    ),
    "an exit": (
        "raise SystemExit(3)",
        BrokenBackendError,
        r"'foo' of sigsearch-foo 1\.2 does not load: SystemExit: 3",
    ),
    "an instance": ("return object()", BrokenBackendError, r"loads <object .*>, not a Backend class"),
    "another class": ("return dict", BrokenBackendError, r"loads <class 'dict'>, not a Backend class"),
    "nothing": ("return None", BrokenBackendError, r"loads None, not a Backend class"),
}


@pytest.mark.parametrize(("body", "error", "message"), LOADS.values(), ids=LOADS.keys())
def test_a_backend_that_does_not_load_says_why_and_what_to_do(distribution, body, error, message):
    code = textwrap.dedent(good()).replace("from sigsearch_memory.backend import MemoryBackend", body)
    distribution(code)
    assert broken_of(plugins.discover()) == {}, "a missing driver is no reason to hide the backend"
    with pytest.raises(error, match=message) as caught:
        sigsearch.open("foo://host")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", [0, PROTOCOL_VERSION + 1])
def test_a_backend_of_another_protocol_is_not_loaded(distribution, protocol):
    distribution(textwrap.dedent(good(protocol=protocol)).replace("def load():", "def load():\n    1 / 0"))
    wanted = rf"'foo' of sigsearch-foo 1\.2 speaks protocol {protocol}, .* speaks {PROTOCOL_VERSION}"
    with pytest.raises(BrokenBackendError, match=wanted):
        sigsearch.open("foo://host")


# Conflicts


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("foo", "foo"), ("foo", "foo"), id="one name and one scheme"),
        pytest.param(("foo", "foo"), ("bar", "foo"), id="one scheme"),
        pytest.param(("foo", "foo"), ("foo", "bar"), id="one name"),
    ],
)
def test_two_distributions_that_want_the_same_are_both_named(distribution, first, second):
    distribution(good(*first), name="sigsearch-foo")
    distribution(good(*second), name="other-foo", version="9")
    with pytest.raises(BackendConflictError) as caught:
        sigsearch.open("foo://host")
    assert f"{first[0]!r} of sigsearch-foo 1.2" in str(caught.value)
    assert f"{second[0]!r} of other-foo 9" in str(caught.value)
    with sigsearch.open("memory://") as index:  # no business of the others
        assert index.count() == 0


def test_a_plugin_cannot_take_the_place_of_a_built_in_backend_unnoticed(distribution, tmp_path):
    distribution(good("mine", "file"))
    with pytest.raises(BackendConflictError) as caught:
        sigsearch.open(tmp_path / "index.sig")
    assert f"'local' of sigsearch {sigsearch.__version__}" in str(caught.value)
    assert "'mine' of sigsearch-foo 1.2" in str(caught.value)
    assert not (tmp_path / "index.sig").exists()


# Schemes


@pytest.mark.parametrize("location", ["nosuch://host/name", "nosuch://"])
def test_an_unknown_scheme_is_told_the_known_ones(distribution, location):
    distribution(good())
    with pytest.raises(
        UnknownBackendError, match=r"no backend for nosuch://; wanted a path or one of .*"
    ) as caught:
        sigsearch.open(location)
    assert "foo://" in str(caught.value)
    assert "memory://" in str(caught.value)
    assert "file://" not in str(caught.value)
    assert "sigsearch backends" in str(caught.value)
    assert isinstance(caught.value, PluginError)
    assert isinstance(caught.value, SigsearchError)


@pytest.mark.parametrize(
    ("location", "scheme"),
    [
        ("photos.sig", "file"),
        ("/home/me/photos.sig", "file"),
        ("file:///home/me/photos.sig", "file"),
        ("C:\\photos\\index.sig", "file"),
        ("C:/photos/index.sig", "file"),
        ("C://photos/index.sig", "file"),
        ("a://b", "file"),  # one letter is a drive
        ("memory://", "memory"),
        ("Memory://", "memory"),
        ("elasticsearch://host:9200/name", "elasticsearch"),
        ("ES+HTTPS://host/name", "es+https"),
        ("image-match://host:9200/name", "image-match"),
        ("s3.v2://bucket", "s3.v2"),
        ("3s://bucket", "file"),  # a scheme begins with a letter, RFC 3986
        ("photos:index", "file"),
        ("photos/://index", "file"),
        ("with space://x", "file"),
        ("", "file"),
    ],
)
def test_the_scheme_of_a_location(location, scheme):
    assert plugins.location_scheme(location) == scheme
