"""ACL policies of OpenBao and Vault as rules: one for each path stanza, merged by path over all policies of a token.

Source: OpenBao documentation, "Policies"; the reading of paths and the merge follow the server's own order, which the
differential test against a running server checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from strongroom.authorization import hcl
from strongroom.errors import UnknownElement, UsageError

CAPABILITIES = ("create", "read", "update", "delete", "list", "sudo", "patch", "scan", "deny")
_SHORTHANDS = {
    "deny": {"deny"},
    "read": {"read", "list"},
    "write": {"create", "read", "update", "delete", "list"},
    "sudo": {"create", "read", "update", "delete", "list", "sudo"},
}
_TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
#: What a stanza may hold beside capabilities and parameters without bearing on who may do what.
_WITHOUT_MEANING_HERE = frozenset({"comment", "list_scan_response_keys_filter_path"})

Parameters = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class VaultPolicy:
    """A named policy: HCL or JSON text, or plain data."""

    name: str
    rules: str | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Approval:
    """One factor of a control group: so many members of these groups must approve these capabilities."""

    name: str
    groups: tuple[str, ...]
    approvals: int
    capabilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """What the policies of a token say about one path pattern.

    pattern: without the trailing `*` if `prefix`. segments: it has `+` segments. allowed, denied: None if not given; an
    empty tuple of values means any value. approvals: the control group, if every policy that states the rule has one.
    sources: the policies that state it, with the index of the stanza.
    """

    pattern: str
    prefix: bool
    segments: bool
    capabilities: frozenset[str]
    allowed: Parameters | None = None
    denied: Parameters | None = None
    required: tuple[str, ...] = ()
    min_wrapping_ttl: int = 0
    max_wrapping_ttl: int = 0
    pagination_limit: int = 0
    mfa_methods: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    expiration: str = ""
    sources: tuple[tuple[str, int], ...] = ()

    @property
    def denies(self) -> bool:
        """True if the rule holds `deny`, which nothing else overrides."""
        return "deny" in self.capabilities


def rules(
    policies: Sequence[VaultPolicy], identity: Mapping[str, str] | None = None, now: datetime | None = None
) -> list[Rule]:
    """The rules of a token with these policies, one for each pattern.

    identity: values of templates such as `identity.entity.id`; a stanza whose template has no value is left out, as the
    server does. now: needed if a stanza expires. Raises UnknownElement on anything without a known meaning.
    """
    merged: dict[tuple[str, bool], Rule] = {}
    for policy in sorted(policies, key=lambda policy: policy.name):
        for rule in _parsed(policy):
            resolved = _resolve(rule, identity)
            if resolved is None or _expired(resolved, now):
                continue
            key = (resolved.pattern, resolved.prefix)
            merged[key] = _merge(merged[key], resolved) if key in merged else resolved
    return list(merged.values())


def stanzas(policies: Sequence[VaultPolicy]) -> list[Rule]:
    """Every stanza as it is written: not merged, with templates, expired or not. Raises as `rules` does."""
    return [rule for policy in sorted(policies, key=lambda policy: policy.name) for rule in _parsed(policy)]


def _parsed(policy: VaultPolicy) -> tuple[Rule, ...]:
    if isinstance(policy.rules, str):
        return _parse_text(policy.name, policy.rules)
    return _parse(policy.name, hcl.from_mapping(dict(policy.rules), policy.name))


@lru_cache(maxsize=2048)
def _parse_text(name: str, text: str) -> tuple[Rule, ...]:
    return _parse(name, hcl.read(text, name))


def _parse(name: str, body: hcl.Body) -> tuple[Rule, ...]:
    found: list[Rule] = []
    for entry in body:
        if entry.key == "name":
            continue
        if entry.key != "path" or len(entry.labels) != 1 or not isinstance(entry.value, list):
            raise UnknownElement(f"{name}: {entry.key} is no part of a policy", hint='write path "..." { ... }')
        found.append(_stanza(name, len(found), entry.labels[0], entry.value))
    return tuple(found)


def _stanza(name: str, index: int, path: str, body: hcl.Body) -> Rule:
    where = f"{name}: path {path!r}"
    values: dict[str, Any] = {}
    for entry in body:
        if entry.key in values:
            raise UnknownElement(f"{where}: {entry.key} twice", hint="which of the two holds is undefined")
        values[entry.key] = entry.value
    if "+*" in path:
        raise UnknownElement(f"{where}: + and * together", hint="a + stands for one whole segment")
    capabilities = set(_texts(values.pop("capabilities", []), where, "capabilities"))
    shorthand = values.pop("policy", None)
    if shorthand is not None:
        if shorthand not in _SHORTHANDS:
            raise UnknownElement(f"{where}: policy {shorthand!r} is not known", hint="list capabilities")
        capabilities |= _SHORTHANDS[shorthand]
    unknown = sorted(capabilities - set(CAPABILITIES))
    if unknown:
        raise UnknownElement(f"{where}: capability {unknown[0]!r} is not known", hint=", ".join(CAPABILITIES))
    if "deny" in capabilities:
        capabilities = {"deny"}
    pattern, prefix, segments = _pattern(path)
    rule = Rule(
        pattern=pattern,
        prefix=prefix,
        segments=segments,
        capabilities=frozenset(capabilities),
        allowed=_parameters(values.pop("allowed_parameters", None), where),
        denied=_parameters(values.pop("denied_parameters", None), where),
        required=tuple(text.lower() for text in _texts(values.pop("required_parameters", []), where, "required")),
        min_wrapping_ttl=_seconds(values.pop("min_wrapping_ttl", 0), where),
        max_wrapping_ttl=_seconds(values.pop("max_wrapping_ttl", 0), where),
        pagination_limit=int(values.pop("pagination_limit", 0)),
        mfa_methods=_texts(values.pop("mfa_methods", []), where, "mfa_methods"),
        approvals=_approvals(values.pop("control_group", None), where),
        expiration=str(values.pop("expiration", "")),
        sources=((name, index),),
    )
    left = sorted(set(values) - _WITHOUT_MEANING_HERE)
    if left:
        raise UnknownElement(f"{where}: {left[0]} is not known", hint="see the documentation of policies")
    return rule


def _pattern(path: str) -> tuple[str, bool, bool]:
    """The pattern of a path, whether it is a prefix, and whether it has `+` segments."""
    path = path.removeprefix("/")
    segments = path == "+" or "/+" in path or path.startswith("+/")
    prefix = path.endswith("*")
    return (path[:-1] if prefix else path), prefix, segments


def _texts(value: Any, where: str, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UnknownElement(f"{where}: {what} is not a list of texts", hint='write ["..."]')
    return tuple(value)


def _parameters(value: Any, where: str) -> Parameters | None:
    if value is None:
        return None
    if isinstance(value, dict):
        pairs: Iterable[tuple[str, Any]] = value.items()
    elif isinstance(value, list) and all(isinstance(entry, hcl.Entry) for entry in value):
        pairs = ((entry.key, entry.value) for entry in value)
    else:
        raise UnknownElement(f"{where}: parameters are not an object", hint='write { "name" = ["value"] }')
    found: dict[str, tuple[Any, ...]] = {}
    for name, values in pairs:
        if not isinstance(values, list):
            raise UnknownElement(f"{where}: parameter {name} has no list of values", hint="[] means any value")
        if isinstance(value, dict) and any(isinstance(item, bool) for item in values):
            # the server drops them from JSON, and an empty list means any value
            raise UnknownElement(
                f"{where}: parameter {name} lists true or false in JSON", hint="write the policy in HCL"
            )
        found[name.lower()] = tuple(values)
    return found


def _seconds(value: Any, where: str) -> int:
    if isinstance(value, int):
        return value
    text = str(value)
    if text.isdigit():
        return int(text)
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise UnknownElement(f"{where}: {text!r} is no duration", hint="write seconds or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _approvals(body: Any, where: str) -> tuple[Approval, ...]:
    if body is None:
        return ()
    found: list[Approval] = []
    for entry in body:
        if entry.key == "ttl":
            continue
        if entry.key != "factor" or len(entry.labels) != 1:
            raise UnknownElement(f"{where}: control_group: {entry.key} is not known", hint="ttl and factors")
        factor = {item.key: item.value for item in entry.value}
        identity = {item.key: item.value for item in factor.pop("identity", [])}
        controlled = _texts(factor.pop("controlled_capabilities", []), where, "controlled_capabilities")
        groups = _texts(identity.pop("group_names", []), where, "group_names")
        approvals = identity.pop("approvals", 0)
        if factor or identity or not groups or not isinstance(approvals, int) or approvals < 1:
            raise UnknownElement(f"{where}: factor {entry.labels[0]} is not understood", hint="group_names, approvals")
        found.append(Approval(entry.labels[0], groups, approvals, frozenset(controlled or CAPABILITIES[:-1])))
    return tuple(found)


def _resolve(rule: Rule, identity: Mapping[str, str] | None) -> Rule | None:
    """The rule with its templates filled in; None if the identity has no value for one."""
    if "{{" not in rule.pattern:
        return rule
    name = rule.sources[0][0]
    if identity is None:
        raise UnknownElement(f"{name}: path {rule.pattern!r} has a template", hint="give the token's identity")
    keys = _TEMPLATE.findall(rule.pattern)
    if any(not identity.get(key) for key in keys):
        return None
    return replace(rule, pattern=_TEMPLATE.sub(lambda found: identity[found[1]], rule.pattern))


def _expired(rule: Rule, now: datetime | None) -> bool:
    if not rule.expiration:
        return False
    if now is None:
        raise UsageError(f"{rule.sources[0][0]}: path {rule.pattern!r} expires", hint="give the time of the request")
    return now > datetime.fromisoformat(rule.expiration)


def _merge(old: Rule, new: Rule) -> Rule:
    """Two rules of one pattern: deny wins, capabilities add up, restrictions add up, the shorter life counts."""
    if old.denies:
        return old
    if new.denies:
        return new

    def least(first: int, second: int) -> int:
        return min(first, second) if first and second else first or second

    return replace(
        old,
        capabilities=old.capabilities | new.capabilities,
        allowed=_join(old.allowed, new.allowed),
        denied=_join(old.denied, new.denied),
        required=old.required + tuple(name for name in new.required if name not in old.required),
        min_wrapping_ttl=least(old.min_wrapping_ttl, new.min_wrapping_ttl),
        max_wrapping_ttl=least(old.max_wrapping_ttl, new.max_wrapping_ttl),
        pagination_limit=least(old.pagination_limit, new.pagination_limit),
        mfa_methods=old.mfa_methods + new.mfa_methods,
        # the server keeps the control group of whichever policy it reads first: only one that all state is certain
        approvals=old.approvals if new.approvals else (),
        sources=old.sources + new.sources,
    )


def _join(old: Parameters | None, new: Parameters | None) -> Parameters | None:
    """Parameters of two rules: any value where one says any, else the values of both; a rule without says nothing."""
    if not new:
        return old
    if old is None:
        return new
    joined = dict(old)
    for name, values in new.items():
        joined[name] = () if not values or (name in old and not old[name]) else values + tuple(old.get(name, ()))
    return joined
