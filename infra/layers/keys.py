"""The keys of the workload account: storage, field roots, recipients, blob ids; and the logins to Vault."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_vault as vault

from infra.components.duty_app_role import DutyAppRole, DutyAppRoleArgs
from infra.components.transit_key import TransitKey, TransitKeyArgs
from infra.deployment import Deployment
from infra.layers.keymaking import make_key
from infra.layers.manifest import key_fact, publish
from infra.policies.vault_policies import vault_policy
from strongroom.estate import duties
from strongroom.estate.keyring import of_layer

DAY = 86400


def deploy(deployment: Deployment) -> None:
    """Composes the layer."""
    facts = [
        key_fact(deployment, spec.name, make_key(deployment, spec).arn)
        for spec in of_layer(deployment.estate, "keys")
        if spec.provider == "aws-kms"
    ]
    if deployment.estate.vault is not None:
        facts += _transit(deployment)
        _logins(deployment)
    publish(deployment, {"keys": facts})


def _transit(deployment: Deployment) -> list[dict[str, Any]]:
    estate = deployment.estate
    assert estate.vault is not None
    protect = estate.protection.keys
    mount = vault.Mount(
        "transit",
        path=estate.vault.transit,
        type="transit",
        description="keys that never leave the server",
        opts=pulumi.ResourceOptions(
            provider=deployment.vault(), protect=protect or None, retain_on_delete=protect or None
        ),
    )
    facts = []
    for spec in of_layer(estate, "keys"):
        if spec.provider == "transit":
            key = TransitKey(
                spec.name,
                TransitKeyArgs(
                    mount=mount.path,
                    name=spec.name,
                    rotation_seconds=(spec.rotation_days or 365) * DAY,
                    protect=protect,
                ),
                pulumi.ResourceOptions(providers=[deployment.vault()]),
            )
            facts.append(key_fact(deployment, spec.name, key.ref))
    return facts


def _logins(deployment: Deployment) -> None:
    estate = deployment.estate
    backend = vault.AuthBackend(
        "approle", type="approle", path="approle", opts=pulumi.ResourceOptions(provider=deployment.vault())
    )
    for duty in duties.VAULT:
        DutyAppRole(
            f"login-{duty}",
            DutyAppRoleArgs(auth_mount=backend.path, duty=duty, policy=vault_policy(estate, duty)),
            pulumi.ResourceOptions(providers=[deployment.vault()]),
        )
