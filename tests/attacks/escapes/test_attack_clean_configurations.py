"""Configurations that keep duties apart are proved, by certificates that hold; what their thieves try is refused."""

from __future__ import annotations

import json

import clean_configurations
import pytest
from botocore.exceptions import ClientError
from escape_stack import DENIED, Cloud, Stack
from escape_table import CLEAN, Clean

from strongroom.authorization.prover import prove
from strongroom.authorization.prover.checker import check

pytestmark = pytest.mark.cloud
MODULES = (clean_configurations,)


@pytest.mark.parametrize("clean", CLEAN, ids=str)
def test_a_clean_configuration_is_proved(cloud: Cloud, clean: Clean) -> None:
    stack = Stack(cloud)
    try:
        attempts = clean.configure(stack)
        facts, pairs = stack.facts(), stack.pairs()
        assert attempts
        for number, attempt in enumerate(attempts, 1):
            with pytest.raises(ClientError) as refused:
                attempt()
                pytest.fail(f"attempt {number} works")
            assert refused.value.response["Error"]["Code"] in DENIED, refused.value
    finally:
        cloud.close_clients()
    proof = prove(facts, pairs)
    assert proof.verdict == "PROVED", "\n".join(found.words() for found in proof.counterexamples)
    assert check(facts, pairs, json.loads(json.dumps(proof.certificate))) == []


def test_there_are_enough_of_them() -> None:
    assert len(CLEAN) >= 16
