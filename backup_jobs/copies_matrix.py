"""3-2-1-1-0, computed from what is there and from drills, not from what was configured.

3 copies that are complete, 2 that differ in medium or organisation, 1 off site (another account and Region), 1 locked
against every principal of the primary, 0 failed or overdue drills. Two copies count as different only where account,
Region, reading keys and deleting principals differ; what they share is printed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Passed = Literal["PASS", "FAIL", "UNDETERMINED"]


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """One copy of one source as it was found. `deleters` are principals that can end or delete it."""

    source: str
    copy: str
    medium: str
    account: str
    region: str
    keys: frozenset[str]
    deleters: frozenset[str]
    complete: bool
    locked: bool
    offline: bool = False


@dataclass(frozen=True, slots=True)
class DrillFacts:
    """The newest drill of a source from a copy with a recipient's key."""

    source: str
    copy: str
    recipient: str
    verdict: Passed
    finished: datetime


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """The count of one source: each number, whether all hold, and what the copies share."""

    source: str
    copies: int
    media: int
    offsite: int
    locked: int
    drill_errors: int
    shared: tuple[str, ...]
    drilled: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether 3-2-1-1-0 holds for this source."""
        return (
            self.copies >= 3
            and self.media >= 2
            and self.offsite >= 1
            and self.locked >= 1
            and self.drill_errors == 0
            and len(self.drilled) >= self.copies
        )


def copies_matrix(
    copies: Iterable[CopyFacts],
    drills: Iterable[DrillFacts],
    *,
    now: datetime,
    window: timedelta,
    sources: Iterable[str] = (),
) -> list[MatrixRow]:
    """One row a source, by name; `sources` are those that must have copies, so that one without any is listed too.

    Drills older than `window` count as none; a complete copy without one is an error.
    """
    listed, done = list(copies), list(drills)
    return [
        _row(source, listed, done, now - window) for source in sorted({*sources, *(fact.source for fact in listed)})
    ]


def _row(source: str, copies: list[CopyFacts], drills: list[DrillFacts], since: datetime) -> MatrixRow:
    whole = [fact for fact in copies if fact.source == source and fact.complete]
    recent = [d for d in drills if d.source == source and d.finished >= since]
    passed = {d.copy for d in recent if d.verdict == "PASS"}
    failed = [d for d in recent if d.verdict == "FAIL"]
    undrilled = [fact.copy for fact in whole if fact.copy not in passed]
    first = whole[0] if whole else None
    return MatrixRow(
        source=source,
        copies=_distinct(whole),
        media=len({(fact.medium, fact.account) for fact in whole}),
        offsite=sum(1 for f in whole if first and f.account != first.account and f.region != first.region),
        locked=sum(1 for f in whole if (f.locked and _stands_apart(f, whole)) or f.offline),
        drill_errors=len(failed) + len(undrilled),
        shared=_shared(whole),
        drilled=tuple(sorted(passed & {fact.copy for fact in whole})),
    )


def _distinct(whole: list[CopyFacts]) -> int:
    """Copies that one lost account, key set or principal does not take together."""
    return len({(f.medium, f.account, f.region, f.keys, f.deleters) for f in whole})


def _stands_apart(fact: CopyFacts, whole: list[CopyFacts]) -> bool:
    """Whether no principal that can delete this copy can delete every other one too."""
    others = [other.deleters for other in whole if other is not fact]
    return not others or not frozenset.intersection(fact.deleters, *others)


def _shared(whole: list[CopyFacts]) -> tuple[str, ...]:
    if len(whole) < 2:
        return ()
    keys = frozenset.intersection(*(fact.keys for fact in whole))
    deleters = frozenset.intersection(*(fact.deleters for fact in whole))
    lines = [f"{len(deleters)} shared deleter: {', '.join(sorted(deleters))}"] if deleters else []
    return (*lines, *([f"{len(keys)} shared key: {', '.join(sorted(keys))}"] if keys else []))
