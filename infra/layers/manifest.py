"""What layers say about what they made, and how they publish it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from infra.components.manifest_part import ManifestPart, ManifestPartArgs
from infra.deployment import Deployment
from strongroom.estate import keyring, names
from strongroom.estate.manifest import SCHEMA
from strongroom.estate.model import Store


def publish(deployment: Deployment, facts: Mapping[str, Any], *, depends_on: Sequence[pulumi.Resource] = ()) -> None:
    """Writes and exports the layer's part; it becomes visible only after `depends_on` exist."""
    estate = deployment.estate
    account = "audit" if deployment.layer == "audit" else "workload"
    ManifestPart(
        "manifest-part",
        ManifestPartArgs(
            bucket=names.manifest_bucket(estate),
            key=names.manifest_object(estate, deployment.layer),
            facts={
                "schema": SCHEMA,
                "env": estate.env,
                "layer": deployment.layer,
                "generation": estate.generation,
                "environment_kind": estate.environment_kind,
                **facts,
            },
        ),
        deployment.in_account(account, depends_on=depends_on),
    )


def key_fact(deployment: Deployment, name: str, ref: pulumi.Input[str]) -> dict[str, Any]:
    """A key's row in the manifest; `ref` is its ARN, or mount and name of a transit key."""
    spec = keyring.find(deployment.estate, name)
    transit = spec.provider == "transit"
    return {
        "name": spec.name,
        "class": spec.data_class,
        "purpose": spec.purpose,
        "provider": spec.provider,
        "ref": ref,
        "account": "" if transit else spec.account,
        "region": "" if transit else deployment.estate.accounts[spec.account].region,  # type: ignore[index]
        "rotation_days": spec.rotation_days,
    }


def store_fact(deployment: Deployment, name: str, store: Store, **facts: Any) -> dict[str, Any]:
    """A store's row in the manifest: what is declared, and what deployment added."""
    objective = store.objective
    placed = store.kind not in ("folder", "vault")
    return {
        "name": name,
        "kind": store.kind,
        "class": store.data_class,
        "objective": None
        if objective is None
        else {
            "rpo_seconds": int(objective.rpo.total_seconds()),
            "rto_seconds": int(objective.rto.total_seconds()),
            "retention_days": objective.retention.days,
        },
        "account": store.account if placed else "",
        "region": deployment.estate.region_of(store) if placed else "",
        "fields": [field.model_dump(mode="json", by_alias=True) for field in store.fields],
        **facts,
    }
