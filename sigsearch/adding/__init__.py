"""Many pictures into an index: what is there is passed over, the others are read by several processes."""

from __future__ import annotations

from sigsearch.adding.drafts import Draft, draft_of, ready_record
from sigsearch.adding.journal import Journal
from sigsearch.adding.pipeline import OnConflict, Pipeline
from sigsearch.adding.vanished import look_for_vanished

__all__ = ["Draft", "Journal", "OnConflict", "Pipeline", "draft_of", "look_for_vanished", "ready_record"]
