"""Retention: which snapshots of a catalogue are kept, decided by a pure function.

Ages come from the storage's own clock, never from what a writer says of itself, so backdated or future-dated
snapshots push no true one out. The newest verified snapshot of a source is always kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup_jobs.repository.catalogue import RunInfo
from strongroom.errors import UsageError

#: A snapshot that the storage says lies further in the future than this is kept and counted for nothing.
SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Policy:
    """How many snapshots to keep: the last ones, and the newest of each of so many days, weeks and months."""

    last: int = 1
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    def __post_init__(self) -> None:
        if min(self.last, self.daily, self.weekly, self.monthly) < 0 or self.last < 1:
            raise UsageError("a retention policy keeps at least the last snapshot, and no negative number of any")


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one snapshot; `reasons` is empty exactly when it may be dropped."""

    run: str
    source: str
    reasons: tuple[str, ...]

    @property
    def keep(self) -> bool:
        """Whether the snapshot stays."""
        return bool(self.reasons)


_Bucket = Callable[[datetime], tuple[int, ...]]
_BUCKETS: Mapping[str, _Bucket] = {
    "daily": lambda t: (t.year, t.month, t.day),
    "weekly": lambda t: tuple(t.isocalendar()[:2]),
    "monthly": lambda t: (t.year, t.month),
}


def decide(catalogue: Iterable[RunInfo], policy: Policy, now: datetime) -> list[Decision]:
    """A decision for every snapshot, newest first within each source.

    `now` is the storage's time. A snapshot whose commit cannot be believed is kept ("unreadable") and never counted:
    a prune must not act on what it does not understand.
    """
    by_source: dict[str, list[RunInfo]] = {}
    for info in catalogue:
        by_source.setdefault(info.source, []).append(info)
    return [decision for source in sorted(by_source) for decision in _decide_source(by_source[source], policy, now)]


def _decide_source(infos: list[RunInfo], policy: Policy, now: datetime) -> list[Decision]:
    newest_first = sorted(infos, key=lambda info: (info.stored_at, info.run), reverse=True)
    reasons: dict[str, list[str]] = {info.run: [] for info in newest_first}
    countable = []
    for info in newest_first:
        if info.signature_state == "invalid":
            reasons[info.run].append("unreadable")
        elif info.stored_at > now + SKEW:
            reasons[info.run].append("from the future")
        else:
            countable.append(info)
    for info in countable[: policy.last]:
        reasons[info.run].append("last")
    for rule, wanted in (("daily", policy.daily), ("weekly", policy.weekly), ("monthly", policy.monthly)):
        seen: set[tuple[int, ...]] = set()
        for info in countable:
            bucket = _BUCKETS[rule](info.stored_at)
            if bucket not in seen and len(seen) < wanted:
                seen.add(bucket)
                reasons[info.run].append(rule)
    verified = next((info for info in countable if info.verified), None)
    if verified is not None:
        reasons[verified.run].append("newest verified")
    return [Decision(info.run, info.source, tuple(reasons[info.run])) for info in newest_first]
