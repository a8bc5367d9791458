"""Every duty gets its own login: an AppRole secret id minted by the deployer's token, and no root token any more."""

from __future__ import annotations

import json
import os

from demo.stage import Stage, require

TITLE = "Duties with logins of their own"


def show(stage: Stage) -> str:
    """Mints the secret ids and shows that each login gets its own policy and nothing beyond it."""
    import hvac
    import hvac.exceptions

    from strongroom.cli.laptop_logins import give_logins
    from strongroom.estate.duties import VAULT
    from strongroom.jobs.credentials import vault_client

    token = json.loads((stage.home / "vault" / "deployer.json").read_text())["token"]
    client = hvac.Client(os.environ["VAULT_ADDR"], token, verify=os.environ["VAULT_CACERT"])
    given = give_logins(stage.home)
    require(set(given) == set(VAULT), "a login was there before the demo made it")
    for duty in VAULT:
        policies = vault_client(duty).auth.token.lookup_self()["data"]["policies"]
        require(policies == [duty], f"the login of {duty} carries the policies {', '.join(policies)}")
    refused = ""
    try:
        client.secrets.transit.decrypt_data("fields-psychotherapy", "vault:v1:AAAA")
    except hvac.exceptions.Forbidden:
        refused = "the deployer's token may decrypt nothing"
    require(refused, "the deployer's token could ask transit to decrypt")
    require(not (stage.home / "vault" / "root.json").exists(), "a root token lies under .strongroom")
    stage.display.line(
        f"{len(VAULT)} duties log in to OpenBao, each with its own policy; root token revoked; {refused}"
    )
    return f"{len(VAULT)} logins, root token revoked"
