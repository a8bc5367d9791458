"""Writing evidence: each statement takes the next sequence number by conditional put and names its predecessor.

Two duties that write at once both aim at the same number; one wins, the other links to the winner and signs again.
A duty needs only: Sign with its own key, list, Get the last envelope, Put the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from strongroom.errors import Exists, Transient
from strongroom.evidence.dsse import Signer, read_unverified, seal
from strongroom.evidence.statement import Statement, check_reasons, name_of, sequence_of, timestamp
from strongroom.storage.contract import Storage

ATTEMPTS = 200
GENESIS = "0" * 64
RETENTION = timedelta(days=6 * 366)


@dataclass(frozen=True)
class Author:
    """Who speaks: the fields that every statement of a run shares."""

    env: str
    job: str
    duty: str
    principal: str
    run_id: str
    simulated: bool
    manifest: str


class ChainedLog:
    """The evidence log of one duty in one run; implements `strongroom.jobs.contract.EvidenceLog`.

    `now` is the run's clock; `retention` None leaves retention to the bucket's default (sandbox).
    """

    def __init__(
        self,
        storage: Storage,
        signer: Signer,
        author: Author,
        now: Callable[[], datetime],
        retention: timedelta | None = RETENTION,
    ) -> None:
        self._storage, self._signer, self._author = storage, signer, author
        self._now, self._retention = now, retention
        self._started = now()
        self._last = 0
        self._one = Lock()

    def emit(self, kind: str, body: Mapping[str, Any], *, inputs: Mapping[str, str] | None = None) -> str:
        """Signs and stores one statement; returns its name. Transient when the log stays contended."""
        reasons: Sequence[str] = list(body.get("reasons", []))
        check_reasons(reasons)
        with self._one:  # units of one run need not race each other
            return self._append(kind, body, inputs, reasons)

    def _append(
        self, kind: str, body: Mapping[str, Any], inputs: Mapping[str, str] | None, reasons: Sequence[str]
    ) -> str:
        for _ in range(ATTEMPTS):
            sequence, previous = self._tail()
            predicate = {
                **body,
                **self._common(inputs),
                "sequence": sequence + 1,
                "previous": previous,
                "state": str(body.get("state", "OK")),
                "counts": dict(body.get("counts", {})),
                "reasons": list(reasons),
            }
            subjects = tuple((item["name"], item["sha256"]) for item in predicate["inputs"])
            name = name_of(self._author.env, sequence + 1)
            envelope = seal(Statement(kind, subjects, predicate), self._signer)
            until = self._now() + self._retention if self._retention else None
            try:
                self._storage.put(name, envelope, if_absent=True, retain_until=until)
            except Exists:
                continue
            self._last = sequence + 1
            return name
        raise Transient(f"the evidence log of {self._author.env} was taken {ATTEMPTS} times in a row", hint="run again")

    def sign(self, kind: str, statement: Mapping[str, Any]) -> bytes:
        """Signs a statement that lies elsewhere (a commit in its repository); it is not chained."""
        check_reasons(list(statement.get("reasons", [])))
        predicate = {**self._common(None), **statement, "env": self._author.env, "duty": self._author.duty}
        subjects = tuple((item["name"], item["sha256"]) for item in predicate.get("inputs", []))
        return seal(Statement(kind, subjects, predicate), self._signer)

    def _common(self, inputs: Mapping[str, str] | None) -> dict[str, Any]:
        author = self._author
        return {
            "env": author.env,
            "run_id": author.run_id,
            "job": author.job,
            "duty": author.duty,
            "principal": author.principal,
            "simulated": author.simulated,
            "manifest": author.manifest,
            "started": timestamp(self._started),
            "finished": timestamp(self._now()),
            "inputs": [{"name": name, "sha256": digest} for name, digest in sorted((inputs or {}).items())],
        }

    def _tail(self) -> tuple[int, str]:
        after = name_of(self._author.env, self._last - 1) if self._last > 1 else ""
        last = ""
        for entry in self._storage.list(f"evidence/{self._author.env}/", after=after):
            if sequence_of(entry.name) is not None:
                last = entry.name
        if not last:
            return 0, GENESIS
        data = self._storage.get(last)
        read_unverified(data)
        return int(sequence_of(last) or 0), hashlib.sha256(data).hexdigest()
