"""`strongroom cloud`: start, look at and stop the AWS, OpenBao and PostgreSQL that run on this laptop."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from strongroom.cli.output import DryRun, Json, print_json

app = typer.Typer(
    no_args_is_help=True,
    help="The laptop's cloud: a simulated AWS behind a gateway that enforces policies, OpenBao and PostgreSQL, all on "
    "loopback with TLS. Data lie under ./.strongroom (STRONGROOM_HOME moves it).",
)

Service = Annotated[str | None, typer.Option("--service", help="Only this service: kms or openbao.", metavar="NAME")]


@app.command()
def start(service: Service = None, json: Json = False) -> None:
    """Start every server, or bring one stopped service back.

    A second start says what runs and changes nothing. After a crash it takes over what survived; if the simulated AWS
    accounts are gone it says so, archives the old state under .strongroom/archive and begins clean.

    Examples:

      strongroom cloud start

      strongroom cloud start --service kms
    """
    from local_cloud.servers import layout, lifecycle

    home = layout.home_folder()
    outcome = lifecycle.start(home) if service is None else lifecycle.set_service(home, service, up=True)
    _show(outcome.survey, [*outcome.messages, *(["already running"] if outcome.already else [])], as_json=json)


@app.command()
def status(json: Json = False) -> None:
    """Show each server: state, process, address. Exits 4 and names the log when something is not as it was asked to be.

    Examples:

      strongroom cloud status

      strongroom cloud status --json
    """
    from local_cloud.servers import layout
    from local_cloud.servers import status as servers
    from strongroom.errors import Degraded

    found = servers.survey(layout.Layout(layout.home_folder()))
    _show(found, [], as_json=json)
    problems = found.problems()
    if problems:
        raise Degraded("; ".join(problems), hint="`strongroom cloud start` tries again")


@app.command()
def stop(service: Service = None, json: Json = False) -> None:
    """Stop every server, or refuse connections to one service while the others stay up.

    The simulated AWS accounts live in memory: stopping everything ends them, and the next start begins clean.

    Examples:

      strongroom cloud stop

      strongroom cloud stop --service openbao
    """
    from local_cloud.servers import layout, lifecycle

    home = layout.home_folder()
    outcome = lifecycle.stop_all(home) if service is None else lifecycle.set_service(home, service, up=False)
    _show(outcome.survey, outcome.messages, as_json=json)


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this nothing is removed.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Stop everything and remove .strongroom with its data, keys and archives.

    Examples:

      strongroom cloud reset --dry-run

      strongroom cloud reset --yes
    """
    from local_cloud.servers import layout, lifecycle
    from strongroom.errors import UsageError

    home = layout.home_folder()
    if not yes and not dry_run:
        raise UsageError(f"this removes {home} and all that is in it", hint="add --yes, or --dry-run to look first")
    if yes and not dry_run:
        lifecycle.reset(home)
    done = "would remove" if dry_run else "removed"
    _print({"home": str(home), "removed": not dry_run}, f"{done} {home}", as_json=json)


@app.command()
def env(json: Json = False) -> None:
    """Print the variables by which AWS, Vault and Strongroom clients reach the laptop's cloud; there are no secrets.

    Examples:

      eval "$(strongroom cloud env)"
    """
    import shlex

    from local_cloud.servers import layout
    from local_cloud.servers import status as servers

    found: dict[str, str] = servers.environment(layout.home_folder())
    _print(found, "\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.items()), as_json=json)


def _show(found: Any, messages: list[str], *, as_json: bool) -> None:
    """Prints a survey: a line a server, or `{messages, problems, servers}` as JSON."""
    document = {
        "messages": messages,
        "problems": found.problems(),
        "servers": {name: server.to_json() for name, server in found.servers.items()},
    }
    lines = [
        f"{server.name:<12} {server.state.value:<9} "
        f"{f'pid {server.process.pid}' if server.process else '':<12} {server.address}".rstrip()
        for server in found.servers.values()
    ]
    _print(document, "\n".join([*messages, *lines]), as_json=as_json)


def _print(document: Any, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    elif text:
        typer.echo(text)
