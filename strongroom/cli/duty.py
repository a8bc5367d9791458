"""`strongroom duty`: who holds which duty, proof over what is deployed that nobody holds too much, who can do what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli import duty_reading
from strongroom.cli.output import DEFAULT_ENV, DryRun, Env, Json, print_json, print_table

app = typer.Typer(help="Duties: who holds them, and proof over what is deployed that nobody comes to hold too much.")
REFUTED = 9

Person = Annotated[list[str] | None, typer.Option("--person", help="Only about this person; repeatable.")]
PairName = Annotated[list[str] | None, typer.Option("--pair", help="Only about the pair of this name; repeatable.")]
WithoutQuorums = Annotated[
    bool, typer.Option("--without-quorums", help="As if the mechanisms that the estate declares failed.")
]


@app.command("list")
def list_(env: Env = DEFAULT_ENV, json: Json = False) -> None:
    """Lists the duties, the accounts of their roles and who holds them. Example: strongroom duty list -e dev"""
    from strongroom.estate import duties

    estate = duty_reading.declared(env)
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
    person: Person = None,
    pair: PairName = None,
    without_quorums: WithoutQuorums = False,
) -> None:
    """Proves that nobody comes to hold what no one may hold together; exit 9 if refuted, 10 if undetermined.

    Reads what is deployed in every account and in OpenBao as the auditor. What the estate declares to take several
    people is taken for granted and printed: such an answer is PROVED UNDER ASSUMPTIONS, and --without-quorums shows
    what is left without them. Example: strongroom duty prove --certificate duties.json
    """
    from strongroom.authorization.deployed import decide
    from strongroom.cli import duty_answer, duty_certificate

    estate, manifest, found = duty_reading.deployed(env, quorums=not without_quorums, quiet=json)
    found = found.about(person or [])
    pairs = duty_reading.chosen(duty_reading.pairs_of_estate(estate, manifest, found), pair or [])
    proof = decide(found, pairs)
    if proof.certificate is not None:
        duty_certificate.confirm(found.facts, pairs, proof.certificate, certificate)
    answer = duty_answer.Answer(manifest, found, pairs, proof, without_quorums)
    if json:
        print_json(duty_answer.document(answer))
    else:
        duty_answer.show(answer, certificate)
    if proof.verdict == "REFUTED":
        raise typer.Exit(REFUTED)


@app.command()
def check(
    certificate: Annotated[Path, typer.Argument(help="A file that duty prove --certificate wrote.")],
    env: Env = DEFAULT_ENV,
    json: Json = False,
    person: Person = None,
    pair: PairName = None,
) -> None:
    """Checks a saved certificate against what is deployed now, with the second checker alone; says what changed.

    Exit 0 if nothing changed, 11 if something did and the certificate's sets still hold, 9 if they do not, 10 if
    something could not be read. Name the same --person and --pair as for the proof.
    Example: strongroom duty check duties.json
    """
    from strongroom.cli import duty_certificate
    from strongroom.errors import Differs, Refused, Undetermined

    saved = duty_certificate.load(certificate)
    estate, manifest, found = duty_reading.deployed(env, quiet=json)
    found = found.about(person or [])
    pairs = duty_reading.chosen(duty_reading.pairs_of_estate(estate, manifest, found), pair or [])
    changed = duty_certificate.differences(found.facts, pairs, saved)
    broken = duty_certificate.broken_today(found.facts, pairs, saved)
    unread = [gap.reason for gap in found.gaps]
    if json:
        print_json({"holds": not broken and not unread, "changed": changed, "broken": broken, "not_read": unread})
    for line in () if json else (*changed, *(f"does not hold: {reason}" for reason in broken)):
        typer.echo(duty_reading.by_name(manifest, line))
    if broken:
        raise Refused(f"{certificate}: does not hold for what is deployed now", hint="strongroom duty prove")
    if unread:
        raise Undetermined("; ".join(unread), hint="let the auditor read it")
    if changed:
        raise Differs(f"{certificate}: {len(changed)} things changed; it still holds", hint="strongroom duty prove")
    if not json:
        typer.echo("holds: nothing changed since it was written")


@app.command("who-can")
def who_can(
    action: Annotated[str, typer.Argument(help="One action, for example kms:Decrypt, s3:GetObject, bao:update.")],
    resource: Annotated[str, typer.Argument(help="A key, store or role by name, an ARN, or bao: and a path.")],
    env: Env = DEFAULT_ENV,
    json: Json = False,
    without_quorums: WithoutQuorums = False,
) -> None:
    """Shows who can come to do an action on something, and how. Example: strongroom duty who-can kms:Decrypt id

    Of KMS, S3, SQS, SNS, Secrets Manager, STS, IAM and OpenBao; an object of a store is NAME/OBJECT, a role the name of
    its duty. Directly, not through a service. Exit 10 if something the answer depends on could not be read.
    """
    from strongroom.cli import duty_question
    from strongroom.errors import Undetermined

    estate, manifest, found = duty_reading.deployed(env, quorums=not without_quorums, quiet=json)
    question = duty_question.Question(estate, manifest, found, action, resource)
    unread = [gap.reason for arn in question.resources for gap in found.gaps_about(arn)]
    if unread:
        raise Undetermined("; ".join(dict.fromkeys(unread)), hint="let the auditor read it")
    able = question.answer()
    if json:
        print_json({human: {"identity": h.identity, "by": h.by, "way": h.lines()} for human, h in able.items()})
        return
    if not able:
        typer.echo(f"nobody can come to do {action} on {resource}")
    for human, held in able.items():
        typer.echo(duty_reading.by_name(manifest, "\n  ".join([human, *held.lines()])))


@app.command()
def reach(
    env: Env = DEFAULT_ENV,
    json: Json = False,
    person: Person = None,
    without_quorums: WithoutQuorums = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table for a document.")] = False,
) -> None:
    """Shows what each person and workload can come to do with keys and stores: what a stolen credential is worth.

    Exit 10 if anything could not be read. Example: strongroom duty reach --person runner.restorer
    """
    from strongroom.cli import duty_reach

    duty_reach.run(env, person or [], without_quorums=without_quorums, markdown=markdown, json=json)


@app.command()
def replay(
    answer: Annotated[Path | None, typer.Argument(help="What duty prove --json printed; else it is asked now.")] = None,
    env: Env = DEFAULT_ENV,
    json: Json = False,
    person: Person = None,
    pair: PairName = None,
    without_quorums: WithoutQuorums = False,
    dry_run: DryRun = False,
) -> None:
    """Carries a refutation out on the laptop's cloud, step by step with the person's credentials, and mends it.

    Of the derivations that match the shortest that can be carried out here is taken. Prints each move with its answer.
    Exit 0 if every step and what it leads to were shown, 9 if one was refused, 10 if a step cannot be carried out here.
    Endpoints must be loopback ones. Example: strongroom duty replay --without-quorums --person deployer --dry-run
    """
    from strongroom.cli import duty_replay

    duty_replay.run(env, answer, person or [], pair or [], without_quorums=without_quorums, dry_run=dry_run, json=json)
