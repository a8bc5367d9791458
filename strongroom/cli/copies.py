"""What the copies of the backups are worth: facts read from every copy and from the drills' evidence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backup_jobs import opening
from backup_jobs.copies_matrix import CopyFacts, DrillFacts, MatrixRow, copies_matrix
from backup_jobs.repository import catalogue
from backup_jobs.sources.declared import captured_stores
from strongroom.errors import StrongroomError
from strongroom.estate.manifest import Copy, Repository
from strongroom.evidence.dsse import verify
from strongroom.evidence.statement import Statement, moment
from strongroom.evidence.trust import Trust
from strongroom.evidence.verification import read_chain
from strongroom.jobs.collect_evidence import evidence_storage

DRILL_WINDOW = timedelta(days=31)


def copy_facts(ctx: Any, repository: Repository, copy: Copy) -> list[CopyFacts]:
    """One fact a source found in a copy; an unreachable copy has none."""
    try:
        storage = opening.data(ctx, "restorer", repository, copy)
        infos = catalogue.runs(storage, trust=opening.trust(ctx))
    except StrongroomError:
        return []
    newest = {info.source: info.run for info in infos if info.signature_state != "invalid"}
    found = []
    for source, run in sorted(newest.items()):
        closure = catalogue.closure(storage, source, run)
        retained = storage.retained_until(closure.names[-1]) if closure.complete else None
        found.append(
            CopyFacts(
                source=source,
                copy=copy.name,
                medium="object storage" if copy.backend == "s3" else "disk",
                account=copy.account,
                region=copy.region,
                keys=frozenset(copy.recipients) - {"escrow"} or frozenset({"escrow"}),
                deleters=frozenset({f"administrators of {copy.account or 'the disk'}"}),
                complete=closure.complete,
                locked=copy.backend == "s3" and retained is not None and retained > ctx.clock.now(),
            )
        )
    return found


def drill_statements(ctx: Any) -> list[Statement]:
    """Every drill in the chain whose signature holds."""
    trust = Trust.of(ctx.manifest.evidence.keys)
    found = []
    for data in read_chain(evidence_storage(ctx, "restorer"), ctx.env).values():
        try:
            statement = verify(data, trust)
        except StrongroomError:
            continue
        if statement.kind == "drill":
            found.append(statement)
    return found


def drill_facts(statements: list[Statement]) -> list[DrillFacts]:
    """The newest drill of each source, copy and recipient; one that only read the packs back proves no restore."""
    newest = {}
    for statement in statements:
        p = statement.predicate
        if p["verdict"] == "PASS" and p["depth"] != "full":
            continue
        place = (str(p["source"]), str(p["copy"]), str(p["recipient"]))
        newest[place] = DrillFacts(*place, p["verdict"], moment(str(p["finished"])))
    return list(newest.values())


def matrix(ctx: Any) -> list[MatrixRow]:
    """3-2-1-1-0 of every source."""
    repository = ctx.manifest.repository()
    facts = [fact for copy in repository.copies for fact in copy_facts(ctx, repository, copy)]
    drills = drill_facts(drill_statements(ctx))
    stores = [store.name for store in captured_stores(ctx.manifest)]
    return copies_matrix(facts, drills, now=ctx.clock.now(), window=DRILL_WINDOW, sources=stores)
