"""Who deploys on the laptop's cloud: the profile and OpenBao token that a layer's program finds around it.

On AWS the same comes from outside: AWS_PROFILE or a CI's OIDC role, and VAULT_TOKEN. What is set already is left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def deployer(layer: str, env: str, home: Path) -> Iterator[None]:
    """Runs a block as the identity that deploys a layer; the environment is as before when it ends."""
    given = {name: os.environ.get(name) for name in ("AWS_PROFILE", "VAULT_TOKEN")}
    if not (given["AWS_PROFILE"] or os.environ.get("AWS_ACCESS_KEY_ID")):
        os.environ["AWS_PROFILE"] = f"strongroom-{env}-{'bootstrap-admin' if layer == 'bootstrap' else 'deployer'}"
    token = _token(home)
    if token and not given["VAULT_TOKEN"]:
        os.environ["VAULT_TOKEN"] = token
    try:
        yield
    finally:
        for name, value in given.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _token(home: Path) -> str:
    """The deployer's OpenBao token, or '' where there is none (`laptop_logins.hand_over` makes it)."""
    path = home / "vault" / "deployer.json"
    return str(json.loads(path.read_text())["token"]) if path.is_file() else ""
