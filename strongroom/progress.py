"""Progress of long work: a bar on a terminal, nothing anywhere else.

Every long loop takes a `Progress`; the command line hands in `terminal_progress()`, jobs under a
scheduler get `Silent`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """What long work reports to; `advance` is called from one thread."""

    def start(self, label: str, total: int | None) -> None: ...
    def advance(self, amount: int = 1) -> None: ...
    def stop(self) -> None: ...


class Silent:
    """Progress that shows nothing: under a scheduler, with --json, in tests."""

    def start(self, label: str, total: int | None) -> None:
        """Begins a piece of work of `total` steps (None: unknown)."""

    def advance(self, amount: int = 1) -> None:
        """Reports finished steps."""

    def stop(self) -> None:
        """Ends the current piece of work."""


class TerminalBar:
    """Progress as one rich bar on standard error; leaves nothing behind when it stops."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: TaskID | None = None

    def start(self, label: str, total: int | None) -> None:
        """Shows a bar named `label`; a previous one is ended first."""
        self.stop()
        self._bar.start()
        self._task = self._bar.add_task(label, total=total)

    def advance(self, amount: int = 1) -> None:
        """Moves the bar."""
        if self._task is not None:
            self._bar.advance(self._task, amount)

    def stop(self) -> None:
        """Removes the bar."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._bar.stop()
            self._task = None


def terminal_progress() -> Progress:
    """A bar if standard error is a terminal, else Silent."""
    return TerminalBar() if sys.stderr.isatty() else Silent()


@contextmanager
def step(progress: Progress, label: str, total: int | None = None) -> Iterator[Progress]:
    """Runs a block as one named piece of progress; the bar goes even when the block raises."""
    progress.start(label, total)
    try:
        yield progress
    finally:
        progress.stop()
