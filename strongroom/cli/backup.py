"""`strongroom backup`: what is in the repository, read by the restorer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from strongroom.cli.output import DEFAULT_ENV, Env, Json, print_json, print_table, use_laptop_cloud

app = typer.Typer(help="Backups: list runs and see what their copies are worth.")


def _context(env: str, duty: str) -> Any:
    use_laptop_cloud()
    from strongroom.jobs.context import JobContext, load_manifest

    return JobContext(load_manifest(env, duty), job="backup", duty=duty)


@app.command("list")
def list_(
    env: Env = DEFAULT_ENV,
    copy: Annotated[str, typer.Option(help="Name of the copy; default: the primary.")] = "",
    json: Json = False,
) -> None:
    """Lists the runs of a copy, newest first. Example: strongroom backup list --copy vaulted"""
    from backup_jobs import opening
    from backup_jobs.repository import catalogue

    ctx = _context(env, "restorer")
    repository = ctx.manifest.repository()
    chosen = opening.copy_named(repository, copy) if copy else opening.primary(repository)
    storage = opening.data(ctx, "restorer", repository, chosen)
    control = opening.control(ctx, "restorer", repository, chosen)
    infos = catalogue.runs(storage, control=control, trust=opening.trust(ctx))
    columns = ("source", "run", "committed", "verified", "signature")
    rows = [(i.source, i.run, i.committed_at, "yes" if i.verified else "no", i.signature_state) for i in infos]
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


@app.command()
def copies(env: Env = DEFAULT_ENV, json: Json = False) -> None:
    """Computes 3-2-1-1-0 for every source from the copies and drills. Example: strongroom backup copies"""
    from strongroom.cli.copies import matrix

    rows = matrix(_context(env, "restorer"))
    columns = ("source", "copies", "media", "offsite", "locked", "drill_errors", "holds", "shared")
    shown = [
        (
            r.source,
            r.copies,
            r.media,
            r.offsite,
            r.locked,
            r.drill_errors,
            "yes" if r.holds else "NO",
            "; ".join(r.shared),
        )
        for r in rows
    ]
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in shown])
    else:
        print_table(columns, shown)
