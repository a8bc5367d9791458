"""`strongroom demo`: the whole story on this machine, and `demo break` to damage a copy oneself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.output import project_root, use_laptop_cloud

app = typer.Typer(
    help=(
        "The whole story on this machine: provision, encrypt, back up, rotate, attack, restore. "
        "Example: SECRET_FILE=note.txt strongroom demo"
    ),
    invoke_without_command=True,
)


@app.callback()
def demo(
    context: typer.Context,
    secret_file: Annotated[
        Path | None,
        typer.Option(envvar="SECRET_FILE", help="File with the secret to protect; default: asked for, or generated."),
    ] = None,
    keep: Annotated[bool, typer.Option(help="Leave the laptop cloud running afterwards.")] = True,
) -> None:
    """Runs the demo; exit code non-zero if any step was not verified. Example: SECRET_FILE=note.txt make demo"""
    if context.invoked_subcommand is not None:
        return
    _find_demo()
    from demo.story import run

    raise typer.Exit(run(secret_file, keep=keep))


@app.command("break")
def break_(
    what: Annotated[
        str, typer.Argument(help="byte: one byte of a pack in the copy `disk`; row: one row of the database.")
    ],
) -> None:
    """Damages a copy or a row of the laptop's data, to see who notices. Example: strongroom demo break byte"""
    use_laptop_cloud()
    _find_demo()
    from demo.damage import break_byte, break_row
    from strongroom.errors import UsageError

    actions = {"byte": break_byte, "row": break_row}
    if what not in actions:
        raise UsageError(f"{what!r} cannot be broken", hint="byte or row")
    typer.echo(actions[what]())


def _find_demo() -> None:
    """The folder `demo` is part of the project, not of the installed package."""
    root = str(project_root())
    if root not in sys.path:
        sys.path.insert(0, root)
