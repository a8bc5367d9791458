"""Retention as a pure function: what is kept, and what no junk snapshot can push out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backup_jobs.repository.catalogue import RunInfo
from backup_jobs.retention import SKEW, Policy, decide
from strongroom.errors import UsageError

NOW = datetime(2030, 6, 30, 12, tzinfo=UTC)


def info(days: float, *, verified: bool = False, state: str = "valid", source: str = "db", run: str = "") -> RunInfo:
    stored = NOW - timedelta(days=days)
    return RunInfo(run or f"r{days:09.3f}", source, "", stored, verified, state)  # type: ignore[arg-type]


def kept(catalogue: list[RunInfo], policy: Policy) -> set[str]:
    return {decision.run for decision in decide(catalogue, policy, NOW) if decision.keep}


def test_last_daily_weekly_monthly() -> None:
    catalogue = [info(day + 0.1) for day in range(400)]
    decisions = [d for d in decide(catalogue, Policy(last=2, daily=7, weekly=4, monthly=12), NOW) if d.keep]
    reasons = [reason for decision in decisions for reason in decision.reasons]
    assert {rule: reasons.count(rule) for rule in ("last", "daily", "weekly", "monthly")} == {
        "last": 2,
        "daily": 7,
        "weekly": 4,
        "monthly": 12,
    }


def test_several_of_one_day_keep_the_newest() -> None:
    assert kept([info(0.1), info(0.2), info(0.3), info(1.1)], Policy(last=1, daily=2)) == {"r00000.100", "r00001.100"}


def test_the_newest_verified_is_never_dropped() -> None:
    catalogue = [info(1), info(2), info(300, verified=True), info(301, verified=True)]
    assert kept(catalogue, Policy(last=1)) == {"r00001.000", "r00300.000"}


def test_junk_from_the_future_or_unreadable_evicts_nothing() -> None:
    true = [info(1), info(2), info(3)]
    junk = [info(-400 - n, run=f"future{n}") for n in range(50)] + [info(0.5, state="invalid", run="junk")]
    decided = kept(true + junk, Policy(last=3))
    assert {"r00001.000", "r00002.000", "r00003.000"} <= decided
    assert len(decided) == 54, "what is not understood is kept too"


def test_backdated_claims_do_not_matter() -> None:
    """A writer may sign any time: the storage's clock decides."""
    honest, liar = info(1), RunInfo("liar", "db", "1970-01-01T00:00:00Z", NOW, False, "valid")
    assert kept([honest, liar], Policy(last=1)) == {"liar"}


def test_sources_do_not_compete() -> None:
    assert kept([info(1, source="a", run="a"), info(2, source="b", run="b")], Policy(last=1)) == {"a", "b"}


@pytest.mark.parametrize("policy", [{"last": 0}, {"daily": -1}])
def test_a_policy_that_keeps_nothing_is_refused(policy: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Policy(**policy)


@example([(0.0, False, "valid"), (-0.001, False, "valid")], Policy(1))  # clocks that differ by less than SKEW
@given(
    st.lists(st.tuples(st.floats(-2, 900), st.booleans(), st.sampled_from(("valid", "invalid"))), max_size=60),
    st.builds(Policy, st.integers(1, 5), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)
def test_every_policy_keeps_the_newest_the_newest_verified_and_adds_only(
    rows: list[tuple[float, bool, str]], policy: Policy
) -> None:
    catalogue = [info(d, verified=v, state=s, run=f"{n:03}") for n, (d, v, s) in enumerate(rows)]
    decided = kept(catalogue, policy)
    countable = [i for i in catalogue if i.signature_state == "valid" and i.stored_at <= NOW + SKEW]
    if countable:
        assert max(countable, key=lambda i: (i.stored_at, i.run)).run in decided
    checked = [i for i in countable if i.verified]
    if checked:
        assert max(checked, key=lambda i: (i.stored_at, i.run)).run in decided
    more = Policy(policy.last + 1, policy.daily + 1, policy.weekly + 1, policy.monthly + 1)
    assert decided <= kept(catalogue, more)
