"""The prover against a thief who tries everything on the gateway: the same answer for every human and pair.

Never PROVED where the thief gets through. REFUTED where it does not only for what the prover leaves open on purpose: a
permission that takes some Deny away counts as taking every Deny of that identity away, and every name under which one
may make a user or a role counts as free. Each such answer is tried again without the Denies, and with names free.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from cloud_in_process import InProcess
from forced_search import Found, Search
from generated_stacks import ADMIN, Deployed, Draw, deploy, unguarded, unnamed

from local_cloud.servers.gateway.access import Access, Demand
from local_cloud.servers.gateway.call import Call, Refuse
from local_cloud.servers.gateway.errors import denied
from strongroom.authorization.deployed.iam import read_identities
from strongroom.authorization.deployed.kms import read_keys
from strongroom.authorization.prover import Ability, Account, Facts, Human, Pair, checker, closure, prove
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.rules import RULES

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
    """What came of many configurations. stricter: REFUTED where only what the prover leaves open kept the thief out."""

    answers: Counter[bool] = field(default_factory=Counter)
    stricter: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    moves: Counter[str] = field(default_factory=Counter)


def compare(cloud: InProcess, seed: int, tally: Tally) -> None:
    """One configuration: proved once, attacked once by each human on a deployment of its own."""
    plan = Draw(seed).plan()
    stack = deploy(cloud, plan)
    facts, pairs = read_back(cloud, stack), pairs_over(stack.keys)
    proof = prove(facts, pairs)
    if proof.certificate is not None:
        assert check(facts, pairs, json.loads(json.dumps(proof.certificate))) == []
    said: dict[str, dict[str, str]] = {human: {} for human in stack.users}
    for counterexample in proof.counterexamples:
        said[counterexample.human][counterexample.pair] = counterexample.words()
    for number, human in enumerate(stack.users):
        found, seen = attacked(cloud, deploy(cloud, plan) if number else stack, human)
        tally.moves.update(move.split(" ", 1)[1].rstrip("0123456789") for move in found.moves)
        for pair in pairs:
            tally.answers[pair.name in seen] += 1
        where = f"seed {seed}, {human}"
        for name in sorted(seen - said[human].keys()):
            tally.unexplained.append(f"{where} breaks {name}, a false PROVED: {'; '.join(found.moves)}")
        if strict := sorted(said[human].keys() - seen):
            ways = [said[human][name] for name in strict]
            looser = unguarded(unnamed(plan) if any(" of its own (" in way for way in ways) else plan)
            _, then = attacked(cloud, deploy(cloud, looser), human)
            for name, way in zip(strict, ways, strict=True):
                listed = tally.stricter if name in then else tally.unexplained
                listed.append(f"{where} does not break {name}: {way}")


def attacked(cloud: InProcess, stack: Deployed, human: str) -> tuple[Found, set[str]]:
    """What a human finds in a stack deployed for this attack alone, and the pairs that it breaks."""
    found = Search(cloud, stack, human).run()
    cloud.forget(stack.account)
    return found, broken_by(found, stack.keys)


def test_the_prover_and_the_thief_agree(cloud: InProcess) -> None:
    agree(cloud, range(50))


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(1000, 3000, 500))
def test_the_prover_and_the_thief_agree_on_thousands(cloud: InProcess, first: int) -> None:
    agree(cloud, range(first, first + 500))


def agree(cloud: InProcess, seeds: range) -> None:
    """Compares, and asserts that nothing is unexplained and that both answers are frequent."""
    tally = Tally()
    for seed in seeds:
        compare(cloud, seed, tally)
    total = tally.answers.total()
    print(f"{len(seeds)} configurations, {total} answers, {tally.answers[True]} broken, {len(tally.stricter)} stricter")
    assert tally.unexplained == []
    assert min(tally.answers.values()) >= 0.3 * total
    assert len(tally.stricter) <= 0.02 * total


# the harness under test


@pytest.mark.parametrize(("without", "seed"), [("grant", 2), ("assume-role", 3), ("key-policy", 19)])
def test_a_prover_that_lacks_a_rule_is_found_out(
    cloud: InProcess, monkeypatch: pytest.MonkeyPatch, without: str, seed: int
) -> None:
    fewer = tuple(rule for rule in RULES if rule.name != without)
    for module in (closure, checker):
        monkeypatch.setattr(module, "RULES", fewer)
    tally = Tally()
    compare(cloud, seed, tally)
    assert any("a false PROVED" in line for line in tally.unexplained)


def test_a_cloud_that_refuses_nothing_is_found_out(cloud: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Access, "refusal", lambda *_: None)
    assert any("a false PROVED" in line for line in first_unexplained(cloud))


def test_a_cloud_that_refuses_everything_is_found_out(cloud: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    deploying = Access.refusal

    def refusal(access: Access, call: Call, demand: Demand) -> Refuse | None:
        return deploying(access, call, demand) if call.principal.name == ADMIN else denied(call.service, "no")

    monkeypatch.setattr(Access, "refusal", refusal)
    assert any("does not break" in line for line in first_unexplained(cloud))


def first_unexplained(cloud: InProcess) -> list[str]:
    """The first disagreements over a few configurations, none if there are none."""
    tally = Tally()
    for seed in range(20):
        compare(cloud, seed, tally)
        if tally.unexplained:
            break
    return tally.unexplained
