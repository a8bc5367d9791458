"""The Condition element: operators, set qualifiers, IfExists, Null, and what an absent key means.

Conditions of a statement must all hold. Within one, several values are alternatives (none may match if the operator is
negated). An absent key fails a positive operator and satisfies a negated one, IfExists and ForAllValues.
Source: IAM user guide, "Condition operators" and "Set operators for multivalued context keys".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.authorization import catalogue
from strongroom.authorization.operators import OPERATORS, Test, parse_truth
from strongroom.authorization.variables import Facts
from strongroom.errors import UnknownElement

_SETS = ("ForAllValues", "ForAnyValue")
_IF_EXISTS = "IfExists"


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key; `holds(facts)` evaluates it."""

    operator: str
    key: str
    values: tuple[str, ...]
    holds: Callable[[Facts], bool]


def parse_conditions(element: Any, *, variables: bool, where: str) -> tuple[Condition, ...]:
    """The conditions of a Condition element; raises UnknownElement on anything without a documented meaning."""
    if not isinstance(element, Mapping):
        raise UnknownElement(f"{where}: Condition is not an object", hint="write {operator: {key: value}}")
    found: list[Condition] = []
    for name, keys in element.items():
        if not isinstance(keys, Mapping) or not keys:
            raise UnknownElement(f"{where}: operator {name} has no keys", hint="write {operator: {key: value}}")
        for key, values in keys.items():
            here = f"{where}: {name} {key}"
            if not catalogue.known_key(key):
                raise UnknownElement(f"{here}: the condition key is not known", hint="check its spelling")
            found.append(_condition(name, key, _texts(values, here), variables, here))
    return tuple(found)


def _texts(values: Any, where: str) -> tuple[str, ...]:
    """Condition values as texts; JSON booleans and numbers count as their texts."""
    items = values if isinstance(values, list) else [values]
    texts: list[str] = []
    for item in items:
        if isinstance(item, bool):
            texts.append("true" if item else "false")
        elif isinstance(item, str | int | float):
            texts.append(str(item))
        else:
            raise UnknownElement(f"{where}: a value is neither text, number nor boolean", hint="write a text")
    if not texts:
        raise UnknownElement(f"{where}: no values", hint="remove the condition or give it a value")
    return tuple(texts)


def _condition(name: str, key: str, values: tuple[str, ...], variables: bool, where: str) -> Condition:
    quantifier, colon, operator = name.rpartition(":")
    if colon and quantifier not in _SETS:
        raise UnknownElement(f"{where}: {quantifier} is no set operator", hint="use ForAllValues or ForAnyValue")
    lowered = key.lower()
    if operator == "Null" and not quantifier:
        return Condition(name, key, values, _null(lowered, values, where))
    base = operator.removesuffix(_IF_EXISTS)
    if base not in OPERATORS:
        raise UnknownElement(f"{where}: {operator} is no condition operator", hint="operators are case-sensitive")
    compiler, negated = OPERATORS[base]
    test = compiler(values, variables, where)
    if quantifier == "ForAllValues":
        holds = _for_all(lowered, test, negated)
    elif quantifier == "ForAnyValue":
        # with ForAnyValue there must be a value that decides, so IfExists adds nothing
        holds = _for_any(lowered, test, negated)
    else:
        holds = _single(lowered, test, negated, absent=negated or operator != base, where=where)
    return Condition(name, key, values, holds)


def _null(key: str, values: tuple[str, ...], where: str) -> Callable[[Facts], bool]:
    wanted: set[bool] = set()
    for value in values:
        truth = parse_truth(value)
        if truth is None:
            raise UnknownElement(f"{where}: {value!r} is neither true nor false", hint="true: absent; false: present")
        wanted.add(truth)
    return lambda facts: (key not in facts) in wanted


def _single(key: str, test: Test, negated: bool, *, absent: bool, where: str) -> Callable[[Facts], bool]:
    def holds(facts: Facts) -> bool:
        value = facts.get(key)
        if value is None:
            return absent
        if not isinstance(value, str):
            # AWS requires a set operator here and says nothing of what else happens: to match nothing would open a Deny
            raise UnknownElement(f"{where}: the key has several values", hint="use ForAllValues or ForAnyValue")
        return test(value, facts) != negated

    return holds


def _members(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The values a set operator quantifies over; an empty text is a null data set."""
    if value is None:
        return ()
    return tuple(item for item in ((value,) if isinstance(value, str) else value) if item)


def _for_all(key: str, test: Test, negated: bool) -> Callable[[Facts], bool]:
    return lambda facts: all(test(item, facts) != negated for item in _members(facts.get(key)))


def _for_any(key: str, test: Test, negated: bool) -> Callable[[Facts], bool]:
    return lambda facts: any(test(item, facts) != negated for item in _members(facts.get(key)))
