"""An estate from nothing: servers, escrow key, every layer provisioned, and again without a change."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from demo.stage import ENV, FOREIGN, Stage, require
from local_cloud.engine.project import LAYERS

TITLE = "An estate from nothing"
#: The layers in their order; what stands in one wave needs nothing of its neighbours.
WAVES = (("bootstrap",), ("access",), ("audit", "keys"), ("data", "backup"), ("jobs",))
#: Deployed twice: where a needless change would hurt most, a new key or a new database.
AGAIN = ("keys", "data")
_IMPORTED_SECONDS = 60.0


def show(stage: Stage) -> str:
    """Starts the laptop's cloud anew and deploys all layers with the unmodified Pulumi programs."""
    _start_cloud(stage)
    fingerprint = _escrow_key(stage)
    _deployer_token(stage)
    first, _ = _up(stage, WAVES)
    resources = _resources(stage)
    again, touched = _up(stage, [AGAIN])
    require(touched == 0, f"a second `stack up` changed {touched} resources of an estate nobody touched")
    stage.display.line(f"three simulated accounts behind a gateway that decides by policy; escrow key {fingerprint}")
    stage.display.line(
        f"{resources} resources in 7 layers in {first:.1f} s; `stack up` of {' and '.join(AGAIN)} again: no change"
    )
    return f"{resources} resources in {len(LAYERS)} layers in {first:.0f} s, again unchanged in {again:.0f} s"


def _start_cloud(stage: Stage) -> None:
    from local_cloud.servers import lifecycle
    from local_cloud.servers.status import environment

    for name in FOREIGN:
        os.environ.pop(name, None)
    lifecycle.reset(stage.home)
    lifecycle.start(stage.home)
    os.environ.update(environment(stage.home))


def _escrow_key(stage: Stage) -> str:
    """The offline key: kept from an earlier demo if there is one, since nobody may overwrite it."""
    from local_cloud.servers.layout import private_folder, write_private
    from strongroom.keys import escrow

    folder = private_folder(stage.escrow)
    private, public, passphrase = (folder / name for name in ("escrow.pem", "escrow.pub.pem", "passphrase"))
    if not private.exists():
        write_private(passphrase, secrets.token_urlsafe(24) + "\n")
        escrow.create(private, public, passphrase.read_bytes().rstrip(b"\n"))
    wrapper = escrow.load_public(public)
    opened = escrow.load_private(private, passphrase.read_bytes().rstrip(b"\n"))
    require(opened.key_ref == wrapper.key_ref, f"{folder} holds two keys that do not belong together")
    write_private(stage.home / "escrow.pub.pem", public.read_bytes())  # only the public half is deployed
    return wrapper.key_ref


def _deployer_token(stage: Stage) -> None:
    """Gives the layers a token of their own and revokes OpenBao's root token: nothing below runs as root."""
    from strongroom.cli.laptop_logins import hand_over

    handed = hand_over(stage.home, stage.root, ENV)
    require(handed, "OpenBao's root token was not there to be handed over and revoked")


def _up(stage: Stage, waves: Sequence[Sequence[str]]) -> tuple[float, int]:
    """`stack up` wave by wave: seconds, and how many resources were created, changed or deleted."""
    from local_cloud.engine.launch import host
    from local_cloud.engine.run import Engine
    from strongroom.cli.laptop import deployer
    from strongroom.progress import Silent

    _await_fork_server(stage)
    engine, started, touched = Engine(stage.home), time.monotonic(), 0

    def deploy(layer: str) -> int:
        changes = engine.up(stage.root, layer, ENV, Silent()).changes
        return sum(count for verb, count in changes.items() if verb not in ("same", "read"))

    with host(stage.home), ThreadPoolExecutor(2) as pool:
        for wave in waves:
            with deployer(wave[0], ENV, stage.home):
                touched += sum(pool.map(deploy, wave))
    return time.monotonic() - started, touched


def _resources(stage: Stage) -> int:
    """What lies in the state and is real: neither components nor providers."""
    from local_cloud.engine.checkpoint import load

    every = [item for layer in LAYERS for item in load(stage.home, f"{layer}.{ENV}").resources()]
    return sum(item.custom and not item.type.startswith("pulumi:") for item in every)


def _await_fork_server(stage: Stage) -> None:
    """It imports for some seconds after `cloud start`; a second one beside it would cost both twice the time."""
    from local_cloud.engine.launch import HostClient

    client, deadline = HostClient(stage.home), time.monotonic() + _IMPORTED_SECONDS
    while not client.reachable() and time.monotonic() < deadline:
        time.sleep(0.05)
