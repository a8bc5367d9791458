"""The job backup: captures every source into the primary copy, then the restorer reads the run back and marks it.

The backup-writer cannot read what it wrote. Only a mark by the restorer lets later runs refer to a pack instead of
storing it again. Where one process may not act as both (on AWS each duty has its own task), the run ends PARTIAL with
"proof overdue" and the next drill marks it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from backup_jobs import opening
from backup_jobs.repository import RunWriter, VerifyReport, mark_verified
from backup_jobs.sources.contract import Source
from backup_jobs.sources.declared import captured_stores, source_of
from strongroom.errors import Denied, KeyFailure, UsageError
from strongroom.estate.manifest import Repository
from strongroom.jobs.contract import Context, Plan, Proof, RunState, Unit, UnitResult, Verdict


class BackupJob:
    """Options: `source`, a name or address or a list of them (default: every store that can be captured); `repository`;
    `escrow`, the public escrow key file; `full`, to read every file whatever the cache says; `allow_empty`, for a
    source that may hold nothing: else that ends the run PARTIAL.

    `before_commit` is called between the last pack of a source and its commit; tests kill the process there.
    """

    name = "backup"
    duty = "backup-writer"

    def __init__(self, before_commit: Callable[[str], None] | None = None) -> None:
        self._before_commit = before_commit
        self._writer: RunWriter | None = None
        self._addresses: dict[str, str] = {}

    def plan(self, ctx: Context) -> Plan:
        """A unit a source."""
        wanted = ctx.options.get("source")
        names = [wanted] if isinstance(wanted, str) else list(wanted or ())
        reason = "on-demand" if names else "due-age"
        names = names or [store.name for store in captured_stores(ctx.manifest)]
        if not names:
            raise UsageError("the manifest names no store that can be backed up", hint="pass --source")
        units = []
        for address in names:
            name = address if address in {s.name for s in ctx.manifest.stores} else self._source(ctx, address).name
            if name in self._addresses:
                raise UsageError(f"{name} was asked for twice: two addresses mean the same source")
            self._addresses[name] = address  # an address may hold a password: it stays out of units and journal
            units.append(Unit("backup", {"source": name}))
        left_out = [s.name for s in ctx.manifest.stores if s.kind in ("queue", "topic")]
        note = f"; not backed up: messages in flight in {', '.join(left_out)}" if left_out else ""
        return Plan(tuple(units), f"{len(units)} sources{note}", tuple(reason for _ in units))

    def execute(self, ctx: Context, unit: Unit) -> UnitResult:
        """Captures one source and commits it."""
        writer = self._begun(ctx)
        source = self._source(ctx, self._addresses[unit.arguments["source"]])
        with source.capture(writer.digest_key) as capture:
            facts: dict[str, Any] = {}

            def keep_facts() -> dict[str, Any]:
                facts.update(capture.facts())
                return facts

            summary = writer.backup(
                source.name,
                source.kind,
                capture.items(),
                keep_facts,
                cache=not ctx.options.get("full"),
                progress=ctx.progress,
                cancel=ctx.cancel,
            )
        if self._before_commit is not None:
            self._before_commit(source.name)
        commit = writer.commit(source.name)
        unreadable = sorted({*summary.unreadable, *(entry["path"] for entry in facts.get("skipped", ()))})
        reasons = (("unreadable-source",) if unreadable else ()) + (("source-changed",) if facts.get("changed") else ())
        nothing = not summary.files or ("tables" in facts and not facts["tables"])
        if nothing and not ctx.options.get("allow_empty"):
            reasons += ("empty-source",)  # what an unmounted disk or a wrong database looks like
        counts = {
            "sources": 1,
            "files": summary.files,
            "bytes": summary.bytes,
            "new_bytes": summary.new_bytes,
            "packs": summary.packs,
            "unreadable": len(unreadable),
            "tables": len(facts.get("tables", {})),
            "rows": sum(table["rows"] for table in facts.get("tables", {}).values()),
        }
        detail = {
            "source": source.name,
            "commit": commit,
            "consistent_at": facts.get("consistent_at"),
            "unreadable": unreadable[:100],
            "changed": list(facts.get("changed", ()))[:100],
            "warnings": list(writer.warnings),
            "gauges": [("backup_last_commit_timestamp_seconds", {"source": source.name}, ctx.clock.now().timestamp())],
        }
        state = RunState.PARTIAL if reasons else RunState.OK
        return UnitResult(unit.id, state, 3 if reasons else 0, reasons, counts, {}, detail)

    def verify(self, ctx: Context, results: tuple[UnitResult, ...]) -> Verdict:
        """Reads the run back as the restorer and marks it verified."""
        if not any("commit" in result.detail for result in results):
            return Verdict(RunState.OK, Proof.UNVERIFIED, (), "nothing was committed")
        repository = self._repository(ctx)
        try:
            report = read_back(ctx, repository, ctx.run_id)
        except Denied as refusal:
            message = f"committed, but not read back here: {refusal.message}; the next drill will"
            return Verdict(RunState.PARTIAL, Proof.UNVERIFIED, ("partial",), message, 3)
        except KeyFailure as failure:
            return Verdict(RunState.FAILED, Proof.UNVERIFIED, ("key-unusable",), failure.message, 5)
        if report.ok:
            return Verdict(RunState.OK, Proof.VERIFIED, (), _summary(results))
        named = ", ".join(f"{damage.name} ({damage.reason})" for damage in report.damaged[:5])
        return Verdict(RunState.FAILED, Proof.UNVERIFIED, ("integrity",), f"read-back failed: {named}", 6)

    def _begun(self, ctx: Context) -> RunWriter:
        if self._writer is None:
            repository = self._repository(ctx)
            copy = opening.primary(repository)
            writer = RunWriter(
                opening.data(ctx, self.duty, repository, copy),
                opening.control(ctx, self.duty, repository, copy),
                repository.id,
                opening.id_key(ctx, self.duty, repository),
                opening.wrappers(ctx, self.duty, repository),
                ctx.evidence.sign,
                ctx.clock,
                ctx.run_id,
                ctx.clock.now() + timedelta(days=repository.lock_days),
                trust=opening.trust(ctx),
            )
            writer.begin()
            self._writer = writer
        return self._writer

    def _source(self, ctx: Context, address: str) -> Source:
        return source_of(ctx, self.duty, address)

    @staticmethod
    def _repository(ctx: Context) -> Repository:
        return ctx.manifest.repository(str(ctx.options.get("repository") or ""))


def read_back(ctx: Context, repository: Repository, run: str) -> VerifyReport:
    """The restorer reads a run of the primary copy back and marks it verified if every blob has its id.

    Denied when this process may not act as the restorer; KeyFailure when no recipient's key opens the run.
    """
    copy = opening.primary(repository)
    return mark_verified(
        opening.control(ctx, "restorer", repository, copy),
        opening.data(ctx, "restorer", repository, copy),
        repository.id,
        run,
        opening.id_key(ctx, "restorer", repository),
        opening.unwrappers(ctx, "restorer", copy.recipients),
        ctx.evidence_of("restorer").sign,
        trust=opening.trust(ctx),
        progress=ctx.progress,
    )


def _summary(results: tuple[UnitResult, ...]) -> str:
    def total(name: str) -> int:
        return sum(result.counts.get(name, 0) for result in results)

    return (
        f"{total('sources')} sources, {total('files')} files and dumps, {total('bytes') / 1e6:.1f} MB, "
        f"{total('new_bytes') / 1e6:.1f} MB new in {total('packs')} packs; read back and verified"
    )
