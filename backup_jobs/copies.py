"""The job copy: brings every further copy of a repository up to date and heals what is damaged there.

The copier holds no key that opens anything. Objects are compared by hash: packs and indexes by their names, the rest
by the signed commit. Each run reads a share of what a copy already holds, so that bit rot is found within
CYCLE runs, and everything when the copy is small.
"""

from __future__ import annotations

from dataclasses import dataclass

from backup_jobs import opening
from backup_jobs.repository import RunInfo, catalogue
from backup_jobs.repository.copying import copy_run
from strongroom.errors import Degraded, Transient, UsageError
from strongroom.estate.manifest import Copy, Repository
from strongroom.jobs.contract import Context, Plan, Proof, RunState, Unit, UnitResult, Verdict
from strongroom.storage.contract import Storage

#: Bytes of one copy that a run reads to compare hashes; a larger copy is read in turns, one slice of runs each day.
READ_BUDGET = 8 << 30


@dataclass(frozen=True, slots=True)
class _Pending:
    """What a target lacks, what is due to be read again there, and which runs have a damaged commit there."""

    missing: tuple[str, ...]
    due: tuple[str, ...]
    damaged: frozenset[str]


class CopyJob:
    """Options: `copy`, the name of one target; `repository`; `suspect`, names of objects to compare whatever is due
    (comma-separated).
    """

    name = "copy"
    duty = "copier"

    def plan(self, ctx: Context) -> Plan:
        """A unit a target copy; the estimate says how many runs each lacks."""
        repository = self._repository(ctx)
        targets = [copy for copy in opening.copies_wanted(ctx, repository) if copy in repository.copies[1:]]
        if not targets:
            raise UsageError(f"{opening.primary(repository).name} is what the others are copied from, not a target")
        units = tuple(Unit("copy", {"repository": repository.id, "copy": target.name}) for target in targets)
        origin = opening.primary(repository).name
        return Plan(units, f"{len(units)} copies from {origin}", tuple("on-demand" for _ in units))

    def execute(self, ctx: Context, unit: Unit) -> UnitResult:
        """Copies to one target; DEGRADED when the target cannot be reached or written."""
        repository = self._repository(ctx)
        copy = opening.copy_named(repository, str(unit.arguments["copy"]))
        source = opening.data(ctx, self.duty, repository, opening.primary(repository))
        if not _runs(ctx, source):
            raise Degraded(f"{source.url} holds no backup to copy", hint="run: strongroom job run backup")
        try:
            target = opening.data(ctx, self.duty, repository, copy)
            pending = self._pending(ctx, source, target)
        except Transient as failure:
            return _behind(unit, copy, failure)
        suspects = [name for name in str(ctx.options.get("suspect") or "").split(",") if name]
        copied: set[str] = set()
        healed: set[str] = set()
        written = present = 0
        for run in (*pending.missing, *pending.due):
            try:
                result = copy_run(
                    source,
                    target,
                    run,
                    copy.recipients,
                    check_present=run in pending.due or run in pending.damaged,
                    suspects=suspects,
                    trust=opening.trust(ctx),
                    progress=ctx.progress,
                    cancel=ctx.cancel,
                )
            except Transient as failure:
                return _behind(unit, copy, failure)
            copied.update(result.copied)
            healed.update(result.healed)
            written, present = written + result.bytes, present + result.present
        counts = {
            "runs_copied": len(pending.missing),
            "runs_compared": len(pending.due),
            "objects_copied": len(copied),
            "objects_healed": len(healed),
            "objects_compared": present,
            "bytes_written": written,
        }
        reasons = ("copy-healed",) if healed else ()
        body = {"repository": repository.id, "copy": copy.name, "state": "OK", "counts": counts, "reasons": reasons}
        name = ctx.evidence.emit("copy", body)
        detail = {"copy": copy.name, "evidence": name, "healed": sorted(healed), "copied": len(copied)}
        return UnitResult(unit.id, RunState.OK, 0, reasons, counts, {}, detail)

    def verify(self, ctx: Context, results: tuple[UnitResult, ...]) -> Verdict:
        """Every committed snapshot of the primary must be complete in each target that was brought up to date."""
        repository = self._repository(ctx)
        source = opening.data(ctx, self.duty, repository, opening.primary(repository))
        done = {str(result.detail.get("copy")) for result in results if result.state is RunState.OK}
        unbelieved = catalogue.unbelieved(catalogue.runs(source, "", opening.trust(ctx)))
        if unbelieved:
            message = f"not copied, its signature does not hold: {', '.join(unbelieved[:5])}"
            return Verdict(RunState.FAILED, Proof.UNVERIFIED, ("integrity",), message, 6)
        lacking: list[str] = []
        for copy in repository.copies[1:]:
            if copy.name in done:
                target = opening.data(ctx, self.duty, repository, copy)
                lacking += [f"{copy.name}: {name}" for name in lacking_in(ctx, source, target, copy)]
        if lacking:
            message = f"incomplete after the copy: {', '.join(lacking[:5])}"
            return Verdict(RunState.DEGRADED, Proof.UNVERIFIED, ("copy-behind",), message, 4)
        if not done:
            return Verdict(RunState.OK, Proof.UNVERIFIED, (), "no copy was brought up to date")
        healed = [name for result in results for name in result.detail.get("healed", ())]
        message = f"healed {', '.join(healed[:5])}" if healed else f"{len(done)} copies complete"
        return Verdict(RunState.OK, Proof.VERIFIED, (), message)

    def _pending(self, ctx: Context, source: Storage, target: Storage) -> _Pending:
        committed = _runs(ctx, source)
        held = catalogue.runs(target, "", opening.trust(ctx))
        there = {(info.source, info.run) for info in held if info.signature_state != "invalid"}
        damaged = {info.run for info in held if info.signature_state == "invalid"}
        missing = {info.run for info in committed if (info.source, info.run) not in there}
        present = sorted({info.run for info in committed} - missing)
        total = sum(entry.size for entry in target.list("packs/")) if present else 0
        turns = max(1, -(-total // READ_BUDGET))
        today = ctx.clock.now().date().toordinal() % turns
        due = [run for number, run in enumerate(present) if number % turns == today]
        return _Pending(tuple(sorted(missing)), tuple(due), frozenset(damaged))

    @staticmethod
    def _repository(ctx: Context) -> Repository:
        return ctx.manifest.repository(str(ctx.options.get("repository") or ""))


def lacking_in(ctx: Context, source: Storage, target: Storage, copy: Copy) -> list[str]:
    """Names of what the target lacks for the newest snapshot of each source, its recipients' slots included."""
    newest = {info.source: info.run for info in _runs(ctx, source)}
    lacking: list[str] = []
    for name, run in newest.items():
        lacking += catalogue.closure(target, name, run, recipients=copy.recipients, trust=opening.trust(ctx)).missing
    return lacking


def _runs(ctx: Context, storage: Storage) -> list[RunInfo]:
    return [i for i in catalogue.runs(storage, "", opening.trust(ctx)) if i.signature_state != "invalid"]


def _behind(unit: Unit, copy: Copy, failure: Transient) -> UnitResult:
    detail = {"copy": copy.name, "problem": failure.message}
    return UnitResult(unit.id, RunState.DEGRADED, 4, ("copy-behind",), {}, {}, detail)
