"""``sigsearch list``, ``get``, ``delete``, ``info``: what an index holds; ``backends``: what can hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigsearch.cli.options import Ids, Json, Location, SomeIds, Where, open_there
from sigsearch.cli.output import complain, one_line, say, say_json, say_rows
from sigsearch.cli.where import parse_where
from sigsearch.errors import InputError


def list_(index: Location = None, where: Where = None, as_json: Json = False) -> int:
    """List the records of an index.

    A line each: the id, the path if it is another, and "featureless" of a picture that matches nothing,
    separated by tabs.

    Exit status: 0 something was listed, 1 nothing was, 2 an error.
    """
    wanted = parse_where(where or ())
    found = False
    with open_there(index) as opened:
        for record in opened.scan(wanted):
            found = True
            if as_json:
                say_json(record.to_json())
            else:
                path = record.path if record.path not in (None, record.id) else ""
                mark = "featureless" if record.featureless else ""
                cells = [one_line(cell) for cell in (record.id, path, mark)]
                print("\t".join(cells).rstrip("\t"))  # noqa: T201
    return 0 if found else 1


def get(ids: Ids, index: Location = None) -> int:
    """Write records as JSON, an object a line.

    Exit status: 0 all are there, 1 one or more are not, 2 an error.
    """
    complete = True
    with open_there(index) as opened:
        for id in ids:
            record = opened.get(id)
            if record is None:
                complain(
                    f"no record {id!r} in the index at {opened.location}; 'sigsearch list' shows the ids"
                )
                complete = False
            else:
                say_json(record.to_json())
    return 0 if complete else 1


def delete(ids: SomeIds = None, index: Location = None, where: Where = None) -> int:
    """Delete records, not their pictures, by id or metadata.

    Exit status: 0 something was deleted, 1 nothing was, 2 an error.
    """
    wanted = parse_where(where or ())
    if bool(ids) == (wanted is not None):
        raise InputError("wanted ids or --where, and not both")
    with open_there(index) as opened:
        deleted = opened.delete_where(wanted) if wanted is not None else opened.delete(ids or ())
    say(f"{deleted:,} deleted")
    return 0 if deleted else 1


def info(index: Location = None, as_json: Json = False) -> int:
    """Say where an index is, what it holds and how it was made."""
    with open_there(index) as opened:
        facts = opened.info()
    if as_json:
        say_json(facts)
    else:
        for name, value in facts.items():
            say(f"{name}: {_readable(value)}")
    return 0


def _readable(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_readable(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if type(value) is int else str(value)


def backends(as_json: Json = False) -> int:
    """List the installed backends.

    In a pipe: name, schemes of the locations it serves, distribution and summary, separated by tabs.
    """
    from sigsearch import plugins

    registry = plugins.discover()
    if as_json:
        say_json(
            {
                "backends": [
                    {
                        "name": found.info.name,
                        "schemes": list(found.info.schemes),
                        "distribution": found.distribution,
                        "summary": found.info.summary,
                    }
                    for found in registry.backends
                ],
                "broken": [
                    {"name": plugin.name, "distribution": plugin.distribution, "reason": plugin.reason}
                    for plugin in registry.broken
                ],
            }
        )
        return 0
    rows = [
        [found.info.name, ", ".join(found.info.schemes), found.distribution, found.info.summary]
        for found in registry.backends
    ]
    rows += [
        [plugin.name, "-", plugin.distribution, f"broken: {plugin.reason}"] for plugin in registry.broken
    ]
    say_rows(["name", "schemes", "distribution", "summary"], rows)
    return 0
