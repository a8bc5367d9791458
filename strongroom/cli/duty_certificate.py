"""Certificates as files: written after the second checker has read them, and checked again later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from strongroom.authorization.prover import Facts, Pair


def confirm(facts: Facts, pairs: Sequence[Pair], proof: Mapping[str, Any], file: Path | None) -> None:
    """The second checker reads the certificate as it is written; Undetermined if it disagrees."""
    from json import dumps, loads

    from strongroom.authorization.prover.checker import check
    from strongroom.errors import Undetermined

    text = dumps(proof, indent=2, sort_keys=True)
    if wrong := check(facts, pairs, loads(text)):
        raise Undetermined(f"the second checker disagrees: {wrong[0]}", hint="a defect of the prover: report it")
    if file is not None:
        file.write_text(text + "\n", encoding="utf-8")


def load(file: Path) -> dict[str, Any]:
    """A saved certificate; UsageError if it is none."""
    from json import loads

    from strongroom.errors import UsageError

    try:
        found = loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: no certificate ({type(error).__name__})") from None
    if not isinstance(found, dict) or not isinstance(found.get("inputs_sha256"), dict) or "gained" not in found:
        raise UsageError(f"{file}: no certificate of duty prove", hint="strongroom duty prove --certificate FILE")
    return found


def differences(facts: Facts, pairs: Sequence[Pair], saved: Mapping[str, Any]) -> list[str]:
    """What changed since a certificate was written: elements that were read, pairs, assumed quorums; a line each."""
    before, now = saved["inputs_sha256"], facts.digests()
    said = [f"removed: {name}" for name in before if name not in now]
    said += [f"added: {name}" for name in now if name not in before]
    said += [f"changed: {name}" for name in now if name in before and before[name] != now[name]]
    asked = [pair.name for pair in pairs]
    said += [f"no longer asked: {name}" for name in saved.get("pairs", ()) if name not in asked]
    said += [f"asked now, not then: {name}" for name in asked if name not in saved.get("pairs", ())]
    then = {(item["action"], item["resource"], item["people"]) for item in saved.get("assumptions", ())}
    today = {(quorum.action, quorum.resource, quorum.people) for quorum in facts.quorums}
    said += [f"no longer assumed: {' '.join(map(str, gone))} people" for gone in sorted(then - today)]
    said += [f"assumed now, not then: {' '.join(map(str, new))} people" for new in sorted(today - then)]
    return sorted(said)


def broken_today(facts: Facts, pairs: Sequence[Pair], saved: Mapping[str, Any]) -> list[str]:
    """Why what the certificate says of each person does not hold for what is deployed now; empty if it still does.

    The sets are the old ones; facts, pairs and assumptions are today's.
    """
    from strongroom.authorization.prover.checker import check
    from strongroom.authorization.prover.openbao_power import quorums

    assumed = [{"action": q.action, "resource": q.resource, "people": q.people} for q in facts.quorums]
    today = {
        "facts_sha256": facts.digest(),
        "inputs_sha256": facts.digests(),
        "pairs": [pair.name for pair in pairs],
        "assumptions": assumed,
        "quorums_read": quorums(facts),
    }
    return check(facts, pairs, {**saved, **today})
