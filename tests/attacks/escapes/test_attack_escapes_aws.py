"""Every escape of the table: it works where the hole is and is refuted; without the hole it is refused and proved."""

from __future__ import annotations

import json

import escapes_of_identities
import escapes_of_keys
import escapes_of_roles
import escapes_of_stores
import pytest
from escape_stack import Cloud, Stack, refused
from escape_table import ESCAPES, Escape

from strongroom.authorization.prover import prove
from strongroom.authorization.prover.checker import check

pytestmark = pytest.mark.cloud
MODULES = (escapes_of_keys, escapes_of_roles, escapes_of_identities, escapes_of_stores)


@pytest.mark.parametrize("escape", ESCAPES, ids=str)
def test_an_escape_works_and_is_refuted(cloud: Cloud, escape: Escape) -> None:
    stack = Stack(cloud)
    run = escape.case(stack, True)
    next(run)
    proof = prove(stack.facts(), stack.pairs())
    try:
        assert refused(run) == "", "the attack does not work on this cloud"
    finally:
        cloud.close_clients()
    assert proof.verdict == "REFUTED", "a false PROVED"
    mine = [found for found in proof.counterexamples if found.human == "dana"]
    assert [found.human for found in proof.counterexamples] == ["dana"]
    rules = [step.rule for found in mine for held in found.held for step in held.way]
    assert escape.edge in rules or escape.edge in mine[0].words(), mine[0].words()


@pytest.mark.parametrize("escape", ESCAPES, ids=str)
def test_without_its_hole_it_is_refused_and_proved(cloud: Cloud, escape: Escape) -> None:
    stack = Stack(cloud)
    run = escape.case(stack, False)
    next(run)
    facts, pairs = stack.facts(), stack.pairs()
    try:
        assert refused(run), "the attack works without the hole"
    finally:
        cloud.close_clients()
    proof = prove(facts, pairs)
    assert proof.verdict == "PROVED", "\n".join(found.words() for found in proof.counterexamples)
    assert check(facts, pairs, json.loads(json.dumps(proof.certificate))) == []


def test_there_are_enough_of_them() -> None:
    assert len(ESCAPES) >= 28
    assert len({escape.name for escape in ESCAPES}) == len(ESCAPES)
