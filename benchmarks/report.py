"""Timings side by side, what machine they are of, and how both are printed and kept."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Times: TypeAlias = dict[str, list[float]]
"""Milliseconds by what took them."""


def take_turns(steps: Mapping[str, Callable[[int], object]], rounds: int, *, warm: bool = True) -> Times:
    """Time steps in turns, so that a busy machine hurts all of them alike.

    Each round has an order of its own: what comes after a step that empties caches, or after a pause of the
    server's, is slower for that, and must not always be the same.

    Parameters
    ----------
    steps : mapping of str to callable
        Each is called with the number of the round.
    rounds : int
    warm : bool
        Whether to call each once before, unmeasured.
    """
    if warm:
        for step in steps.values():
            step(0)
    times: Times = {name: [] for name in steps}
    rng = np.random.default_rng(0)
    names = list(steps)
    for number in range(rounds):
        for place in rng.permutation(len(names)).tolist():
            name = names[place]
            start = time.perf_counter()
            steps[name](number)
            times[name].append((time.perf_counter() - start) * 1000)
    return times


class Report:
    """Prints lines for a person and keeps the raw numbers as JSON, a line each."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("w") if path else None
        self._part = ""

    def part(self, name: str, text: str) -> None:
        """Begin a part."""
        self._part = name
        print(f"\n{name}: {text}", flush=True)

    def note(self, text: str) -> None:
        """Say something that is no number."""
        print(f"  {text}", flush=True)

    def number(self, name: str, value: float, unit: str = "") -> None:
        """Report one number."""
        print(f"  {name:55} {_short(value):>11} {unit}", flush=True)
        self._keep(name=name, unit=unit, values=[value])

    def times(self, times: Times, ratios: Iterable[tuple[str, str]] = ()) -> None:
        """Report timings as p50, p95 and the least, then the ratios of medians of some of them."""
        print(f"  {'ms':55} {'p50':>11} {'p95':>11} {'least':>11}")
        medians = {}
        for name, values in times.items():
            medians[name], high = (float(q) for q in np.quantile(values, [0.5, 0.95]))
            print(f"  {name:55} {medians[name]:11.3f} {high:11.3f} {min(values):11.3f}")
            self._keep(name=name, unit="ms", values=values)
        for one, other in ratios:
            self.number(f"{one} / {other}", medians[one] / medians[other])

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Report what the numbers hang on."""
        for name, value in facts.items():
            print(f"{name}: {value}")
        self._keep(**facts)

    def keep(self, name: str, values: Sequence[Any]) -> None:
        """Keep raw values without printing them; each belongs to the queries in order."""
        self._keep(name=name, unit="", values=list(values))

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def _keep(self, **values: Any) -> None:
        if self._file:
            self._file.write(json.dumps({"part": self._part, **values}) + "\n")
            self._file.flush()


def machine() -> dict[str, Any]:
    """The processor, and the versions of what the numbers hang on."""
    return {
        "cpu": _cpu_name(),
        "cores": cores(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{package: _version(package) for package in ("sigsearch", "numpy", "numba", "faiss-cpu")},
    }


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def progress(text: str) -> None:
    """Say on a terminal how far it is; an empty text clears the line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine()
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
