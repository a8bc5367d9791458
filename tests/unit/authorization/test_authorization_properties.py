"""What must hold for every policy: Deny never opens, Allow never closes, order and repetition never matter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.authorization import UnknownElement, evaluate

sys.path.insert(0, str(Path(__file__).parents[2] / "differential"))

import iam_cases
import iam_readings

#: Requests that are understood; refusals are the matter of test_authorization_refusals and _adversarial.
CASES = (
    st.integers(min_value=0, max_value=2**32)
    .map(lambda seed: iam_cases.Maker(seed).case())
    .filter(lambda case: iam_readings.answer(case) != "U")
)
CHOICE = st.randoms(use_true_random=False)


def allowed(case: dict[str, Any]) -> bool:
    return iam_readings.answer(case) == "A"


def listed(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a document as a list that belongs to it."""
    if not isinstance(document["Statement"], list):
        document["Statement"] = [document["Statement"]]
    return document["Statement"]


@settings(max_examples=300, deadline=None)
@given(CASES, CHOICE)
def test_adding_a_deny_never_allows(case: dict[str, Any], choice: Any) -> None:
    before = allowed(case)
    donor = iam_cases.Maker(choice.randrange(2**32))
    found = list(iam_readings.documents(case))
    if not found:
        return
    document = choice.choice(found)
    statement = dict(choice.choice(listed(document)), **donor_action(donor, case), Effect="Deny")
    listed(document).append(statement)
    assert before or not allowed(case)


def donor_action(maker: Any, case: dict[str, Any]) -> dict[str, Any]:
    """An action element of any kind in place of the statement's own."""
    made: dict[str, Any] = {}
    maker.add_action(made, case["action"], 0.8)
    return made if "Action" in made else {"Action": "*"}


@settings(max_examples=300, deadline=None)
@given(CASES, CHOICE)
def test_removing_an_allow_never_allows(case: dict[str, Any], choice: Any) -> None:
    before = allowed(case)
    granting = [
        (document, index)
        for document in iam_readings.documents(case)
        for index, statement in enumerate(listed(document))
        if statement["Effect"] == "Allow"
    ]
    if granting:
        document, index = choice.choice(granting)
        del listed(document)[index]
    assert before or not allowed(case)


@settings(max_examples=300, deadline=None)
@given(CASES, CHOICE)
def test_order_and_repetition_do_not_matter(case: dict[str, Any], choice: Any) -> None:
    before = iam_readings.answer(case)
    for document in iam_readings.documents(case):
        statements = listed(document)
        statements.append(dict(choice.choice(statements)))
        choice.shuffle(statements)
    choice.shuffle(case["policies"].get("identity", []))
    # an Allow that is not understood is met or not, as another Allow before it decides already
    assert iam_readings.answer(case) in (before, "U")


@settings(max_examples=200, deadline=None)
@given(CASES, CHOICE, st.sampled_from(["element", "operator", "effect", "key"]))
def test_an_unknown_word_anywhere_is_refused(case: dict[str, Any], choice: Any, kind: str) -> None:
    found = list(iam_readings.statements(case))
    if not found:
        return
    statement = choice.choice(found)
    if kind == "element":
        statement["Efect"] = "Deny"
    elif kind == "operator":
        statement["Condition"] = {"StringEqual": {"aws:username": "dana"}}
    elif kind == "effect":
        statement["Effect"] = "Permit"
    else:
        statement["Condition"] = {"StringEquals": {"aws:PrincipleArn": "x"}}
    with pytest.raises(UnknownElement):
        request, policies = iam_readings.build(case)
        evaluate(request, policies)


@settings(max_examples=200, deadline=None)
@given(CASES)
def test_every_decision_carries_its_reason(case: dict[str, Any]) -> None:
    decision = evaluate(*iam_readings.build(case))
    assert decision.reason
    assert len(decision.trace) == 8
    assert decision.explicit == any(step.outcome.name == "DENY" for step in decision.trace)
    assert decision.statement is not None or not decision.explicit
