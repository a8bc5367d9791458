"""3-2-1-1-0 counts only what differs, is whole, and was restored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from backup_jobs.copies_matrix import CopyFacts, DrillFacts, copies_matrix
from strongroom.cli.copies import drill_facts
from strongroom.evidence.statement import Statement

NOW = datetime(2030, 1, 10, tzinfo=UTC)
COPIES = [
    CopyFacts("portal", "primary", "s3", "1", "east", frozenset({"near"}), frozenset({"admin-1"}), True, True),
    CopyFacts("portal", "vaulted", "s3", "2", "west", frozenset({"far"}), frozenset({"admin-2"}), True, True),
    CopyFacts("portal", "disk", "disk", "", "office", frozenset({"escrow"}), frozenset({"owner"}), True, False),
]
DRILLS = [DrillFacts("portal", c.copy, "key", "PASS", NOW - timedelta(days=1)) for c in COPIES]


def row(copies=COPIES, drills=DRILLS):
    return copies_matrix(copies, drills, now=NOW, window=timedelta(days=7))[0]


def test_it_holds() -> None:
    found = row()
    assert (found.copies, found.media, found.offsite, found.locked, found.drill_errors) == (3, 3, 2, 2, 0)
    assert found.holds
    assert found.shared == ()


def test_an_incomplete_copy_does_not_count() -> None:
    found = row([COPIES[0], COPIES[1], replace(COPIES[2], complete=False)])
    assert (found.copies, found.holds) == (2, False)


def test_two_copies_that_fall_together_are_one() -> None:
    twin = replace(COPIES[0], copy="twin")
    found = row([COPIES[0], twin, COPIES[1]])
    assert found.copies == 2


def test_a_shared_deleter_is_printed_and_nothing_counts_as_locked_away() -> None:
    shared = [replace(c, deleters=c.deleters | {"management account"}) for c in COPIES]
    found = row(shared)
    assert found.shared == ("1 shared deleter: management account",)
    assert (found.locked, found.holds) == (0, False)
    assert row([*shared[:2], replace(shared[2], offline=True)]).locked == 1


def test_drills_count_only_when_they_passed_lately() -> None:
    old = [replace(d, finished=NOW - timedelta(days=8)) for d in DRILLS]
    assert row(drills=old).drill_errors == 3
    failed = [*DRILLS, replace(DRILLS[0], recipient="other", verdict="FAIL")]
    assert (row(drills=failed).drill_errors, row(drills=failed).holds) == (1, False)
    unsure = [replace(DRILLS[0], verdict="UNDETERMINED"), *DRILLS[1:]]
    assert row(drills=unsure).drill_errors == 1


def test_a_source_without_any_copy_is_listed_and_does_not_hold() -> None:
    rows = copies_matrix(COPIES, DRILLS, now=NOW, window=timedelta(days=7), sources=("images", "portal"))
    assert [(found.source, found.copies, found.holds) for found in rows] == [("images", 0, False), ("portal", 3, True)]


def test_a_drill_that_only_read_packs_back_proves_no_restore() -> None:
    def drilled(verdict: str, depth: str) -> list[DrillFacts]:
        place = {"source": "portal", "copy": "disk", "recipient": "escrow", "finished": "2030-01-09T00:00:00Z"}
        return drill_facts([Statement("drill", (), {**place, "verdict": verdict, "depth": depth})])

    assert drilled("PASS", "open") == []
    assert [fact.verdict for fact in drilled("FAIL", "open") + drilled("PASS", "full")] == ["FAIL", "PASS"]
