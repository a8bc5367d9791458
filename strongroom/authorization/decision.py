"""What an evaluation answers: allowed or not, why, by which statement, and what each layer of policies said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from strongroom.authorization.principals import Match


class Layer(Enum):
    """The kinds of policies a request passes, with the words AWS uses for them in its messages."""

    SCP = "service control policy"
    RCP = "resource control policy"
    ENDPOINT = "VPC endpoint policy"
    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    RESOURCE = "resource-based policy"
    GRANT = "grant"
    ACL = "ACL policy"


class Outcome(Enum):
    """What one layer says."""

    DENY = "denies explicitly"
    ALLOW = "allows"
    SILENT = "does not allow"
    ABSENT = "does not apply"


@dataclass(frozen=True, slots=True)
class StatementRef:
    """Where a statement stands: policy name, its Sid (or ''), its index from 0."""

    policy: str
    sid: str
    index: int

    def __str__(self) -> str:
        return f"{self.policy}, statement {self.index + 1}" + (f" ({self.sid})" if self.sid else "")


@dataclass(frozen=True, slots=True)
class Step:
    """The verdict of one layer; `misses` says of each statement that might have allowed why it does not apply."""

    layer: Layer
    outcome: Outcome
    statement: StatementRef | None = None
    match: Match = Match.NONE
    note: str = ""
    misses: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """One sentence, and one more for each near miss."""
        by = f" by {self.statement}" if self.statement else ""
        note = f": {self.note}" if self.note else ""
        return "; ".join([f"{self.layer.value} {self.outcome.value}{by}{note}", *self.misses])


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request.

    layer: the layer that decided (the one that denied, or that granted). explicit: a Deny statement decided.
    trace: every layer in the order of evaluation. reason: one sentence.
    """

    allowed: bool
    reason: str
    layer: Layer
    explicit: bool
    statement: StatementRef | None
    trace: tuple[Step, ...]

    def explain(self) -> str:
        """The decision and its trace, a line each."""
        return "\n".join([("allowed: " if self.allowed else "denied: ") + self.reason, *(s.words for s in self.trace)])

    def message(self, principal: str, action: str, resource: str) -> str:
        """The access-denied message as AWS words it (IAM user guide, "Troubleshoot access denied error messages")."""
        start = f"User: {principal} is not authorized to perform: {action} on resource: {resource}"
        if self.explicit:
            return f"{start} with an explicit deny in a {self.layer.value}".replace("in a id", "in an id")
        return f"{start} because no {self.layer.value} allows the {action} action"
