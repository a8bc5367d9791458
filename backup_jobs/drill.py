"""The job drill: restores every source from every copy with every recipient's key into scratch, and compares.

A unit is source x copy x recipient. One recipient of each copy gets the full rehearsal (restored, engine up, contents
and fields compared), another one each day; the others read every pack back with their own key. Verdicts:

    PASS           everything came back as the backup recorded it
    FAIL           the backup is not what it must be: names the pack, table, file or key
    UNDETERMINED   this host or the network could not answer; says nothing about the backup (exit 10, 8 or 9)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from backup_jobs import opening
from backup_jobs.backup import read_back
from backup_jobs.drill_checks import open_sampled_fields, open_slot_in, read_shares
from backup_jobs.rehearsal import BeforeCheck, Findings, Rehearsal
from backup_jobs.repository import RepositoryReader, RunInfo, Snapshot, catalogue
from backup_jobs.repository.layout import snapshot_name
from backup_jobs.scratch.openbao import ScratchVault
from backup_jobs.sources.declared import captured_stores, source_of
from strongroom.errors import Degraded, IntegrityFailure, StrongroomError, UsageError, worst_exit_code
from strongroom.estate.manifest import Copy, Repository, Store
from strongroom.jobs.contract import Context, Plan, Proof, RunState, Unit, UnitResult, Verdict
from strongroom.jobs.credentials import home
from strongroom.keys.handles import Unwrapper
from strongroom.storage.contract import Storage

PASS, FAIL, UNDETERMINED = "PASS", "FAIL", "UNDETERMINED"
_REASON_OF_EXIT = {5: "key-withheld", 6: "integrity", 8: "storage-failed", 9: "refused", 10: "scratch-unavailable"}


class DrillJob:
    """Options: `source` (name or names), `copy`, `recipient` (names, comma-separated), `depth` (full | open),
    `repository`, `unseal_shares`, `escrow_key` with `escrow_passphrase` (drills the offline key too), `parallel`:
    restores at a time, which share this host, so that each takes longer than alone.

    `before_check` is called with the loaded scratch system before it is compared: negative controls break it there.
    """

    name = "drill"
    duty = "restorer"
    most_parallel = 8

    def __init__(self, before_check: BeforeCheck | None = None) -> None:
        self._before_check: BeforeCheck = before_check or (lambda _kind, _address: None)
        self._keys: dict[str, Unwrapper] = {}
        self._unbelieved: list[str] = []
        self._note = ""
        self._opening = Lock()

    def plan(self, ctx: Context) -> Plan:
        """A unit for every source, copy and recipient whose key can be used here."""
        repository = self._repository(ctx)
        asked = str(ctx.options.get("depth") or "")
        if asked not in ("", "full", "open"):
            raise UsageError(f"a drill has no depth {asked!r}", hint="depth=full or depth=open")
        copies = opening.copies_wanted(ctx, repository)
        named = opening.recipients_wanted(ctx, copies)
        keys: dict[str, list[str]] = {}
        left_out: list[str] = []
        for copy in copies:
            usable = [n for n in copy.recipients if n != opening.ESCROW or opening.has_escrow_key(ctx)]
            wanted = [n for n in usable if not named or n in named]
            if wanted:
                keys[copy.name] = wanted
            elif not named:
                left_out.append(f"{copy.name} (needs {', '.join(copy.recipients)})")
        if not keys:
            raise UsageError("nothing can be drilled without the escrow key", hint="escrow_key and escrow_passphrase")
        found = {copy.name: self._latest(ctx, repository, copy) for copy in copies if copy.name in keys}
        sources = self._wanted_sources(ctx, list(dict.fromkeys(name for latest in found.values() for name in latest)))
        units: list[Unit] = []
        for copy_name, latest in found.items():
            wanted = keys[copy_name]
            full = wanted[ctx.clock.now().date().toordinal() % len(wanted)]
            for source in sources:
                run = latest[source].run if source in latest else ""
                for recipient in wanted:
                    depth = asked or ("full" if recipient == full else "open")
                    arguments = {"copy": copy_name, "source": source, "recipient": recipient, "run": run}
                    units.append(Unit("drill", {**arguments, "depth": depth}))
        # the long ones first: where several run at a time, none is left over at the end
        units.sort(key=lambda unit: unit.arguments["depth"] != "full")
        self._note = f"; not drilled without the escrow key: {', '.join(left_out)}" if left_out else ""
        return Plan(tuple(units), f"{len(units)} restores into scratch{self._note}", tuple("on-demand" for _ in units))

    def execute(self, ctx: Context, unit: Unit) -> UnitResult:
        """Rehearses one restore and records it as evidence, whatever the verdict."""
        findings = Findings()
        snapshot: Snapshot | None = None
        code, problem = 0, ""
        try:
            snapshot = self._open(ctx, unit, findings)
            self._rehearse(ctx, unit, snapshot, findings)
        except StrongroomError as failure:
            code, problem = failure.exit_code, str(failure)
            if not findings.reasons:
                findings.reasons.append(_REASON_OF_EXIT.get(code, "undetermined"))
        if findings.problems:
            code = code if code in (5, 6) else 6
        verdict = FAIL if code in (4, 5, 6) else UNDETERMINED if code else PASS
        return self._record(ctx, unit, snapshot, findings, verdict, code, problem)

    def verify(self, ctx: Context, results: tuple[UnitResult, ...]) -> Verdict:
        """Names what failed; marks runs of the primary that no read-back has marked yet."""
        failed = [r for r in results if r.detail.get("verdict") == FAIL]
        open_ = [r for r in results if r.detail.get("verdict") == UNDETERMINED]
        if failed:
            worst = worst_exit_code(result.error for result in failed)
            state = RunState.DEGRADED if worst == 4 else RunState.FAILED
            return Verdict(state, Proof.UNVERIFIED, (), _sentences(failed), worst)
        if open_:
            worst = worst_exit_code(result.error for result in open_)
            return Verdict(RunState.UNDETERMINED, Proof.UNVERIFIED, (), _sentences(open_), worst)
        if self._unbelieved:
            message = f"not drilled, its signature does not hold: {', '.join(self._unbelieved[:5])}"
            return Verdict(RunState.FAILED, Proof.UNVERIFIED, ("integrity",), message, 6)
        marked = self._mark_unverified(ctx)
        late = [r for r in results if r.state is RunState.PARTIAL]
        passed = sum(1 for result in results if result.detail.get("verdict") == PASS)
        summary = f"{passed} of {len(results)} restores passed" + (f"; {marked} runs marked verified" if marked else "")
        summary += self._note
        if late:
            return Verdict(RunState.PARTIAL, Proof.VERIFIED, (), f"{summary}; {_sentences(late)}", 3)
        return Verdict(RunState.OK, Proof.VERIFIED, (), summary)

    def _open(self, ctx: Context, unit: Unit, findings: Findings) -> Snapshot:
        repository, copy = self._where(ctx, unit)
        source, run, recipient = (str(unit.arguments[name]) for name in ("source", "run", "recipient"))
        if not run:
            findings.reasons.append("copy-behind")
            raise Degraded(f"copy {copy.name} holds no backup of {source}", hint="run: strongroom job run copy")
        with findings.phase("open", ctx.clock):
            keys = {recipient: self._key(ctx, recipient)}
            storage = opening.data(ctx, self.duty, repository, copy)
            return RepositoryReader(storage, repository.id, keys, opening.trust(ctx)).open(source, run)

    def _key(self, ctx: Context, recipient: str) -> Unwrapper:
        """The key of a recipient, opened once a run: the escrow key's passphrase and checks take most of a second."""
        with self._opening:
            if recipient not in self._keys:
                self._keys[recipient] = opening.unwrapper(ctx, self.duty, recipient)
            return self._keys[recipient]

    def _rehearse(self, ctx: Context, unit: Unit, snapshot: Snapshot, findings: Findings) -> None:
        with findings.phase("verify", ctx.clock):
            report = snapshot.verify(ctx.progress)
        findings.counts |= {"packs": report.packs, "blobs": report.blobs}
        for damage in report.damaged:
            reason = "missing-object" if "missing" in damage.reason else "corrupt-object"
            findings.add(reason, f"{damage.name}: {damage.reason}")
        if report.damaged or unit.arguments["depth"] != "full":
            return
        repository, copy = self._where(ctx, unit)
        recipient = str(unit.arguments["recipient"])
        storage = opening.data(ctx, self.duty, repository, copy)
        shares = Path(str(ctx.options.get("unseal_shares") or home() / "vault" / "unseal"))
        transit = {
            name: ctx.manifest.key(name).ref
            for name in copy.recipients
            if name != opening.ESCROW and ctx.manifest.key(name).provider == "transit"
        }

        def check_database(dsn: str, found: Findings) -> None:
            store = self._store(ctx, snapshot.commit.source)
            if store is not None and store.fields:
                open_sampled_fields(dsn, store.fields, recipient, self._key(ctx, recipient), found)

        def check_vault(server: ScratchVault, found: Findings) -> None:
            self._check_slots(server, storage, snapshot, transit, found)

        rehearsal = Rehearsal(ctx.clock, lambda: read_shares(shares), check_database, check_vault, self._before_check)
        rehearsal.run(snapshot, findings)

    @staticmethod
    def _check_slots(
        server: ScratchVault, storage: Storage, snapshot: Snapshot, transit: dict[str, str], findings: Findings
    ) -> None:
        open_slot_in(server, storage, snapshot.commit.run, snapshot.commit.commitment, transit, findings)

    def _record(
        self,
        ctx: Context,
        unit: Unit,
        snapshot: Snapshot | None,
        findings: Findings,
        verdict: str,
        code: int,
        problem: str,
    ) -> UnitResult:
        source = str(unit.arguments["source"])
        store = self._store(ctx, source)
        objective = store.objective if store else None
        rto = sum(seconds for name, seconds in findings.phases.items() if name != "verify")
        rpo = _rpo(ctx, snapshot)
        late: list[str] = []
        if verdict == PASS and objective:
            late += ["rto-exceeded"] if rto > objective.rto_seconds else []
            late += ["rpo-exceeded"] if rpo is not None and rpo > objective.rpo_seconds else []
        state = {
            FAIL: RunState.DEGRADED if code == 4 else RunState.FAILED,
            UNDETERMINED: RunState.UNDETERMINED,
            PASS: RunState.PARTIAL if late else RunState.OK,
        }[verdict]
        reasons = tuple(dict.fromkeys([*findings.reasons, *late]))
        inputs = {snapshot_name(source, snapshot.commit.run): snapshot.commit.snapshot} if snapshot else {}
        body = {
            **unit.arguments,
            "verdict": verdict,
            "state": state.value,
            "phases_ms": {name: round(seconds * 1000) for name, seconds in findings.phases.items()},
            "rto_ms": round(rto * 1000),
            "rpo_seconds": rpo,
            "objective": None if objective is None else objective.model_dump(),
            "differences": len(findings.problems),
            "counts": findings.counts,
            "reasons": list(reasons),
        }
        name = ctx.evidence.emit("drill", body, inputs=inputs)
        labels = {"source": source, "copy": str(unit.arguments["copy"]), "recipient": str(unit.arguments["recipient"])}
        gauges: list[tuple[str, dict[str, str], float]] = [("drill_rto_seconds", labels, rto)]
        if rpo is not None:
            gauges.append(("drill_rpo_seconds", labels, float(rpo)))
        if verdict == PASS:
            gauges.append(("backup_last_drill_pass_timestamp_seconds", labels, ctx.clock.now().timestamp()))
        problems = findings.problems or ([problem] if problem else [])
        detail = {
            **unit.arguments,
            "verdict": verdict,
            "problems": problems,
            "phases": {phase: round(seconds, 3) for phase, seconds in findings.phases.items()},
            "rto_seconds": round(rto, 3),
            "rpo_seconds": rpo,
            "late": late,
            "evidence": name,
            "gauges": gauges,
        }
        return UnitResult(unit.id, state, 3 if late else code, reasons, findings.counts, inputs, detail)

    def _mark_unverified(self, ctx: Context) -> int:
        repository = self._repository(ctx)
        copy = opening.primary(repository)
        latest = self._latest(ctx, repository, copy, with_marks=True)
        unmarked = sorted({info.run for info in latest.values() if not info.verified})
        for run in unmarked:
            report = read_back(ctx, repository, run)
            if not report.ok:
                raise IntegrityFailure(f"read-back of run {run}: {report.damaged[0].name} {report.damaged[0].reason}")
        return len(unmarked)

    def _latest(self, ctx: Context, repository: Repository, copy: Copy, with_marks: bool = False) -> dict[str, RunInfo]:
        storage = opening.data(ctx, self.duty, repository, copy)
        control = opening.control(ctx, self.duty, repository, copy) if with_marks else None
        reader = RepositoryReader(storage, repository.id, {}, opening.trust(ctx), control=control)
        infos = reader.runs()
        self._unbelieved += [f"{copy.name}: {name}" for name in catalogue.unbelieved(infos)]
        return {info.source: info for info in infos if info.signature_state != "invalid"}

    def _wanted_sources(self, ctx: Context, backed_up: list[str]) -> list[str]:
        known = list(dict.fromkeys([*(s.name for s in captured_stores(ctx.manifest)), *backed_up]))
        option = ctx.options.get("source")
        asked = [option] if isinstance(option, str) else [str(name) for name in option or ()]
        # an address may hold a password: units, evidence and metrics get the name that its backup has
        return [a if a in known else source_of(ctx, self.duty, a).name for a in asked] if asked else known

    def _where(self, ctx: Context, unit: Unit) -> tuple[Repository, Copy]:
        repository = self._repository(ctx)
        return repository, opening.copy_named(repository, str(unit.arguments["copy"]))

    @staticmethod
    def _store(ctx: Context, name: str) -> Store | None:
        return next((store for store in ctx.manifest.stores if store.name == name), None)

    @staticmethod
    def _repository(ctx: Context) -> Repository:
        return ctx.manifest.repository(str(ctx.options.get("repository") or ""))


def _rpo(ctx: Context, snapshot: Snapshot | None) -> int | None:
    """Seconds between the moment the backup shows and now; None when the snapshot could not be opened."""
    if snapshot is None or "consistent_at" not in snapshot.facts:
        return None
    at = datetime.fromisoformat(str(snapshot.facts["consistent_at"]).replace("Z", "+00:00")).astimezone(UTC)
    return max(0, round((ctx.clock.now() - at).total_seconds()))


def _sentences(results: Sequence[UnitResult]) -> str:
    def one(result: UnitResult) -> str:
        detail: Any = result.detail
        what = "; ".join(detail["problems"][:3] or detail["late"])
        return f"{detail['source']} from {detail['copy']} with {detail['recipient']}: {what}"

    return " | ".join(one(result) for result in results[:5])
