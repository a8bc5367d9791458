"""The contract between a job and the runner (docs/operations.md, "How a job runs").

A job plans units from real state, executes each idempotently, and verifies the results. The runner alone does leases,
journal, evidence, exit code, metrics and progress. A job never calls `boto3.client` or reads the clock itself: both
come from its `Context`, which is also where tests and the laptop cloud enter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from threading import Event
from typing import Any, Protocol

from strongroom.estate.manifest import Manifest
from strongroom.progress import Progress

Json = Mapping[str, Any]


class RunState(Enum):
    """How a run ended."""

    OK = "OK"
    PARTIAL = "PARTIAL"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"
    UNDETERMINED = "UNDETERMINED"


class Proof(Enum):
    """Whether what the run did was verified by reading it back."""

    UNVERIFIED = "UNVERIFIED"
    VERIFIED = "VERIFIED"


@dataclass(frozen=True)
class Unit:
    """One idempotent piece of work; JSON only. Two units with equal kind and arguments are the same unit."""

    kind: str
    arguments: Json

    @property
    def id(self) -> str:
        """sha256 over kind and canonical arguments, 32 hex digits."""
        text = json.dumps([self.kind, self.arguments], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Plan:
    """What a job would do now: units in order, a line of estimate, and why each unit is due."""

    units: tuple[Unit, ...]
    estimate: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnitResult:
    """What one unit did. `reasons` are enumerated codes; `error` is the exit code of its failure (0: none).

    `detail` goes to the terminal and `--json`, never to evidence; `counts` and `digests` go to evidence.
    """

    unit: str
    state: RunState
    error: int = 0
    reasons: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    detail: Json = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON object for the journal and --json."""
        return {**asdict(self), "state": self.state.value}


@dataclass(frozen=True)
class Verdict:
    """What verification says of the whole run: `error` is an exit code; `message`, for people, may name resources."""

    state: RunState
    proof: Proof
    reasons: tuple[str, ...] = ()
    message: str = ""
    error: int = 0


class Clock(Protocol):
    """Time, injectable."""

    def now(self) -> datetime:
        """The current time, UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, for durations."""
        ...


class EvidenceLog(Protocol):
    """Writes statements of one duty; see strongroom.evidence.log."""

    def emit(self, kind: str, body: Json, *, inputs: Mapping[str, str] | None = None) -> str:
        """Signs and stores one statement of `kind`; returns its name evidence/<env>/<sequence>.dsse."""
        ...

    def sign(self, kind: str, statement: Json) -> bytes:
        """Signs a statement that is stored elsewhere (a commit in its repository); returns the envelope's bytes."""
        ...


class Context(Protocol):
    """All a job may touch. Sessions and clients carry the credentials of one duty."""

    manifest: Manifest
    env: str
    run_id: str
    clock: Clock
    progress: Progress
    cancel: Event

    @property
    def options(self) -> Mapping[str, Any]:
        """The job's own settings, by name."""
        ...

    @property
    def evidence(self) -> EvidenceLog:
        """The evidence log of the job's duty."""
        ...

    def evidence_of(self, duty: str) -> EvidenceLog:
        """The evidence log of another duty that acts in this run, signed by that duty's own key."""
        ...

    def home_account(self, duty: str) -> str:
        """The account in which a duty has its role: workload, else backup, else audit."""
        ...

    def session(self, duty: str, account: str, region: str = "") -> Any:
        """A boto3 session with the credentials of a duty's role in an account; Denied when it cannot be assumed."""
        ...

    def vault(self, duty: str) -> Any:
        """A logged-in hvac client of a duty; KeyFailure when OpenBao is unreachable, Denied on a refused login."""
        ...


class Job(Protocol):
    """A job: `name` as in `strongroom job run NAME`, `duty` whose credentials and signing key it uses."""

    name: str
    duty: str

    def plan(self, ctx: Context) -> Plan:
        """What is due now, computed from real state; changes nothing."""
        ...

    def execute(self, ctx: Context, unit: Unit) -> UnitResult:
        """Does one unit; running it again after a crash at any point is safe."""
        ...

    def verify(self, ctx: Context, results: tuple[UnitResult, ...]) -> Verdict:
        """Judges the whole run by reading back what was done."""
        ...
