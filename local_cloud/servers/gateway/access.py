"""The decision on a call: every action it needs, over every policy that applies, by `strongroom.authorization`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from moto.iam.models import Role, User

from strongroom.authorization.decision import Decision, Layer
from strongroom.authorization.documents import Named
from strongroom.authorization.evaluate import Policies, evaluate
from strongroom.authorization.grants import Grant
from strongroom.authorization.request import Principal as Subject
from strongroom.authorization.request import Request, Value
from strongroom.errors import UsageError

from .call import Call, Principal, Refuse
from .errors import denied
from .identity import Identities, iam_of, role_by_arn, user_by_arn
from .organization import SCP, levels, organisation_context, resource_levels


@dataclass(frozen=True)
class Demand:
    """One permission that a call needs: an action on a resource, with the policies that hang on the resource."""

    action: str
    resource: str = "*"
    context: Mapping[str, Value] = field(default_factory=dict)
    owner: str = ""  # account that owns the resource, where its ARN does not say
    policy: Named | None = None
    grants: Sequence[Grant] = ()
    beyond_rcps: bool = False  # keys that AWS manages are bound by no RCP
    actor: Subject | None = None  # who asks, where that is not the caller: a web identity before its session


def subject(principal: Principal) -> Subject:
    """The principal in the words of `strongroom.authorization`."""
    if principal.kind == "anonymous":
        return Subject("*", "", "anonymous")
    if principal.kind == "service":
        return Subject(principal.arn, "", "service")
    if principal.kind == "role":
        name = principal.arn.rsplit("/", 1)[-1]
        return Subject(
            principal.arn,
            principal.account,
            "role-session",
            principal.entity_arn,
            name,
            principal.tags,
            principal.user_id,
        )
    return Subject(principal.arn, principal.account, principal.kind, tags=principal.tags, user_id=principal.user_id)


def global_context(call: Call) -> dict[str, Value]:
    """The context keys every call has (IAM user guide, "AWS global condition context keys")."""
    context: dict[str, Value] = {
        "aws:SecureTransport": call.tls,
        "aws:SourceIp": call.source_ip,
        "aws:CurrentTime": call.now,
        "aws:EpochTime": int(call.now.timestamp()),
        "aws:RequestedRegion": call.region,
        "aws:UserAgent": call.user_agent,
        "aws:ViaAWSService": bool(call.via_service),
    }
    if call.source_arn:
        context["aws:SourceArn"], context["aws:SourceAccount"] = call.source_arn, call.account
    session = call.principal.session
    if session is not None:
        context["aws:MultiFactorAuthPresent"] = session.mfa
        if session.issued is not None:
            context["aws:TokenIssueTime"] = session.issued
        if session.provider:
            context["aws:FederatedProvider"] = session.provider
        if session.source_identity:
            context["aws:SourceIdentity"] = session.source_identity
    if call.service == "s3":
        context["s3:signatureversion"] = "AWS4-HMAC-SHA256"
        context["s3:authType"] = "REST-QUERY-STRING" if call.presigned else "REST-HEADER"
    return context


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _attached(holder: Role | User | Any, where: str) -> list[Named]:
    named = [Named(f"{name} (inline policy of {where})", _text(text)) for name, text in dict(holder.policies).items()]
    for policy in list(holder.managed_policies.values()):
        version = next(v for v in policy.versions if v.version_id == policy.default_version_id)
        named.append(Named(f"{policy.arn} (attached to {where})", _text(version.document)))
    return named


def _managed(arn: str) -> Named:
    account = arn.split(":")[4]
    policy = iam_of(account).managed_policies.get(arn) if account != "aws" else None
    if policy is None:
        raise UsageError(f"the policy {arn} does not exist, so the permission boundary allows nothing")
    version = next(v for v in policy.versions if v.version_id == policy.default_version_id)
    return Named(f"{arn} (permission boundary)", _text(version.document))


def policies_of(principal: Principal, identities: Identities) -> Policies:
    """What the principal's own side says: identity policies, boundary, session policies."""
    if principal.kind == "user":
        user = user_by_arn(principal.entity_arn)
        if user is None:
            return Policies()
        named = _attached(user, f"user {user.name}")
        for group in iam_of(principal.account).get_groups_for_user(user.name):
            named += _attached(group, f"group {group.name}")
        limit = identities.user_boundaries.get(user.arn)
        return Policies(identity=named, boundary=_managed(limit) if limit else None)
    if principal.kind == "role" and principal.session is not None:
        role = role_by_arn(principal.entity_arn)
        if role is None:
            return Policies()
        session = [Named(f"session policy {i + 1}", text) for i, text in enumerate(principal.session.policies)]
        return Policies(
            identity=_attached(role, f"role {role.name}"),
            boundary=_managed(role.permissions_boundary_arn) if role.permissions_boundary_arn else None,
            session=session or None,
        )
    return Policies()


_POLICY_WORDS = {"kms": "key policy", "sts": "trust policy", "s3": "bucket policy", "sqs": "queue policy"}


def explain(decision: Decision, demand: Demand, principal: Principal) -> str:
    """AWS's access-denied message, and in brackets what decided: the statement, or which policy is silent and why."""
    service = demand.action.partition(":")[0]
    own = _POLICY_WORDS.get(service, "resource policy")
    who = demand.actor.arn if demand.actor is not None else principal.arn
    message = decision.message(who, demand.action, demand.resource)
    message = message.replace("resource-based policy", own)
    if decision.statement is not None:
        return f"{message} [decided by: {decision.statement}]"
    step = next((step for step in decision.trace if step.layer is decision.layer), None)
    near = f": {'; '.join(step.misses[:2])}" if step is not None and step.misses else ""
    holder = demand.policy.name if decision.layer is Layer.RESOURCE and demand.policy else f"the {decision.layer.value}"
    if decision.layer is Layer.IDENTITY:
        holder = f"the policies of {principal.entity_arn or 'an anonymous caller'}"
    return f"{message} [decided by: {holder.replace('resource-based policy', own)}, no statement allows it{near}]"


class Access:
    """Decides calls; the only place where policies are gathered."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    def decide(self, call: Call, demand: Demand) -> Decision:
        """The decision on one demand of a call. Raises Refuse where a policy holds an element nobody knows."""
        side = policies_of(call.principal, self._identities)
        context = {
            **global_context(call),
            **organisation_context(call.principal.account, "Principal"),
            **demand.context,
        }
        who = demand.actor or subject(call.principal)
        request = Request(who, demand.action, demand.resource, context, demand.owner)
        if keys := organisation_context(request.owner, "Resource"):
            request = replace(request, context={**context, **keys})
        policies = Policies(
            identity=side.identity,
            boundary=side.boundary,
            session=side.session,
            scps=levels(call.principal.account, SCP),
            rcps=() if demand.beyond_rcps else resource_levels(request.owner, demand.action),
            resource=demand.policy,
            grants=demand.grants,
        )
        return evaluate(request, policies)

    def refusal(self, call: Call, demand: Demand) -> Refuse | None:
        """None where the demand is allowed, else the service's own access-denied answer with what decided it."""
        try:
            decision = self.decide(call, demand)
        except UsageError as unknown:
            return denied(
                call.service,
                f"User: {call.principal.arn} is not authorized to perform: {demand.action} on resource: "
                f"{demand.resource} because a policy cannot be understood, and what is not understood is refused "
                f"[decided by: {unknown.message}]",
            )
        call.trail.setdefault("decisions", []).append(
            {
                "action": demand.action,
                "resource": demand.resource,
                "allowed": decision.allowed,
                "by": str(decision.statement or decision.reason),
            }
        )
        if decision.allowed:
            return None
        return denied(call.service, explain(decision, demand, call.principal))

    def allowed(self, call: Call, demand: Demand) -> bool:
        """True where the demand is allowed."""
        return self.refusal(call, demand) is None

    def require(self, call: Call, demand: Demand) -> None:
        """Raises the refusal where the demand is not allowed."""
        refusal = self.refusal(call, demand)
        if refusal is not None:
            raise refusal
