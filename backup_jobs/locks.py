"""Lock extension: every object that a kept snapshot needs stays locked for the horizon, planned by a pure function.

The lock-keeper reads commits, refs and listings, never content. Retention is only ever moved later; an object without
a lock that should have one is reported, because somebody else than the writer put it there or the bucket lost its lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup_jobs.repository.catalogue import Closure
from strongroom.errors import Denied, Locked, Missing, Transient, UsageError
from strongroom.progress import Progress, Silent, step
from strongroom.storage.contract import Entry, Storage


@dataclass(frozen=True, slots=True)
class Policy:
    """Locks are moved to now + `horizon` once less than `renew_below` is left of them.

    `renew_below` is at least twice the interval at which the job runs, so that one missed run loses no lock.
    """

    horizon: timedelta
    renew_below: timedelta

    def __post_init__(self) -> None:
        if not timedelta(0) < self.renew_below < self.horizon:
            raise UsageError("renew_below must be positive and shorter than the horizon")


@dataclass(frozen=True, slots=True)
class Extension:
    """One retention to move."""

    name: str
    version: str
    until: datetime


@dataclass(frozen=True, slots=True)
class LockPlan:
    """What to extend, what is not locked at all, what is not there, and how much the shortest lock has left."""

    extensions: tuple[Extension, ...]
    unlocked: tuple[str, ...]
    missing: tuple[str, ...]
    least_remaining: timedelta | None


def plan(closures: Iterable[Closure], entries: Iterable[Entry], now: datetime, policy: Policy) -> LockPlan:
    """The extensions that the snapshots of `closures` need; `entries` describes every stored object they name.

    `now` is the storage's time. Objects are named once, however many snapshots share them.
    """
    stored = {entry.name: entry for entry in entries}
    extensions, unlocked, missing = [], [], []
    least: timedelta | None = None
    for name in sorted({name for closure in closures for name in closure.names}):
        entry = stored.get(name)
        if entry is None:
            missing.append(name)
            continue
        left = timedelta(0) if entry.retain_until is None else max(entry.retain_until - now, timedelta(0))
        least = left if least is None else min(least, left)
        if entry.retain_until is None:
            unlocked.append(name)
        if left < policy.renew_below:
            extensions.append(Extension(name, entry.version.id, now + policy.horizon))
    return LockPlan(tuple(extensions), tuple(unlocked), tuple(missing), least)


def describe(storage: Storage, closures: Iterable[Closure]) -> list[Entry]:
    """The entries `plan` needs: one head an object, since listings carry no retention."""
    found = []
    for name in sorted({name for closure in closures for name in closure.names}):
        try:
            found.append(storage.head(name))
        except Missing:
            continue
    return found


def extend(
    storage: Storage, extensions: Iterable[Extension], progress: Progress | None = None
) -> tuple[int, list[tuple[Extension, str]]]:
    """Carries out a plan; returns how many were moved and those refused, each with its cause.

    One refused object stops no other: the caller retries while the margin lasts, then alerts.
    """
    todo = list(extensions)
    moved, refused = 0, []
    with step(progress or Silent(), "extend locks", len(todo)) as bar:
        for extension in todo:
            try:
                storage.extend(extension.name, extension.version, extension.until)
                moved += 1
            except (Denied, Locked, Missing, Transient) as failure:
                refused.append((extension, failure.message))
            bar.advance()
    return moved, refused
