"""Policy documents as plain data: typed statements, nothing of Pulumi, so that they can be evaluated and compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]


class Statement(TypedDict, total=False):
    """One statement, with AWS's own element names."""

    Sid: str
    Effect: str
    Principal: str | dict[str, Any]
    Action: list[str]
    Resource: list[str]
    Condition: dict[str, dict[str, Any]]


class Document(TypedDict):
    """A policy document of version 2012-10-17."""

    Version: str
    Statement: list[Statement]


def _statement(
    effect: str,
    sid: str,
    actions: Iterable[str],
    resources: Iterable[str],
    principal: str | dict[str, Any] | None,
    when: Conditions | None,
) -> Statement:
    made: Statement = {"Sid": sid, "Effect": effect, "Action": list(actions), "Resource": list(resources)}
    if principal is not None:
        made["Principal"] = principal
    if when:
        made["Condition"] = {
            operator: {key: value if isinstance(value, str) else list(value) for key, value in keys.items()}
            for operator, keys in when.items()
        }
    return made


def allow(
    sid: str,
    actions: Iterable[str],
    resources: Iterable[str] = ("*",),
    *,
    to: Iterable[str] | None = None,
    service: str = "",
    when: Conditions | None = None,
) -> Statement:
    """An Allow; `to` names principals by ARN and `service` a service (both only in policies of resources)."""
    principal: dict[str, Any] | None = None
    if service:
        principal = {"Service": service}
    elif to is not None:
        principal = {"AWS": list(to)}
    return _statement("Allow", sid, actions, resources, principal, when)


def deny(
    sid: str,
    actions: Iterable[str],
    resources: Iterable[str] = ("*",),
    *,
    everyone: bool = False,
    when: Conditions | None = None,
) -> Statement:
    """A Deny; `everyone` adds Principal "*" (only in policies of resources).

    A positive condition does not fire when its key is absent from the request: where that matters the caller adds
    `Null`, or uses a negated operator, which does fire.
    """
    return _statement("Deny", sid, actions, resources, "*" if everyone else None, when)


def document(statements: Iterable[Statement]) -> Document:
    """A document; statements without principals, actions or resources to speak of are a defect and refused."""
    made = list(statements)
    for statement in made:
        if not statement["Action"] or not statement["Resource"] or statement.get("Principal") == {"AWS": []}:
            raise ValueError(f"policy statement {statement.get('Sid')} names nobody or nothing")
    return {"Version": "2012-10-17", "Statement": made}


def to_json(policy: Document) -> str:
    """The document's text, always the same for the same document."""
    return json.dumps(policy, sort_keys=True, separators=(",", ":"))
