"""The runner: states, exit codes, journal, leases, metrics and evidence, for every way a run can go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from strongroom import errors
from strongroom.errors import EXIT_PRECEDENCE, LeaseHeld, StrongroomError, Transient, worst_exit_code
from strongroom.jobs import metrics
from strongroom.jobs.clock import SystemClock
from strongroom.jobs.contract import Plan, Proof, RunState, Unit, UnitResult, Verdict
from strongroom.jobs.journal import read_last
from strongroom.jobs.leases import lease, process_start
from strongroom.jobs.runner import run_job
from strongroom.progress import Silent
from strongroom.storage.local import LocalStorage


class Recorded:
    """An evidence log that keeps what it was given."""

    def __init__(self, fail: StrongroomError | None = None) -> None:
        self.statements: list[tuple[str, dict[str, Any]]] = []
        self.fail = fail

    def emit(self, kind, body, *, inputs=None):
        if self.fail:
            raise self.fail
        json.dumps(body)
        self.statements.append((kind, body))
        return "evidence/dev/000000000001.dsse"


class Ctx:
    env, run_id = "dev", "20260101T000000Z-00000000"
    progress = Silent()

    def __init__(self, evidence=None):
        self.clock, self.cancel, self.options = SystemClock(), Event(), {}
        self.evidence = evidence or Recorded()


class Sample:
    """A job whose units raise what they are told to."""

    name, duty = "sample", "restorer"

    def __init__(self, *outcomes, verdict=None):
        self.outcomes = outcomes
        self.verdict = verdict or Verdict(RunState.OK, Proof.VERIFIED)
        self.executed = []

    def plan(self, ctx):
        return Plan(tuple(Unit("unit", {"n": n}) for n in range(len(self.outcomes))), "quick", ("on-demand",))

    def execute(self, ctx, unit):
        self.executed.append(unit.arguments["n"])
        outcome = self.outcomes[unit.arguments["n"]]
        if isinstance(outcome, BaseException):
            raise outcome
        if callable(outcome):
            outcome(ctx)
        return UnitResult(unit.id, RunState.OK, counts={"done": 1})

    def verify(self, ctx, results):
        if isinstance(self.verdict, BaseException):
            raise self.verdict
        return self.verdict


def run(job, tmp_path, ctx=None, **options):
    return run_job(job, ctx or Ctx(), home=tmp_path, leases=None, **options)


def test_a_good_run_is_verified_recorded_and_counted(tmp_path):
    ctx = Ctx()
    report = run(Sample(None, None), tmp_path, ctx)
    assert (report.exit_code, report.state, report.proof) == (0, RunState.OK, Proof.VERIFIED)
    kind, body = ctx.evidence.statements[0]
    assert kind == "run" and body["counts"] == {"done": 2, "units": 2} and body["exit_code"] == 0
    assert [e["event"] for e in read_last(tmp_path / "journal", "sample")][-1] == "ended"
    assert metrics.previous_success(tmp_path / "metrics", "sample") > 0


CONCRETE = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, StrongroomError)]


@pytest.mark.parametrize("error", CONCRETE, ids=lambda c: c.__name__)
def test_every_error_of_a_unit_becomes_its_exit_code(error, tmp_path):
    raised = error("broken", file="f") if error is errors.EstateError else error("broken")
    ctx = Ctx()
    report = run(Sample(None, raised, None), tmp_path, ctx)
    assert report.exit_code == error.exit_code != 0
    assert report.proof is Proof.UNVERIFIED and "broken" in report.problems[0]
    assert report.results[2].state is RunState.OK  # one failed unit does not stop the others
    assert ctx.evidence.statements[0][1]["exit_code"] == error.exit_code
    assert metrics.previous_success(tmp_path / "metrics", "sample") == 0


def test_several_causes_exit_with_the_first_of_the_precedence():
    assert worst_exit_code([3, 6, 5]) == 6 and worst_exit_code([10, 1]) == 1 and worst_exit_code([]) == 0
    assert {c.exit_code for c in CONCRETE} <= set(EXIT_PRECEDENCE)


def test_an_unexpected_exception_is_named_by_type_and_place_only(tmp_path):
    report = run(Sample(ValueError("patient Jane Roe")), tmp_path)
    assert report.exit_code == 1 and "Jane" not in json.dumps(report.to_json())
    assert "ValueError at test_job_runner.py" in report.problems[0]
    assert "Jane" not in "".join(p.read_text() for p in (tmp_path / "journal").rglob("*.ndjson"))


def test_a_failed_verification_is_never_green(tmp_path):
    assert run(Sample(None, verdict=Verdict(RunState.FAILED, Proof.UNVERIFIED)), tmp_path).exit_code == 1
    assert run(Sample(None, verdict=errors.Corrupt("pack")), tmp_path).exit_code == 6
    assert run(Sample(None, verdict=Verdict(RunState.UNDETERMINED, Proof.UNVERIFIED)), tmp_path).exit_code == 10


def test_a_failed_unit_without_a_code_is_never_green(tmp_path):
    job = Sample(None)
    job.execute = lambda _ctx, unit: UnitResult(unit.id, RunState.FAILED)
    report = run(job, tmp_path)
    assert (report.exit_code, report.state, report.proof) == (1, RunState.FAILED, Proof.UNVERIFIED)


def test_evidence_that_cannot_be_written_fails_the_run(tmp_path):
    report = run(Sample(None), tmp_path, Ctx(Recorded(Transient("bucket away"))))
    assert report.exit_code == 8 and report.proof is Proof.UNVERIFIED


def test_a_cancelled_run_is_partial_and_starts_nothing_more(tmp_path):
    job = Sample(lambda ctx: ctx.cancel.set(), None, None)
    report = run(job, tmp_path)
    assert job.executed == [0] and report.exit_code == 3


def test_dry_run_changes_nothing(tmp_path):
    job = Sample(None)
    report = run(job, tmp_path, dry_run=True)
    assert report.dry_run and len(report.plan.units) == 1 and job.executed == []
    assert list(tmp_path.iterdir()) == []


def test_units_with_equal_arguments_are_the_same_unit():
    assert Unit("a", {"x": 1, "y": 2}).id == Unit("a", {"y": 2, "x": 1}).id != Unit("a", {"x": 1}).id


class TestLease:
    def test_one_at_a_time_and_free_after(self, tmp_path):
        storage = LocalStorage(tmp_path)
        with lease(storage, "backup", "one", SystemClock()) as first:
            with pytest.raises(LeaseHeld, match="one"):
                with lease(storage, "backup", "two", SystemClock()):
                    pytest.fail("two holders")
        with lease(storage, "backup", "two", SystemClock()) as second:
            assert second.token == first.token + 1

    def test_a_dead_holder_is_replaced_at_once(self, tmp_path):
        code = (
            "import os, signal, sys; from pathlib import Path; from strongroom.jobs.leases import lease;"
            "from strongroom.jobs.clock import SystemClock; from strongroom.storage.local import LocalStorage;"
            "m = lease(LocalStorage(Path(sys.argv[1])), 'backup', 'dead', SystemClock()); m.__enter__();"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
        with lease(LocalStorage(tmp_path), "backup", "next", SystemClock()) as holder:
            assert holder.token == 2

    def test_a_holder_elsewhere_is_replaced_after_its_time(self, tmp_path):
        storage = LocalStorage(tmp_path)
        with lease(storage, "copy", "one", SystemClock()):
            held = json.loads(storage.get("leases/copy.json"))
            storage.put("leases/copy.json", json.dumps({**held, "host": "elsewhere"}).encode())

            class Later(SystemClock):
                def now(self):
                    return datetime.now(UTC) + timedelta(minutes=31)

            with pytest.raises(LeaseHeld), lease(storage, "copy", "two", SystemClock()):
                pytest.fail("two holders")
            with lease(storage, "copy", "two", Later()) as holder:
                assert holder.run_id == "two"

    def test_process_start_tells_a_living_process(self):
        assert process_start(os.getpid()) is not None
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        assert process_start(child.pid) is None
