"""strongroom stack: the Pulumi programs of infra/, run by the local engine on machines without the Pulumi CLI."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.cli.output import DEFAULT_ENV, DryRun, Env, Json, print_json, project_root, use_laptop_cloud

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Provision the estate's layers on the laptop's cloud. On AWS the genuine Pulumi CLI runs the same files: "
        "pulumi up -s LAYER.ENV."
    ),
)
Layer = Annotated[
    str | None,
    typer.Argument(help="bootstrap, access, audit, keys, data, backup or jobs; without it all of them in order."),
]
ShowSecrets = Annotated[bool, typer.Option("--show-secrets", help="Print secret outputs instead of [secret].")]


@app.command()
def preview(layer: Layer = None, env: Env = DEFAULT_ENV, as_json: Json = False) -> None:
    """Shows what up would do; changes nothing."""
    _each(_chosen(layer), env, as_json, "preview")


@app.command()
def up(layer: Layer = None, env: Env = DEFAULT_ENV, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Shows what would change, then makes it so; the second run reports no change."""
    _each(_chosen(layer), env, as_json, *(("preview",) if dry_run else ("preview", "up")))


@app.command()
def refresh(layer: Layer = None, env: Env = DEFAULT_ENV, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Makes the state what is really there; with --dry-run lists what would be read."""
    if dry_run:
        _list(_chosen(layer), env, as_json, doomed=False)
    else:
        _each(_chosen(layer), env, as_json, "refresh")


@app.command()
def destroy(layer: Layer = None, env: Env = DEFAULT_ENV, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Deletes what is not protected, last layer first, and lists what stays."""
    layers = list(reversed(_chosen(layer)))
    if dry_run:
        _list(layers, env, as_json, doomed=True)
    else:
        _each(layers, env, as_json, "destroy")


@app.command()
def outputs(
    layer: Layer = None, env: Env = DEFAULT_ENV, as_json: Json = False, show_secrets: ShowSecrets = False
) -> None:
    """Prints the outputs of a layer, or of all layers, from the state."""
    from local_cloud.engine import run

    found = {
        name: run.outputs(project_root(), name, env, _home(), show_secrets=show_secrets) for name in _chosen(layer)
    }
    document: dict[str, Any] = found if layer is None else found[layer]
    if as_json:
        print_json(document)
        return
    for name, values in found.items():
        for key, value in sorted(values.items()):
            typer.echo(f"{name}.{env}  {key} = {value if isinstance(value, str) else json.dumps(value)}")


def _chosen(layer: str | None) -> Sequence[str]:
    from local_cloud.engine.project import LAYERS
    from strongroom.errors import UsageError

    if layer is None:
        return LAYERS
    if layer not in LAYERS:
        raise UsageError(f"there is no layer {layer}", hint=f"layers are {', '.join(LAYERS)}")
    return (layer,)


def _home() -> Path:
    from strongroom.jobs.credentials import home

    return home()


def _each(layers: Sequence[str], env: str, as_json: bool, *verbs: str) -> None:
    """Runs the verbs on each layer and prints what they did; the first failure ends the command."""
    from rich.console import Console

    from local_cloud.engine.display import document, draw
    from local_cloud.engine.launch import host
    from local_cloud.engine.run import DeploymentFailed, Engine, UpResult
    from strongroom.cli.laptop import deployer
    from strongroom.cli.laptop_logins import give_logins, hand_over
    from strongroom.progress import Silent, terminal_progress

    use_laptop_cloud()
    home, root = _home(), project_root()
    engine, console = Engine(home), Console(soft_wrap=True, highlight=False)
    progress = Silent() if as_json else terminal_progress()
    documents: list[dict[str, Any]] = []
    hand_over(home, root, env)  # no layer is deployed with a root token

    def show(stack: str, verb: str, result: UpResult, announced: UpResult | None) -> None:
        if as_json:
            documents.append({"operation": verb} | document(stack, result))
        else:
            draw(console, stack, result, planned=verb == "preview", announced=announced)

    try:
        with host(home):  # one fork server for all layers
            for layer in layers:
                announced = None
                for verb in verbs:
                    operation: Callable[..., UpResult] = getattr(engine, verb)
                    try:
                        with deployer(layer, env, home):
                            result = operation(root, layer, env, progress)
                    except DeploymentFailed as failure:
                        show(f"{layer}.{env}", verb, failure.result, announced)
                        raise
                    show(f"{layer}.{env}", verb, result, announced)
                    if verb == "preview" and result.unchanged:
                        break
                    announced = result
                if layer == "keys" and "up" in verbs:
                    give_logins(home)  # the layer that makes the AppRoles
    finally:
        if as_json:
            print_json(documents[0] if len(documents) == 1 else documents)


def _list(layers: Sequence[str], env: str, as_json: bool, *, doomed: bool) -> None:
    """What refresh would read or destroy would delete, from the state alone."""
    from local_cloud.engine.checkpoint import load
    from local_cloud.engine.destruction import staying
    from strongroom.cli.output import print_table

    rows = []
    for layer in layers:
        resources = load(_home(), f"{layer}.{env}").resources()
        kept = staying(resources)
        rows += [
            (f"{layer}.{env}", item.type, item.urn.split("::")[-1], "stays" if doomed and item.urn in kept else "")
            for item in reversed(resources)
            if item.custom and not item.type.startswith("pulumi:")
        ]
    if as_json:
        print_json([dict(zip(("stack", "type", "name", "note"), row, strict=True)) for row in rows])
    else:
        print_table(("stack", "type", "name", "note"), rows)
