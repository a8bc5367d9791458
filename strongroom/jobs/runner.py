"""The runner: plans, leases, executes, verifies and records a job; the only place that knows exit codes.

    plan -> lease -> journal -> units -> verify -> evidence `run` -> metrics -> exit code

Any instant may be the last: units are idempotent, so the next run plans again from real state. An unexpected
exception in a unit is reported by its type and place only, since its message may quote data.
"""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from strongroom.errors import StrongroomError, worst_exit_code
from strongroom.evidence.reasons import BY_EXIT_CODE
from strongroom.jobs import metrics
from strongroom.jobs.contract import Context, Job, Plan, Proof, RunState, Unit, UnitResult, Verdict
from strongroom.jobs.journal import Journal
from strongroom.jobs.leases import lease
from strongroom.progress import Silent
from strongroom.storage.contract import Storage

_EXIT_OF_STATE = {RunState.PARTIAL: 3, RunState.DEGRADED: 4, RunState.UNDETERMINED: 10}


@dataclass(frozen=True)
class RunReport:
    """How a run ended; `problems` are sentences for people, one a failed unit."""

    job: str
    run_id: str
    state: RunState
    proof: Proof
    exit_code: int
    plan: Plan
    results: tuple[UnitResult, ...] = ()
    message: str = ""
    evidence: str = ""
    duration: float = 0.0
    problems: tuple[str, ...] = ()
    dry_run: bool = False

    def to_json(self) -> dict[str, Any]:
        """A JSON object for --json."""
        return {
            "job": self.job,
            "run_id": self.run_id,
            "state": self.state.value,
            "proof": self.proof.value,
            "exit_code": self.exit_code,
            "dry_run": self.dry_run,
            "plan": {
                "units": [{"id": u.id, "kind": u.kind, "arguments": dict(u.arguments)} for u in self.plan.units],
                "estimate": self.plan.estimate,
                "reasons": list(self.plan.reasons),
            },
            "results": [r.to_json() for r in self.results],
            "problems": list(self.problems),
            "message": self.message,
            "evidence": self.evidence,
            "duration_seconds": round(self.duration, 3),
        }


@dataclass
class _Run:
    results: list[UnitResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def run_job(job: Job, ctx: Context, *, home: Path, leases: Storage | None, dry_run: bool = False) -> RunReport:
    """Runs a job once and reports; errors of units become part of the report, a failing plan or lease is raised.

    `home` holds journal and metrics. `leases` is the storage for leases; None runs without one (read-only jobs).
    """
    start = ctx.clock.monotonic()
    plan = job.plan(ctx)
    if dry_run:
        return RunReport(job.name, ctx.run_id, RunState.OK, Proof.UNVERIFIED, 0, plan, dry_run=True)
    journal = Journal(home / "journal", job.name, ctx.run_id)
    held = lease(leases, job.name, ctx.run_id, ctx.clock) if leases is not None else nullcontext()
    try:
        with held as holder:
            token = holder.token if holder else 0
            journal.write("planned", ctx.clock.now(), units=len(plan.units), reasons=plan.reasons, fencing_token=token)
            run = _execute(job, ctx, plan, journal)
            verdict = _verify(job, ctx, tuple(run.results), run)
            report = _conclude(job, ctx, plan, run, verdict, start, token)
            journal.write("ended", ctx.clock.now(), state=report.state.value, exit_code=report.exit_code)
    finally:
        journal.close()
    gauges = [g for r in report.results for g in r.detail.get("gauges", ())]
    metrics.write(
        home / "metrics",
        job.name,
        finished=ctx.clock.now().timestamp(),
        duration=report.duration,
        exit_code=report.exit_code,
        gauges=gauges,
    )
    return report


def _execute(job: Job, ctx: Context, plan: Plan, journal: Journal) -> _Run:
    """Runs the units in order, or several at a time where the job allows it and the option `parallel` asks for it."""
    run = _Run()
    limit = min(int(getattr(job, "most_parallel", 1)), int(ctx.options.get("parallel") or 1))
    with ExitStack() as stack:
        done: Iterable[tuple[UnitResult, str]] = map(partial(_execute_one, job, ctx, journal), plan.units)
        if limit > 1:
            ctx.progress = Silent()  # a bar follows one unit
            pool = stack.enter_context(ThreadPoolExecutor(limit, thread_name_prefix=job.name))
            done = pool.map(partial(_execute_one, job, ctx, journal), plan.units)
        for result, problem in done:
            run.results.append(result)
            run.problems += [problem] if problem else []
    return run


def _execute_one(job: Job, ctx: Context, journal: Journal, unit: Unit) -> tuple[UnitResult, str]:
    """One unit's result, and a sentence for people when it failed."""
    if ctx.cancel.is_set():
        interrupted = UnitResult(unit.id, RunState.PARTIAL, 3, ("interrupted",))
        return interrupted, f"{unit.kind}: not started, the run was asked to stop"
    journal.write("started", ctx.clock.now(), unit=unit.id, kind=unit.kind)
    problem = ""
    try:
        result = job.execute(ctx, unit)
    except StrongroomError as error:
        result = _failed(unit, error.exit_code)
        problem = f"{unit.kind}: {error}"
    except Exception as error:
        result = _failed(unit, 1)
        problem = f"{unit.kind}: internal error {type(error).__name__} at {_place(error)}"
    journal.write("finished", ctx.clock.now(), unit=unit.id, state=result.state.value, error=result.error)
    return result, problem


def _failed(unit: Unit, exit_code: int) -> UnitResult:
    states = {3: RunState.PARTIAL, 4: RunState.DEGRADED, 10: RunState.UNDETERMINED}
    return UnitResult(unit.id, states.get(exit_code, RunState.FAILED), exit_code, (BY_EXIT_CODE[exit_code],))


def _verify(job: Job, ctx: Context, results: tuple[UnitResult, ...], run: _Run) -> Verdict:
    try:
        return job.verify(ctx, results)
    except StrongroomError as error:
        run.problems.append(f"verification: {error}")
        code = error.exit_code
    except Exception as error:
        run.problems.append(f"verification: internal error {type(error).__name__} at {_place(error)}")
        code = 1
    return Verdict(RunState.FAILED, Proof.UNVERIFIED, (BY_EXIT_CODE[code],), error=code)


def _conclude(job: Job, ctx: Context, plan: Plan, run: _Run, verdict: Verdict, start: float, token: int) -> RunReport:
    codes = [r.error for r in run.results] + [_EXIT_OF_STATE.get(r.state, 0) for r in run.results]
    codes += [verdict.error, _EXIT_OF_STATE.get(verdict.state, 0)]
    state = _worst_state([r.state for r in run.results] + [verdict.state])
    if state is RunState.FAILED and not any(codes):
        codes.append(1)
    exit_code = worst_exit_code(codes)
    proof = verdict.proof if exit_code == 0 else Proof.UNVERIFIED
    reasons = dict.fromkeys([*plan.reasons, *(c for r in run.results for c in r.reasons), *verdict.reasons])
    body = {
        "state": state.value,
        "proof": proof.value,
        "exit_code": exit_code,
        "fencing_token": token,
        "plan_sha256": plan_digest(plan),
        "counts": _sum([r.counts for r in run.results]) | {"units": len(plan.units)},
        "reasons": list(reasons) or ["nothing-due"],
    }
    digests = {name: digest for r in run.results for name, digest in r.digests.items()}
    name = ""
    try:
        name = ctx.evidence.emit("run", body, inputs=digests)
    except StrongroomError as error:
        run.problems.append(f"evidence: {error}")
        exit_code = worst_exit_code([exit_code, error.exit_code])
        state, proof = RunState.FAILED, Proof.UNVERIFIED
    return RunReport(
        job=job.name,
        run_id=ctx.run_id,
        state=state,
        proof=proof,
        exit_code=exit_code,
        plan=plan,
        results=tuple(run.results),
        message=verdict.message,
        evidence=name,
        duration=ctx.clock.monotonic() - start,
        problems=tuple(run.problems),
    )


def plan_digest(plan: Plan) -> str:
    """SHA-256 over the ids of a plan's units; approvals and evidence name a plan by it."""
    return hashlib.sha256(json.dumps([u.id for u in plan.units]).encode()).hexdigest()


def _worst_state(states: list[RunState]) -> RunState:
    order = (RunState.FAILED, RunState.UNDETERMINED, RunState.DEGRADED, RunState.PARTIAL, RunState.OK)
    return next((s for s in order if s in states), RunState.OK)


def _sum(parts: list[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    last = frames[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
