"""The shape of a documented example: a page's policies as plain data, requests, and the outcomes that it states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from strongroom.authorization import (
    Decision,
    Grant,
    Named,
    Policies,
    Principal,
    Request,
    evaluate,
    evaluate_assume_role,
)

HOME, FAR, AUDIT, VENDOR = "210000000001", "210000000002", "210000000003", "220000000009"
Document = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """One request and whether the page says it succeeds.

    given: policies in place of the example's, or beside them. tags: session tags passed with AssumeRole.
    twice: why the outcome stands on two grounds at once, so that no single change of a policy turns it; else ''.
    """

    allowed: bool
    who: Principal
    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    twice: str = ""


@dataclass(frozen=True)
class Example:
    """page: its title. says: what it states, in our words and names. given: policies by kind, as plain data."""

    page: str
    says: str
    given: Mapping[str, Any]
    asks: tuple[Ask, ...]


def yes(who: Principal, action: str, resource: str = "*", context: Mapping[str, Any] | None = None, **more: Any) -> Ask:
    """A request that the page says succeeds."""
    return Ask(True, who, action, resource, context or {}, **more)


def no(who: Principal, action: str, resource: str = "*", context: Mapping[str, Any] | None = None, **more: Any) -> Ask:
    """A request that the page says is refused."""
    return Ask(False, who, action, resource, context or {}, **more)


def document(*statements: Document) -> Document:
    """A policy document of the current language."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any, resource: Any = "*", **more: Any) -> Document:
    """An Allow; `resource` None leaves the element out (trust policies)."""
    return _statement("Allow", action, resource, more)


def deny(action: Any, resource: Any = "*", **more: Any) -> Document:
    """A Deny; `resource` None leaves the element out."""
    return _statement("Deny", action, resource, more)


def _statement(effect: str, action: Any, resource: Any, more: Mapping[str, Any]) -> Document:
    made: Document = {"Effect": effect}
    if "NotAction" not in more:
        made["Action"] = action
    if resource is not None and "NotResource" not in more:
        made["Resource"] = resource
    return made | dict(more)


def user(name: str, account: str = HOME, **more: Any) -> Principal:
    """An IAM user."""
    return Principal(f"arn:aws:iam::{account}:user/{name}", account, "user", **more)


def session(role: str, name: str = "run-1", account: str = HOME, **more: Any) -> Principal:
    """A session of a role."""
    arn = f"arn:aws:sts::{account}:assumed-role/{role}/{name}"
    return Principal(arn, account, "role-session", role_arn=f"arn:aws:iam::{account}:role/{role}", **more)


def root(account: str = HOME) -> Principal:
    """The root user of an account."""
    return Principal(f"arn:aws:iam::{account}:root", account, "root")


def service(name: str) -> Principal:
    """A service that calls by itself."""
    return Principal(f"{name}.amazonaws.com", "", "service")


ANYBODY = Principal("*", "", "anonymous")
FULL_ACCESS = document(allow("*"))


def decide(given: Mapping[str, Any], ask: Ask) -> Decision:
    """Our decision on a request under an example's policies."""
    given = {**given, **ask.given}

    def listed(kind: str) -> list[Named]:
        return [Named(f"{kind} {index}", made) for index, made in enumerate(given.get(kind, []))]

    def one(kind: str) -> Named | None:
        return Named(kind, given[kind]) if kind in given else None

    def levels(kind: str) -> list[list[Named]]:
        return [
            [Named(f"{kind} {level} {index}", made) for index, made in enumerate(documents)]
            for level, documents in enumerate(given.get(kind, []))
        ]

    policies = Policies(
        identity=listed("identity"),
        boundary=one("boundary"),
        session=listed("session") if "session" in given else None,
        scps=levels("scps"),
        rcps=levels("rcps"),
        endpoint=one("endpoint"),
        resource=one("resource"),
        grants=[Grant(**grant) for grant in given.get("grants", [])],
    )
    if ask.action.startswith("sts:AssumeRole") and policies.resource is not None:
        trust = policies.resource
        return evaluate_assume_role(
            ask.who, ask.resource, trust, policies, ask.context, action=ask.action, session_tags=ask.tags
        )
    return evaluate(Request(ask.who, ask.action, ask.resource, ask.context, ask.owner), policies)
