"""Verifying the evidence chain: every signature, every link, every number, and the notary's heads.

What the chain alone cannot show is that its end was cut off. For that the notary signs a head (last sequence and its
hash) every day, even when idle, and keeps a copy elsewhere; `as_of` demands a head no older than 48 hours, and heads
given from elsewhere are compared with the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from strongroom.errors import ChainBroken, SignatureInvalid, StrongroomError
from strongroom.evidence.dsse import verify
from strongroom.evidence.log import GENESIS
from strongroom.evidence.statement import Statement, moment, name_of, sequence_of
from strongroom.evidence.trust import Trust
from strongroom.storage.contract import Storage

HEAD_MAX_AGE = timedelta(hours=48)


@dataclass(frozen=True)
class Finding:
    """One thing wrong with the evidence: the statement's name, a sentence, and the exit code it means."""

    name: str
    message: str
    exit_code: int


@dataclass
class ChainReport:
    """What verification found: statements in order, findings, the newest head and whether all is simulated."""

    statements: list[Statement] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    covered: int = 0
    head_time: datetime | None = None
    simulated: int = 0

    @property
    def intact(self) -> bool:
        """No finding at all."""
        return not self.findings


def read_chain(storage: Storage, env: str) -> dict[str, bytes]:
    """All envelopes of an environment, name to bytes, in order."""
    entries = storage.list(f"evidence/{env}/")
    return {entry.name: storage.get(entry.name) for entry in entries if sequence_of(entry.name) is not None}


def verify_chain(
    envelopes: Mapping[str, bytes],
    env: str,
    trust: Trust,
    *,
    as_of: datetime | None = None,
    foreign_heads: Iterable[bytes] = (),
    accept_simulated: bool = False,
) -> ChainReport:
    """Checks a whole chain and reports every finding; raises nothing.

    `envelopes` maps object names to bytes. `foreign_heads` are envelopes of kind `head` kept outside the bucket.
    """
    report = ChainReport()
    previous, expected = GENESIS, 1
    hashes: dict[int, str] = {0: GENESIS}  # the head of a chain that was empty
    for name in sorted(envelopes):
        sequence = sequence_of(name) or 0
        data = envelopes[name]
        while expected < sequence:
            _note(report, ChainBroken(f"statement {expected} was removed"), name_of(env, expected))
            expected += 1
            previous = ""
        digest = hashlib.sha256(data).hexdigest()
        hashes[sequence] = digest
        try:
            statement = verify(data, trust)
            _check_place(statement, env, sequence, previous)
        except StrongroomError as error:
            _note(report, error, name)
        else:
            report.statements.append(statement)
            report.names.append(name)
            report.simulated += bool(statement.predicate.get("simulated"))
            if statement.kind == "head":
                _check_head(report, statement, hashes, name)
        previous, expected = digest, sequence + 1
    for data in foreign_heads:
        _check_foreign_head(report, data, trust, hashes)
    if as_of is not None:
        _check_age(report, as_of, expected - 1)
    if report.simulated and not accept_simulated:
        message = f"{report.simulated} statements were made on a laptop cloud; pass --accept-simulated to accept them"
        _note(report, ChainBroken(message), name_of(env, 1))
    return report


def _check_place(statement: Statement, env: str, sequence: int, previous: str) -> None:
    predicate = statement.predicate
    if predicate.get("sequence") != sequence or predicate.get("env") != env:
        raise ChainBroken(f"the statement says it is number {predicate.get('sequence')} of {predicate.get('env')!r}")
    if previous and predicate.get("previous") != previous:
        raise ChainBroken("it does not follow the statement before it: one of the two was changed or replaced")


def _check_head(report: ChainReport, statement: Statement, hashes: Mapping[int, str], name: str) -> None:
    covered, digest = int(statement.predicate.get("covers", 0)), statement.predicate.get("covers_sha256")
    if hashes.get(covered) != digest:
        _note(report, ChainBroken(f"the notary's head saw another statement {covered}"), name)
        return
    report.covered = max(report.covered, covered)
    report.head_time = moment(str(statement.predicate["finished"]))


def _check_foreign_head(report: ChainReport, data: bytes, trust: Trust, hashes: Mapping[int, str]) -> None:
    try:
        statement = verify(data, trust)
        if statement.kind != "head":
            raise SignatureInvalid("not a head")
    except StrongroomError as error:
        _note(report, error, "head kept elsewhere")
        return
    own, covers = int(statement.predicate["sequence"]), int(statement.predicate["covers"])
    if hashes.get(own) != hashlib.sha256(data).hexdigest():
        _note(
            report,
            ChainBroken(f"a head kept elsewhere is missing from the chain at number {own}"),
            "head kept elsewhere",
        )
    if hashes.get(covers) != statement.predicate["covers_sha256"]:
        _note(report, ChainBroken(f"the chain was cut or changed at number {covers}"), "head kept elsewhere")


def _check_age(report: ChainReport, as_of: datetime, last: int) -> None:
    # the notary's own statements behind its head are the end of the run that signed it
    heads = sum(1 for s in report.statements if _is_notarys(s) and int(s.predicate["sequence"]) > report.covered)
    if report.head_time is None or as_of - report.head_time > HEAD_MAX_AGE:
        _note(report, ChainBroken(f"no head of the notary within 48 hours before {as_of.isoformat()}"), "head")
    elif last - heads > report.covered:
        uncovered = last - heads - report.covered
        _note(report, ChainBroken(f"{uncovered} statements after the notary's last head"), "head")


def _is_notarys(statement: Statement) -> bool:
    return statement.kind == "head" or (statement.kind == "run" and statement.predicate.get("duty") == "notary")


def _note(report: ChainReport, error: StrongroomError, name: str) -> None:
    report.findings.append(Finding(name, str(error), error.exit_code))
