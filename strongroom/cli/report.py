"""Collects what the auditors' report shows: manifest, copies, keys and the verified chain."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from backup_jobs.copies_matrix import MatrixRow
from strongroom.cli.copies import copy_facts, drill_statements, matrix
from strongroom.cli.key import states
from strongroom.evidence.report import Bar, KeyRow, ReportData, drill_rows, human, render
from strongroom.evidence.statement import moment
from strongroom.evidence.trust import Trust
from strongroom.evidence.verification import read_chain, verify_chain
from strongroom.jobs.collect_evidence import evidence_storage
from strongroom.jobs.context import JobContext, load_manifest


def write_report(env: str, to: Path) -> Path:
    """Writes the report of an environment as one HTML file and returns its path."""
    to.parent.mkdir(parents=True, exist_ok=True)
    temporary = to.with_name(f".{to.name}.{os.getpid()}")
    temporary.write_text(render(collect(env)))
    temporary.replace(to)
    return to


def collect(env: str) -> ReportData:
    """Reads everything with the restorer's and the rotator's credentials."""
    ctx = JobContext(load_manifest(env, "restorer"), job="report", duty="restorer")
    manifest = ctx.manifest
    trust = Trust.of(manifest.evidence.keys if manifest.evidence else ())
    envelopes = read_chain(evidence_storage(ctx, "restorer"), env)
    chain = verify_chain(envelopes, env, trust, as_of=ctx.clock.now(), accept_simulated=True)
    objectives = {
        s.name: (s.objective.rto_seconds, s.objective.rpo_seconds) for s in manifest.stores if s.objective is not None
    }
    drills = drill_rows(drill_statements(ctx), objectives)
    return ReportData(
        env=env,
        environment_kind=manifest.environment_kind,
        generated=ctx.clock.now(),
        manifest_digest=manifest.digest(),
        accounts=[
            (name, account.id, ", ".join(account.regions)) for name, account in sorted(manifest.accounts.items())
        ],
        stores=[_store(store) for store in manifest.stores],
        copies=_copies(ctx, drills),
        copies_note=[_matrix_sentence(row) for row in matrix(ctx)],
        drills=drills,
        keys=[_key(row) for row in states(env)],
        statements=[_statement(s) for s in chain.statements],
        findings=[f"{f.name}: {f.message}" for f in chain.findings],
        covered=chain.covered,
        head_time=chain.head_time,
        simulated=chain.simulated,
        signers=[(key.duty, key.keyid) for key in trust.keys.values()],
    )


def _store(store: Any) -> dict[str, Any]:
    objective = store.objective
    shown = f"{human(objective.rpo_seconds, 's')} / {human(objective.rto_seconds, 's')}" if objective else ""
    fields = ", ".join(f"{f.table}.{f.column}" for f in store.fields)
    return {
        "name": store.name,
        "kind": store.kind,
        "data_class": store.data_class,
        "key": store.key,
        "fields": fields,
        "objective": shown,
    }


def _copies(ctx: Any, drills: list[Any]) -> list[dict[str, Any]]:
    repository = ctx.manifest.repository()
    rows = []
    for copy in repository.copies:
        facts = copy_facts(ctx, repository, copy)
        whole = [fact for fact in facts if fact.complete]
        own = [d for d in drills if d.copy == copy.name]
        passed = sum(1 for d in own if d.state == "OK")
        rows.append(
            {
                "name": copy.name,
                "url": copy.url,
                "place": f"{copy.account or 'this machine'} {copy.region}".strip(),
                "locked": "yes" if whole and all(fact.locked for fact in whole) else "no",
                "recipients": ", ".join(copy.recipients),
                "newest": f"{len(whole)} of {len(facts)} sources complete" if facts else "nothing there",
                "drill": f"{passed} of {len(own)} passed" if own else "never drilled",
            }
        )
    return rows


def _matrix_sentence(row: MatrixRow) -> str:
    verdict = "holds" if row.holds else "does NOT hold"
    numbers = f"{row.copies} copies, {row.media} media, {row.offsite} off site, {row.locked} locked"
    return (
        f"{row.source}: {numbers}, {row.drill_errors} drill errors: 3-2-1-1-0 {verdict}. {' '.join(row.shared)}".strip()
    )


def _key(row: dict[str, Any]) -> KeyRow:
    age = None if "age_days" not in row else Bar(row["age_days"], row.get("rotation_days"), "days")
    return KeyRow(row["name"], row["purpose"], row["class"], row["state"], str(row.get("version", "")), age)


def _statement(statement: Any) -> dict[str, Any]:
    p = statement.predicate
    return {
        "sequence": p["sequence"],
        "kind": statement.kind,
        "job": p["job"],
        "duty": p["duty"],
        "state": p["state"],
        "finished": moment(p["finished"]).strftime("%Y-%m-%d %H:%M:%S"),
        "reasons": ", ".join(p["reasons"]),
    }
