"""What a server with security needs: a certificate authority of its own, certificates, a password."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from sigsearch_elasticsearch.testing.errors import PrerequisiteError, ServerError
from sigsearch_elasticsearch.testing.java import Java

USER = "elastic"
"""Elasticsearch's own user who may do everything."""

SETTINGS = {
    "xpack.security.authc.api_key.enabled": True,
    "xpack.security.http.ssl.enabled": True,
    "xpack.security.http.ssl.certificate": "server.pem",
    "xpack.security.http.ssl.key": "server.key",
    "xpack.security.transport.ssl.enabled": True,
    "xpack.security.transport.ssl.certificate": "server.pem",
    "xpack.security.transport.ssl.key": "server.key",
    "xpack.security.transport.ssl.certificate_authorities": "ca.pem",
    "xpack.security.transport.ssl.verification_mode": "certificate",
}
"""Lines of elasticsearch.yml; the files lie beside it."""


@dataclass(frozen=True)
class Secrets:
    """The password of `USER`, and the folder of the files that go into a node's configuration."""

    password: str
    folder: Path

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority, which clients need."""
        return self.folder / "ca.pem"


def make_secrets(folder: Path, home: Path, java: Java) -> Secrets:
    """Make the authority, one certificate for 127.0.0.1 and localhost, and the keystore with the password.

    Parameters
    ----------
    folder : pathlib.Path
        To be made; nobody else may look into it.
    home : pathlib.Path
        The unpacked server, whose keystore tool is used.
    java : Java

    Raises
    ------
    PrerequisiteError
        trustme is not installed.
    ServerError
        The keystore tool failed.
    """
    try:
        import trustme
    except ImportError as error:
        raise PrerequisiteError(
            "a server with security needs trustme, for its certificates: pip install trustme"
        ) from error
    folder.mkdir(mode=0o700)
    authority = trustme.CA(organization_name="sigsearch tests")
    certificate = authority.issue_cert("127.0.0.1", "localhost", "::1", common_name="sigsearch test server")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "server.pem", append=True)
    certificate.private_key_pem.write_to_path(folder / "server.key")
    made = Secrets(secrets.token_urlsafe(12), folder)
    _make_keystore(made, home, java)
    return made


def add_analysis(home: Path, java: Java) -> bool:
    """Install the plugin without which the build for tests makes no API keys; see SecurityAnalysis.java.

    Parameters
    ----------
    home : pathlib.Path
        A copy of the unpacked server, which is changed.
    java : Java

    Returns
    -------
    bool
        False if there is no compiler in this Java: it is a JRE.

    Raises
    ------
    ServerError
        It does not compile with this version of Elasticsearch.
    """
    compiler = java.home / "bin" / "javac"
    if not compiler.exists():
        return False
    plugin = home / "plugins" / "sigsearch-security-analysis"
    classes = plugin / "classes"
    classes.mkdir(parents=True)
    source = files("sigsearch_elasticsearch.testing") / "SecurityAnalysis.java"
    with as_file(source) as path:
        done = subprocess.run(  # noqa: S603
            [
                compiler,
                "-J-XX:TieredStopAtLevel=1",
                "-nowarn",
                "-cp",
                home / "lib" / "*",
                "-d",
                classes,
                path,
            ],
            capture_output=True,
            text=True,
            errors="replace",
        )
    if done.returncode:
        raise ServerError(f"{source.name} does not compile: {' / '.join(done.stderr.splitlines()[:3])}")
    with zipfile.ZipFile(plugin / "analysis.jar", "w") as jar:
        for file in sorted(classes.iterdir()):
            jar.write(file, file.name)
    shutil.rmtree(classes)
    (plugin / "plugin-descriptor.properties").write_text(
        f"name={plugin.name}\n"
        "description=what the index of API keys is analysed with\n"
        "version=1\n"
        "classname=SecurityAnalysis\n"
        f"java.version={java.release}\n"
        f"elasticsearch.version={version_of(home)}\n"
    )
    return True


def version_of(home: Path) -> str:
    """Give the version of an unpacked server."""
    (jar,) = (home / "lib").glob("elasticsearch-[0-9]*.jar")
    return jar.stem.removeprefix("elasticsearch-")


def _make_keystore(made: Secrets, home: Path, java: Java) -> None:
    """Let Elasticsearch's tool write the password where a node looks for the first one."""
    scratch = made.folder / "tmp"
    scratch.mkdir()
    done = subprocess.run(  # noqa: S603
        # Forced: else it would ask whether to make a new one.
        [home / "bin" / "elasticsearch-keystore", "add", "--force", "--stdin", "bootstrap.password"],
        env={
            "PATH": os.pathsep.join([*filter(None, [os.environ.get("PATH")]), "/usr/bin", "/bin"]),
            "HOME": str(scratch),
            "LC_ALL": "C.UTF-8",
            "ES_JAVA_HOME": str(java.home),
            "ES_PATH_CONF": str(made.folder),
            "CLI_JAVA_OPTS": f"-XX:TieredStopAtLevel=1 -XX:-UsePerfData -Djava.io.tmpdir={scratch}",
        },
        input=made.password,
        capture_output=True,
        text=True,
        errors="replace",
    )
    shutil.rmtree(scratch, ignore_errors=True)
    if done.returncode or not (made.folder / "elasticsearch.keystore").is_file():
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ServerError(
            f"elasticsearch-keystore cannot store the password: {said[-1] if said else done.returncode}"
        )
