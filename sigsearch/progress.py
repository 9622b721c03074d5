"""A progress bar: rate, time left and failures on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from sigsearch.records import AddReport

    Advance: TypeAlias = Callable[[AddReport, int], object]
    """Told the report so far and how many sources it covers."""


class _RateColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self._unit}/s" if speed else "", style="progress.data.speed")


@contextmanager
def adding_bar(total: int | None) -> Iterator[Advance | None]:
    """A bar for pictures that are added, to be told the report so far."""
    with progress_bar(total, "adding", "pictures") as advance:
        yield advance and (lambda report, done: advance(done, len(report.failures)))


@contextmanager
def progress_bar(total: int | None, doing: str, unit: str) -> Iterator[Callable[[int, int], object] | None]:
    """A bar on standard error, None where that is not a terminal; to be told how many are done and failed.

    Parameters
    ----------
    total : int or None
        How many there are, if known.
    doing, unit : str
        What stands before it, and what there is so much of in a second.
    """
    if not sys.stderr.isatty():  # rich would also take FORCE_COLOR for a terminal
        yield None
        return
    console = Console(stderr=True)
    with Progress(
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failures]}"),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(doing, total=total, failures="")

        def advance(done: int, failed: int) -> None:
            progress.update(task, completed=done, failures=f"[red]{failed} failed" if failed else "")

        yield advance
