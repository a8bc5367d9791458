"""`strongroom key`: the deployed keys, their age and versions, read from KMS and OpenBao without using them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from strongroom.cli.output import DEFAULT_ENV, Env, Json, print_json, print_table, use_laptop_cloud

app = typer.Typer(help="Deployed keys: state, version and age against their cryptoperiod.")


def states(env: str) -> list[dict[str, Any]]:
    """State of every key: KMS keys as the auditor of their account, transit keys as the rotator.

    Keys that these may not describe are listed with the reason.
    """
    from strongroom.errors import StrongroomError
    from strongroom.jobs.context import JobContext, load_manifest
    from strongroom.keys import kms
    from strongroom.keys.transit import TransitAdministrator

    ctx = JobContext(load_manifest(env, "auditor"), job="key", duty="auditor")
    found = []
    for key in ctx.manifest.keys:
        row: dict[str, Any] = {"name": key.name, "purpose": key.purpose, "class": key.data_class, "ref": key.ref}
        try:
            if key.provider == "transit":
                state = TransitAdministrator(ctx.vault("rotator"), key.ref).describe()
            else:
                client = ctx.session("auditor", key.account, key.region).client("kms", region_name=key.region)
                state = kms.describe(client, key.ref, rotations=True)
        except StrongroomError as error:
            row |= {"state": "not readable", "why": error.message}
        else:
            since = state.last_rotated or state.created
            row |= {
                "state": state.state,
                "version": state.current_version,
                "age_days": (ctx.clock.now() - since).days,
                "rotation_days": key.rotation_days,
            }
        found.append(row)
    return found


@app.command("list")
def list_(env: Env = DEFAULT_ENV, json: Json = False) -> None:
    """Lists the keys. Example: strongroom key list -e dev"""
    use_laptop_cloud()
    rows = states(env)
    if json:
        print_json(rows)
        return
    columns = ("name", "purpose", "class", "state", "version", "age_days", "rotation_days")
    print_table(columns, [[str(row.get(c, "")) for c in columns] for row in rows])


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of the key.")], env: Env = DEFAULT_ENV, json: Json = False
) -> None:
    """Shows one key. Example: strongroom key show recipient-primary"""
    from strongroom.errors import UsageError

    use_laptop_cloud()
    row = next((r for r in states(env) if r["name"] == name), None)
    if row is None:
        raise UsageError(f"no key called {name!r}", hint="strongroom key list")
    if json:
        print_json(row)
    else:
        print_table(("property", "value"), row.items())
