"""`strongroom restore`: brings a source back from a copy, by KMS, transit or the escrow key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.cli.output import DEFAULT_ENV, DryRun, Env, Json, print_json, print_table, use_laptop_cloud

app = typer.Typer(help="Restore a source from a copy; refuses targets that are not empty or are the source itself.")


@app.command()
def run(
    source: Annotated[str, typer.Argument(help="Name of the source: strongroom backup list.")],
    to: Annotated[str, typer.Option("--to", help="An empty folder, or the DSN of an empty database.")],
    from_: Annotated[str, typer.Option("--from", help="Name of the copy; default: the primary.")] = "",
    recipient: Annotated[str, typer.Option(help="Name of the key; default: the first that opens.")] = "",
    run_id: Annotated[str, typer.Option("--run", help="Run id, or latest.")] = "latest",
    escrow_key: Annotated[Path | None, typer.Option(help="Encrypted private escrow key (PEM).")] = None,
    passphrase_file: Annotated[Path | None, typer.Option(help="File whose first line is its passphrase.")] = None,
    env: Env = DEFAULT_ENV,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Restores one source and compares it with what the backup recorded.

    \b
    Examples:
      strongroom restore run portal --to postgresql://localhost/empty
      strongroom restore run images --from vaulted --to ./images --dry-run
    """
    use_laptop_cloud()
    from backup_jobs import restore
    from strongroom.jobs.context import JobContext, load_manifest
    from strongroom.progress import Silent, terminal_progress

    options: dict[str, Any] = {}
    if escrow_key is not None:
        options = {"escrow_key": str(escrow_key), "escrow_passphrase": str(passphrase_file or "")}
        recipient = recipient or "escrow"
    ctx = JobContext(
        load_manifest(env, "restorer"),
        job="restore",
        duty="restorer",
        options=options,
        progress=Silent() if json else terminal_progress(),
    )
    opened = restore.open_snapshot(ctx, source, copy=from_, recipient=recipient, run=run_id)
    plan = restore.plan(opened, to)
    if dry_run:
        print_json(plan.to_json()) if json else print_table(("property", "value"), plan.to_json().items())
        return
    report = restore.run(opened, to, clock=ctx.clock, progress=ctx.progress)
    if json:
        print_json(report.to_json())
        return
    typer.echo(f"{source} restored from {plan.copy} with {plan.recipient}: {plan.files} files, {report.seconds:.1f} s")
    print_table(("phase", "seconds"), [(name, f"{seconds:.2f}") for name, seconds in report.phases.items()])
