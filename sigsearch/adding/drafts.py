"""Records in the making: what is known of a source before its picture is read, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sigsearch.errors import InputError
from sigsearch.records import Item, Record, View, check_id, check_metadata
from sigsearch.sources import path_of

if TYPE_CHECKING:
    from datetime import datetime

    from sigsearch.records import Json
    from sigsearch.signatures import Signature
    from sigsearch.sources import Source

    AsSignature = Callable[[Any], Signature]


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that still wants its views."""

    id: str | None
    path: str | None
    metadata: Json
    timestamp: datetime

    def record(self, views: tuple[View, ...]) -> Record:
        """The record with these views, after the first of which it is named if it has no other id."""
        id = self.id or "signature:" + hashlib.sha256(views[0].signature.tobytes()).hexdigest()
        return Record(id, views, self.path, self.metadata, self.timestamp)


def draft_of(source: Source, id: str | None, timestamp: datetime) -> Draft:
    """The record of a source that is no `Record`, and whose `known_id` is this, before it is read.

    Raises
    ------
    InputError, MetadataError
        Its id, path or metadata cannot be stored; it is no picture, or both a picture and a signature.
    """
    item = source if isinstance(source, Item) else Item(image=source)  # type: ignore[arg-type]
    metadata = check_metadata(item.metadata)
    if item.id is not None and id is None:
        check_id(item.id)  # says what is wrong with it
    if item.path is not None and not isinstance(item.path, str):
        raise InputError(f"wanted a path that is a string, found {item.path!r}")
    if item.image is not None and item.signature is not None:
        raise InputError("wanted an image or a signature, found both")
    if item.image is None and item.signature is None:
        raise InputError("wanted an image or a signature, found neither")
    path = path_of(item)
    try:
        (path or "").encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the path {path!r} is not valid Unicode; give an id and a path") from error
    return Draft(id, path, metadata, timestamp)


def ready_record(source: Record, id: str | None, as_signature: AsSignature) -> Record:
    """A record of another index, checked.

    Raises
    ------
    InputError
        It cannot be stored.
    """
    if not source.views:
        raise InputError(f"wanted a record with at least one view, found none in {source.id!r}")
    views = tuple(View(as_signature(view.signature), view.box) for view in source.views)
    return Record(
        id or check_id(source.id), views, source.path, check_metadata(source.metadata), source.timestamp
    )
