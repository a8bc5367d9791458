"""`strongroom evidence`: list, verify and report what the jobs signed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.cli.output import DEFAULT_ENV, Env, Json, print_json, print_table, use_laptop_cloud

app = typer.Typer(help="Signed statements about runs, drills, copies and rotations.")
Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="Read a downloaded evidence folder instead of the bucket (needs no credentials)."),
]
TrustFile = Annotated[
    Path | None, typer.Option("--trust", help="JSON file with the pinned keys; default: the manifest's.")
]


def load(env: str, folder: Path | None, trust_file: Path | None) -> tuple[dict[str, bytes], Any]:
    """The chain's envelopes and the pinned keys; the trust comes from a file or the manifest, never from the chain."""
    from strongroom.errors import UsageError
    from strongroom.evidence.trust import Trust
    from strongroom.evidence.verification import read_chain
    from strongroom.storage.local import LocalStorage

    if folder is not None:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder")
        if trust_file is None:
            raise UsageError("a folder is verified against pinned keys", hint="pass --trust FILE")
        return read_chain(LocalStorage(folder), env), Trust.load(trust_file)
    use_laptop_cloud()
    from strongroom.jobs.collect_evidence import evidence_storage
    from strongroom.jobs.context import JobContext, load_manifest

    manifest = load_manifest(env, "auditor")
    ctx = JobContext(manifest, job="evidence", duty="auditor")
    keys = manifest.evidence.keys if manifest.evidence else ()
    trust = Trust.load(trust_file) if trust_file else Trust.of(keys)
    return read_chain(evidence_storage(ctx, "auditor"), env), trust


@app.command("list")
def list_(env: Env = DEFAULT_ENV, folder: Folder = None, trust: TrustFile = None, json: Json = False) -> None:
    """Lists statements in order. Example: strongroom evidence list -e dev"""
    from strongroom.evidence.dsse import read_unverified

    envelopes, _ = load(env, folder, trust)
    rows = []
    for name, data in sorted(envelopes.items()):
        statement = read_unverified(data)[1]
        p = statement.predicate
        rows.append(
            (p.get("sequence"), statement.kind, p.get("job"), p.get("duty"), p.get("state"), p.get("finished"), name)
        )
    columns = ("seq", "kind", "job", "duty", "state", "finished", "name")
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


@app.command()
def verify(
    env: Env = DEFAULT_ENV,
    folder: Folder = None,
    trust: TrustFile = None,
    as_of: Annotated[str | None, typer.Option(help="Demand a head not older than 48 h at this time (or: now).")] = None,
    head: Annotated[list[Path] | None, typer.Option(help="A notary's head kept elsewhere; repeat for several.")] = None,
    accept_simulated: Annotated[bool, typer.Option(help="Accept statements made on a laptop cloud.")] = False,
    json: Json = False,
) -> None:
    """Checks every signature, link and number of the chain; exit 6 when anything is wrong.

    \b
    Examples:
      strongroom evidence verify -e prod --as-of now
      strongroom evidence verify -e dev --folder ./evidence --trust keys.json --accept-simulated
    """
    from datetime import UTC

    from strongroom.errors import UsageError, worst_exit_code
    from strongroom.evidence.verification import verify_chain

    envelopes, pinned = load(env, folder, trust)
    when: datetime | None = None
    if as_of is not None:
        when = datetime.now(UTC) if as_of == "now" else _moment(as_of)
    try:
        heads = [path.read_bytes() for path in head or ()]
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from None
    report = verify_chain(envelopes, env, pinned, as_of=when, foreign_heads=heads, accept_simulated=accept_simulated)
    findings = [{"name": f.name, "message": f.message, "exit_code": f.exit_code} for f in report.findings]
    if json:
        print_json({"statements": len(report.statements), "covered": report.covered, "findings": findings})
    else:
        typer.echo(f"{len(envelopes)} statements read, {len(report.statements)} verified, head covers {report.covered}")
        for finding in report.findings:
            typer.echo(f"  {finding.name}: {finding.message}")
        typer.echo("the chain is intact" if report.intact else "the chain is NOT intact")
    if not envelopes:
        raise typer.Exit(10)
    raise typer.Exit(worst_exit_code(f.exit_code for f in report.findings))


def _moment(text: str) -> datetime:
    from strongroom.errors import UsageError
    from strongroom.evidence.statement import moment

    try:
        found = moment(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(f"{text!r} is no time with a zone", hint="now, or 2030-01-31T09:00:00Z")
    return found


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="Folder to write; made if absent.")],
    env: Env = DEFAULT_ENV,
) -> None:
    """Copies the chain and the pinned keys into a folder for an auditor. Example: strongroom evidence export ./audit"""
    import json as json_module

    from strongroom.storage.local import LocalStorage

    envelopes, pinned = load(env, None, None)
    storage = LocalStorage(target)
    for name, data in envelopes.items():
        storage.put(name, data)
    keys = [key.model_dump(mode="json") for key in pinned.keys.values()]
    storage.put("trust.json", json_module.dumps(keys, indent=2).encode())
    typer.echo(f"{len(envelopes)} statements and trust.json written to {target}")


@app.command()
def report(
    to: Annotated[Path, typer.Option("--to", help="The HTML file to write.")] = Path("strongroom-report.html"),
    env: Env = DEFAULT_ENV,
) -> None:
    """Writes one self-contained HTML report for auditors. Example: strongroom evidence report --to report.html"""
    use_laptop_cloud()
    from strongroom.cli.report import write_report

    typer.echo(f"report written to {write_report(env, to)}")
