"""The command line: `strongroom NOUN VERB [NAME] -e ENV`.

Nouns are singular; list, show, explain, plan and verify only read; changes take --dry-run; every command takes --json.
What a scheduler may start is `job run` and nothing else. Errors end with their exit code (strongroom.errors).
"""

from __future__ import annotations

import sys
import traceback

import typer

from strongroom.cli import backup, cloud, duty, escrow, estate, evidence, job, key, restore, stack, story

app = typer.Typer(
    name="strongroom",
    help="Deployment and key-management kit for health records.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120},
)
for noun, commands in (
    ("estate", estate.app),
    ("cloud", cloud.app),
    ("stack", stack.app),
    ("job", job.app),
    ("backup", backup.app),
    ("restore", restore.app),
    ("key", key.app),
    ("escrow", escrow.app),
    ("duty", duty.app),
    ("evidence", evidence.app),
):
    app.add_typer(commands, name=noun, no_args_is_help=True)
app.add_typer(story.app, name="demo")


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"strongroom {version('strongroom')}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Deployment and key-management kit for health records."""


def main() -> None:
    """Runs the command line; an error of ours becomes one line on standard error and its exit code.

    Of any other exception type and place are shown, never the message: it may quote a row or a connection string.
    """
    from strongroom.errors import StrongroomError

    try:
        app()
    except StrongroomError as error:
        typer.echo(f"error: {error.message}", err=True)
        if error.hint:
            typer.echo(f"       {error.hint}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        typer.echo(f"error: internal error {type(error).__name__}", err=True)
        for frame in traceback.extract_tb(error.__traceback__):
            typer.echo(f"       {frame.filename}:{frame.lineno} in {frame.name}", err=True)
        sys.exit(StrongroomError.exit_code)


if __name__ == "__main__":
    main()
