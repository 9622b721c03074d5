"""What goes wrong at the driver and the server, as sigsearch's errors: what was found, what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from elasticsearch import (
    ApiError,
    ConnectionTimeout,
    SerializationError,
    SSLError,
    TransportError,
    UnsupportedProductError,
)

from sigsearch.errors import (
    AccessDeniedError,
    ClosedError,
    IndexNotFoundError,
    SigsearchError,
    StorageError,
)

_MOST: Final = 300
"""Characters of what the server says."""

_OVERLOADED: Final = {"es_rejected_execution_exception", "circuit_breaking_exception"}
_UNAVAILABLE: Final = {429, 502, 503, 504}


@contextmanager
def driver_errors(place: str) -> Iterator[None]:
    """Let no exception of the driver out; `place` is where the index is, for a person."""
    try:
        yield
    except (ApiError, TransportError) as error:
        raise translated(error, place) from error


def translated(error: ApiError | TransportError, place: str) -> SigsearchError:
    """An exception of the driver as one of sigsearch's."""
    if isinstance(error, UnsupportedProductError):
        return StorageError(
            f"{place}: what answers there is not Elasticsearch 8 or 9; OpenSearch and others are not served"
        )
    if isinstance(error, ApiError):
        return server_error(error.status_code, told_by(error), place)
    reason = _root(error)
    if "ClosedPoolError" in _kinds(error):
        return ClosedError(f"{place}: the client was closed; open the index again with an open one")
    if isinstance(error, SSLError):
        if "WRONG_VERSION_NUMBER" in reason or "record layer" in reason:
            return StorageError(f"{place} does not speak TLS: use elasticsearch:// ({reason})")
        return StorageError(
            f"{place} is not trusted: {reason}; pass the file of the certificate that signed the server's "
            "as the option ca_certs, or its SHA-256 as ca_fingerprint"
        )
    if isinstance(error, ConnectionTimeout):
        return StorageError(f"{place} did not answer in time; try again, or pass a longer timeout=seconds")
    if isinstance(error, SerializationError):
        return StorageError(f"{place}: the answer is not JSON; is it a proxy's? {reason_of(error.message)}")
    hint = "is Elasticsearch running there?"
    if place.startswith("http://") and _kinds(error) & {"RemoteDisconnected", "ConnectionResetError"}:
        hint = "one with security wants an elasticsearch+https:// location"
    return StorageError(f"cannot reach {place}: {reason}; {hint}")


def server_error(status: int, told: Any, place: str) -> SigsearchError:
    """An error that the server told, for a whole request or one item of it.

    Parameters
    ----------
    status : int
        That of HTTP.
    told : Any
        What stands at ``"error"``: an object with a type and a reason, as a rule.
    place : str
        Where the index is, for a person.
    """
    kind, reason = kind_of(told), reason_of(told)
    if kind == "index_not_found_exception":
        return IndexNotFoundError(
            f"no index at {place}: it was deleted or renamed; open it again to make one"
        )
    if kind == "search_context_missing_exception":
        return StorageError(
            f"{place}: the server has given up this scan, for it restarted or was not asked for too long; "
            "begin again"
        )
    if kind == "index_closed_exception":
        return StorageError(f"{place} is closed: open it in Elasticsearch (POST /name/_open)")
    if kind == "cluster_block_exception" and status != 503:
        return StorageError(f"{place} takes no writes: {reason}; free some space on the server's disks")
    if status == 429 or kind in _OVERLOADED:
        return StorageError(f"{place} is overloaded: {reason}; try again later, or with fewer at once")
    if status in (401, 403):
        wanted = (
            "pass user and password in the location, or the option api_key"
            if status == 401
            else "ask for the rights read, write, maintenance and view_index_metadata on the index, "
            "and create_index to make it"
        )
        return AccessDeniedError(f"{place} refuses: {reason}; {wanted}")
    if status in _UNAVAILABLE:
        return StorageError(f"{place} is not available: {reason}; try again when the cluster is healthy")
    return StorageError(f"{place} answered with an error, status {status}: {reason}")


def may_pass(error: ApiError | TransportError) -> bool:
    """Whether the same request may well succeed a little later."""
    if isinstance(error, ApiError):
        return error.status_code in _UNAVAILABLE and not is_full(error.status_code, told_by(error))
    return not isinstance(error, (SSLError, SerializationError)) and "ClosedPoolError" not in _kinds(error)


def is_full(status: int, told: Any) -> bool:
    """Whether the index is blocked, which the server does when its disks are full. It says 429 of it."""
    return status != 503 and kind_of(told) == "cluster_block_exception"


def told_by(error: ApiError) -> Any:
    """What stands at ``"error"`` in an answer; the whole of it where that is not there."""
    return error.body.get("error", error.body) if isinstance(error.body, Mapping) else error.body


def kind_of(told: Any) -> str:
    """The type of an error as the server names it, of that at its root."""
    cause = _cause(told)
    return str(cause.get("type", "")) if isinstance(cause, Mapping) else ""


def reason_of(told: Any) -> str:
    """What the server says of an error, in one line."""
    said = _cause(told)
    if isinstance(said, Mapping):
        reasons = [said.get("reason") or said.get("type") or "no reason given"]
        deeper = told.get("caused_by") if isinstance(told, Mapping) else None
        while isinstance(deeper, Mapping):
            reasons.append(deeper.get("reason"))
            deeper = deeper.get("caused_by")
        said = ": ".join(dict.fromkeys(str(reason) for reason in reasons if reason))
    line = " ".join(re.sub(r"<[^>]*>", " ", str(said)).split())  # of a proxy's page the text
    return line if len(line) <= _MOST else line[:_MOST] + "…"


def _cause(told: Any) -> Any:
    causes = told.get("root_cause") if isinstance(told, Mapping) else None
    return causes[0] if isinstance(causes, list) and causes else told


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _kinds(error: BaseException) -> set[str]:
    return {type(found).__name__ for found in _chain(error)}


def _root(error: BaseException) -> str:
    """What the innermost exception says: of "Connection refused" the driver makes three lines."""
    innermost = list(_chain(error))[-1]
    said = getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
    return " ".join(str(said).split())[:_MOST]
