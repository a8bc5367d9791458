"""The prover against a thief who tries everything on the gateway: the same answer for every human and pair."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from cloud_in_process import InProcess
from forced_search import Found, Search
from generated_stacks import Deployed, Draw, deploy

from strongroom.authorization.deployed.iam import read_identities
from strongroom.authorization.deployed.kms import read_keys
from strongroom.authorization.prover import Ability, Account, Facts, Human, Pair, prove
from strongroom.authorization.prover.checker import check

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    made = InProcess(tmp_path_factory.mktemp("forced"))
    yield made
    made.close()


def read_back(cloud: InProcess, stack: Deployed) -> Facts:
    """What the readers see of one account."""
    iam, kms = cloud.client(stack.admin, "iam"), cloud.client(stack.admin, "kms")
    found = read_identities(iam, stack.account)
    keys, unread = read_keys(kms, stack.account)
    assert not unread
    # the facts keep the order of the keys of the plan
    keys.sort(key=lambda key: stack.keys.index(key.arn))
    return Facts(
        humans=[Human(name, (credential.who,)) for name, credential in stack.users.items()],
        identities=found.identities,
        keys=keys,
        accounts=[Account(stack.account)],
        groups=found.groups,
    )


def pairs_over(keys: list[str]) -> list[Pair]:
    """To destroy and open anything; to destroy and open the same key; to open the first key at all."""
    destroy, opens = (Ability(name, (f"kms:{name}",), keys) for name in ("ScheduleKeyDeletion", "Decrypt"))
    return [
        Pair("destroy and open", destroy, opens),
        Pair("destroy and open one key", destroy, opens, same=True),
        Pair("open the first key", Ability("open", ("kms:Decrypt",), keys[:1])),
    ]


def broken_by(found: Found, keys: list[str]) -> set[str]:
    """The pairs that a thief broke."""
    broken = set()
    if found.opens and found.destroys:
        broken.add("destroy and open")
    if found.opens & found.destroys:
        broken.add("destroy and open one key")
    if keys[0] in found.opens:
        broken.add("open the first key")
    return broken


@dataclass
class Tally:
    """What came of many configurations."""

    answers: Counter[bool] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)
    false_proofs: int = 0
    moves: Counter[str] = field(default_factory=Counter)


def compare(cloud: InProcess, seed: int, tally: Tally) -> None:
    """One configuration: proved once, attacked once by each human on a deployment of its own."""
    plan = Draw(seed).plan()
    stack = deploy(cloud, plan)
    facts, pairs = read_back(cloud, stack), pairs_over(stack.keys)
    proof = prove(facts, pairs)
    if proof.certificate is not None:
        assert check(facts, pairs, json.loads(json.dumps(proof.certificate))) == []
    refuted: dict[str, dict[str, str]] = {}
    for found in proof.counterexamples:
        refuted.setdefault(found.human, {})[found.pair] = found.words() + found.reason
    assert "" not in refuted, refuted
    for human in stack.users:
        search = Search(cloud, stack, human)
        found = search.run()
        broken = broken_by(found, stack.keys)
        for pair in pairs:
            said, seen = pair.name in refuted.get(human, {}), pair.name in broken
            tally.answers[seen] += 1
            if said != seen:
                tally.false_proofs += seen
                way = refuted[human][pair.name] if said else "; ".join(found.moves)
                tally.disagreements.append(f"seed {seed}, {human}, {pair.name}: {'said' if said else 'seen'}: {way}")
        tally.moves.update(move.split(" ", 1)[1].rstrip("0123456789") for move in found.moves)
        cloud.forget(stack.account)
        if human != list(stack.users)[-1]:
            stack = deploy(cloud, plan)


def test_the_prover_and_the_thief_agree(cloud: InProcess) -> None:
    tally = Tally()
    for seed in range(100):
        compare(cloud, seed, tally)
    assert tally.disagreements == []
    assert min(tally.answers.values()) >= 0.3 * tally.answers.total()
