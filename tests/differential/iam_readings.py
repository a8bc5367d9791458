"""Where AWS's documentation and the other evaluator part: each class as a change to the case.

A disagreement is explained if the changed case, put to our evaluator, gives the other's answer: the change states the
reading under which that answer follows. docs/authorization.md cites AWS's page for each class.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from strongroom.authorization import (
    Grant,
    Named,
    Policies,
    Principal,
    Request,
    UnknownElement,
    abroad,
    evaluate,
    matching,
)

Case = dict[str, Any]
_VARIABLE = re.compile(r"\$\{([^},]+)(,[^}]*)?\}")
_OFFERED = {"kms": "kms:Decrypt", "backup": "backup:CopyIntoBackupVault"}
_NOBODY = {"String": "\u0001", "Arn": "arn:aws:iam::000000000000:role/nobody"}


def build(case: Case) -> tuple[Request, Policies]:
    """The case as our evaluator takes it."""
    asking, policies = case["principal"], case["policies"]
    principal = Principal(asking["arn"], asking["account"], asking["kind"], role_arn=asking["role_arn"])
    context = {key: tuple(value) if isinstance(value, list) else value for key, value in case["context"].items()}

    def one(kind: str) -> Named | None:
        return Named(kind, policies[kind]) if kind in policies else None

    def several(kind: str, documents: list[Any]) -> list[Named]:
        return [Named(f"{kind} {index}", document) for index, document in enumerate(documents)]

    return (
        Request(principal, case["action"], case["resource"], context, case["resource_account"]),
        Policies(
            identity=several("identity", policies.get("identity", [])),
            boundary=one("boundary"),
            session=several("session", policies["session"]) if "session" in policies else None,
            scps=[several("scp", level) for level in policies.get("scps", [])],
            rcps=[several("rcp", level) for level in policies.get("rcps", [])],
            endpoint=one("endpoint"),
            resource=one("resource"),
            grants=[Grant(**grant) for grant in policies.get("grants", [])],
        ),
    )


def answer(case: Case) -> str:
    """Our answer: A allowed, E denied by a statement, I denied for lack of one, U refused as unknown."""
    try:
        decision = evaluate(*build(case))
    except UnknownElement:
        return "U"
    return "A" if decision.allowed else "E" if decision.explicit else "I"


def documents(case: Case) -> Iterator[dict[str, Any]]:
    """Every policy document of a case."""
    for found in case["policies"].values():
        stack = [found]
        while stack:
            item = stack.pop()
            if isinstance(item, list):
                stack.extend(item)
            else:
                yield item


def statements(case: Case) -> Iterator[dict[str, Any]]:
    """Every statement of a case."""
    for document in documents(case):
        found = document["Statement"]
        yield from found if isinstance(found, list) else [found]


def session_not_needed(case: Case) -> None:
    """A federated user's session without session policy has the user's permissions."""
    if case["principal"]["kind"] == "federated-user":
        case["policies"].setdefault("session", [{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}])


def session_always_limits(case: Case) -> None:
    """A session policy also limits what a resource policy grants to the session itself."""
    if "session" in case["policies"]:
        case["policies"].setdefault("scps", []).append(copy.deepcopy(case["policies"]["session"]))


def one_level_exempts(case: Case) -> None:
    """NotPrincipal exempts whoever is listed at any level: account, role or session."""
    asking = case["principal"]
    root = f"arn:aws:iam::{asking['account']}:root"
    user = asking["arn"].replace(":sts:", ":iam:").replace("federated-user/", "user/")
    levels = {asking["arn"], asking["role_arn"] or user, root}
    for statement in statements(case):
        listed = statement.get("NotPrincipal")
        if listed and levels & set(listed["AWS"]):
            listed["AWS"] = sorted(set(listed["AWS"]) | levels)


def variables_of_old(case: Case) -> None:
    """Documents of version 2008-10-17 have policy variables."""
    for document in documents(case):
        document["Version"] = "2012-10-17"


def epoch_in_milliseconds(case: Case) -> None:
    """A date given as a number counts milliseconds."""
    names = {"1772359200": "1970-01-21T12:19:19.2Z", "1798761600": "1970-01-21T19:39:21.6Z"}
    for operator, key, holder in _conditions(case):
        if "Date" in operator:
            values = holder[key]
            listed = values if isinstance(values, list) else [values]
            holder[key] = [names.get(value, value) for value in listed]


def null_never_matches(case: Case) -> None:
    """A variable without value, or one that stands for a whole ARN, makes even a negated operator fail."""
    present = {key.lower(): value for key, value in case["context"].items()}
    for statement in statements(case):
        conditions = statement.get("Condition", {})
        for operator, keys in list(conditions.items()):
            quantifier, _, base = operator.rpartition(":")
            family = "Arn" if base.startswith("Arn") else "String"
            if not base.startswith(family):
                continue
            for key, values in list(keys.items()):
                listed = [str(value) for value in (values if isinstance(values, list) else [values])]
                void = [value for value in listed if _is_void(value, present, family)]
                if not void:
                    continue
                if "Not" in base:
                    del keys[key]
                    target = f"{quantifier}:{family}Equals" if quantifier else f"{family}EqualsIfExists"
                    conditions.setdefault(target, {}).setdefault(key, _NOBODY[family])
                else:
                    keys[key] = [_NOBODY[family] if value in void else value for value in listed]
            if not keys:
                del conditions[operator]


def other_family_is_inside(case: Case) -> None:
    """NotIpAddress with an address without prefix never holds for an address of the other family."""
    for operator, key, holder in _conditions(case):
        if "NotIpAddress" in operator:
            values = holder[key]
            listed = list(values) if isinstance(values, list) else [values]
            bare = [value for value in listed if "/" not in value]
            holder[key] = listed + ["0.0.0.0/0" if ":" in value else "::/0" for value in bare]


def null_not_resource(case: Case) -> None:
    """A statement whose NotResource holds a variable without value never applies, unless another entry decides."""
    present = {key.lower(): value for key, value in case["context"].items()}
    for statement in statements(case):
        listed = statement.get("NotResource", [])
        listed = listed if isinstance(listed, list) else [listed]
        if any(_is_void(value, present, "String") for value in listed):
            statement["Resource"] = "arn:aws:nothing:::"
            del statement["NotResource"]


def offered_abroad(case: Case) -> None:
    """Services offer every action to principals of other accounts: ours become one that they do offer."""
    asked = case["action"].lower()
    if abroad.offered(asked):
        return
    instead = _OFFERED[asked.partition(":")[0]]
    for statement in statements(case):
        for element in {"Action", "NotAction"} & set(statement):
            listed = statement[element] if isinstance(statement[element], list) else [statement[element]]
            statement[element] = [instead if matching.glob(text, True)(asked) else "none:None" for text in listed]
    case["action"] = instead


def several_never_match(case: Case) -> None:
    """An operator without set operator fails for a key of several values, where we refuse the policy."""
    several = {key.lower() for key, value in case["context"].items() if isinstance(value, list)}
    for statement in statements(case):
        for operator, keys in statement.get("Condition", {}).items():
            if ":" not in operator and operator != "Null" and several & {key.lower() for key in keys}:
                statement["Condition"] = {"StringEquals": {"aws:ResourceAccount": "nobody's"}}
                break


def _is_void(value: str, present: dict[str, Any], family: str) -> bool:
    for name, default in _VARIABLE.findall(value):
        if name in "*?$":
            continue
        if family == "Arn" and value == f"${{{name}}}":
            return True
        if not default and not isinstance(present.get(name.lower()), str):
            return True
    return False


def _conditions(case: Case) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for statement in statements(case):
        for operator, keys in statement.get("Condition", {}).items():
            for key in list(keys):
                yield operator, key, keys


READINGS: dict[str, Callable[[Case], None]] = {
    "session-not-needed": session_not_needed,
    "session-always-limits": session_always_limits,
    "one-level-exempts": one_level_exempts,
    "variables-of-old": variables_of_old,
    "epoch-in-milliseconds": epoch_in_milliseconds,
    "null-never-matches": null_never_matches,
    "null-not-resource": null_not_resource,
    "other-family-is-inside": other_family_is_inside,
    "offered-abroad": offered_abroad,
    "several-never-match": several_never_match,
}


def explain(case: Case, theirs: str) -> tuple[str, ...]:
    """The fewest readings under which the other's answer follows; () if none do."""
    for count in range(1, len(READINGS) + 1):
        for names in itertools.combinations(READINGS, count):
            changed = copy.deepcopy(case)
            for name in names:
                READINGS[name](changed)
            if changed != case and answer(changed) == theirs:
                return names
    return ()
