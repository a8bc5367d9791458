"""The verdict of one layer of policies on a request, and what in it nearly allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.authorization.decision import Layer, Outcome, StatementRef, Step
from strongroom.authorization.documents import Document, Form, Named, parse
from strongroom.authorization.grants import Grant
from strongroom.authorization.principals import Match
from strongroom.authorization.request import Request
from strongroom.authorization.statements import Statement


@dataclass(frozen=True, slots=True)
class Source:
    """The policies of one layer.

    levels: None if the layer does not apply; each level must allow, the policies of one level count together.
    bounded: the principal has a permission boundary (which matters to NotPrincipal).
    """

    layer: Layer
    form: Form
    levels: Sequence[Sequence[Named]] | None
    bounded: bool = False

    def verdict(self, request: Request) -> Step:
        """Any Deny, else the first level that does not allow, else the Allow of the first level."""
        verdict = Step(self.layer, Outcome.ABSENT)
        # all are read before one decides: what is not understood is refused even behind a Deny
        levels = [[(policy.name, parse(policy, self.form)) for policy in level] for level in self.levels or ()]
        for level in levels:
            step = self._level(level, request)
            if step.outcome is Outcome.DENY:
                return step
            if step.outcome is Outcome.SILENT or verdict.outcome is Outcome.ABSENT:
                verdict = step
        return verdict

    def _level(self, documents: Sequence[tuple[str, Document]], request: Request) -> Step:
        for name, document in documents:
            for statement in document.denies:
                if statement.match(request, bounded=self.bounded):
                    return Step(self.layer, Outcome.DENY, _reference(name, statement))
        best = Match.NONE
        reference: StatementRef | None = None
        for name, document in documents:
            for statement in document.allows:
                match = statement.match(request)
                if match > best:
                    best, reference = match, _reference(name, statement)
                    if best is Match.DIRECT:
                        return Step(self.layer, Outcome.ALLOW, reference, best)
        return Step(self.layer, Outcome.SILENT if reference is None else Outcome.ALLOW, reference, best)

    def near_misses(self, request: Request) -> tuple[str, ...]:
        """Of each Allow that covers the action, what keeps it from applying."""
        return tuple(
            f"{_reference(policy.name, statement)} {why}"
            for level in self.levels or ()
            for policy in level
            for statement in parse(policy, self.form).allows
            if statement.actions.match(request.action_key) and (why := statement.mismatch(request))
        )


def grants_verdict(request: Request, grants: Sequence[Grant]) -> Step:
    """The verdict of a KMS key's grants: the closest that covers the request."""
    if request.service != "kms" or not grants:
        return Step(Layer.GRANT, Outcome.ABSENT)
    match, closest = max(((grant.match(request), grant) for grant in grants), key=lambda pair: pair[0])
    if match is Match.NONE:
        return Step(Layer.GRANT, Outcome.SILENT)
    return Step(Layer.GRANT, Outcome.ALLOW, StatementRef(f"grant {closest.id}", closest.name, 0), match)


def _reference(policy: str, statement: Statement) -> StatementRef:
    return StatementRef(policy, statement.sid, statement.index)
