"""One statement of a policy, compiled once: does it apply to a request, and if not, which element says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from strongroom.authorization import catalogue, matching, variables
from strongroom.authorization.conditions import Condition, parse_conditions
from strongroom.authorization.principals import Match, Principals, parse_principals
from strongroom.authorization.request import Request
from strongroom.authorization.variables import Template
from strongroom.errors import UnknownElement

_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9*?]+")


@dataclass(frozen=True, slots=True)
class Actions:
    """An Action or NotAction element; actions are compared without regard to case."""

    everything: bool
    exact: frozenset[str]
    patterns: tuple[matching.Matcher, ...]
    negated: bool
    texts: tuple[str, ...]

    def match(self, action: str) -> bool:
        """True if the element covers an action given in lower case."""
        covered = self.everything or action in self.exact or any(pattern(action) for pattern in self.patterns)
        return covered != self.negated


@dataclass(frozen=True, slots=True)
class Resources:
    """A Resource or NotResource element; None of its parts set means the resource the policy is attached to."""

    everything: bool
    exact: frozenset[str]
    pattern: matching.Matcher | None
    templates: tuple[Template, ...]
    negated: bool
    texts: tuple[str, ...]

    def match(self, request: Request) -> bool:
        """True if the element covers the request's resource."""
        resource = request.resource
        covered = (
            self.everything
            or resource in self.exact
            or (self.pattern is not None and self.pattern(resource))
            or any(self._template(template, request) for template in self.templates)
        )
        return covered != self.negated

    @staticmethod
    def _template(template: Template, request: Request) -> bool:
        pattern = template.resolve(request.facts)
        # a variable without a value makes a resource that matches nothing, under NotResource too
        return pattern is not None and matching.resources((pattern,))(request.resource)


@dataclass(frozen=True, slots=True)
class Statement:
    """One compiled statement; `index` counts from 0 in its document."""

    index: int
    sid: str
    allows: bool
    principals: Principals | None
    actions: Actions
    resources: Resources | None
    conditions: tuple[Condition, ...]

    def match(self, request: Request, *, bounded: bool = False) -> Match:
        """How closely the statement applies: NONE, or as its principals say (DIRECT where it has none).

        bounded: the principal has a permission boundary, for which NotPrincipal with Deny exempts nobody (IAM user
        guide, "NotPrincipal").
        """
        if not self.actions.match(request.action_key):
            return Match.NONE
        match = Match.DIRECT
        if self.principals is not None:
            match = self.principals.match(request.principal)
            if match is Match.NONE and not (bounded and self.principals.negated):
                return Match.NONE
        if self.resources is not None and not self.resources.match(request):
            return Match.NONE
        for condition in self.conditions:
            if not condition.holds(request.facts):
                return Match.NONE
        return match or Match.DIRECT

    def mismatch(self, request: Request) -> str:
        """The first element that keeps the statement from applying, in words without the request's values; else ''."""
        if not self.actions.match(request.action_key):
            return "does not cover the action"
        if self.principals is not None and self.principals.match(request.principal) is Match.NONE:
            return "does not name the principal"
        if self.resources is not None and not self.resources.match(request):
            return "does not cover the resource"
        for condition in self.conditions:
            if not condition.holds(request.facts):
                state = "present with another value" if condition.key.lower() in request.facts else "absent"
                return f"condition {condition.operator} {condition.key} does not hold (the key is {state})"
        return ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What statements of one kind of policy hold: a principal or none, a resource always, perhaps or never."""

    words: str
    principal: bool = False
    not_principal: bool = False
    resource: Literal["required", "optional", "forbidden"] = "required"
    #: Whether an ARN of fewer than six segments is completed with `*`, needs a `*` of its own, or is malformed.
    incomplete: Literal["completed", "open", "malformed"] = "completed"


def parse_statement(element: Any, index: int, shape: Shape, *, variables_enabled: bool, where: str) -> Statement:
    """A compiled statement; raises UnknownElement on anything without a documented meaning."""
    if not isinstance(element, Mapping):
        raise UnknownElement(f"{where}: the statement is not an object", hint="write {Effect, Action, ...}")
    unknown = sorted(set(element) - catalogue.STATEMENT_ELEMENTS)
    if unknown:
        raise UnknownElement(f"{where}: unknown element {unknown[0]}", hint="element names are case-sensitive")
    effect = element.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise UnknownElement(f"{where}: Effect is neither Allow nor Deny", hint="write one of the two")
    sid = element.get("Sid", "")
    if not isinstance(sid, str):
        raise UnknownElement(f"{where}: Sid is not a text", hint="write a text")
    return Statement(
        index=index,
        sid=sid,
        allows=effect == "Allow",
        principals=_principals(element, effect, shape, where),
        actions=_actions(element, where),
        resources=_resources(element, shape, variables_enabled, where),
        conditions=parse_conditions(element.get("Condition", {}), variables=variables_enabled, where=where),
    )


def _either(element: Mapping[str, Any], name: str, where: str) -> tuple[str, Any] | None:
    """The one of `name` and `Not<name>` that the statement has; both is an error."""
    present = [word for word in (name, f"Not{name}") if word in element]
    if len(present) == 2:
        raise UnknownElement(f"{where}: {name} and Not{name} together", hint="keep one of the two")
    return (present[0], element[present[0]]) if present else None


def _texts(value: Any, name: str, where: str) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, str) and item for item in items):
        raise UnknownElement(f"{where}: {name} is not a text or a list of texts", hint="name at least one")
    return tuple(items)


def _principals(element: Mapping[str, Any], effect: str, shape: Shape, where: str) -> Principals | None:
    found = _either(element, "Principal", where)
    if found is None:
        if shape.principal:
            raise UnknownElement(f"{where}: {shape.words} without Principal", hint="say whom the statement is about")
        return None
    if not shape.principal:
        raise UnknownElement(f"{where}: {shape.words} with {found[0]}", hint="the principal is who it is attached to")
    name, value = found
    if name == "NotPrincipal" and (effect == "Allow" or not shape.not_principal):
        raise UnknownElement(
            f"{where}: NotPrincipal with {effect} in {shape.words}",
            hint="AWS supports NotPrincipal with Deny in resource and endpoint policies only",
        )
    return parse_principals(value, negated=name == "NotPrincipal", where=where)


def _actions(element: Mapping[str, Any], where: str) -> Actions:
    found = _either(element, "Action", where)
    if found is None:
        raise UnknownElement(f"{where}: neither Action nor NotAction", hint="AWS keeps such a statement without effect")
    name, value = found
    texts = _texts(value, name, where)
    exact: set[str] = set()
    patterns: list[matching.Matcher] = []
    for text in texts:
        if text != "*" and not _ACTION.fullmatch(text):
            raise UnknownElement(f"{where}: {text!r} is no action", hint="write service:Operation or *")
        if "*" in text or "?" in text:
            patterns.append(matching.glob(text, True))
        else:
            exact.add(text.lower())
    return Actions("*" in texts, frozenset(exact), tuple(patterns), name == "NotAction", texts)


def _check_arn(text: str, shape: Shape, where: str) -> None:
    """Refuses what AWS would not take as the ARN of a resource in this kind of policy."""
    if not text.startswith("arn:"):
        raise UnknownElement(f"{where}: resource {text!r} is neither an ARN nor *", hint="write an ARN")
    head, marker, _ = text.partition("${")
    if marker and head.count(":") < matching.ARN_SEGMENTS - 1:
        raise UnknownElement(f"{where}: {text!r} has a variable before the fifth colon", hint="put it after")
    if text.count(":") >= matching.ARN_SEGMENTS - 1 or shape.incomplete == "completed":
        return
    if shape.incomplete == "malformed" or not text.endswith("*"):
        raise UnknownElement(f"{where}: {text!r} has fewer than six segments", hint="write the whole ARN")


def _resources(element: Mapping[str, Any], shape: Shape, variables_enabled: bool, where: str) -> Resources | None:
    found = _either(element, "Resource", where)
    if found is None:
        if shape.resource == "required":
            raise UnknownElement(f"{where}: {shape.words} without Resource", hint="AWS keeps it without effect")
        return None
    if shape.resource == "forbidden":
        raise UnknownElement(f"{where}: {shape.words} with {found[0]}", hint="the resource is what it is attached to")
    name, value = found
    texts = _texts(value, name, where)
    exact: set[str] = set()
    patterns: list[str] = []
    templates: list[Template] = []
    for text in texts:
        if text == "*":
            continue
        _check_arn(text, shape, where)
        parsed = variables.parse(text, enabled=variables_enabled, where=where)
        if isinstance(parsed, Template):
            templates.append(parsed)
        elif "*" in parsed or "?" in parsed or parsed.count(":") < matching.ARN_SEGMENTS - 1:
            patterns.append(parsed)
        else:
            exact.add(matching.literal(parsed))
    pattern = matching.resources(tuple(patterns)) if patterns else None
    return Resources("*" in texts, frozenset(exact), pattern, tuple(templates), name == "NotResource", texts)
