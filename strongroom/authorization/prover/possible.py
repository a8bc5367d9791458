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

#: Decided exactly for a direct request: they follow from the principal, or from no service standing in between.
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
    }
)
#: Decided as well if the facts say which organisation all their accounts are in.
FIXED_IN_ORGANISATION = FIXED | {"aws:principalorgid"}
_VARIABLE = re.compile(r"\$\{([^}*?$][^},]*)[^}]*\}")


@lru_cache(maxsize=16384)
def loosened(policy: Named, form: Form, fixed: frozenset[str] = FIXED, *, anywhere: bool = False) -> Named:
    """The policy that allows whatever the given one may allow; raises UnknownElement if it has no known meaning.

    fixed: the condition keys that are decided. anywhere: on any resource at all, for actions whose resource is the
    asker's to choose.
    """
    parse(policy, form)
    document = json.loads(str(policy.document))
    listed = document["Statement"]
    listed = listed if isinstance(listed, list) else [listed]
    # a statement that falls away keeps its place, so that a derivation names it by its number in the deployed policy
    document["Statement"] = [
        _allow(item, fixed, anywhere) if item["Effect"] == "Allow" else _deny(item, fixed, anywhere) for item in listed
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

    avoidable: a Deny that names one session misses all others, so the entry falls away. A federated user's session has
    no identity of its own among the facts: an Allow to one counts as an Allow to everybody.
    """
    if not isinstance(element, dict) or "AWS" not in element:
        return element
    found: list[str] = []
    for arn in _list(element["AWS"]):
        chosen = ":assumed-role/" in arn or ":federated-user/" in arn
        if chosen and avoidable:
            continue
        found.append("*" if ":federated-user/" in arn else f"{arn.rpartition('/')[0]}/prover" if chosen else arn)
    return {**element, "AWS": found or ["arn:aws:iam::000000000000:user/nobody"]}


def _allow(statement: Mapping[str, Any], fixed: frozenset[str], anywhere: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for operator, keys in statement.get("Condition", {}).items():
        decidable = {key: values for key, values in keys.items() if _decidable(key, values, fixed)}
        if decidable:
            kept[operator] = decidable
    found = {**statement, "Condition": kept}
    if "Principal" in found:
        found["Principal"] = _principals(found["Principal"], avoidable=False)
    if anywhere:
        found.pop("NotResource", None)
        return {**found, "Resource": "*"}
    if "Resource" in found:
        found["Resource"] = [
            _VARIABLE.sub(lambda name: name[0] if _fixed(name[0], fixed) else "*", text)
            for text in _list(found["Resource"])
        ]
    if "NotResource" in found:
        excluded = [text for text in _list(found.pop("NotResource")) if _fixed(text, fixed)]
        found |= {"NotResource": excluded} if excluded else {"Resource": "*"}
    return found


def _deny(statement: Mapping[str, Any], fixed: frozenset[str], anywhere: bool) -> dict[str, Any]:
    conditions = statement.get("Condition", {})
    decidable = all(_decidable(key, values, fixed) for keys in conditions.values() for key, values in keys.items())
    listed = _list(statement.get("Resource", statement.get("NotResource", [])))
    resources = [text for text in listed if _fixed(text, fixed)]
    narrow = anywhere and "*" not in _list(statement.get("Resource", []))
    partial = "NotResource" in statement and len(resources) < len(listed)
    if not decidable or narrow or partial or (listed and not resources):
        # it can be avoided: kept as a statement that denies nothing
        return {**statement, "Condition": {"Null": {"aws:PrincipalIsAWSService": "true"}}}
    found = {**statement, "Resource": resources} if "Resource" in statement else dict(statement)
    for element in ("Principal", "NotPrincipal"):
        if element in found:
            found[element] = _principals(found[element], avoidable=element == "Principal")
    return found
