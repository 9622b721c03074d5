"""Regions: windows of a picture that are found again in its crops, and their agreement, a match."""

from sigsearch.regions.matching import Query
from sigsearch.regions.searching import search, search_one
from sigsearch.regions.windows import sign_windows

__all__ = ["Query", "search", "search_one", "sign_windows"]
