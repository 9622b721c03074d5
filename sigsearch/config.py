"""Which index to open when none is named: environment, configuration file, per-user default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sigsearch.errors import ConfigError, InputError
from sigsearch.limits import Limits
from sigsearch.plugins import DEFAULT_SCHEME, location_scheme
from sigsearch.scheme import Scheme

VARIABLE = "SIGSEARCH_INDEX"
FILE = "sigsearch.toml"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings for `sigsearch.open`.

    Attributes
    ----------
    location : str
    options : mapping
        The backend's own settings, from the table ``[options]``.
    scheme : Scheme or None
        From the table ``[scheme]``.
    limits : Limits or None
        From the table ``[limits]``.
    source : str
        Where the location comes from, for a person.
    """

    location: str
    options: Mapping[str, Any] = field(default_factory=dict)
    scheme: Scheme | None = None
    limits: Limits | None = None
    source: str = ""


def find_config(folder: Path | None = None, environment: Mapping[str, str] = os.environ) -> Config:
    """The settings in force in a folder.

    The location is that of the environment variable SIGSEARCH_INDEX, else of ``sigsearch.toml`` or of
    ``[tool.sigsearch]`` in ``pyproject.toml``, whichever is met first from the folder upwards, else a
    file in the user's data folder. Paths in a file are relative to the file. Options and scheme belong
    to the location of their file, and are not used with another.

    Raises
    ------
    ConfigError
        A file does not parse or has a key that means nothing.
    """
    if location := environment.get(VARIABLE):
        return Config(location, source=f"the environment variable {VARIABLE}")
    start = (folder or Path.cwd()).absolute()
    for here in (start, *start.parents):
        own = here / FILE
        if own.is_file():
            return _read(own, _parse(own))
        project = here / "pyproject.toml"
        if project.is_file():
            tools = _parse(project).get("tool", {})
            if "sigsearch" in tools:
                return _read(project, tools["sigsearch"])
    import platformdirs

    default = platformdirs.user_data_path("sigsearch") / "default.sig"
    return Config(str(default), source="the default")


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error


def _read(file: Path, table: Any) -> Config:
    wanted = {"index": str, "options": dict, "scheme": dict, "limits": dict}
    if not isinstance(table, dict):
        raise ConfigError(f"in {file}: wanted a table tool.sigsearch, found {table!r}")
    for key, value in table.items():
        if key not in wanted:
            raise ConfigError(f"in {file}: unknown key {key!r}; wanted {', '.join(wanted)}")
        if not isinstance(value, wanted[key]):
            kind = "a string" if wanted[key] is str else "a table"
            raise ConfigError(f"in {file}: wanted {kind} for {key!r}, found {value!r}")
    if "index" not in table:
        raise ConfigError(f'in {file}: no location; wanted a line such as index = "photos.sig"')
    location = table["index"]
    if location_scheme(location) == DEFAULT_SCHEME and "://" not in location:
        location = str(file.parent / Path(location).expanduser())
    try:
        scheme = Scheme(**table["scheme"]) if "scheme" in table else None
    except (InputError, TypeError) as error:
        raise ConfigError(f"in {file}, scheme: {error}") from error
    try:
        limits = Limits(**table["limits"]) if "limits" in table else None
    except (InputError, TypeError) as error:
        raise ConfigError(f"in {file}, limits: {error}") from error
    return Config(location, table.get("options", {}), scheme, limits, source=str(file))
