"""What commands share: the options every command takes, JSON output and tables."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Env = Annotated[str, typer.Option("--env", "-e", help="Environment: the estate file stacks/estate.<env>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")]
#: Columns of a table that goes to a file or pipe.
WIDTH = 200
DEFAULT_ENV = os.environ.get("STRONGROOM_ENV", "dev")


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, sort_keys=True, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """A plain table; empty tables say so."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title or None, title_justify="left", box=None, pad_edge=False)
    count = 0
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))  # a cell is never markup: [secret] must show
        count += 1
    if count:
        Console(highlight=False, width=None if os.isatty(1) else WIDTH).print(table)
    else:
        typer.echo("nothing to show")


def use_laptop_cloud() -> None:
    """Points this process at the laptop cloud if one is running and no endpoint is set; does nothing on AWS."""
    if os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("STRONGROOM_CLOUD") == "aws":
        return
    from strongroom.jobs.credentials import home

    if not (home() / "cloud").is_dir():
        return
    from local_cloud.servers.status import environment

    os.environ.update(environment(home()))


def project_root() -> Path:
    """The folder that holds Pulumi.yaml: the working folder or one above it; UsageError if there is none."""
    from strongroom.errors import UsageError

    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise UsageError("no Pulumi.yaml in this folder or above", hint="change into your Strongroom project")
