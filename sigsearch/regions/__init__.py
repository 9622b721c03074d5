"""Regions: windows of a picture that are found again in its crops, and the agreement that makes them matches."""

from sigsearch.regions.matching import Query
from sigsearch.regions.search import search
from sigsearch.regions.windows import sign_windows

__all__ = ["Query", "search", "sign_windows"]
