"""What each human can come to do with what is worth stealing: the answer to "what does this credential reach"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from strongroom.authorization.prover.duties import OWN_POLICY, Ability
from strongroom.authorization.prover.holdings import Holdings
from strongroom.authorization.prover.pairs import CONTENTS, DELETE, DESTROY, FILL, OPEN, READ, WRAP
from strongroom.authorization.prover.proof import Reach

#: What can be come to, in the order in which it is shown.
KINDS = ("open", "open through a service", "seal", "sign", "destroy", "own", "read", "write", "erase")


@dataclass(frozen=True)
class Question:
    """One kind of ability on one thing by its name."""

    kind: str
    name: str
    ability: Ability


def questions(
    keys: Mapping[str, tuple[str, str]], stores: Mapping[str, tuple[str, str]], transit: Mapping[str, str]
) -> Iterator[Question]:
    """What is worth asking of keys and stores (name -> purpose and ARN) and of transit keys (name -> `mount/key`)."""
    for name, (purpose, arn) in keys.items():
        uses = {"signing": {"sign": ("kms:Sign",)}, "id": {"seal": ("kms:GenerateMac",)}}
        usual = {"open": OPEN, "open through a service": OPEN, "seal": WRAP}
        for kind, actions in {**uses.get(purpose, usual), "destroy": DESTROY, "own": OWN_POLICY}.items():
            yield Question(kind, name, Ability(kind, actions, (arn,), through=kind == "open through a service"))
    for name, ref in transit.items():
        mount, _, key = ref.rpartition("/")
        seals = tuple(f"bao:{mount}/{operation}/{key}" for operation in ("encrypt", "datakey/plaintext"))
        itself = (f"bao:{mount}/keys/{key}",)
        yield Question("open", name, Ability("open", ("bao:update",), (f"bao:{mount}/decrypt/{key}",)))
        yield Question("seal", name, Ability("seal", ("bao:update",), seals))
        yield Question("destroy", name, Ability("destroy", ("bao:destroy",), itself))
        yield Question("own", name, Ability("own", ("bao:own",), itself))
    for name, (purpose, arn) in stores.items():
        bucket = arn.split(":")[2] == "s3"
        inside = (f"{arn}/*",) if bucket else (arn,)
        contents = tuple(f"{arn}/{prefix}/*" for prefix in CONTENTS) if purpose == "repository" else inside
        yield Question("read", name, Ability("read", READ, contents))
        yield Question("write", name, Ability("write", FILL, inside))
        yield Question("erase", name, Ability("erase", DELETE, (arn,)))


def reached(
    reach: Reach,
    keys: Mapping[str, tuple[str, str]],
    stores: Mapping[str, tuple[str, str]],
    transit: Mapping[str, str],
) -> dict[str, dict[str, list[str]]]:
    """Human -> kind of ability -> names of what it is held on; kinds that a human does not come to are left out."""
    asked = list(questions(keys, stores, transit))
    found: dict[str, dict[str, list[str]]] = {}
    for closure in reach.closures:
        holdings, mine = Holdings(reach.index, closure), found.setdefault(closure.human.name, {})
        for question in asked:
            held = holdings.of(question.ability)
            if question.ability.through:  # who opens directly is listed there
                held = [one for one in held if one.through]
            if held:
                mine.setdefault(question.kind, []).append(question.name)
    return {human: {kind: mine[kind] for kind in KINDS if kind in mine} for human, mine in found.items()}
