"""The report: one self-contained page that shows a breach in words and in red, and is the same for the same data."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from strongroom.evidence.report import Bar, DrillRow, KeyRow, ReportData, drill_rows, human, render
from strongroom.evidence.statement import Statement

DRILL = DrillRow(
    "portal", "primary", "kms", "OK", "full", "2026-03-01T09:00:00Z", Bar(3, 3600, "s"), Bar(60, 86400, "s")
)
DATA = ReportData(
    env="dev",
    environment_kind="sandbox",
    generated=datetime(2026, 3, 1, 9, 0, tzinfo=UTC),
    manifest_digest="ab" * 32,
    accounts=[("workload", "210000000001", "us-east-1")],
    stores=[
        {"name": "portal", "kind": "postgres", "data_class": "clinical", "key": "k", "fields": "", "objective": ""}
    ],
    copies=[
        {
            "name": "primary",
            "url": "s3://b",
            "place": "workload",
            "locked": "yes",
            "recipients": "kms",
            "newest": "1 of 1",
            "drill": "1 of 1 passed",
        }
    ],
    copies_note=["portal: 3-2-1-1-0 holds."],
    drills=[DRILL],
    keys=[KeyRow("recipient", "recipient", "backup", "Enabled", "1", Bar(10, 365, "days"))],
    statements=[
        {
            "sequence": 1,
            "kind": "drill",
            "job": "drill",
            "duty": "restorer",
            "state": "OK",
            "finished": "x",
            "reasons": "",
        }
    ],
    findings=[],
    covered=1,
    head_time=datetime(2026, 3, 1, 8, 0, tzinfo=UTC),
    simulated=0,
    signers=[("restorer", "cd" * 32)],
)


def test_the_page_loads_nothing_and_runs_nothing():
    page = render(DATA)
    assert not re.search(r"<script|<link|src=|href=|url\(|@import", page)
    assert "default-src 'none'" in page


def test_equal_data_give_equal_bytes():
    assert render(DATA) == render(replace(DATA))


def test_a_breach_of_the_objective_is_said_in_words():
    assert "EXCEEDED" not in render(DATA)
    late = replace(DATA, drills=[replace(DRILL, rto=Bar(4000, 3600, "s"))])
    assert "1.11 h of 1 h, EXCEEDED" in re.sub(r"\s+", " ", render(late))


def test_findings_make_the_page_red():
    assert "Every signature, link and number holds" in render(DATA)
    broken = render(replace(DATA, findings=["000000000002: statement 2 was removed"]))
    assert "statement 2 was removed" in broken and "NOT intact" in broken and "number holds" not in broken


def test_without_drills_the_page_says_that_nothing_is_shown():
    assert "nothing shows that the backups restore" in render(replace(DATA, drills=[]))


def test_simulated_statements_are_announced():
    assert "no evidence about an AWS account" in render(replace(DATA, simulated=1))


def test_a_key_that_only_opens_is_no_restore():
    page = render(replace(DATA, drills=[replace(DRILL, depth="open")]))
    assert "not restored again" in page and "0 of 0" in page


def test_names_from_the_estate_cannot_become_markup():
    page = render(replace(DATA, env="<b>dev</b>"))
    assert "<b>dev</b>" not in page and "&lt;b&gt;dev" in page


def test_only_the_newest_drill_of_a_place_counts():
    body = {"source": "portal", "copy": "disk", "recipient": "escrow", "rpo_seconds": 1}
    older = Statement("drill", (), {**body, "state": "OK", "finished": "1", "rto_ms": 1000})
    newer = Statement("drill", (), {**body, "state": "FAILED", "finished": "2", "rto_ms": 2000})
    (row,) = drill_rows([older, newer, Statement("run", (), {})], {"portal": (3600, 86400)})
    assert (row.state, row.rto.value, row.rto.limit) == ("FAILED", 2.0, 3600)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.04, "0.04 s"), (12, "12 s"), (90, "1.5 min"), (7200, "2 h"), (172800, "2 d")]
)
def test_durations_are_shown_in_a_persons_unit(value, shown):
    assert human(value, "s") == shown
