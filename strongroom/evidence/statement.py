"""Evidence statements: in-toto statements about runs, drills, copies and rotations (docs/formats/evidence.md).

A statement holds counts, digests, enumerated reason codes and names of resources: no free text and no content of any
record, so that evidence can be shown to an auditor without showing health data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from strongroom.errors import SignatureInvalid, UsageError
from strongroom.evidence.reasons import REASONS

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_PREFIX = "https://strongroom.dev/evidence/"
KINDS = (
    "run",
    "commit",
    "verified",
    "drill",
    "rotation",
    "copy",
    "prune",
    "census",
    "approval",
    "refusal",
    "access",
    "check",
    "head",
)
#: What every chained statement's predicate carries besides the fields of its kind.
COMMON = (
    "env",
    "sequence",
    "previous",
    "run_id",
    "job",
    "duty",
    "principal",
    "started",
    "finished",
    "state",
    "simulated",
    "manifest",
    "inputs",
    "counts",
    "reasons",
)
_NAME = re.compile(r"^evidence/(?P<env>[a-z0-9-]+)/(?P<sequence>\d{12})\.dsse$")


def predicate_type(kind: str) -> str:
    """The predicate type URI of a kind; UsageError for an unknown kind."""
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no evidence kind", hint=f"one of: {', '.join(KINDS)}")
    return f"{PREDICATE_PREFIX}{kind}/v1"


def kind_of(uri: str) -> str:
    """The kind behind a predicate type URI; SignatureInvalid when it is none of ours."""
    kind = uri.removeprefix(PREDICATE_PREFIX).removesuffix("/v1")
    if kind not in KINDS or uri != predicate_type(kind):
        raise SignatureInvalid(f"predicate type {uri!r} is unknown")
    return kind


def name_of(env: str, sequence: int) -> str:
    """The object name of a statement: evidence/<env>/<12 digits>.dsse."""
    return f"evidence/{env}/{sequence:012d}.dsse"


def sequence_of(name: str) -> int | None:
    """The sequence number in an object name, or None if it is no statement's name."""
    match = _NAME.match(name)
    return int(match["sequence"]) if match else None


@dataclass(frozen=True)
class Statement:
    """A parsed statement: kind, subjects (name, sha256) and predicate."""

    kind: str
    subjects: tuple[tuple[str, str], ...]
    predicate: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """The payload that is signed: JSON, keys sorted, no space."""
        document = {
            "_type": STATEMENT_TYPE,
            "predicateType": predicate_type(self.kind),
            "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in self.subjects],
            "predicate": dict(self.predicate),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def parse(payload: bytes) -> Statement:
    """Reads a payload; SignatureInvalid when it is not a statement of ours."""
    try:
        document = json.loads(payload)
        subjects = tuple((s["name"], s["digest"]["sha256"]) for s in document["subject"])
        if document["_type"] != STATEMENT_TYPE or not isinstance(document["predicate"], dict):
            raise ValueError("not a statement")
        return Statement(kind_of(document["predicateType"]), subjects, document["predicate"])
    except (ValueError, KeyError, TypeError) as error:
        raise SignatureInvalid(f"the payload is not an evidence statement ({type(error).__name__})") from None


def check_reasons(codes: Sequence[str]) -> None:
    """UsageError for a reason code that is not in strongroom.evidence.reasons."""
    unknown = sorted(set(codes) - set(REASONS))
    if unknown:
        raise UsageError(f"reason codes not enumerated: {', '.join(unknown)}", hint="add them to evidence/reasons.py")


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with seconds, as all statements write time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """Reads what `timestamp` wrote."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
