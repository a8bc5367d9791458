"""The answer of `duty prove`, in words and as data: what breaks, what was taken for granted, and what that makes of it.

A proof that rests on declared quorums is never called PROVED alone: nothing that was read shows that they hold.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from strongroom.cli.duty_reading import by_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from strongroom.authorization.deployed import Deployed
    from strongroom.authorization.prover import Counterexample, Pair, Proof, Quorum
    from strongroom.estate.manifest import Manifest

ASSUMING = "PROVED UNDER ASSUMPTIONS"


@dataclass(frozen=True)
class Answer:
    """A proof with what it is about. without_quorums: the declared ones were left out."""

    manifest: Manifest
    deployed: Deployed
    pairs: Sequence[Pair]
    proof: Proof
    without_quorums: bool = False

    @property
    def assumed(self) -> Sequence[Quorum]:
        """The quorums that the estate declares and nothing that was read shows."""
        return self.deployed.facts.quorums

    @property
    def verdict(self) -> str:
        """PROVED, PROVED UNDER ASSUMPTIONS or REFUTED."""
        return ASSUMING if self.proof.verdict == "PROVED" and self.assumed else self.proof.verdict

    @property
    def simulated(self) -> bool:
        """Whether this is about a sandbox, where one person may play several."""
        return self.manifest.environment_kind == "sandbox"


def document(answer: Answer) -> dict[str, Any]:
    """The answer as JSON data, every derivation in words and as steps that `duty replay` reads."""
    from strongroom.authorization.prover.openbao_power import quorums
    from strongroom.authorization.replay import as_data

    proof, facts = answer.proof, answer.deployed.facts
    return {
        "verdict": answer.verdict,
        "simulated": answer.simulated,
        "assumed_quorums": [
            {"action": q.action, "resource": q.resource, "people": q.people, "mechanism": q.mechanism}
            for q in answer.assumed
        ],
        "read_quorums": quorums(facts),
        "without_quorums": answer.without_quorums,
        "pairs": [pair.name for pair in answer.pairs],
        "people": [human.name for human in facts.humans],
        "facts_sha256": facts.digest(),
        "not_read": [gap.reason for gap in answer.deployed.gaps],
        "left_out": list(answer.deployed.notes),
        "broken": [
            as_data(c) | {"derivation": [line for held in c.held for line in held.lines()]}
            for c in proof.counterexamples
            if c.human
        ],
        "not_understood": [c.reason for c in proof.counterexamples if not c.human and c.pair != "not read"],
        "certificate": proof.certificate,
    }


def show(answer: Answer, certificate: Path | None) -> None:
    """For each person the shortest derivation and the names of the other pairs; --json has every derivation."""
    found = [counter for counter in answer.proof.counterexamples if counter.human]
    for human in dict.fromkeys(counter.human for counter in found):
        theirs = sorted((c for c in found if c.human == human), key=_length)
        typer.echo(by_name(answer.manifest, theirs[0].words()))
        if len(theirs) > 1:
            typer.echo(f"  and breaks: {'; '.join(c.pair for c in theirs[1:])}")
    for counter in (c for c in answer.proof.counterexamples if not c.human):
        typer.echo(counter.words())
    if found:
        people = {human.name for human in answer.deployed.facts.humans}
        typer.echo(f"no pair is broken by: {', '.join(sorted(people - {c.human for c in found})) or 'nobody'}")
    for note in answer.deployed.notes:
        typer.echo(f"left out: {note}")
    typer.echo(verdict_line(answer))
    if answer.proof.certificate is not None:
        typer.echo(f"checked again by the second checker{f'; certificate: {certificate}' if certificate else ''}")


def verdict_line(answer: Answer) -> str:
    """The verdict, what it is about and, in the same line, everything it takes for granted."""
    from strongroom.authorization.prover.openbao_power import quorums

    facts = answer.deployed.facts
    size = f"{len(answer.pairs)} pairs, {len(facts.humans)} people and workloads, {len(facts.identities)} identities"
    marks = [mark for mark, so in (("simulated", answer.simulated), ("no quorum", answer.without_quorums)) if so]
    marked = f" ({', '.join(marks)})" if marks else ""
    head = f"{answer.verdict}{marked}: {size}, {len(facts.keys)} keys"
    taken = "; ".join(_assumptions(answer))
    assumed = f"; TAKEN FOR GRANTED, NOT READ: {taken}" if taken else ""
    groups = quorums(facts)
    assumed += f"; read in OpenBao: {len(groups)} control groups" if groups else ""
    return by_name(answer.manifest, f"{head}; facts {facts.digest()}{assumed}")


def _assumptions(answer: Answer) -> list[str]:
    """The assumed quorums, one text a mechanism."""
    together: dict[tuple[str, int, str], list[str]] = defaultdict(list)
    for quorum in answer.assumed:
        name = quorum.resource.rpartition("/")[2] if quorum.resource.startswith("arn:aws:iam:") else quorum.resource
        together[(quorum.action, quorum.people, quorum.mechanism)].append(name)
    return [
        f"{action} on {', '.join(dict.fromkeys(names))} takes {people} people by {mechanism}"
        for (action, people, mechanism), names in together.items()
    ]


def _length(counter: Counterexample) -> int:
    return len(counter.words().splitlines())
