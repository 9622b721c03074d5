"""ImageSignature: a field of the user's own documents that keeps a picture's words and signature."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from elasticsearch.dsl import Binary, Keyword, Object
from elasticsearch.dsl.utils import AttrDict, AttrList

from sigsearch.errors import (
    FormatVersionError,
    IndexNotFoundError,
    InputError,
    NotAnIndexError,
    SchemeMismatchError,
    StorageError,
)
from sigsearch.limits import DEFAULT_LIMITS, Limits
from sigsearch.scheme import DEFAULT_SCHEME, Scheme
from sigsearch.signatures import compute_signature
from sigsearch_elasticsearch.errors import driver_errors
from sigsearch_elasticsearch.packing import pack, unpack
from sigsearch_elasticsearch.tokens import tokens_of

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from elasticsearch.dsl.query import Query

    from sigsearch.images import ImageLike
    from sigsearch.progress import Advance
    from sigsearch.records import AddReport
    from sigsearch.signatures import Signature

FORMAT = 1
"""Of what is stored in a document; raised when an older sigsearch could not read it."""
NO_WORDS = "no words"
"""The word of a picture that has none. Of all that is stored the server searches words only, and by them
tells whether a document has a picture. With its space it is none that anybody else searches for."""


class StoredSignature:
    """What a document keeps of a picture. It does not change: assign another picture to the field.

    Parameters
    ----------
    stored : mapping
        As it stands in the document: ``{"words": [...], "signature": "..."}``.
    scheme : Scheme
    """

    __slots__ = ("_scheme", "_stored")

    def __init__(self, stored: Mapping[str, Any], scheme: Scheme = DEFAULT_SCHEME) -> None:
        # Kept as it came, to go back as it came: what was loaded and is saved again loses nothing.
        self._stored = dict(stored)
        self._scheme = scheme

    @property
    def signature(self) -> Signature:
        """``(648,)`` int8, as `sigsearch.compute_signature` gave it.

        Raises
        ------
        StorageError
            The document was read without it, or it is damaged.
        """
        packed = self._stored.get("signature")
        if not isinstance(packed, str):
            raise StorageError("the document was read without its signature; do not leave it out of source()")
        signature: Signature = unpack([packed], self._scheme)[0]
        return signature

    @property
    def words(self) -> tuple[str, ...]:
        """The terms by which a search finds it; none of a picture without features."""
        return tuple(word for word in self._stored.get("words", ()) if word != NO_WORDS)

    @property
    def featureless(self) -> bool:
        """Whether the picture has no features, and so matches nothing."""
        return not self.signature.any()

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the document."""
        return dict(self._stored)

    def __eq__(self, other: object) -> bool:
        # Not NotImplemented: an array would then compare its pixels one by one, where elasticsearch-dsl wants
        # to know whether an assigned picture is another.
        return isinstance(other, StoredSignature) and self._stored == other._stored

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<StoredSignature of {len(self.words)} words>"


class ImageSignature(Object):
    """A field that keeps a picture in such a way that `SimilarImage` finds it.

    ::

        class Product(Document):
            name = Text()
            picture = ImageSignature()

        Product(name="mug", picture="mug.jpg").save()

    What is assigned is a path, URL, bytes, binary file object, PIL image, array or ready signature; it is
    read when the document is saved, as elasticsearch-dsl converts all values then. `read` reads it at once.
    Where a document has several pictures, assign a list of them. None removes the picture.

    Parameters
    ----------
    multi, required : bool
        As of any field: whether there may be several pictures, and whether there must be one.
    scheme : Scheme
        How signatures and words are made. The index keeps it, and takes documents of no other.
    doc_values : bool
        Keep the signatures in doc values too, some 80 bytes each, for ``SimilarImage(on_server=True)``.
    limits : Limits
        What a picture may cost to read, and where it may come from.
    """

    def __init__(
        self,
        multi: bool = False,
        required: bool = False,
        *,
        scheme: Scheme = DEFAULT_SCHEME,
        doc_values: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        if not isinstance(scheme, Scheme):
            raise InputError(f"wanted a Scheme, found {scheme!r}")
        if scheme.views != "whole":
            raise InputError("wanted a scheme of whole pictures, for a field keeps one signature")
        self._scheme = scheme
        self._limits = limits
        # Without norms and positions, as keywords are by default. The words stay in _source, unlike in an
        # index of sigsearch's own: an update of another field, or a reindex, makes the document anew from
        # its _source, and a picture whose words were not there would never be found again.
        words = Keyword(doc_values=False, null_value=_scheme_note(scheme))
        signature = Binary(doc_values=True) if doc_values else Binary()
        super().__init__(multi=multi, required=required, properties={"words": words, "signature": signature})

    @property
    def scheme(self) -> Scheme:
        """How its signatures and words are made."""
        return self._scheme

    def read(self, image: ImageLike) -> StoredSignature:
        """Read a picture now: for errors at once, in a thread of one's own, or from a file soon closed.

        Raises
        ------
        ImageError
            It cannot be read; names the picture and says why.
        """
        signatures = compute_signature(image, scheme=self._scheme, limits=self._limits)[None]
        [words], [packed] = tokens_of(signatures, self._scheme), pack(signatures, self._scheme)
        return StoredSignature({"words": words or [NO_WORDS], "signature": packed}, self._scheme)

    # Indexes that are there already

    @classmethod
    def add_to_mapping(
        cls,
        client: Elasticsearch,
        index: str,
        field: str,
        *,
        scheme: Scheme = DEFAULT_SCHEME,
        doc_values: bool = False,
    ) -> None:
        """Add the field to an index that is there already; if it has it, nothing changes.

        Parameters
        ----------
        client : Elasticsearch
        index : str
            A name, an alias or a pattern.
        field : str
            Dots lead into objects: ``"main.picture"``.
        scheme, doc_values
            See `ImageSignature`.

        Raises
        ------
        NotAnIndexError
            The index has a field of that name that is something else.
        SchemeMismatchError, FormatVersionError
            The field is there, made with another scheme or by a newer sigsearch.
        IndexNotFoundError
            There is no such index.
        """
        wanted = cls(scheme=scheme, doc_values=doc_values).to_dict()
        with driver_errors(f"the index {index!r}"):
            found = client.indices.get_mapping(index=index, ignore_unavailable=True).body
        if not found:
            raise IndexNotFoundError(f"no index matches {index!r}; create it first")
        for name in sorted(found):
            there = _find_field(found[name]["mappings"], field)
            if there is not None:
                _check_field(there, wanted, scheme, f"the field {field!r} of the index {name!r}")
            else:
                with driver_errors(f"the index {name!r}"):
                    client.indices.put_mapping(index=name, properties=_properties(field, wanted))

    @classmethod
    def back_fill(
        cls,
        client: Elasticsearch,
        index: str,
        field: str,
        source_field: str,
        *,
        scheme: Scheme = DEFAULT_SCHEME,
        doc_values: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        root: str | os.PathLike[str] | None = None,
        query: Query | None = None,
        progress: bool = False,
        on_advance: Advance | None = None,
    ) -> AddReport:
        """Read the pictures that documents name in another field, and add their signatures.

        First the field is added to the mapping, as by `add_to_mapping`. Documents that have a signature
        are passed over, so an interrupted call can simply be repeated, and so it can when documents came or
        when pictures that could not be read are there at last.

        Parameters
        ----------
        client, index, field, scheme, doc_values, limits
            See `add_to_mapping`. All documents of the indexes are looked at.
        source_field : str
            The field with the path or URL of the picture, or a list of them. It must be searchable.
            What it says is opened: do not let strangers write it.
        root : path, optional
            The folder that relative paths start from; default: the working folder.
        query : Query, optional
            Only documents that this is true of.
        progress : bool
            Show a progress bar, if standard error is a terminal.
        on_advance : callable, optional
            Called after each batch of documents that was stored.

        Returns
        -------
        AddReport
            `added` counts documents. Failures are pictures that cannot be read, and documents that somebody
            changed while theirs was read: they keep that change, and the next call sees to them.

        Raises
        ------
        BackendError
            See `add_to_mapping`; or the server cannot be reached or refuses.
        """
        from sigsearch_elasticsearch.backfill import BackFill

        cls.add_to_mapping(client, index, field, scheme=scheme, doc_values=doc_values)
        fill = BackFill(
            client, index, field, source_field, cls(scheme=scheme, limits=limits), root=root, query=query
        )
        return fill.run(progress=progress, on_advance=on_advance)

    # What elasticsearch-dsl asks of a field

    def _deserialize(self, data: Any) -> Any:
        """Both what comes from the server and, before a document is saved, what was assigned."""
        if isinstance(data, StoredSignature):
            return data
        if isinstance(data, AttrDict):  # taken from a hit of no Document
            data = data.to_dict()
        return StoredSignature(data, self._scheme) if isinstance(data, Mapping) else self.read(data)

    def _serialize(self, data: Any, skip_empty: bool = True) -> dict[str, Any] | None:
        return None if data is None else self._deserialize(data).to_dict()

    def _empty(self) -> Any:
        return None

    def empty(self) -> Any:
        return AttrList([]) if self._multi else None

    def clean(self, data: Any) -> Any:
        return super(Object, self).clean(data)  # an Object's would look for a document in it


def _scheme_note(scheme: Scheme) -> str:
    """What the mapping keeps of format and scheme.

    It stands as the ``null_value`` of the words: of all parameters the one that takes any text and that
    the server refuses to change, so that not even ``Product.init()`` brings another scheme into an index
    where nothing would find anything then. Words are never null, so it stands for nothing else.
    """
    return json.dumps({"sigsearch": FORMAT, "scheme": scheme.to_json()}, separators=(",", ":"))


def _find_field(mapping: Mapping[str, Any], field: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = mapping
    for name in field.split("."):
        found = (found or {}).get("properties", {}).get(name)
    return found


def _properties(field: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Of a mapping that has this field."""
    first, _, rest = field.partition(".")
    return {first: {"properties": _properties(rest, definition)} if rest else definition}


def _check_field(there: Mapping[str, Any], wanted: Mapping[str, Any], scheme: Scheme, name: str) -> None:
    """Raise unless a field in a mapping is an `ImageSignature` of this scheme."""
    properties = there.get("properties", {})
    words, signature = (properties.get(part, {}) for part in ("words", "signature"))
    try:
        note = json.loads(words.get("null_value", ""))
        version, stored = note["sigsearch"], note["scheme"]
    except (ValueError, TypeError, KeyError) as error:
        kind = there.get("type", "object")
        raise NotAnIndexError(
            f"{name} is there already and holds something else ({kind}); name another field"
        ) from error
    if version != FORMAT:
        raise FormatVersionError(
            f"{name} has format {version!r}, this version of sigsearch writes {FORMAT}: upgrade sigsearch"
        )
    scheme.check_same(Scheme.from_json(stored), name)
    if wanted["properties"]["signature"].get("doc_values") and not signature.get("doc_values"):
        raise SchemeMismatchError(
            f"{name} was made without doc_values, which cannot be changed; name another field, or reindex"
        )


def stored_at(value: Any, path: str) -> Iterator[Any]:
    """Whatever stands at a dotted path in documents, hits and what they hold, also in lists of objects."""
    if isinstance(value, (list, tuple, AttrList)):
        for inner in value:
            yield from stored_at(inner, path)
        return
    if not path:
        if value is not None:
            yield value
        return
    if isinstance(value, StoredSignature):
        data: Mapping[str, Any] = value.to_dict()
    elif isinstance(value, AttrDict):  # also a Document; its own to_dict would read what was assigned
        data = value._d_
    elif isinstance(value, Mapping):
        data = value
    else:
        return
    for name, inner in data.items():  # names with dots in them are as good as objects
        if name == path or path.startswith(f"{name}."):
            yield from stored_at(inner, path[len(name) + 1 :])
