"""`strongroom job`: what a scheduler starts, and how its last run went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.cli.output import DEFAULT_ENV, DryRun, Env, Json, print_json, print_table, use_laptop_cloud

app = typer.Typer(help="Scheduled jobs: run them, list them, see the last run.")
NameArgument = Annotated[str, typer.Argument(help="Name of the job: strongroom job list.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """Lists the jobs with their duty and last run. Example: strongroom job list"""
    from strongroom.cli.registry import JOBS
    from strongroom.jobs.credentials import home
    from strongroom.jobs.journal import read_last

    rows = []
    for name, entry in JOBS.items():
        ended = next((e for e in reversed(read_last(home() / "journal", name)) if e["event"] == "ended"), None)
        rows.append(
            (name, entry.duty, entry.summary, ended["time"] if ended else "never", ended["state"] if ended else "")
        )
    columns = ("name", "duty", "what it does", "last run", "state")
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


@app.command()
def show(name: NameArgument, json: Json = False) -> None:
    """Shows the journal of a job's last run. Example: strongroom job show backup"""
    from strongroom.cli.registry import entry_of
    from strongroom.jobs.credentials import home
    from strongroom.jobs.journal import read_last

    entries = read_last(home() / "journal", entry_of(name).name)
    if json:
        print_json(entries)
        return
    print_table(("time", "event", "detail"), [(e.pop("time"), e.pop("event"), e) for e in entries])


@app.command()
def run(
    name: NameArgument,
    env: Env = DEFAULT_ENV,
    source: Annotated[
        list[str] | None,
        typer.Option(help="backup, drill: a store's name, a postgresql:// DSN, a folder or s3:// URL."),
    ] = None,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", help="A job's own setting, NAME=VALUE.")] = None,
    escrow: Annotated[Path | None, typer.Option(help="Public escrow key (PEM); default: the one of this home.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Runs one job; exit 0 ok, 3 partial, 4 degraded, 5 key, 6 integrity, 7 lease, 9 refused, 10 undetermined.

    \b
    Examples:
      strongroom job run backup -e dev
      strongroom job run backup --source ./ultrasound --dry-run
      strongroom job run rewrap-fields -o level=branch
    """
    use_laptop_cloud()
    from strongroom.cli.registry import run_named

    options = dict(_pair(item) for item in option or ())
    if source:
        options["source"] = list(source)
    if escrow:
        options["escrow"] = str(escrow)
    report = run_named(name, env, options, dry_run=dry_run, quiet=json)
    if json:
        print_json(report.to_json())
    else:
        _print(report)
    raise typer.Exit(report.exit_code)


def _pair(item: str) -> tuple[str, Any]:
    """NAME=VALUE; an option without a value would be taken as if it had not been given."""
    from strongroom.errors import UsageError

    name, sign, value = item.partition("=")
    if not (name and sign and value):
        raise UsageError(f"the option {name!r} has no value", hint="write -o NAME=VALUE")
    return name, value


def _print(report: Any) -> None:
    head = f"{report.job}: {report.state.value}"
    if report.dry_run:
        typer.echo(f"{report.job}: would run {len(report.plan.units)} units ({report.plan.estimate})")
        print_table(("unit", "what", "why"), _plan_rows(report.plan))
        return
    typer.echo(f"{head}, {report.proof.value}, {len(report.results)} units in {report.duration:.1f} s")
    if report.message:
        typer.echo(f"  {report.message}")
    for problem in report.problems:
        typer.echo(f"  {problem}", err=True)
    if report.evidence:
        typer.echo(f"  evidence: {report.evidence}")


def _plan_rows(plan: Any) -> list[tuple[str, str, str]]:
    reasons = list(plan.reasons) + [""] * len(plan.units)
    return [
        (unit.kind, ", ".join(f"{k}={v}" for k, v in unit.arguments.items()), reason)
        for unit, reason in zip(plan.units, reasons, strict=False)
    ]
