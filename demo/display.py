"""What the demo prints: a title a step, a few lines below it, refusals in red, one table at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_INDENT = "    "


@dataclass(frozen=True)
class Outcome:
    """How a step ended: `verified` None means that it was not run, because an earlier one it needs failed."""

    number: int
    title: str
    shown: str
    verified: bool | None
    seconds: float


class Display:
    """The terminal. Everything printed is text of ours: names, counts, hashes, never a value of a record."""

    def __init__(self, console: Console | None = None) -> None:
        # a log has no width of its own; a table of 80 columns would fold every cell
        self.console = console or Console(highlight=False, width=None if sys.stdout.isatty() else 120)

    def opening(self, home: str, about_secret: str) -> None:
        """The first two lines."""
        self._print("[bold]Strongroom[/]: one story through the whole house, on this machine only")
        self._print(f"[dim]everything lies under {escape(home)}; {escape(about_secret)}[/]")

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """The title of a step, with a spinner on a terminal while it works."""
        self._print(f"[bold cyan]{number:>2}[/] [bold]{escape(title)}[/]")
        with self.console.status("[dim]working[/]", spinner="dots"):
            yield

    def line(self, text: str) -> None:
        """Something that was shown."""
        self._print(_INDENT + escape(text))

    def refused(self, attempt: str, words: str) -> None:
        """An attempt that was refused, and by what."""
        self._print(f"{_INDENT}{escape(attempt)}: [red]{escape(words)}[/]")

    def failed(self, text: str) -> None:
        """Something that was not verified."""
        self._print(f"{_INDENT}[bold red]NOT VERIFIED[/] {escape(text)}")

    def skipped(self, needs: str) -> None:
        """A step that was not run."""
        self._print(f"{_INDENT}[yellow]not run[/], it builds on {escape(needs)}")

    def table(self, outcomes: Sequence[Outcome]) -> None:
        """Step, what was shown, verified, seconds."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("step", style="bold", no_wrap=True)
        table.add_column("what was shown", overflow="fold")
        table.add_column("verified", no_wrap=True)
        table.add_column("s", justify="right", no_wrap=True)
        words = {True: "[green]yes[/]", False: "[bold red]no[/]", None: "[yellow]not run[/]"}
        for outcome in outcomes:
            seconds = f"{outcome.seconds:.1f}"
            table.add_row(f"{outcome.number} {outcome.title}", escape(outcome.shown), words[outcome.verified], seconds)
        self.console.print()
        self.console.print(table)

    def summary(self, rows: Sequence[tuple[str, str]]) -> None:
        """Named lines at the end."""
        self.console.print()
        width = max(len(name) for name, _ in rows)
        for name, text in rows:
            self._print(f"[bold]{name:<{width}}[/]  {escape(text)}")

    def _print(self, markup: str) -> None:
        self.console.print(markup, soft_wrap=True)
