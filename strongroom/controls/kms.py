"""Controls of KMS keys: rotation, deletion, and a policy in which owner, administrator and user are three."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from strongroom.controls.facts import Control, Fact

ROTATION_DAYS = (90, 2560)
_USE = ("kms:decrypt", "kms:encrypt", "kms:generatedatakey", "kms:reencrypt", "kms:sign", "kms:generatemac")
_RULE = ("kms:putkeypolicy", "kms:disablekey", "kms:schedulekeydeletion", "kms:creategrant")


def _rotates(fact: Fact) -> str | None:
    if fact.get("KeySpec") != "SYMMETRIC_DEFAULT":
        return None
    if not fact.get("KeyRotationEnabled"):
        return "automatic rotation is off"
    low, high = ROTATION_DAYS
    period = fact.get("RotationPeriodInDays")
    return (
        None
        if period and low <= period <= high
        else f"the rotation period is {_days(period)}, not {low} to {high} days"
    )


def _days(value: Any) -> str:
    """A number of days as people write it; previews give numbers as floats."""
    return "not set" if value is None else f"{value:g} days"


def _deleted_late(fact: Fact) -> str | None:
    window = fact.get("PendingWindowInDays")
    return None if window == 30 else f"the deletion window is {_days(window)}, not 30 days"


def _separated(fact: Fact) -> str | None:
    """Looks at Allow statements only: a Deny may narrow them, it never makes a wide Allow right."""
    users: set[str] = set()
    rulers: set[str] = set()
    for statement in _allows(fact.get("Policy")):
        if "NotPrincipal" in statement or "NotAction" in statement:
            return "a statement says who is not meant, not who is"
        actions = [a.lower() for a in _listed(statement["Action"])]
        who = _principals(statement["Principal"])
        condition = json.dumps(statement.get("Condition", {}))
        if "*" in who and "Condition" not in statement:
            return "a statement allows everybody"
        delegates = [w for w in who if w.endswith(":root") and "aws:PrincipalArn" not in condition]
        if delegates:
            return f"{delegates[0]} delegates to every IAM policy of the account"
        if _touches(actions, _USE) and "kms:ViaService" not in condition:
            users |= who
        if _touches(actions, _RULE) and "kms:GrantIsForAWSResource" not in condition:
            rulers |= who
    both = sorted(users & rulers)
    return f"{both[0]} may both rule and use the key" if both else None


def _allows(policy: Any) -> Iterator[Mapping[str, Any]]:
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = document["Statement"]
    for statement in [statements] if isinstance(statements, dict) else statements:
        if statement["Effect"] == "Allow":
            yield statement


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _principals(principal: Any) -> set[str]:
    if isinstance(principal, str):
        return {principal}
    return {who for kind in principal.values() for who in _listed(kind)}


def _touches(actions: list[str], families: tuple[str, ...]) -> bool:
    """Whether one of the actions is, or its pattern may match, one of the families."""
    for action in actions:
        stem, star, _ = action.partition("*")
        if any(action.startswith(f) or (star and f.startswith(stem)) for f in families):
            return True
    return False


K1 = Control(
    "K1",
    "Symmetric keys rotate by themselves, with an explicit period",
    "kms:key",
    "164.312(a)(2)(iv)",
    _rotates,
    ("KeySpec", "KeyRotationEnabled", "RotationPeriodInDays"),
)
K2 = Control(
    "K2", "A deleted key waits thirty days", "kms:key", "164.312(c)(1)", _deleted_late, ("PendingWindowInDays",)
)
K3 = Control(
    "K3",
    "Nobody rules and uses a key; use is not delegated to an account",
    "kms:key",
    "164.308(a)(3),(4)",
    _separated,
    ("Policy",),
)
CONTROLS = (K1, K2, K3)
