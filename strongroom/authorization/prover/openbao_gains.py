"""What a human gains step by step in OpenBao, and what the logins it holds may do there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from strongroom.authorization.openbao_policies import CAPABILITIES
from strongroom.authorization.prover.derivation import Gained, Step
from strongroom.authorization.prover.facts import Facts
from strongroom.authorization.prover.openbao_power import Request, actors, allowed
from strongroom.authorization.prover.openbao_rule import EVERYTHING
from strongroom.authorization.prover.openbao_targets import Edge, edges


@dataclass(frozen=True)
class Permitted:
    """An action that a login may do: on which path, by which rule, resting on which gains."""

    actor: str
    action: str
    path: str
    by: str
    premises: tuple[Gained, ...]


def gains(facts: Facts, known: frozenset[Gained]) -> Iterator[Step]:
    """Every gain that the logins among `known` give in one step."""
    if facts.openbao is None:
        return
    for edge in edges(facts.openbao):
        if edge.gain not in known and edge.needs <= known:
            yield from follow(facts, edge, known)


def follow(facts: Facts, edge: Edge, known: Set[Gained]) -> Iterator[Step]:
    """The step of an edge whose needs are met, by the first of the actors who may take it; nothing if none may."""
    needs = tuple(sorted(edge.needs))
    if not edge.paths:
        yield Step(edge.gain, edge.rule.name, needs[0][1] if needs else "anybody", edge.gain[1], "by that", needs)
        return
    rule = edge.rule
    for actor in actors(known):
        for path in edge.paths if edge.by in ("", actor) else ():
            request = Request(path, rule.capabilities, rule.sudo, rule.true, rule.free)
            if may := allowed(facts, actor, request, known):
                by = f"{may.capability} on {path} by {may.by}"
                yield Step(edge.gain, rule.name, actor, path, by, (("act", actor), *needs, *may.premises))
                return


def permitted(facts: Facts, known: frozenset[Gained], actions: Sequence[str], path: str) -> Iterator[Permitted]:
    """Which of the actions the logins among `known` may do on a path.

    path: `bao:` and a path of the API, or a subject of gains. actions: `bao:` and a capability, with whatever
    parameters, or `bao:` and a kind of gain (`bao:destroy`, `bao:own`, `bao:act`, ...). Whoever holds a key's material
    may do with it what the key's paths do; whoever owns a database's mount may take each of its logins.
    """
    if facts.openbao is None:
        return
    for action in actions:
        kind = action.removeprefix("bao:")
        if kind in CAPABILITIES:
            yield from _asked(facts, known, action, path)
            kind, subjects = "own", _material(facts, path)
        else:
            subjects = [EVERYTHING, *_itself_and_above(path)]
        for subject in subjects:
            if (kind, subject) in known:
                yield Permitted(subject, action, path, f"by having gained to {kind} {subject}", ((kind, subject),))


def _asked(facts: Facts, known: frozenset[Gained], action: str, path: str) -> Iterator[Permitted]:
    request = Request(path.removeprefix("bao:"), (action.removeprefix("bao:"),), any_parameters=True)
    for actor in actors(known):
        if may := allowed(facts, actor, request, known):
            yield Permitted(actor, action, path, may.by, (("act", actor), *may.premises))


def _material(facts: Facts, path: str) -> list[str]:
    """The gains of which any one does what the path does."""
    assert facts.openbao is not None
    found = [key.subject for key in facts.openbao.keys if path in key.uses]
    found += [
        f"bao:{mount.path}"
        for mount in facts.openbao.mounts
        if mount.type == "database" and path.startswith((f"bao:{mount.path}/creds/", f"bao:{mount.path}/static-creds/"))
    ]
    return found


def _itself_and_above(subject: str) -> list[str]:
    """A subject and the subjects whose part it is: a key's mount, for instance."""
    parts = subject.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
