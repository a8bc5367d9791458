"""`strongroom duty`: who holds which duty, proof over what is deployed that nobody holds too much, who can do what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.cli.output import DEFAULT_ENV, Env, Json, print_json, print_table, project_root, use_laptop_cloud

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.authorization.deployed import Deployed
    from strongroom.authorization.prover import Pair, Proof
    from strongroom.estate.manifest import Manifest
    from strongroom.estate.model import Estate

app = typer.Typer(help="Duties: who holds them, and proof over what is deployed that nobody comes to hold too much.")
REFUTED = 9


def _declared(env: str) -> Estate:
    from strongroom.estate.loader import estate_file, load

    return load(estate_file(project_root(), env))


def _deployed(env: str) -> tuple[Estate, Manifest, Deployed]:
    """The environment as the auditor reads it."""
    from strongroom.authorization.deployed import read
    from strongroom.jobs.context import JobContext, load_manifest

    use_laptop_cloud()
    estate, manifest = _declared(env), load_manifest(env, "auditor")
    ctx = JobContext(manifest, job="duty", duty="auditor")
    return estate, manifest, read(manifest, estate, lambda account, region: ctx.session("auditor", account, region))


@app.command("list")
def list_(env: Env = DEFAULT_ENV, json: Json = False) -> None:
    """Lists the duties, the accounts of their roles and who holds them. Example: strongroom duty list -e dev"""
    from strongroom.estate import duties

    estate = _declared(env)
    rows = [
        {
            "duty": duty,
            "accounts": [account for account in duties.accounts_of(duty) if account in estate.accounts],
            "holders": list(estate.duties.get(duty, ())),
            "jobs": sorted(job for job, runs_as in duties.JOBS.items() if runs_as == duty),
        }
        for duty in duties.all_duties()
    ]
    if json:
        print_json(rows)
        return
    columns = ("duty", "accounts", "holders", "jobs")
    print_table(columns, [[row["duty"], *(", ".join(row[c]) for c in columns[1:])] for row in rows])


@app.command()
def prove(
    env: Env = DEFAULT_ENV,
    json: Json = False,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="Where to write the proof.")] = None,
    person: Annotated[list[str] | None, typer.Option("--person", help="Only about this person; repeatable.")] = None,
) -> None:
    """Proves that nobody comes to hold what no one may hold together; exit 9 if refuted, 10 if undetermined.

    Reads users, roles, policies, keys and grants of every account as the auditor. Not read yet: policies of buckets and
    queues, tasks and schedules, OpenBao. Example: strongroom duty prove --certificate duties.json
    """
    from strongroom.authorization.deployed import decide

    estate, manifest, deployed = _deployed(env)
    deployed = deployed.about(person or [])
    pairs = pairs_of_estate(estate, manifest, deployed)
    proof = decide(deployed, pairs)
    if proof.certificate is not None:
        _check_again(deployed, pairs, proof.certificate, certificate)
    if json:
        print_json(_document(deployed, pairs, proof))
    else:
        _print(manifest, deployed, pairs, proof, certificate)
    if proof.verdict == "REFUTED":
        raise typer.Exit(REFUTED)


@app.command("who-can")
def who_can(
    action: Annotated[str, typer.Argument(help="A KMS action, for example kms:Decrypt.")],
    resource: Annotated[str, typer.Argument(help="Name of a key in the manifest, or its ARN.")],
    env: Env = DEFAULT_ENV,
    json: Json = False,
) -> None:
    """Shows who can come to do an action on a key, and how. Example: strongroom duty who-can kms:Decrypt id

    Directly, not through a service. Exit 10 if something the answer depends on could not be read.
    """
    from strongroom.authorization.prover import Reach
    from strongroom.errors import Undetermined, UsageError

    if not action.startswith("kms:") or "*" in action:
        raise UsageError(f"{action!r} is no single action of KMS", hint="for example kms:Decrypt")
    _, manifest, deployed = _deployed(env)
    arn = resource if resource.startswith("arn:") else manifest.key(resource).ref
    unread = deployed.gaps_about(arn)
    if unread:
        raise Undetermined("; ".join(gap.reason for gap in unread), hint="let the auditor read it")
    if arn not in {key.arn for key in deployed.facts.keys}:
        raise UsageError(f"{resource}: no KMS key of {env!r}", hint="strongroom key list")
    found = Reach(deployed.facts).who_can(action, arn)
    if json:
        print_json({human: {"identity": h.identity, "by": h.by, "way": h.lines()} for human, h in found.items()})
        return
    if not found:
        typer.echo(f"nobody can come to do {action} on {resource}")
    for human, held in found.items():
        typer.echo(_by_name(manifest, "\n  ".join([human, *held.lines()])))


def pairs_of_estate(estate: Estate, manifest: Manifest, deployed: Deployed) -> list[Pair]:
    """What nobody may hold together, over the KMS keys of the manifest and the people who were read."""
    from strongroom.authorization.prover.pairs import pairs_of

    keys = {key.name: (key.purpose, key.ref) for key in manifest.keys if key.provider == "aws-kms"}
    merged = {name: human.name for human in deployed.facts.humans for name in human.name.split("+")}
    holders = {duty: [merged[name] for name in held if name in merged] for duty, held in estate.duties.items()}
    return pairs_of(keys, holders)


def _check_again(deployed: Deployed, pairs: Sequence[Pair], proof: dict[str, Any], file: Path | None) -> None:
    """The second checker reads the certificate as it is written; Undetermined if it disagrees."""
    from json import dumps, loads

    from strongroom.authorization.prover.checker import check
    from strongroom.errors import Undetermined

    text = dumps(proof, indent=2, sort_keys=True)
    if wrong := check(deployed.facts, pairs, loads(text)):
        raise Undetermined(f"the second checker disagrees: {wrong[0]}", hint="a defect of the prover: report it")
    if file is not None:
        file.write_text(text + "\n", encoding="utf-8")


def _document(deployed: Deployed, pairs: Sequence[Pair], proof: Proof) -> dict[str, Any]:
    return {
        "verdict": proof.verdict,
        "pairs": [pair.name for pair in pairs],
        "people": [human.name for human in deployed.facts.humans],
        "facts_sha256": deployed.facts.digest(),
        "not_read": [gap.reason for gap in deployed.gaps],
        "broken": [
            {"pair": c.pair, "who": c.human, "derivation": [line for held in c.held for line in held.lines()]}
            for c in proof.counterexamples
            if c.human
        ],
        "not_understood": [c.reason for c in proof.counterexamples if not c.human and c.pair != "not read"],
        "certificate": proof.certificate,
    }


def _print(manifest: Manifest, deployed: Deployed, pairs: Sequence[Pair], proof: Proof, file: Path | None) -> None:
    """For each person the shortest derivation and the names of the other pairs; --json has every derivation."""
    people = {human.name for human in deployed.facts.humans}
    found = [counter for counter in proof.counterexamples if counter.human]
    for human in dict.fromkeys(counter.human for counter in found):
        theirs = sorted((c for c in found if c.human == human), key=lambda c: len(c.words().splitlines()))
        typer.echo(_by_name(manifest, theirs[0].words()))
        if len(theirs) > 1:
            typer.echo(f"  and breaks: {'; '.join(c.pair for c in theirs[1:])}")
    for counter in (c for c in proof.counterexamples if not c.human):
        typer.echo(counter.words())
    if found:
        typer.echo(f"no pair is broken by: {', '.join(sorted(people - {c.human for c in found})) or 'nobody'}")
    size = f"{len(pairs)} pairs, {len(people)} people and workloads, {len(deployed.facts.identities)} identities"
    typer.echo(f"{proof.verdict}: {size}, {len(deployed.facts.keys)} keys; facts {deployed.facts.digest()}")
    if proof.certificate is not None:
        typer.echo(f"checked again by the second checker{f'; certificate: {file}' if file else ''}")


def _by_name(manifest: Manifest, text: str) -> str:
    """Derivations name keys as the manifest does."""
    for key in manifest.keys:
        text = text.replace(key.ref, key.name) if key.ref.startswith("arn:") else text
    return text
