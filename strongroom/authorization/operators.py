"""Condition operators: each compiles its policy values once into a test of one request value.

A test says whether the request value equals, is like, or lies in relation to at least one policy value. Negation, sets
and absent keys are the business of `conditions`. Source: IAM user guide, "Condition operators".
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from strongroom.authorization import matching
from strongroom.authorization.variables import Facts, Template, parse
from strongroom.errors import UnknownElement

Test = Callable[[str, Facts], bool]
#: (policy values, variables have meaning, where) -> test
Compiler = Callable[[tuple[str, ...], bool, str], Test]
T = TypeVar("T")

_W3C = re.compile(
    r"(?a)(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d+)?)?(?P<zone>Z|[+-]\d\d:\d\d))?)?)?"
)
#: An address with or without the length of its prefix; netmasks are no CIDR.
_RANGE = re.compile(r"[0-9a-fA-F:.]+(?:/[0-9]{1,3})?")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def _templates(values: tuple[str, ...], variables: bool, where: str) -> tuple[list[str], list[Template]]:
    """Policy values split into plain patterns and those with variables."""
    plain: list[str] = []
    templates: list[Template] = []
    for value in values:
        parsed = parse(value, enabled=variables, where=where)
        if isinstance(parsed, Template):
            templates.append(parsed)
        else:
            plain.append(parsed)
    return plain, templates


def _equals(values: tuple[str, ...], variables: bool, where: str) -> Test:
    plain, templates = _templates(values, variables, where)
    known = frozenset(matching.literal(value) for value in plain)
    if not templates:
        return lambda value, _: value in known

    def test(value: str, facts: Facts) -> bool:
        if value in known:
            return True
        resolved = (template.resolve(facts) for template in templates)
        return any(pattern is not None and matching.literal(pattern) == value for pattern in resolved)

    return test


def _equals_ignoring_case(values: tuple[str, ...], variables: bool, where: str) -> Test:
    plain, templates = _templates(values, variables, where)
    known = frozenset(matching.literal(value).lower() for value in plain)

    def test(value: str, facts: Facts) -> bool:
        folded = value.lower()
        if folded in known:
            return True
        resolved = (template.resolve(facts) for template in templates)
        return any(pattern is not None and matching.literal(pattern).lower() == folded for pattern in resolved)

    return test


def _patterns(match: Callable[[str], matching.Matcher]) -> Compiler:
    def compile_patterns(values: tuple[str, ...], variables: bool, where: str) -> Test:
        plain, templates = _templates(values, variables, where)
        matchers = tuple(match(value) for value in plain)
        if not templates:
            return lambda value, _: any(matcher(value) for matcher in matchers)

        def test(value: str, facts: Facts) -> bool:
            if any(matcher(value) for matcher in matchers):
                return True
            resolved = (template.resolve(facts) for template in templates)
            return any(pattern is not None and match(pattern)(value) for pattern in resolved)

        return test

    return compile_patterns


def _shifts(template: Template, facts: Facts) -> bool:
    """True if a variable before the fifth colon holds a colon, which would move what follows to other segments."""
    colons = 0
    for piece in template.pieces:
        if isinstance(piece, str):
            colons += piece.count(":")
        elif colons < matching.ARN_SEGMENTS - 1 and ":" in str(facts.get(piece.key, "")):
            return True
    return False


def _arns(values: tuple[str, ...], variables: bool, where: str) -> Test:
    for value in values:
        # a variable may hold a whole ARN, so only texts without one can be judged here
        if "${" not in value and (not value.startswith("arn:") or value.count(":") < matching.ARN_SEGMENTS - 1):
            raise UnknownElement(f"{where}: {value!r} is not an ARN of six segments", hint="use StringLike for a text")
    match = _patterns(matching.arn)(values, variables, where)
    # a variable may be the whole ARN; as a part of one it must stay in its segment
    parts = [template for template in _templates(values, variables, where)[1] if len(template.pieces) > 1]

    def test(value: str, facts: Facts) -> bool:
        if any(_shifts(template, facts) for template in parts):
            raise UnknownElement(f"{where}: a variable's value has a colon", hint="compare the parts one by one")
        return match(value, facts)

    return test if parts else match


def _typed(parse_value: Callable[[str], T | None], kind: str, compare: Callable[[T, T], bool]) -> Compiler:
    """A compiler for values of one type; a policy value or request value of another type is refused."""

    def compile_typed(values: tuple[str, ...], _variables: bool, where: str) -> Test:
        limits: list[T] = []
        for value in values:
            limit = parse_value(value)
            if limit is None:
                raise UnknownElement(f"{where}: {value!r} is not {kind}", hint="policy variables have no meaning here")
            limits.append(limit)

        def test(value: str, _: Facts) -> bool:
            given = parse_value(value)
            if given is None:
                raise UnknownElement(f"{where}: the request's value is not {kind}", hint="send a value of that type")
            return any(compare(given, limit) for limit in limits)

        return test

    return compile_typed


def parse_number(text: str) -> Decimal | None:
    """An integer or decimal number in ASCII digits, or None."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def parse_time(text: str) -> datetime | None:
    """A moment in one of the W3C forms of ISO 8601 (UTC where no zone is given) or in seconds since 1970, or None."""
    if _NUMBER.fullmatch(text) and not (len(text) == 4 and text.isdigit()):
        try:
            return datetime.fromtimestamp(float(text), UTC)
        except (OverflowError, ValueError, OSError):
            return None
    found = _W3C.fullmatch(text)
    if found is None:
        return None
    date = f"{found['year']}-{found['month'] or '01'}-{found['day'] or '01'}"
    clock = "T00:00:00+00:00"
    if found["hour"]:
        fraction = f"{found['fraction'] or '.0'}000000"[:7]
        zone = "+00:00" if found["zone"] == "Z" else found["zone"]
        clock = f"T{found['hour']}:{found['minute']}:{found['second'] or '00'}{fraction}{zone}"
    try:
        return datetime.fromisoformat(date + clock)
    except ValueError:
        return None


def parse_truth(text: str) -> bool | None:
    """`true` or `false` in any case, else None."""
    return {"true": True, "false": False}.get(text.lower())


def parse_binary(text: str) -> bytes | None:
    """The bytes of a base64 text, or None."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _addresses(values: tuple[str, ...], _variables: bool, where: str) -> Test:
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for value in values:
        try:
            if not _RANGE.fullmatch(value):
                raise ValueError
            networks.append(ipaddress.ip_network(value, strict=False))
        except ValueError:
            raise UnknownElement(f"{where}: {value!r} is not an address range", hint="write 203.0.113.0/24") from None

    def test(value: str, _: Facts) -> bool:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            raise UnknownElement(f"{where}: the request's value is not an address", hint="send an address") from None
        # an IPv4 address is the same one in the IPv6 form that a dual-stack listener reports
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in networks)

    return test


def _pairs(name: str, compiler: Compiler) -> dict[str, tuple[Compiler, bool]]:
    return {f"{name}Equals": (compiler, False), f"{name}NotEquals": (compiler, True)}


def _orders(name: str, parse_value: Callable[[str], T | None], kind: str) -> dict[str, tuple[Compiler, bool]]:
    relations: dict[str, Callable[[Any, Any], bool]] = {
        "LessThan": operator.lt,
        "LessThanEquals": operator.le,
        "GreaterThan": operator.gt,
        "GreaterThanEquals": operator.ge,
    }
    equals: dict[str, tuple[Compiler, bool]] = _pairs(name, _typed(parse_value, kind, operator.eq))
    return equals | {f"{name}{word}": (_typed(parse_value, kind, test), False) for word, test in relations.items()}


_like = _patterns(matching.glob)
#: name -> (compiler, negated). `Null` asks about presence and is handled by `conditions`.
OPERATORS: dict[str, tuple[Compiler, bool]] = {
    **_pairs("String", _equals),
    "StringEqualsIgnoreCase": (_equals_ignoring_case, False),
    "StringNotEqualsIgnoreCase": (_equals_ignoring_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    **_pairs("Arn", _arns),
    "ArnLike": (_arns, False),
    "ArnNotLike": (_arns, True),
    **_orders("Numeric", parse_number, "a number"),
    **_orders("Date", parse_time, "a date"),
    "Bool": (_typed(parse_truth, "true or false", operator.eq), False),
    "BinaryEquals": (_typed(parse_binary, "base64", operator.eq), False),
    "IpAddress": (_addresses, False),
    "NotIpAddress": (_addresses, True),
}
