"""The Elasticsearch of a run: started for all stages that need one, or a plain word why there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from benchmarks import server
from benchmarks.suite.run import Run
from sigsearch.errors import SigsearchError

if TYPE_CHECKING:
    from sigsearch_elasticsearch.testing import ElasticsearchServer

WHAT = "Elasticsearch, and image-match on it"
_UNIT = "no server"


@contextmanager
def start_server(run: Run) -> Iterator[ElasticsearchServer | None]:
    """A server; None, with a row that says why, where there can be none or none is wanted.

    With SIGSEARCH_TEST_ES=require in the environment it is an error if there can be none.
    """
    with ExitStack() as stack:
        found = None
        why = "--no-elasticsearch"
        if run.settings.elasticsearch:
            try:
                found = stack.enter_context(server.start_server(run.settings.version))
            except (SigsearchError, SystemExit) as error:
                if os.environ.get("SIGSEARCH_TEST_ES") == "require":
                    raise SystemExit(f"{error}") from error
                why = str(error)
        if found is None:
            run.note(f"NOT MEASURED: {WHAT}: {why}")
            if _UNIT not in run.rows.done:
                with run.rows.unit(_UNIT) as keep:
                    keep("absent", what=WHAT, why=why)
        yield found
