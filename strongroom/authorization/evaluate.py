"""The decision on one request from all policies that apply to it.

Source: IAM user guide, "Policy evaluation logic" (within an account, across accounts, resource-based policies and
implicit denies) and "Permissions boundaries"; KMS developer guide, "Key policies". docs/authorization.md states
the rules and where AWS leaves them open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from strongroom.authorization import abroad
from strongroom.authorization.decision import Decision, Layer, Outcome, Step
from strongroom.authorization.documents import Form, Named
from strongroom.authorization.grants import Grant
from strongroom.authorization.layers import Source, grants_verdict
from strongroom.authorization.principals import Match
from strongroom.authorization.request import Request

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
    sources = _sources(request, policies, form)
    steps = {source.layer: source.verdict(request) for source in sources}
    steps[Layer.GRANT] = grants_verdict(request, policies.grants)
    if request.principal.kind == "root":
        steps[Layer.IDENTITY] = Step(Layer.IDENTITY, Outcome.ALLOW, note="the account's root user needs no policy")
    decision = _decide(request, steps, mandatory=form in (Form.KEY, Form.TRUST))
    if decision.allowed:
        return decision
    # a refusal is explained at the price of a second look, which an allowed request does not pay
    for source in sources:
        if steps[source.layer].outcome is Outcome.SILENT:
            steps[source.layer] = replace(steps[source.layer], misses=source.near_misses(request))
    return replace(decision, trace=tuple(steps.values()))


def _decide(request: Request, steps: dict[Layer, Step], *, mandatory: bool) -> Decision:
    """The decision that follows from the verdicts of all layers."""
    for step in steps.values():
        if step.outcome is Outcome.DENY:
            return _decision(False, f"{step.layer.value} denies explicitly", step, steps)
    for layer in (Layer.SCP, Layer.RCP, Layer.ENDPOINT):
        if steps[layer].outcome is Outcome.SILENT:
            return _decision(False, f"no {layer.value} allows it", steps[layer], steps)
    kind = request.principal.kind
    # services call in nobody's account; who has no account yet is nobody of the resource's
    if kind not in ("service", "federated") and not abroad.offered(request.action_key) and _foreign(request):
        service = Step(Layer.RESOURCE, Outcome.SILENT)
        return _decision(False, f"{request.action} is offered to the resource's own account alone", service, steps)
    if kind in ("service", "anonymous", "federated"):
        return _by_resource_alone(steps)
    if _foreign(request):
        return _across_accounts(steps)
    return _within_account(steps, mandatory=mandatory)


def _foreign(request: Request) -> bool:
    return request.owner != request.principal.account


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


def _sources(request: Request, policies: Policies, form: Form) -> tuple[Source, ...]:
    """The layers that hold policies, in the order in which AWS describes them."""
    principal = request.principal
    in_account = principal.kind not in ("service", "anonymous", "federated")
    has_policies = in_account and principal.kind != "root"
    linked = principal.service_linked
    bounded = policies.boundary is not None
    # a bucket policy never locks the account's root user out of itself (S3 API reference, PutBucketPolicy)
    unlocked = principal.kind == "root" and request.action_key in abroad.UNLOCKED_BY_ROOT and not _foreign(request)
    session = policies.session
    if session is None and principal.kind == "federated-user":
        # GetFederationToken without a session policy gives a session that may do nothing by itself
        session = ()
    return (
        Source(Layer.SCP, Form.SCP, policies.scps if in_account and not linked else None),
        Source(Layer.RCP, Form.RCP, None if linked else policies.rcps),
        Source(Layer.ENDPOINT, Form.ENDPOINT, _one(policies.endpoint), bounded),
        Source(Layer.RESOURCE, form, None if unlocked else _one(policies.resource), bounded),
        Source(Layer.IDENTITY, Form.IDENTITY, (policies.identity,) if has_policies else None),
        Source(Layer.BOUNDARY, Form.BOUNDARY, _one(policies.boundary) if has_policies else None),
        Source(Layer.SESSION, Form.SESSION, None if session is None or not has_policies else (session,)),
    )


def _one(policy: Named | None) -> Sequence[Sequence[Named]] | None:
    return None if policy is None else ((policy,),)
