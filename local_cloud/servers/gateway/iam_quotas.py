"""How much IAM holds: sizes of policies, attachments, entities of an account; beyond it LimitExceeded.

Source: IAM user guide, "IAM and AWS STS quotas" (default quotas). White space does not count in a policy's size.
Access keys of a user and versions of a policy moto counts itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from .call import Call, Refuse, Rule
from .identity import iam_of

#: Characters of a policy document without white space.
MANAGED_SIZE, TRUST_SIZE = 6144, 2048
#: Characters of all inline policies of one holder together.
INLINE_SIZE = {"user": 2048, "role": 10240, "group": 5120}
ATTACHED, GROUPS_PER_USER, TAGS, MFA_DEVICES = 10, 10, 50, 8
#: Entities of an account, by the operation that makes one and moto's collection.
ENTITIES = {
    "CreateUser": ("users", "UsersPerAccount", 5000),
    "CreateGroup": ("groups", "GroupsPerAccount", 300),
    "CreateRole": ("roles", "RolesPerAccount", 1000),
    "CreatePolicy": ("managed_policies", "PoliciesPerAccount", 1500),
    "CreateOpenIDConnectProvider": ("open_id_providers", "OpenIdConnectProvidersPerAccount", 100),
}


def size_of(document: Any) -> int:
    """Characters of a policy that count: all but white space."""
    text = document if isinstance(document, str) else json.dumps(document)
    return len("".join(text.split()))


def exceeded(quota: str, most: int) -> Refuse:
    """LimitExceeded as IAM words it."""
    return Refuse("LimitExceeded", f"Cannot exceed quota for {quota}: {most}", 409)


def _own(held: Mapping[str, Any]) -> int:
    # the policies that AWS manages are in everybody's collection and in nobody's quota
    return sum(not str(getattr(item, "arn", "")).startswith("arn:aws:iam::aws:") for item in held.values())


def entities(call: Call) -> Refuse | None:
    """Refuses one entity too many in the account."""
    collection, quota, most = ENTITIES[call.operation]
    return exceeded(quota, most) if _own(getattr(iam_of(call.account), collection)) >= most else None


def managed(call: Call) -> Refuse | None:
    """Refuses a managed policy that is too large."""
    return exceeded("PolicySize", MANAGED_SIZE) if size_of(call.params["PolicyDocument"]) > MANAGED_SIZE else None


def trust(call: Call) -> Refuse | None:
    """Refuses a trust policy that is too large."""
    text = call.params.get("AssumeRolePolicyDocument") or call.params.get("PolicyDocument")
    return exceeded("ACLSizePerRole", TRUST_SIZE) if size_of(text) > TRUST_SIZE else None


def _holder(call: Call, kind: str) -> Any:
    """The user, role or group a call names; None where there is none."""
    name, backend = call.params[f"{kind.capitalize()}Name"], iam_of(call.account)
    if kind == "role":
        return next((role for role in list(backend.roles.values()) if role.name == name), None)
    return (backend.users if kind == "user" else backend.groups).get(name)


def inline(kind: str) -> Callable[[Call], Refuse | None]:
    """Refuses an inline policy with which its holder would have too much text."""

    def check(call: Call) -> Refuse | None:
        held = dict(_holder(call, kind).policies) if _holder(call, kind) is not None else {}
        held[call.params["PolicyName"]] = call.params["PolicyDocument"]
        most = INLINE_SIZE[kind]
        if sum(map(size_of, held.values())) <= most:
            return None
        name = call.params[f"{kind.capitalize()}Name"]
        return Refuse("LimitExceeded", f"Maximum policy size of {most} bytes exceeded for {kind} {name}", 409)

    return check


def attached(kind: str) -> Callable[[Call], Refuse | None]:
    """Refuses one managed policy too many on a holder; one that is attached already is attached again for free."""

    def check(call: Call) -> Refuse | None:
        holder = _holder(call, kind)
        held = set(holder.managed_policies) if holder is not None else set()
        if len(held - {call.params["PolicyArn"]}) < ATTACHED:
            return None
        return exceeded(f"PoliciesPer{kind.capitalize()}", ATTACHED)

    return check


def groups(call: Call) -> Refuse | None:
    """Refuses an eleventh group of a user."""
    held = {group.name for group in iam_of(call.account).get_groups_for_user(call.params["UserName"])}
    most = GROUPS_PER_USER
    return exceeded("GroupsPerUser", most) if len(held - {call.params["GroupName"]}) >= most else None


def tags(call: Call) -> Refuse | None:
    """Refuses more tags than an entity may have, of those a call brings."""
    return exceeded("TagsPerEntity", TAGS) if len(call.params.get("Tags") or ()) > TAGS else None


def devices(call: Call) -> Refuse | None:
    """Refuses a ninth MFA device of a user."""
    user = iam_of(call.account).users.get(call.params["UserName"])
    held = len(user.mfa_devices) if user is not None else 0
    return exceeded("MFADevicesPerUser", MFA_DEVICES) if held >= MFA_DEVICES else None


def rules() -> list[Rule]:
    """One rule for each operation that something is counted at."""
    checks: list[tuple[str, Callable[[Call], Refuse | None]]] = [
        *((operation, entities) for operation in ENTITIES),
        *((operation, tags) for operation in ("CreateUser", "CreateRole", "CreatePolicy", "TagUser", "TagRole")),
        *((f"Put{kind.capitalize()}Policy", inline(kind)) for kind in INLINE_SIZE),
        *((f"Attach{kind.capitalize()}Policy", attached(kind)) for kind in INLINE_SIZE),
        ("CreatePolicy", managed),
        ("CreatePolicyVersion", managed),
        ("CreateRole", trust),
        ("UpdateAssumeRolePolicy", trust),
        ("AddUserToGroup", groups),
        ("EnableMFADevice", devices),
    ]
    return [Rule("iam", operation, before=check) for operation, check in checks]
