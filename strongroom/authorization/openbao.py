"""The decision of OpenBao or Vault on one request of a token, from the token's ACL policies.

The most specific rule decides alone: an exact path before patterns, and among patterns the one whose first wildcard
stands latest. Source: OpenBao documentation, "Policies" ("Priority matching", "Parameter constraints").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from strongroom.authorization.decision import Decision, Layer, Outcome, StatementRef, Step
from strongroom.authorization.openbao_policies import CAPABILITIES, Parameters, Rule, VaultPolicy, rules
from strongroom.authorization.principals import Match
from strongroom.errors import UnknownElement

#: Capabilities whose requests carry parameters that a policy may constrain.
_WITH_PARAMETERS: Final = frozenset({"read", "update", "create", "patch"})
_LISTING: Final = frozenset({"list", "scan"})


def evaluate_vault(
    policies: Sequence[VaultPolicy],
    path: str,
    capability: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    identity: Mapping[str, str] | None = None,
    wrap_ttl: int | None = None,
    now: datetime | None = None,
) -> Decision:
    """The decision on one request.

    path: as in the API, without `/v1/`. capability: what the operation needs. parameters: the request's data, names in
    any case. identity: the values of templates. wrap_ttl: seconds of response wrapping, None without. now: needed if
    policies expire.
    A rule with a control group allows here; `rule_for` says whose approval the server then waits for.
    """
    if capability not in CAPABILITIES or capability == "deny":
        raise UnknownElement(f"capability {capability!r} is not known", hint=", ".join(CAPABILITIES[:-1]))
    if any(policy.name == "root" for policy in policies):
        return _decision(True, "the root policy allows everything", StatementRef("root", "", 0))
    rule = rule_for(policies, path, capability, identity=identity, now=now)
    if rule is None:
        return _decision(False, "no policy names the path", None)
    name, index = rule.sources[0]
    shown = StatementRef(name, f"path {rule.pattern}{'*' if rule.prefix else ''}", index)
    if rule.denies:
        return _decision(False, "the most specific rule denies", shown, explicit=True)
    if capability not in rule.capabilities:
        return _decision(False, f"the most specific rule does not allow {capability}", shown)
    if refusal := _wrapping(rule, wrap_ttl) or _constraints(rule, capability, parameters or {}):
        return _decision(False, refusal, shown)
    return _decision(True, f"the most specific rule allows {capability}", shown)


def capabilities(
    policies: Sequence[VaultPolicy], path: str, *, identity: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """What sys/capabilities answers for a token with these policies, in alphabetical order."""
    if any(policy.name == "root" for policy in policies):
        return ("root",)
    rule = rule_for(policies, path, "list", identity=identity)
    return ("deny",) if rule is None or not rule.capabilities else tuple(sorted(rule.capabilities))


def rule_for(
    policies: Sequence[VaultPolicy],
    path: str,
    capability: str,
    *,
    identity: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> Rule | None:
    """The one rule that decides, merged over the policies that state it; None if none matches."""
    return Acl(rules(policies, identity, now)).rule(path, capability)


class Acl:
    """The merged rules of a token, to be asked about many paths."""

    def __init__(self, found: Sequence[Rule]) -> None:
        self.exact = {rule.pattern: rule for rule in found if not rule.prefix and not rule.segments}
        self.patterns = [rule for rule in found if rule.prefix or rule.segments]

    def rule(self, path: str, capability: str) -> Rule | None:
        """The one rule that decides; None if none matches."""
        path = path.lstrip("/")
        bare = path.removesuffix("/")
        if path in self.exact:
            return self.exact[path]
        if capability in _LISTING and bare in self.exact:
            return self.exact[bare]
        best = _best(self.patterns, path)
        if best is None and capability == "list" and bare != path:
            return _best(self.patterns, bare)
        return best


def _best(patterns: Sequence[Rule], path: str) -> Rule | None:
    matching = [rule for rule in patterns if _matches(rule, path)]
    return max(matching, key=_priority, default=None)


def _matches(rule: Rule, path: str) -> bool:
    if not rule.segments:
        return path.startswith(rule.pattern)
    asked, stated = path.split("/"), rule.pattern.split("/")
    if len(asked) < len(stated) or (not rule.prefix and len(asked) != len(stated)):
        return False
    last = len(stated) - 1
    return all(
        part in ("+", asked[index]) or (rule.prefix and index == last and asked[index].startswith(part))
        for index, part in enumerate(stated)
    )


def _priority(rule: Rule) -> tuple[int, bool, int, int, str]:
    """Higher decides: late first wildcard, no trailing star, few `+`, long, last in the alphabet."""
    first = rule.pattern.index("+") if rule.segments else len(rule.pattern)
    return first, not rule.prefix, -rule.pattern.split("/").count("+"), len(rule.pattern), rule.pattern


def _wrapping(rule: Rule, ttl: int | None) -> str:
    """Why the wrapping of the response does not fit, or ''."""
    shortest, longest = rule.min_wrapping_ttl, rule.max_wrapping_ttl
    if not shortest and not longest:
        return ""
    if ttl is None:
        return "the response must be wrapped"
    if (longest and ttl > longest) or ttl < shortest or (longest and longest < shortest):
        return "the response is wrapped for too long or too short a time"
    return ""


def _constraints(rule: Rule, capability: str, parameters: Mapping[str, Any]) -> str:
    """Why the request's parameters do not fit, or ''; names of parameters are shown, values never."""
    given = {name.lower(): value for name, value in parameters.items()}
    if capability in _LISTING:
        return _pagination(rule, given)
    if capability not in _WITH_PARAMETERS:
        return ""
    missing = [name for name in rule.required if name not in given]
    if missing:
        return f"parameter {missing[0]} is required"
    denied: Parameters = rule.denied or {}
    if given and "*" in denied:
        return "no parameter may be given"
    for name, value in given.items():
        if name in denied and listed(value, denied[name]):
            return f"parameter {name} is denied"
    allowed: Parameters = rule.allowed or {}
    if not allowed or set(allowed) == {"*"}:
        return ""
    for name, value in given.items():
        if name not in allowed and "*" not in allowed:
            return f"parameter {name} is not among the allowed ones"
        if name in allowed and not listed(value, allowed[name]):
            return f"the value of parameter {name} is not among the allowed ones"
    return ""


def _pagination(rule: Rule, given: Mapping[str, Any]) -> str:
    if not rule.pagination_limit:
        return ""
    if "limit" not in given:
        return "a limit is required" if "limit" in rule.required else ""
    limit = str(given["limit"])
    if limit == "max":
        return ""
    return "" if limit.lstrip("-").isdigit() and int(limit) <= rule.pagination_limit else "the limit is too high"


def listed(value: Any, values: Sequence[Any]) -> bool:
    """True if a value is among those listed; none listed means any. Texts may begin or end with `*`."""
    if not values:
        return True
    return any(_equal(item, value) for item in values)


def _equal(item: Any, value: Any) -> bool:
    """Texts by their globs, truth values by identity; a number in a policy equals no number of a request."""
    if isinstance(item, str) and isinstance(value, str):
        return _globbed(item, value)
    return isinstance(item, bool) and item is value


def _globbed(pattern: str, text: str) -> bool:
    """Stars at the ends only, as the server compares texts; a lone star is a text like any other."""
    if len(pattern) < 2 or not (pattern.startswith("*") or pattern.endswith("*")):
        return pattern == text
    core = pattern[1 if pattern.startswith("*") else 0 : -1 if pattern.endswith("*") else None]
    if pattern.startswith("*") and pattern.endswith("*"):
        return core in text
    return text.endswith(core) if pattern.startswith("*") else text.startswith(core)


def _decision(allowed: bool, reason: str, shown: StatementRef | None, *, explicit: bool = False) -> Decision:
    outcome = Outcome.DENY if explicit else Outcome.ALLOW if allowed else Outcome.SILENT
    step = Step(Layer.ACL, outcome, shown, Match.DIRECT if allowed else Match.NONE)
    return Decision(allowed, reason, Layer.ACL, explicit, shown, (step,))
