"""AssumeRole and its kin: the trust policy decides who may become a role, the caller's own policies whether it may ask.

Source: IAM user guide, "Methods to assume a role", "Pass session tags in AWS STS", "Monitor and control
actions taken with assumed roles".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from strongroom.authorization.decision import Decision, Layer
from strongroom.authorization.documents import Named
from strongroom.authorization.evaluate import Policies, evaluate
from strongroom.authorization.request import Principal, Request, Value
from strongroom.errors import UsageError

ASSUME: Final = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")


def evaluate_assume_role(
    principal: Principal,
    role_arn: str,
    trust: Named,
    policies: Policies,
    context: Mapping[str, Value] | None = None,
    *,
    action: str = "sts:AssumeRole",
    session_tags: Mapping[str, str] | None = None,
    source_identity: str = "",
) -> Decision:
    """The decision on a request to become a role.

    policies: of the caller (identity, boundary, session, SCPs) and the RCPs of the role's account; its `resource` is
    replaced by `trust`. context: sts:ExternalId, aws:MultiFactorAuthPresent, the claims of a web identity and so on.
    Session tags need sts:TagSession as well, a source identity sts:SetSourceIdentity: the first refusal decides.
    """
    if action not in ASSUME:
        raise UsageError(f"{action} does not assume a role", hint=f"one of {', '.join(ASSUME)}")
    if principal.kind == "root":
        return Decision(False, "the root user cannot assume roles", Layer.RESOURCE, False, None, ())
    keys = dict(context or {})
    actions = [action]
    if session_tags:
        keys["aws:TagKeys"] = tuple(session_tags)
        keys |= {f"aws:RequestTag/{name}": value for name, value in session_tags.items()}
        actions.append("sts:TagSession")
    if source_identity:
        keys["sts:SourceIdentity"] = source_identity
        actions.append("sts:SetSourceIdentity")
    applied = replace(policies, resource=trust)
    decision = evaluate(Request(principal, action, role_arn, keys), applied)
    for further in actions[1:]:
        if not decision.allowed:
            return decision
        decision = evaluate(Request(principal, further, role_arn, keys), applied)
    return decision
