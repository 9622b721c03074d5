"""Progress on standard error: a bar with rate and time left on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeAlias

    from sigsearch.records import AddReport

    Advance: TypeAlias = Callable[[AddReport, int], object]
    """Told the report so far and how many sources it covers."""

COMPILING: Final = "compiling the kernels, once; some 20 s"
"""What is told a person where that takes longer than `PATIENCE`."""
PATIENCE: Final = 2.0
"""Seconds. Kernels from numba's cache are there in a tenth of it, compiling them takes some 15."""
EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


class Meter:
    """How far something is; a context manager.

    Parameters
    ----------
    doing, unit : str
        What stands before it, and what there is so much of in a second: adding, pictures.
    on : bool
        Whether to show anything.
    total : int, optional
        How many there are, if known; may be set later.
    """

    def __init__(self, doing: str, unit: str, *, on: bool, total: int | None = None) -> None:
        self.total = total
        self.is_bar: Final = on and sys.stderr.isatty()  # rich would also take FORCE_COLOR for a terminal
        self._doing, self._unit, self._on = doing, unit, on
        self._stack = ExitStack()
        self._bar: Any = None
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Meter:
        if self.is_bar:
            self._bar = self._stack.enter_context(_bar(self._unit))
            self._bar.add_task(self._doing, total=self.total, failures="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def advance(self, report: AddReport, done: int) -> None:
        """So many sources are covered by the report so far."""
        self.update(done, len(report.failures))

    def update(self, done: int, failed: int = 0) -> None:
        """So many are done, and so many of them failed."""
        now = time.monotonic()
        if self._bar is not None:
            failures = f"[red]{failed:,} failed" if failed else ""
            self._bar.update(self._bar.task_ids[0], completed=done, total=self.total, failures=failures)
        elif self._on and now - self._told >= EVERY:
            self._told = now
            rate = done / (now - self._began)
            of = "" if self.total is None else f" of {self.total:,}"
            left = ""
            if self.total is not None and rate:
                left = f", {_clock((self.total - done) / rate)} left"
            told = f"{done:,}{of} {self._unit}, {rate:,.0f} a second{left}"
            self.note(f"{told}, {failed:,} failed" if failed else told)

    def note(self, text: str) -> None:
        """Tell a person something in a line; the bar goes on below it."""
        if not self._on:
            return
        if self._bar is not None:
            self._bar.console.print(f"sigsearch: {text}", markup=False, highlight=False)
        else:
            print(f"sigsearch: {text}", file=sys.stderr, flush=True)  # noqa: T201


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _bar(unit: str) -> Any:
    """Rich's bar; loaded here, for most commands show none."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {unit}/s" if speed else "", style="progress.data.speed")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failures]}"),
        console=Console(stderr=True),
        transient=True,
    )
