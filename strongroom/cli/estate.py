"""`strongroom estate`: the declared estate, checked before anything is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.output import DEFAULT_ENV, Env, Json, print_json, project_root

app = typer.Typer(help="The declared estate: stacks/estate.<env>.yaml.")
File = Annotated[Path | None, typer.Option("--file", help="Another estate file.")]


@app.command()
def validate(env: Env = DEFAULT_ENV, file: File = None, json: Json = False) -> None:
    """Checks the estate file; exit 2 names file, line and key. Example: strongroom estate validate -e dev"""
    from strongroom.estate.loader import load

    path = file or project_root() / "stacks" / f"estate.{env}.yaml"
    estate = load(path)
    if json:
        print_json(estate.model_dump(mode="json"))
    else:
        typer.echo(f"{path.name} is valid: {len(estate.stores)} stores, {len(estate.duties)} duties")


@app.command()
def schema() -> None:
    """Prints the JSON schema of estate files, for editors. Example: strongroom estate schema > estate.schema.json"""
    from strongroom.estate.schema import estate_schema

    typer.echo(estate_schema())
