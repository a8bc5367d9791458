"""Lock extension: planned by a pure function, never shortening, one refusal stopping nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from repository_kit import START, Kit, memory_item

from backup_jobs import locks
from backup_jobs.repository import closure
from backup_jobs.repository.catalogue import Closure
from strongroom.errors import Denied, UsageError
from strongroom.storage.contract import Entry, Version
from strongroom.storage.local import LocalStorage

POLICY = locks.Policy(horizon=timedelta(days=30), renew_below=timedelta(days=14))


def entry(name: str, until: datetime | None) -> Entry:
    return Entry(name, 1, Version("v-" + name, "e"), START, until)


def test_only_what_kept_snapshots_need_and_what_runs_low_is_extended() -> None:
    closures = [Closure("s", "r1", ("a", "b"), ()), Closure("s", "r2", ("b", "c", "d", "gone"), ())]
    entries = [
        entry("a", START + timedelta(days=13)),
        entry("b", START + timedelta(days=15)),
        entry("c", None),
        entry("d", START - timedelta(days=1)),
        entry("unreferenced", START + timedelta(days=1)),
    ]
    plan = locks.plan(closures, entries, START, POLICY)
    until = START + timedelta(days=30)
    assert plan.extensions == tuple(locks.Extension(n, f"v-{n}", until) for n in ("a", "c", "d"))
    assert (plan.unlocked, plan.missing) == (("c",), ("gone",))
    assert plan.least_remaining == timedelta(0)


def test_nothing_to_do() -> None:
    assert locks.plan([], [], START, POLICY) == locks.LockPlan((), (), (), None)
    plan = locks.plan([Closure("s", "r", ("a",), ())], [entry("a", START + timedelta(days=20))], START, POLICY)
    assert (plan.extensions, plan.least_remaining) == ((), timedelta(days=20))


def test_a_margin_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError):
        locks.Policy(timedelta(days=1), timedelta(days=1))


def test_the_closure_of_a_real_snapshot_is_extended(kit: Kit) -> None:
    until = START + timedelta(days=1)
    kit.backup("r1", [memory_item("f", b"x" * 1000)], lock_until=until)
    kit.verify("r1")
    kit.backup("r2", [memory_item("f", b"x" * 1000, "2")], lock_until=until)
    needed = [closure(kit.storage, "files", "r2")]
    plan = locks.plan(needed, locks.describe(kit.storage, needed), kit.clock.now(), POLICY)
    assert {e.name for e in plan.extensions} == set(needed[0].names)
    moved, refused = locks.extend(kit.storage, plan.extensions)
    assert (moved, refused) == (len(needed[0].names), [])
    assert all(kit.storage.head(name).retain_until == plan.extensions[0].until for name in needed[0].names)
    left = [e.name for e in kit.storage.list("commits/") if kit.storage.head(e.name).retain_until == until]
    assert left == ["commits/files/r1.dsse"], "a snapshot that is not kept is not extended"
    assert locks.plan(needed, locks.describe(kit.storage, needed), kit.clock.now(), POLICY).extensions == ()


def test_one_refusal_stops_no_other(tmp_path: Path) -> None:
    class Refusing(LocalStorage):
        def extend(self, name: str, version: str, until: datetime) -> None:
            if name == "b":
                raise Denied("s3:PutObjectRetention was refused")
            super().extend(name, version, until)

    storage = Refusing(tmp_path)
    extensions = [locks.Extension(name, storage.put(name, b"x").id, START) for name in "abc"]
    moved, refused = locks.extend(storage, extensions)
    assert moved == 2
    assert [(extension.name, message) for extension, message in refused] == [("b", "s3:PutObjectRetention was refused")]
