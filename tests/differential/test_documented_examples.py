"""The examples of AWS's documentation: each request has the outcome that its page states, and for the stated reason."""

from __future__ import annotations

import copy
import importlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import documented_examples  # noqa: E402
from documented import Ask, Example, decide  # noqa: E402

from strongroom.authorization import (  # noqa: E402
    UnknownElement,
    conditions,
    documents,
    grants,
    matching,
    principals,
    request,
    variables,
)

evaluate_module = importlib.import_module("strongroom.authorization.evaluate")

CASES = [(example, ask) for example in documented_examples.EXAMPLES for ask in example.asks]


def name(case: tuple[Example, Ask]) -> str:
    example, ask = case
    return f"{example.page.split(': ')[-1]}-{'may' if ask.allowed else 'not'}-{ask.action}"


@pytest.mark.parametrize(("example", "ask"), CASES, ids=[name(case) for case in CASES])
def test_the_documented_outcome(example: Example, ask: Ask) -> None:
    decision = decide(example.given, ask)
    assert decision.allowed is ask.allowed, f"{example.says}\n{decision.explain()}"


def statements(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every statement of every policy."""
    stack = [value for kind, value in given.items() if kind != "grants"]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif "Statement" in item:
            yield from item["Statement"]


def given_to(example: Example, ask: Ask) -> dict[str, Any]:
    return copy.deepcopy({**example.given, **ask.given})


def outcome(given: dict[str, Any], ask: Ask) -> bool:
    return decide(given, Ask(ask.allowed, ask.who, ask.action, ask.resource, ask.context, ask.owner, ask.tags)).allowed


def turn(statement: dict[str, Any]) -> None:
    """The other Effect; a Deny with NotPrincipal, which has no Allow to turn into, comes to deny nothing."""
    if "NotPrincipal" in statement:
        statement["Action"] = "nothing:Nothing"
    else:
        statement["Effect"] = "Allow" if statement["Effect"] == "Deny" else "Deny"


def changes(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each policy set that one change of one statement, or the loss of one limiting policy, makes."""
    count = sum(1 for _ in statements(given))
    for index in range(count):
        for change in ("Effect", "Condition", "Action", "Resource", "Principal"):
            changed = copy.deepcopy(given)
            statement = list(statements(changed))[index]
            if change == "Effect":
                turn(statement)
            elif change == "Condition":
                statement.pop("Condition", None)
            elif change == "Principal":
                if "Principal" in statement:
                    statement["Principal"] = "*"
            else:
                statement.pop(f"Not{change}", None)
                if change == "Action" or change in statement or "Resource" in json.dumps(statement):
                    statement[change] = "*"
            if changed != given:
                yield changed
    for kind in ("boundary", "session", "scps", "rcps", "endpoint"):
        if kind in given:
            yield {other: value for other, value in given.items() if other != kind}
    for index, grant in enumerate(given.get("grants", [])):
        changed = copy.deepcopy(given)
        changed["grants"][index] |= {"constraints": {}}
        yield changed
        if grant:
            yield {**given, "grants": [made for place, made in enumerate(given["grants"]) if place != index]}


@pytest.mark.parametrize(("example", "ask"), CASES, ids=[name(case) for case in CASES])
def test_each_case_hangs_on_one_statement(example: Example, ask: Ask) -> None:
    """Negative control: there is a single change of the policies under which the request ends otherwise."""
    given = given_to(example, ask)
    turned = 0
    for changed in changes(given):
        try:
            turned += outcome(changed, ask) is not ask.allowed
        except UnknownElement:
            continue
    assert bool(turned) is not bool(ask.twice), f"{example.says}: {ask.twice or 'nothing changes the outcome'}"


def test_a_deciding_statement_decides() -> None:
    """With its Effect turned, the statement that a decision names decides the other way."""
    for example, ask in CASES:
        given = given_to(example, ask)
        decision = decide(given, ask)
        if decision.statement is None or ask.twice or decision.statement.policy.startswith("grant"):
            continue
        kind, *place = decision.statement.policy.split(" ")
        found = given[kind]
        for index in place:
            found = found[int(index)]
        turn(found["Statement"][decision.statement.index])
        assert outcome(given, ask) is not ask.allowed, example.says


def test_pages_and_examples_have_both_outcomes() -> None:
    pages: dict[str, set[bool]] = defaultdict(set)
    for example, ask in CASES:
        pages[example.page].add(ask.allowed)
    assert {page for page, outcomes in pages.items() if len(outcomes) < 2} == set()
    assert {
        example.says for example in documented_examples.EXAMPLES if len({a.allowed for a in example.asks}) < 2
    } == set()
    assert len(CASES) >= 100


def test_no_example_stands_twice() -> None:
    texts = [f"{example.page} {example.says}" for example in documented_examples.EXAMPLES]
    assert len(texts) == len(set(texts))


def test_every_kind_of_policy_and_operator_appears() -> None:
    kinds: set[str] = set()
    families: set[str] = set()
    for example, ask in CASES:
        given = {**example.given, **ask.given}
        kinds |= set(given) | {ask.who.kind}
        if ask.action.startswith("sts:AssumeRole"):
            kinds.add("trust")
        if ask.action.startswith("kms:") and "resource" in given:
            kinds.add("key policy")
        kinds.add("abroad" if ask.owner and ask.owner != ask.who.account else "at home")
        for statement in statements(dict(given)):
            kinds |= set(statement)
            for operator in statement.get("Condition", {}):
                quantifier, _, base = operator.rpartition(":")
                families |= {quantifier, "IfExists"} if base.endswith("IfExists") else {quantifier}
                families.add(base.removesuffix("IfExists"))
    documents_of = {"identity", "boundary", "session", "scps", "rcps", "resource", "grants", "trust", "key policy"}
    askers = {"user", "role-session", "root", "federated-user", "service", "anonymous", "abroad", "at home"}
    elements = {"Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition"}
    assert documents_of | askers | elements <= kinds
    strings = {"StringEquals", "StringNotEquals", "StringLike", "StringNotLike"}
    others = {"NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "DateLessThan", "DateGreaterThan"}
    others |= {"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "Null", "ArnEquals", "ArnLike", "ArnNotEquals"}
    assert strings | others | {"ArnNotLike", "ForAllValues", "ForAnyValue", "IfExists"} <= families


#: What an evaluator may get wrong: where the meaning lives, its name there, and a wrong reading of it.
WRONG: dict[str, tuple[Any, str, Any]] = {
    "any value of several suffices always": (conditions, "_for_all", conditions._for_any),
    "all values of several must match always": (conditions, "_for_any", conditions._for_all),
    "a boundary or session policy limits nothing": (evaluate_module, "_limit", lambda steps: None),
    "the owner's policy is enough abroad": (
        evaluate_module,
        "_across_accounts",
        lambda steps: evaluate_module._by_resource_alone(steps),
    ),
    "key policies are as others": (evaluate_module, "resource_form", lambda request: documents.Form.RESOURCE),
    "services offer everything abroad": (evaluate_module.abroad, "offered", lambda action: True),
    "bucket policies lock root users out": (evaluate_module.abroad, "UNLOCKED_BY_ROOT", frozenset()),
    "NotPrincipal names": (principals.Principals, "_exempts", lambda self, principal: False),
    "grants have no constraints": (grants.Grant, "_constraints_hold", lambda self, request: True),
    "ARN patterns are texts": (matching, "arn", matching.glob),
    "variables have no values": (variables.Template, "resolve", lambda self, facts: None),
    "federated users stand for themselves alone": (request.Principal, "user_arn", property(lambda self: self.arn)),
}


@pytest.mark.parametrize("reading", WRONG)
def test_a_wrong_reading_is_noticed(reading: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: each misreading of the guides changes the outcome of a documented request."""
    place, attribute, wrong = WRONG[reading]
    monkeypatch.setattr(place, attribute, wrong)
    documents._parse.cache_clear()
    try:
        assert any(differs(example, ask) for example, ask in CASES)
    finally:
        documents._parse.cache_clear()


def differs(example: Example, ask: Ask) -> bool:
    try:
        return decide(example.given, ask).allowed is not ask.allowed
    except UnknownElement:
        return True
