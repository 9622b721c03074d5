"""The progress bar of add_many: rate, time left and failures on a terminal, nothing in a pipe."""

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

    Advance: TypeAlias = Callable[[AddReport, int], None]
    """Told the report so far and how many sources it covers."""


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} pictures/s" if speed else "", style="progress.data.speed")


@contextmanager
def progress_bar(total: int | None) -> Iterator[Advance | None]:
    """A bar on standard error for so many pictures (None: unknown); None where it is not a terminal."""
    if not sys.stderr.isatty():  # rich would also take FORCE_COLOR for a terminal
        yield None
        return
    console = Console(stderr=True)
    with Progress(
        TextColumn("adding"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failures]}"),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("adding", total=total, failures="")

        def advance(report: AddReport, done: int) -> None:
            failed = f"[red]{len(report.failures)} failed" if report.failures else ""
            progress.update(task, completed=done, failures=failed)

        yield advance
