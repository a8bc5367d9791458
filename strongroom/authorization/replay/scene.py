"""What a step's moves are made from: the facts, everybody who acts, and what each key is needed for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from strongroom.authorization.documents import Named
from strongroom.authorization.prover import Counterexample, Facts, Identity
from strongroom.authorization.prover.derivation import Step
from strongroom.authorization.replay.moves import REGION
from strongroom.errors import UsageError

EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


@dataclass(frozen=True)
class Scene:
    """One refutation over the facts it was found in. regions: of the accounts of the manifest."""

    facts: Facts
    counter: Counterexample
    regions: tuple[str, ...] = (REGION,)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all abilities, each once, in their order."""
        return tuple(dict.fromkeys(step for held in self.counter.held for step in held.way))

    @cached_property
    def actors(self) -> tuple[str, ...]:
        """Every identity that acts."""
        acting = [step.actor for step in self.steps] + [held.identity for held in self.counter.held]
        return tuple(dict.fromkeys(arn for arn in acting if arn))

    @cached_property
    def starts(self) -> tuple[str, ...]:
        """The identities that the person begins with; UsageError if the facts know nobody of that name."""
        for human in self.facts.humans:
            if human.name == self.counter.human:
                return tuple(human.identities)
        raise UsageError(f"nobody is called {self.counter.human!r} in what is deployed now")

    def identity(self, arn: str) -> Identity:
        """An identity of the facts; UsageError if it is not deployed now."""
        try:
            return self.facts.by_arn[arn]
        except KeyError:
            raise UsageError(f"{arn} is not deployed now", hint="prove again") from None

    def users(self) -> tuple[str, ...]:
        """The users among those who act: whom a group can be joined with."""
        return tuple(arn for arn in self.actors if ":user/" in arn) or tuple(a for a in self.starts if ":user/" in a)

    def needs_of(self, resource: str, after: Step) -> Iterator[tuple[str, str]]:
        """Who does what on a resource after a step: identity and action, of later steps and of what they lead to."""
        from strongroom.authorization.prover.rules import RULES

        actions = {rule.name: rule.actions for rule in RULES}
        for step in self.steps[self.steps.index(after) + 1 :]:
            if step.target == resource:
                yield from ((step.actor, action) for action in actions.get(step.rule, ()))
        yield from ((held.identity, held.action) for held in self.counter.held if held.resource == resource)

    def open_to(self, actors: Iterable[str], actions: str) -> str:
        """A resource policy by which actors may do everything of a service (`kms:*`), and their accounts as well."""
        accounts = {f"arn:aws:iam::{arn.split(':')[4]}:root" for arn in actors}
        statement = {"Effect": "Allow", "Principal": {"AWS": sorted({*actors, *accounts})}, "Action": actions}
        return policy({**statement, "Resource": "*"})


def policy(*statements: dict[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def text_of(document: Named) -> str:
    """A deployed document as the text that is put back."""
    return document.document if isinstance(document.document, str) else json.dumps(document.document)


def statements_of(document: Named | None) -> list[dict[str, Any]]:
    """The statements of a document."""
    listed = json.loads(text_of(document)).get("Statement", []) if document else []
    return listed if isinstance(listed, list) else [listed]


def name_of(arn: str) -> str:
    """The name that ends an ARN."""
    return arn.rpartition("/")[2]
