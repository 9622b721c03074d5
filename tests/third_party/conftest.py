"""Keeps pytest out of the made-up distribution: it is tested in an environment of its own."""

collect_ignore = ["sigsearch-shelf"]
