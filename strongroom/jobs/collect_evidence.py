"""The job collect-evidence: verifies the whole chain, then the notary signs its head, even when nothing happened.

The head names the last sequence number and the hash of its envelope, so that a later cut of the chain's end shows. A
copy goes to the head bucket in a second Region where the manifest names one, and to the folder of option `heads`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from strongroom.errors import ManifestError
from strongroom.evidence.log import GENESIS
from strongroom.evidence.statement import sequence_of
from strongroom.evidence.trust import Trust
from strongroom.evidence.verification import ChainReport, read_chain, verify_chain
from strongroom.jobs.contract import Context, Plan, Proof, RunState, Unit, UnitResult, Verdict
from strongroom.storage.contract import Storage
from strongroom.storage.local import LocalStorage
from strongroom.storage.s3 import S3Storage


def evidence_storage(ctx: Context, duty: str) -> S3Storage:
    """The evidence bucket with a duty's credentials; ManifestError when there is none."""
    declared = ctx.manifest.evidence
    if declared is None:
        raise ManifestError("the manifest names no evidence bucket", hint="deploy the layer audit")
    # who has a role beside the evidence reads it there; the others are let in from their home account
    beside = duty in getattr(ctx.manifest.accounts.get("audit"), "roles", {})
    session = ctx.session(duty, "audit" if beside else ctx.home_account(duty))
    return S3Storage(session.client("s3", region_name=declared.region), declared.bucket)


class CollectEvidence:
    """Verifies the chain and signs its head."""

    name = "collect-evidence"
    duty = "notary"

    def plan(self, ctx: Context) -> Plan:
        """Always one unit: an idle day needs its head too."""
        return Plan((Unit("sign-head", {"env": ctx.env}),), "the whole chain is read", ("on-demand",))

    def execute(self, ctx: Context, unit: Unit) -> UnitResult:
        """Signs the head over the last statement and stores its copies."""
        storage = evidence_storage(ctx, self.duty)
        envelopes = read_chain(storage, ctx.env)
        last = max(envelopes, default="")
        covers = sequence_of(last) or 0
        digest = hashlib.sha256(envelopes[last]).hexdigest() if last else GENESIS
        body = {"covers": covers, "covers_sha256": digest, "counts": {"statements": len(envelopes)}}
        name = ctx.evidence.emit("head", body)
        copies = _store_copies(ctx, name, storage.get(name))
        detail = {"head": name, "covers": covers, "copies": copies}
        return UnitResult(
            unit.id, RunState.OK, counts={"statements": len(envelopes), "copies": len(copies)}, detail=detail
        )

    def verify(self, ctx: Context, results: tuple[UnitResult, ...]) -> Verdict:
        """Verifies the chain as it is now, heads included; a finding fails the run with its exit code."""
        report = verify_now(ctx, self.duty)
        if report.findings:
            first = report.findings[0]
            return Verdict(
                RunState.FAILED,
                Proof.UNVERIFIED,
                ("integrity",),
                f"{first.name}: {first.message}",
                error=first.exit_code,
            )
        return Verdict(RunState.OK, Proof.VERIFIED, message=f"{len(report.statements)} statements verified")


def verify_now(ctx: Context, duty: str) -> ChainReport:
    """Verifies the chain with the keys of the manifest and the heads kept in the head bucket."""
    declared = ctx.manifest.evidence
    trust = Trust.of(declared.keys if declared else ())
    heads = _foreign_heads(ctx, duty)
    return verify_chain(
        read_chain(evidence_storage(ctx, duty), ctx.env),
        ctx.env,
        trust,
        as_of=ctx.clock.now(),
        foreign_heads=heads,
        accept_simulated=ctx.manifest.environment_kind == "sandbox",
    )


def _head_stores(ctx: Context, duty: str) -> list[Storage]:
    declared = ctx.manifest.evidence
    stores: list[Storage] = []
    if declared is not None and declared.head_bucket:
        session = ctx.session(duty, ctx.home_account(duty))
        stores.append(S3Storage(session.client("s3"), declared.head_bucket))
    folder: Any = ctx.options.get("heads")
    if folder:
        stores.append(LocalStorage(Path(str(folder))))
    return stores


def _store_copies(ctx: Context, name: str, envelope: bytes) -> list[str]:
    made = []
    for store in _head_stores(ctx, "notary"):
        store.put(f"heads/{name}", envelope, if_absent=True)
        made.append(store.url)
    return made


def _foreign_heads(ctx: Context, duty: str) -> list[bytes]:
    return [store.get(entry.name) for store in _head_stores(ctx, duty) for entry in store.list("heads/")]
