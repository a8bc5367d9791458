"""What somebody may possibly do: policies loosened to the conditions that follow from who asks.

A condition on any other key counts as satisfied in an Allow and as avoided in a Deny, a variable on any other key
stands for any text in an Allow: whoever asks is taken to choose time, address, tags, contexts, login and session name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from strongroom.authorization.documents import Form, Named, parse
from strongroom.authorization.prover.patterns import covers, overlap

#: Decided exactly: they follow from who asks, from no service standing in between, and from the target's boundary.
FIXED = frozenset(
    {
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principaltype",
        "aws:principalisawsservice",
        "aws:principalservicename",
        "aws:username",
        "aws:viaawsservice",
        "aws:calledvia",
        "aws:calledviafirst",
        "aws:calledvialast",
        "kms:calleraccount",
        "kms:viaservice",
        "kms:grantisforawsresource",
        "iam:permissionsboundary",
    }
)
#: What an identity decides about itself whose name is still to be chosen, or a user who asks as a federated user.
NAMES = frozenset({"aws:principalarn", "aws:principaltype", "aws:username"})
#: Which services call on others is not documented of every service, so behind one these are not decided.
CALLERS = frozenset({"aws:calledvia", "aws:calledviafirst", "aws:calledvialast"})
_VARIABLE = re.compile(r"\$\{([^}*?$][^},]*)[^}]*\}")
#: A statement of no effect: it stands where one was that can be avoided or does not apply.
_NEVER = {"Null": {"aws:PrincipalIsAWSService": "true"}, "Bool": {"aws:PrincipalIsAWSService": "true"}}
_NOBODY = "arn:aws:iam::000000000000:user/nobody"


@lru_cache(maxsize=65536)
def loosened(policy: Named, form: Form, fixed: frozenset[str] = FIXED, *, within: str = "") -> Named:
    """The policy that allows whatever the given one may allow; raises UnknownElement if it has no known meaning.

    fixed: the condition keys that are decided. within: the request's resource is any that matches this pattern, for
    resources whose name is the asker's choice; "" if it is one resource.
    """
    parse(policy, form)
    document = json.loads(policy.document if isinstance(policy.document, str) else json.dumps(policy.document))
    listed = document["Statement"]
    listed = listed if isinstance(listed, list) else [listed]
    # a statement that falls away keeps its place, so that a derivation names it by its number in the deployed policy
    document["Statement"] = [
        _allow(item, fixed, within) if item["Effect"] == "Allow" else _deny(item, fixed, within) for item in listed
    ]
    return Named(policy.name, json.dumps(document, sort_keys=True))


def _fixed(text: str, fixed: frozenset[str]) -> bool:
    return all(name.strip().lower() in fixed for name in _VARIABLE.findall(text))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _decidable(key: str, values: Any, fixed: frozenset[str]) -> bool:
    return key.lower() in fixed and all(_fixed(str(value), fixed) for value in _list(values))


def _principals(element: Any, *, avoidable: bool) -> Any:
    """A Principal element for whoever chooses the name of the session: `prover` stands for any session of the role.

    avoidable: a Deny that names one session misses all others, so the entry falls away. Whom a federated user's session
    or a canonical id stands for is not among the facts: an Allow to one counts as an Allow to everybody.
    """
    if not isinstance(element, dict) or not {"AWS", "CanonicalUser"} & set(element):
        return element
    found = ["*"] if "CanonicalUser" in element and not avoidable else []
    for arn in _list(element.get("AWS", [])):
        chosen = ":assumed-role/" in arn or ":federated-user/" in arn
        if chosen and avoidable:
            continue
        found.append("*" if ":federated-user/" in arn else f"{arn.rpartition('/')[0]}/prover" if chosen else arn)
    kept = {kind: names for kind, names in element.items() if kind != "CanonicalUser"}
    return {**kept, "AWS": found or [_NOBODY]}


def _exempted(element: Any) -> dict[str, Any]:
    """NotPrincipal as a condition that exempts whoever is listed at any level, not only who is listed at each.

    AWS documents that account, role and session "should" all be listed; the prover relies on no denial for want of it.
    """
    listed = _list(element.get("AWS", [])) if isinstance(element, dict) else ["*"]
    if "*" in listed:
        return _NEVER
    accounts = [arn if arn.isdigit() else arn.split(":")[4] for arn in listed if arn.isdigit() or arn.endswith(":root")]
    arns = [_role(arn) for arn in listed if arn.startswith("arn:")] or [_NOBODY]
    return {"ArnNotLike": {"aws:PrincipalArn": arns}, "StringNotEquals": {"aws:PrincipalAccount": accounts or ["0"]}}


def _role(arn: str) -> str:
    """The principal's own ARN behind a session's; the path of a role is not part of its sessions' names."""
    if ":assumed-role/" not in arn:
        return arn
    account, name = arn.split(":")[4], arn.split("/")[1]
    return f"arn:*:iam::{account}:role/*{name}"


def _allow(statement: Mapping[str, Any], fixed: frozenset[str], within: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for operator, keys in statement.get("Condition", {}).items():
        decidable = {key: values for key, values in keys.items() if _decidable(key, values, fixed)}
        if decidable:
            kept[operator] = decidable
    found = {**statement, "Condition": kept}
    if "Principal" in found:
        found["Principal"] = _principals(found["Principal"], avoidable=False)
    if within and ("Resource" in found or "NotResource" in found):
        if "Resource" in found:
            reaches = any(text == "*" or overlap(text, within) for text in _list(found["Resource"]))
        else:
            reaches = not any(covers(text, within) for text in _list(found.pop("NotResource")))
        return {**found, "Resource": "*"} if reaches else {**found, "Resource": "*", "Condition": _NEVER}
    if "Resource" in found:
        found["Resource"] = [
            _VARIABLE.sub(lambda name: name[0] if _fixed(name[0], fixed) else "*", text)
            for text in _list(found["Resource"])
        ]
    if "NotResource" in found:
        excluded = [text for text in _list(found.pop("NotResource")) if _fixed(text, fixed)]
        found |= {"NotResource": excluded} if excluded else {"Resource": "*"}
    return found


def _deny(statement: Mapping[str, Any], fixed: frozenset[str], within: str) -> dict[str, Any]:
    conditions = statement.get("Condition", {})
    decidable = all(_decidable(key, values, fixed) for keys in conditions.values() for key, values in keys.items())
    found = {name: value for name, value in statement.items() if name != "NotPrincipal"}
    if "NotPrincipal" in statement:
        found["Principal"] = "*"
        exempted = _exempted(statement["NotPrincipal"])
        decidable = decidable and not (conditions.keys() & exempted.keys()) and "aws:principalarn" in fixed
        found["Condition"] = {**conditions, **exempted}
    elif "Principal" in found:
        found["Principal"] = _principals(found["Principal"], avoidable=True)
    if not decidable or not _reaches(found, fixed, within):
        return {**found, "Condition": _NEVER}
    return found


def _reaches(found: dict[str, Any], fixed: frozenset[str], within: str) -> bool:
    """Whether a Deny surely applies to the resource as far as Resource and NotResource say; narrows them to that."""
    for element in ("Resource", "NotResource"):
        if element in found:
            listed = _list(found[element])
            if not within:
                sure = [text for text in listed if _fixed(text, fixed)]
                found[element] = sure or listed
                return bool(sure) if element == "Resource" else len(sure) == len(listed)
            if element == "NotResource":
                del found[element]
            found["Resource"] = "*"
            if element == "Resource":
                return any(covers(text, within) for text in listed)
            return not any(text == "*" or overlap(text, within) for text in listed)
    return True
