"""OpenBao on the laptop after its first start: the root token goes, the pipeline and each duty get logins of their own.

On AWS the same is done once by hand under two people's eyes, and the secret ids come from the orchestrator.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strongroom.estate.model import Estate

_PERIOD = "768h"


def root_token_file(home: Path) -> Path:
    """Where a new server's root token lies until `hand_over`."""
    return home / "vault" / "root.json"


def hand_over(home: Path, project: Path, env: str) -> bool:
    """Gives the layers a token under the deployer's policy and revokes the root token; False if none is there.

    Raises KeyFailure if OpenBao still takes the root token afterwards.
    """
    import hvac.exceptions

    from local_cloud.servers.layout import write_private_json
    from strongroom.errors import KeyFailure

    file = root_token_file(home)
    if not file.is_file() or (estate := _estate(project, env)).vault is None:
        return False
    root = _client(json.loads(file.read_text())["token"])
    root.sys.create_or_update_policy("deployer", _deployer_policy(project, estate))
    made = root.auth.token.create(policies=["deployer"], no_default_policy=True, no_parent=True, period=_PERIOD)
    write_private_json(home / "vault" / "deployer.json", {"token": made["auth"]["client_token"]})
    root.auth.token.revoke_self()
    try:
        root.auth.token.lookup_self()
    except hvac.exceptions.Forbidden:
        file.unlink()
        return True
    raise KeyFailure("OpenBao still takes its root token after it was revoked", hint="strongroom cloud reset")


def give_logins(home: Path) -> list[str]:
    """Mints a secret id for each duty whose login is not there or is of another AppRole; the duties that got one."""
    from local_cloud.servers.layout import read_json, write_private_json
    from strongroom.estate.duties import VAULT

    token = (read_json(home / "vault" / "deployer.json") or {}).get("token")
    if not token:
        return []
    client, given = _client(token), []
    for duty in VAULT:
        file = home / "vault" / f"{duty}.json"
        role = client.auth.approle.read_role_id(duty)["data"]["role_id"]
        if (read_json(file) or {}).get("role_id") == role:
            continue
        secret = client.auth.approle.generate_secret_id(duty)["data"]["secret_id"]
        write_private_json(file, {"role_id": role, "secret_id": secret})
        given.append(duty)
    return given


def _estate(project: Path, env: str) -> Estate:
    from strongroom.estate.loader import estate_file, load

    return load(estate_file(project, env))


def _client(token: str) -> Any:
    import hvac

    return hvac.Client(os.environ["VAULT_ADDR"], token, verify=os.environ["VAULT_CACERT"])


def _deployer_policy(project: Path, estate: Estate) -> str:
    """The policy as the project's programs build it; they are no installed package."""
    if str(project) not in sys.path:
        sys.path.insert(0, str(project))
    from infra.policies.vault_policies import deployer_policy

    return deployer_policy(estate)
