"""The index as Elasticsearch has it: its mapping, its settings, and how it is found or made.

The name in a location is an alias of an index ``<name>-000001``, so that another can be put in its place
without anybody noticing. An index that has the name itself is taken, too, if it is one of ours.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from elasticsearch import BadRequestError, NotFoundError

from sigsearch.errors import (
    FormatVersionError,
    IndexNotFoundError,
    InputError,
    NotAnIndexError,
)
from sigsearch.scheme import Scheme
from sigsearch_elasticsearch.connection import Connection, Options
from sigsearch_elasticsearch.errors import driver_errors, kind_of, reason_of, told_by

FORMAT_VERSION: Final = 1

WORDS: Final = "words"
LEAVES: Final = "leaves"
IGNORE_ABOVE: Final = 1000
"""Texts in metadata that are longer are not indexed for others; Lucene refuses those of 32 kB."""
MAX_DEPTH: Final = 20
"""Of objects in metadata; Elasticsearch refuses what is deeper."""

_TERMS: Final = {
    "type": "keyword",
    "norms": False,
    "doc_values": False,
    "index_options": "docs",
}
_KEPT: Final = {"type": "keyword", "index": False, "doc_values": False}
"""Of what is only given back."""

_ATTEMPTS: Final = 20
_PAUSE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """An index that is there."""

    scheme: Scheme
    is_alias: bool
    """Whether the name is an alias of it."""


def mappings(scheme: Scheme, options: Options) -> dict[str, Any]:
    """The mapping of a new index.

    Its ``_source`` lacks the words and leaves, which can be had again from what is there; so a document is
    a fourth of the size. What copies documents by their ``_source``, as ``_update`` and ``_reindex`` do,
    loses them.
    """
    return {
        # A field that is not one of ours is a mistake, and better seen than kept where nobody looks.
        "dynamic": "strict",
        "_meta": {"sigsearch": {"format": FORMAT_VERSION, "scheme": scheme.to_json()}},
        "_source": {"excludes": [WORDS, LEAVES]},
        "properties": {
            WORDS: _TERMS,
            LEAVES: _TERMS,
            "signature": {"type": "binary"},
            "boxes": {"type": "object", "enabled": False},
            "path": _KEPT,
            "timestamp": {"type": "date", "format": "strict_date_optional_time"},
            "metadata": _metadata(options.metadata),
            "metadata_json": _KEPT,
        },
    }


def _metadata(wanted: str | Mapping[str, Any] | None) -> dict[str, Any]:
    if isinstance(wanted, Mapping):
        return {"type": "object", "dynamic": False, "properties": dict(wanted)}
    if wanted == "flattened":
        return {"type": "flattened", "ignore_above": IGNORE_ABOVE, "depth_limit": MAX_DEPTH}
    return {"type": "object", "enabled": False}


def settings(options: Options) -> dict[str, Any]:
    """The settings of a new index."""
    given = {
        "number_of_shards": options.shards,
        "number_of_replicas": options.replicas,
        # A server alone has nowhere to put a replica, and would be yellow for ever.
        "auto_expand_replicas": "0-1" if options.replicas is None else None,
        "refresh_interval": options.refresh_interval,
        "codec": options.codec,
    }
    return {name: value for name, value in given.items() if value is not None} | dict(options.settings)


def prepare(connection: Connection, *, scheme: Scheme, create: bool, options: Options) -> Found:
    """Find the index, or make it.

    Raises
    ------
    IndexNotFoundError
        There is none and none is to be created.
    NotAnIndexError, FormatVersionError, SchemeMismatchError
        What is there is not ours, or not of our time. It is left as it is.
    InputError
        The server refuses the settings or the mapping.
    """
    for _ in range(_ATTEMPTS):
        found = _look(connection)
        if found is not None:
            return found
        if not create:
            raise IndexNotFoundError(f"no index at {connection.place}; create=True makes one")
        if _create(connection, scheme, options):
            return Found(scheme, is_alias=True)
        # Another process has made it just now, and the server that we ask may not know of it yet.
        time.sleep(_PAUSE)
    raise NotAnIndexError(
        f"{connection.place}: there is an index {_first(connection.name)!r} that {connection.name!r} is no "
        "alias of; give it that alias, or take another name"
    )


def _look(connection: Connection) -> Found | None:
    with driver_errors(connection.place):
        try:
            found = connection.client.indices.get_mapping(index=connection.name)
        except NotFoundError as error:
            if kind_of(error.body.get("error") if isinstance(error.body, Mapping) else None) == "":
                raise  # not Elasticsearch's 404, but a proxy's
            return None
    if len(found) != 1:
        raise NotAnIndexError(
            f"{connection.place} stands for several indexes, wanted one: {', '.join(sorted(found))}"
        )
    [(index, described)] = found.items()
    return Found(_scheme(described["mappings"], connection.place), is_alias=index != connection.name)


def _scheme(mapping: Mapping[str, Any], place: str) -> Scheme:
    ours = mapping.get("_meta", {}).get("sigsearch")
    version = ours.get("format") if isinstance(ours, Mapping) else None
    if not isinstance(version, int) or not isinstance(ours.get("scheme"), Mapping):
        raise NotAnIndexError(
            f"{place} is an index, but not of sigsearch; it was left as it is: take another name"
        )
    if version != FORMAT_VERSION:
        raise FormatVersionError(
            f"{place} has format {version}, this version of sigsearch knows {FORMAT_VERSION}: upgrade it"
        )
    return Scheme.from_json(ours["scheme"])


def _create(connection: Connection, scheme: Scheme, options: Options) -> bool:
    """Make the index and its alias, in one step; False if another one was there first."""
    with driver_errors(connection.place):
        try:
            connection.client.indices.create(
                index=_first(connection.name),
                aliases={connection.name: {"is_write_index": True}},
                mappings=mappings(scheme, options),
                settings=settings(options),
                # For the shards to start; the answer is to come before we give up waiting for it.
                timeout=f"{connection.patience * 500:.0f}ms",
            )
        except BadRequestError as error:
            told = told_by(error)
            if kind_of(told) in ("resource_already_exists_exception", "invalid_alias_name_exception"):
                return False
            raise InputError(
                f"cannot make an index at {connection.place}: {reason_of(told)}; see the options shards, "
                "replicas, refresh_interval, codec, metadata and settings"
            ) from error
    return True


def _first(name: str) -> str:
    return f"{name}-000001"
