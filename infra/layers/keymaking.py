"""Makes the keys of a layer from the estate's keyring; shared by the layers that own keys."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from infra.components.managed_key import ManagedKey, ManagedKeyArgs
from infra.components.signing_key import SigningKey, SigningKeyArgs
from infra.deployment import Deployment
from infra.policies.document import to_json
from infra.policies.key_policies import key_policy
from strongroom.estate import names
from strongroom.estate.keyring import KeySpec


def make_key(deployment: Deployment, spec: KeySpec, after: Sequence[pulumi.Resource] = ()) -> ManagedKey:
    """A KMS key of the keyring in its account; `after` are roles of this very layer that its policy names."""
    estate = deployment.estate
    return ManagedKey(
        spec.name,
        ManagedKeyArgs(
            alias=names.alias(estate, spec.name),
            description=f"{spec.purpose} key {spec.name} of {estate.env}",
            policy=to_json(key_policy(estate, spec)),
            tags=deployment.tags(spec.data_class, f"deployer.{spec.layer}"),
            rotation_days=spec.rotation_days,
            spec=spec.kms_spec,
            protect=estate.protection.keys,
        ),
        deployment.in_account(spec.account, depends_on=after),
    )


def make_signing_key(deployment: Deployment, spec: KeySpec) -> SigningKey:
    """A signing key of the keyring, with its public half."""
    estate = deployment.estate
    return SigningKey(
        spec.name,
        SigningKeyArgs(
            alias=names.alias(estate, spec.name),
            duty=spec.duty,
            policy=to_json(key_policy(estate, spec)),
            tags=deployment.tags(spec.data_class, f"deployer.{spec.layer}"),
            protect=estate.protection.keys,
        ),
        deployment.in_account(spec.account),
    )
