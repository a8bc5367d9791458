"""`duty replay`: which derivation is carried out, with whose credentials, and what is said about it."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from strongroom.cli import duty_reading
from strongroom.cli.output import print_json

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from strongroom.authorization.deployed import Deployed
    from strongroom.authorization.prover import Counterexample
    from strongroom.authorization.replay import Plan, Told
    from strongroom.estate.manifest import Manifest
    from strongroom.estate.model import Estate


def run(
    env: str,
    answer: Path | None,
    people: Sequence[str],
    pairs: Sequence[str],
    *,
    without_quorums: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """Plans and carries out; Undetermined for a step that is not replayable here, Denied for one that was refused."""
    from strongroom.authorization.replay import Scene, Stage, plan
    from strongroom.cli.laptop_credentials import LaptopCredentials
    from strongroom.errors import Partial, Undetermined

    estate, manifest, found = duty_reading.deployed(env, quorums=not without_quorums, quiet=json)
    regions = tuple(dict.fromkeys(region for account in manifest.accounts.values() for region in account.regions))
    credentials = LaptopCredentials(env, manifest, estate)
    counters = _chosen(_refutations(estate, manifest, found.about(people), answer, pairs), people, pairs)
    scenes = [Scene(found.facts, counter, regions) for counter in counters]
    plans = [plan(scene, outside=credentials.has_outsider()) for scene in scenes]
    made, scene = next(
        ((made, scene) for made, scene in zip(plans, scenes, strict=True) if not made.impossible), (plans[0], scenes[0])
    )
    told: list[Told] = []
    say = _quiet if json else _Teller(manifest)
    say.begin(made)
    if made.impossible:
        first = made.impossible[0]
        _document(json, made, told, (), dry_run)
        raise Undetermined(
            f"not replayable here: {duty_reading.by_name(manifest, first.words)}: {first.reason}",
            hint="the derivation stands; only the laptop's cloud cannot show this step",
        )
    if dry_run:
        for move in made.moves:
            say.would(move.words)
        _document(json, made, told, (), dry_run)
        return

    def tell(one: Told) -> None:
        told.append(one)
        say.went(one)

    left: list[str] = []
    try:
        with _mending_first():
            left = Stage(made, scene.starts, credentials, tell).run()
    finally:
        _document(json, made, told, left, dry_run)
    for line in left:
        say.left(line)
    say.end(made)
    if any(line.startswith("not put back") for line in left):
        raise Partial("carried out, and not everything was put back", hint="strongroom duty prove shows what is left")


def _refutations(
    estate: Estate, manifest: Manifest, found: Deployed, answer: Path | None, pairs: Sequence[str]
) -> list[Counterexample]:
    from strongroom.authorization.prover import prove

    if answer is not None:
        return _saved(answer)
    asked = duty_reading.pairs_of_estate(estate, manifest, found)
    proof = prove(found.facts, [pair for pair in asked if pair.name in pairs or not pairs])
    return [counter for counter in proof.counterexamples if counter.human]


def _saved(answer: Path) -> list[Counterexample]:
    """The refutations in a file that `duty prove --json` wrote; UsageError if it is none."""
    from json import loads

    from strongroom.authorization.replay import from_data
    from strongroom.errors import UsageError

    try:
        broken = loads(answer.read_text(encoding="utf-8"))["broken"]
        return [from_data(found, str(answer)) for found in broken]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{answer}: no answer of duty prove ({type(error).__name__})", hint="duty prove --json"
        ) from None


def _chosen(found: Sequence[Counterexample], people: Sequence[str], pairs: Sequence[str]) -> list[Counterexample]:
    """The refutations about these people and pairs, the shortest first; UsageError if there is none."""
    from strongroom.errors import UsageError

    matching = [
        counter
        for counter in found
        if (not people or counter.human in people or set(people) & set(counter.human.split("+")))
        and (not pairs or counter.pair in pairs)
    ]
    if not matching:
        known = "; ".join(sorted({f"{counter.human}: {counter.pair}" for counter in found})) or "nothing is refuted"
        raise UsageError("no derivation matches", hint=known)
    return sorted(matching, key=lambda counter: len(counter.words().splitlines()))


@contextmanager
def _mending_first() -> Iterator[None]:
    """SIGTERM ends a replay as Ctrl-C does: what it changed is put back first."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Teller:
    """What is said while a replay goes on."""

    def __init__(self, manifest: Manifest | None) -> None:
        self.manifest = manifest

    def _say(self, text: str) -> None:
        if self.manifest is not None:
            typer.echo(duty_reading.by_name(self.manifest, text))

    def begin(self, made: Plan) -> None:
        self._say(f"{made.human} breaks {made.pair}; simulated, on loopback endpoints only")

    def would(self, words: str) -> None:
        self._say(f"  would: {words}")

    def went(self, one: Told) -> None:
        self._say(f"  {'done' if one.done else 'REFUSED'}: {one.words}\n        {one.answer}")

    def left(self, line: str) -> None:
        self._say(f"  left: {line}")

    def end(self, made: Plan) -> None:
        self._say(f"REPLAYED (simulated): every step and what it leads to was carried out by {made.human}; put back")


_quiet = _Teller(None)


def _document(json: bool, made: Plan, told: Sequence[Told], left: Sequence[str], dry_run: bool) -> None:
    if not json:
        return
    from strongroom.authorization.replay import NotReplayable

    moves: list[dict[str, Any]] = [
        {"move": move.words, "not_replayable": move.reason if isinstance(move, NotReplayable) else ""}
        for move in made.moves
    ]
    for move, one in zip(moves, told, strict=False):
        move |= {"done": one.done, "answer": one.answer}
    replayed = len(told) == len(moves) and all(one.done for one in told)
    print_json(
        {
            "who": made.human,
            "pair": made.pair,
            "simulated": True,
            "dry_run": dry_run,
            "replayed": replayed,
            "moves": moves,
            "left": list(left),
        }
    )
