"""The audit account: the locked evidence bucket, its key, and one signing key a signing duty."""

from __future__ import annotations

from typing import Any

from infra.components.encrypted_bucket import EncryptedBucket, EncryptedBucketArgs
from infra.components.signing_key import SigningKey
from infra.deployment import Deployment
from infra.layers.keymaking import make_key, make_signing_key
from infra.layers.manifest import key_fact, publish
from infra.policies import bucket_policies
from infra.policies.document import to_json
from strongroom.estate import duties, names
from strongroom.estate.keyring import KeySpec, of_layer
from strongroom.evidence.statement import predicate_type


def deploy(deployment: Deployment) -> None:
    """Composes the layer."""
    estate = deployment.estate
    specs = of_layer(estate, "audit")
    storage = next(make_key(deployment, spec) for spec in specs if spec.purpose == "storage")
    signing = {spec: make_signing_key(deployment, spec) for spec in specs if spec.purpose == "signing"}
    bucket = EncryptedBucket(
        "evidence",
        EncryptedBucketArgs(
            bucket=names.evidence_bucket(estate),
            key_arn=storage.arn,
            policy=storage.arn.apply(lambda arn: to_json(bucket_policies.evidence_bucket(estate, arn))),
            tags=deployment.tags("evidence", "notary"),
            lock=estate.evidence.lock,
            protect=estate.protection.data,
        ),
        deployment.in_account("audit"),
    )
    keys = [key_fact(deployment, "storage-evidence", storage.arn)]
    keys += [key_fact(deployment, spec.name, key.arn) for spec, key in signing.items()]
    evidence = {
        "bucket": bucket.bucket,
        "region": estate.accounts["audit"].region,
        "keys": [_pinned(deployment, spec, key) for spec, key in signing.items()],
    }
    publish(deployment, {"keys": keys, "evidence": evidence})


def _pinned(deployment: Deployment, spec: KeySpec, key: SigningKey) -> dict[str, Any]:
    return {
        "keyid": key.keyid,
        "duty": spec.duty,
        "key_ref": key.arn,
        "spki_pem": key.spki_pem,
        "alg": "ecdsa-p256-sha256",
        "predicate_types": [predicate_type(kind) for kind in duties.SIGNS[spec.duty]],
        "env": deployment.estate.env,
        "not_before": deployment.estate.evidence.keys_valid_from.isoformat(),
    }
