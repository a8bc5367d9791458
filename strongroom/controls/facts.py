"""What a control sees and says: facts of one resource each, findings of one subject each.

A fact's property names are those of the AWS API, whatever it was taken from: the recorded program, the preview of an
update, or the live account. A value that is not known yet is UNKNOWN; a control that needs it answers NOT_EVALUABLE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

Source = Literal["program", "preview", "live"]


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


class Verdict(Enum):
    """What a control says of a subject."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    NOT_EVALUABLE = "NOT_EVALUABLE"


@dataclass(frozen=True)
class Fact:
    """A resource: `kind` as service:type (kms:key, s3:bucket), `id` its name or ARN."""

    kind: str
    id: str
    properties: Mapping[str, Any]
    account: str = ""
    region: str = ""
    relations: Mapping[str, str] = field(default_factory=dict)
    source: Source = "program"

    def get(self, name: str) -> Any:
        """A property; None when the resource has none of that name, UNKNOWN when its value is not known yet."""
        return self.properties.get(name)


@dataclass(frozen=True)
class Finding:
    """What one control says of one subject, and the clause of 45 CFR 164 behind it."""

    control: str
    subject: str
    verdict: Verdict
    reason: str
    clause: str


@dataclass(frozen=True)
class Control:
    """A control: a pure function of one fact of its kind. `check` gives None when all is well, else the reason."""

    id: str
    title: str
    kind: str
    clause: str
    check: Callable[[Fact], str | None]
    needs: tuple[str, ...]

    def __call__(self, facts: Iterable[Fact]) -> list[Finding]:
        """A finding for every fact of the control's kind."""
        return [self._judge(fact) for fact in facts if fact.kind == self.kind]

    def _judge(self, fact: Fact) -> Finding:
        missing = [name for name in self.needs if fact.get(name) is UNKNOWN]
        if missing:
            reason = f"not known yet: {', '.join(missing)}"
            return Finding(self.id, fact.id, Verdict.NOT_EVALUABLE, reason, self.clause)
        wrong = self.check(fact)
        verdict = Verdict.PASS if wrong is None else Verdict.FAIL
        return Finding(self.id, fact.id, verdict, wrong or "as it must be", self.clause)
