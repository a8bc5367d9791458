"""The decision on one request from all policies that apply to it.

Source: IAM user guide, "Policy evaluation logic" (within an account, across accounts, resource-based policies and
implicit denies) and "Permissions boundaries"; KMS developer guide, "Key policies". docs/authorization.md states
the rules and where AWS leaves them open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.authorization.decision import Decision, Layer, Outcome, StatementRef, Step
from strongroom.authorization.documents import Form, Named, parse
from strongroom.authorization.grants import Grant
from strongroom.authorization.principals import Match
from strongroom.authorization.request import Request
from strongroom.authorization.statements import Statement

#: No permission is needed for these (STS API reference), and a Deny on the first does not stop it.
WITHOUT_PERMISSION: Final = frozenset({"sts:getcalleridentity"})
_TRUST_ACTIONS: Final = frozenset(
    {
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        "sts:tagsession",
        "sts:setsourceidentity",
        "sts:setcontext",
    }
)


@dataclass(frozen=True)
class Policies:
    """All policies that apply to a request.

    identity: inline and managed policies of the principal and its groups. boundary: the permission boundary.
    session: session policies, None if the session was made without. scps, rcps: for each level from the root of the
    organisation to the account the policies attached there, empty where no organisation restricts the account (its
    management account too). endpoint: of the VPC endpoint the request came through. resource: of the resource
    itself, the key policy for a KMS key, the trust policy for AssumeRole. grants: of the KMS key.
    """

    identity: Sequence[Named] = ()
    boundary: Named | None = None
    session: Sequence[Named] | None = None
    scps: Sequence[Sequence[Named]] = ()
    rcps: Sequence[Sequence[Named]] = ()
    endpoint: Named | None = None
    resource: Named | None = None
    grants: Sequence[Grant] = ()


def resource_form(request: Request) -> Form:
    """The form of the resource's own policy: a key policy and a trust policy have rules of their own."""
    if request.service == "kms" and ":key/" in request.resource:
        return Form.KEY
    if request.action_key in _TRUST_ACTIONS:
        return Form.TRUST
    return Form.RESOURCE


def evaluate(request: Request, policies: Policies) -> Decision:
    """The decision on a request.

    Raises UnknownElement if a policy, a grant or a typed value of the request has no documented meaning, and UsageError
    if the owner of the resource cannot be told.
    """
    if request.action_key in WITHOUT_PERMISSION and request.principal.kind != "anonymous":
        return Decision(True, "the action needs no permission", Layer.IDENTITY, False, None, ())
    form = resource_form(request)
    steps = _steps(request, policies, form)
    for step in steps.values():
        if step.outcome is Outcome.DENY:
            return _decision(False, f"{step.layer.value} denies explicitly", step, steps)
    for layer in (Layer.SCP, Layer.RCP, Layer.ENDPOINT):
        if steps[layer].outcome is Outcome.SILENT:
            return _decision(False, f"no {layer.value} allows it", steps[layer], steps)
    if request.principal.kind in ("service", "anonymous", "federated"):
        return _by_resource_alone(steps)
    if request.owner != request.principal.account:
        return _across_accounts(steps)
    return _within_account(steps, mandatory=form in (Form.KEY, Form.TRUST))


def _within_account(steps: dict[Layer, Step], *, mandatory: bool) -> Decision:
    """Within one account either side may grant; a key or trust policy must at least delegate to the account."""
    resource, grant = steps[Layer.RESOURCE], steps[Layer.GRANT]
    limit = _limit(steps)
    closest = grant if grant.match > resource.match else resource
    if closest.match is Match.DIRECT:
        return _decision(True, f"the {closest.layer.value} names the principal", closest, steps)
    if closest.match is Match.ROLE:
        if limit is not None:
            return _decision(False, f"the {closest.layer.value} allows, but no {limit.layer.value} does", limit, steps)
        return _decision(True, f"the {closest.layer.value} names the role", closest, steps)
    if mandatory and resource.match is Match.NONE:
        return _decision(
            False, "the resource's own policy neither names the principal nor its account", resource, steps
        )
    identity = steps[Layer.IDENTITY]
    if identity.outcome is not Outcome.ALLOW:
        return _decision(False, "no identity-based policy allows it", identity, steps)
    if limit is not None:
        return _decision(False, f"no {limit.layer.value} allows it", limit, steps)
    return _decision(True, "an identity-based policy allows it", identity, steps)


def _across_accounts(steps: dict[Layer, Step]) -> Decision:
    """Across accounts both sides must allow: the resource's policy, and the principal's own account.

    A KMS grant is enough by itself (KMS developer guide, "Troubleshooting key access": "if a grant or IAM policy ...").
    """
    resource, grant = steps[Layer.RESOURCE], steps[Layer.GRANT]
    limit = _limit(steps)
    if grant.match is Match.DIRECT or (grant.match is Match.ROLE and limit is None):
        return _decision(True, "the grant names the principal", grant, steps)
    if resource.match is Match.NONE:
        return _decision(False, "the resource's policy allows nothing to the other account", resource, steps)
    identity = steps[Layer.IDENTITY]
    if identity.outcome is not Outcome.ALLOW:
        return _decision(False, "no identity-based policy of the principal's account allows it", identity, steps)
    if limit is not None:
        return _decision(False, f"no {limit.layer.value} allows it", limit, steps)
    return _decision(True, "both accounts allow it", resource, steps)


def _by_resource_alone(steps: dict[Layer, Step]) -> Decision:
    """Services, federated identities before their session and anonymous callers have no identity policies."""
    for step in (steps[Layer.RESOURCE], steps[Layer.GRANT]):
        if step.match is Match.DIRECT:
            return _decision(True, f"the {step.layer.value} names the principal", step, steps)
    return _decision(False, "the resource's policy does not allow the principal", steps[Layer.RESOURCE], steps)


def _limit(steps: dict[Layer, Step]) -> Step | None:
    """The boundary or session policy that does not allow, if one does not."""
    return next(
        (steps[layer] for layer in (Layer.BOUNDARY, Layer.SESSION) if steps[layer].outcome is Outcome.SILENT), None
    )


def _decision(allowed: bool, reason: str, step: Step, steps: dict[Layer, Step]) -> Decision:
    explicit = step.outcome is Outcome.DENY
    return Decision(allowed, reason, step.layer, explicit, step.statement, tuple(steps.values()))


def _steps(request: Request, policies: Policies, form: Form) -> dict[Layer, Step]:
    """The verdict of every layer, in the order in which AWS describes them."""
    principal = request.principal
    owns_identity = principal.kind in ("user", "role-session", "federated-user")
    restricted = principal.kind not in ("service", "anonymous", "federated") and not principal.service_linked
    bounded = policies.boundary is not None
    steps = {
        Layer.SCP: _levels(Layer.SCP, policies.scps if restricted else (), Form.SCP, request),
        Layer.RCP: _levels(Layer.RCP, () if principal.service_linked else policies.rcps, Form.RCP, request),
        Layer.ENDPOINT: _layer(Layer.ENDPOINT, _listed(policies.endpoint), Form.ENDPOINT, request, bounded=bounded),
        Layer.RESOURCE: _layer(Layer.RESOURCE, _listed(policies.resource), form, request, bounded=bounded),
        Layer.GRANT: _grants(request, policies.grants),
    }
    if owns_identity:
        steps[Layer.IDENTITY] = _layer(Layer.IDENTITY, policies.identity, Form.IDENTITY, request)
        steps[Layer.BOUNDARY] = _layer(Layer.BOUNDARY, _listed(policies.boundary), Form.BOUNDARY, request)
        session = policies.session
        if session is None and principal.kind == "federated-user":
            # GetFederationToken without a session policy gives a session that may do nothing by itself
            session = ()
        steps[Layer.SESSION] = _layer(Layer.SESSION, session, Form.SESSION, request)
    elif principal.kind == "root":
        steps[Layer.IDENTITY] = Step(Layer.IDENTITY, Outcome.ALLOW, note="the account's root user needs no policy")
    else:
        steps[Layer.IDENTITY] = Step(Layer.IDENTITY, Outcome.ABSENT)
    for layer in (Layer.BOUNDARY, Layer.SESSION):
        steps.setdefault(layer, Step(layer, Outcome.ABSENT))
    return steps


def _listed(policy: Named | None) -> Sequence[Named] | None:
    return None if policy is None else (policy,)


def _layer(
    layer: Layer, policies: Sequence[Named] | None, form: Form, request: Request, *, bounded: bool = False
) -> Step:
    """The verdict of policies that count together: any Deny, else the closest Allow, else silence."""
    if policies is None:
        return Step(layer, Outcome.ABSENT)
    documents = [(policy.name, parse(policy, form)) for policy in policies]
    for name, document in documents:
        for statement in document.denies:
            if statement.match(request, bounded=bounded):
                return Step(layer, Outcome.DENY, _reference(name, statement))
    best = Match.NONE
    reference: StatementRef | None = None
    for name, document in documents:
        for statement in document.allows:
            match = statement.match(request)
            if match > best:
                best, reference = match, _reference(name, statement)
                if best is Match.DIRECT:
                    return Step(layer, Outcome.ALLOW, reference, best)
    if reference is not None:
        return Step(layer, Outcome.ALLOW, reference, best)
    misses = tuple(
        f"{_reference(name, statement)} {statement.mismatch(request)}"
        for name, document in documents
        for statement in document.allows
        if statement.actions.match(request.action_key)
    )
    return Step(layer, Outcome.SILENT, misses=misses)


def _levels(layer: Layer, levels: Sequence[Sequence[Named]], form: Form, request: Request) -> Step:
    """The verdict of an organisation's policies: every level from the root to the account must allow."""
    verdict = Step(layer, Outcome.ABSENT)
    for level in levels:
        step = _layer(layer, level, form, request)
        if step.outcome is Outcome.DENY:
            return step
        if step.outcome is Outcome.SILENT or verdict.outcome is Outcome.ABSENT:
            verdict = step
    return verdict


def _grants(request: Request, grants: Sequence[Grant]) -> Step:
    if request.service != "kms":
        return Step(Layer.GRANT, Outcome.ABSENT)
    best = Match.NONE
    reference: StatementRef | None = None
    for grant in grants:
        match = grant.match(request)
        if match > best:
            best, reference = match, StatementRef(f"grant {grant.id}", grant.name, 0)
    if reference is None:
        return Step(Layer.GRANT, Outcome.SILENT if grants else Outcome.ABSENT)
    return Step(Layer.GRANT, Outcome.ALLOW, reference, best)


def _reference(policy: str, statement: Statement) -> StatementRef:
    return StatementRef(policy, statement.sid, statement.index)
