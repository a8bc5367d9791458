"""What a thief finds: objects of every kind in the deployed estate, and a fingerprint that shows any change to them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from attacked_estate import AttackedEstate, refused

from strongroom.estate import names
from strongroom.estate.keyring import find

IMAGES, PRIMARY, VAULTED = "strongroom-dev-images", "strongroom-dev-backup-primary", "strongroom-dev-backup-vaulted"
EVIDENCE, MANIFEST, CONTROL = "strongroom-dev-evidence", "strongroom-dev-manifest", "strongroom-dev-backup-control"
#: bucket -> (who may read every version, Region, account, an object that lies in it)
READERS = {
    IMAGES: ("backup-writer", "us-east-1", "workload", "studies/1.dcm"),
    PRIMARY: ("restorer", "us-east-1", "workload", f"packs/aa/{'a' * 64}.pack"),
    VAULTED: ("backup/restorer", "us-west-2", "backup", f"packs/aa/{'a' * 64}.pack"),
    EVIDENCE: ("audit/auditor", "us-east-1", "audit", "evidence/dev/000000000001.dsse"),
    MANIFEST: ("admin@workload", "us-east-1", "workload", "dev/keys.json"),
}
SLOT = "keys/run-1/recipient-primary.1.slot"
CONTEXT = {"repo": "strongroom-dev", "run": "run-1", "recipient": "recipient-primary"}
BRANCH = {"purpose": "branch-key", "class": "clinical", "tenant": "north"}


def stock(estate: AttackedEstate) -> None:
    """Puts what each duty writes in its daily work, each with its own credentials. A second call puts nothing."""
    if estate.client("backup-writer", "s3").list_objects_v2(Bucket=PRIMARY, Prefix="packs/")["KeyCount"]:
        return
    application, writer = estate.client("application", "s3"), estate.client("backup-writer", "s3")
    for number in (1, 2):
        application.put_object(Bucket=IMAGES, Key=f"studies/{number}.dcm", Body=b"DICM" + bytes([number]) * 4096)
    kms = estate.client("backup-writer", "kms")
    run_key = kms.generate_data_key(
        KeyId=estate.keys["recipient-primary"], KeySpec="AES_256", EncryptionContext=CONTEXT
    )
    until = datetime.now(UTC) + timedelta(days=2)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    objects = {
        SLOT: run_key["CiphertextBlob"],
        READERS[PRIMARY][3]: hashlib.sha256(b"pack").digest() * 512,
        "snapshots/images/run-1": b"a sealed root",
        "refs/images/run-1.json": b"{}",
    }
    for key, body in objects.items():
        writer.put_object(Bucket=PRIMARY, Key=key, Body=body, IfNoneMatch="*", **lock)
    copier = estate.client("copier", "s3", "us-west-2")
    far = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    copier.put_object(
        Bucket=VAULTED, Key=READERS[VAULTED][3], Body=objects[READERS[PRIMARY][3]], IfNoneMatch="*", **far
    )
    writer.put_object(Bucket=EVIDENCE, Key=READERS[EVIDENCE][3], Body=b'{"payload": ""}', IfNoneMatch="*")


def versions(estate: AttackedEstate, bucket: str) -> list[dict[str, Any]]:
    """Every version and marker in a bucket."""
    who, region, _, _ = READERS[bucket]
    answer = estate.client(who, "s3", region).list_object_versions(Bucket=bucket)
    return [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]


def newest(estate: AttackedEstate, bucket: str, key: str) -> str:
    """The id of an object's newest version."""
    return next(str(v["VersionId"]) for v in versions(estate, bucket) if v["Key"] == key and v["IsLatest"])


def fingerprint(estate: AttackedEstate) -> dict[str, str]:
    """Hashes of every object version with its lock, of every bucket's configuration, key's state, policy and grants."""
    found: dict[str, str] = {}
    for bucket, (who, region, account, _) in READERS.items():
        s3 = estate.client(who, "s3", region)
        for version in versions(estate, bucket):
            if "Size" not in version:
                found[f"{bucket}/{version['Key']} marker {version['VersionId']}"] = ""
                continue
            place = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
            got = s3.get_object(**place)
            seen = (hashlib.sha256(got["Body"].read()).hexdigest(), got.get("SSEKMSKeyId"))
            locked = (got.get("ObjectLockMode"), got.get("ObjectLockRetainUntilDate"), version["IsLatest"])
            found[f"{bucket}/{version['Key']}@{version['VersionId']}"] = f"{seen} {locked}"
        found[bucket] = _configuration(estate.client(f"admin@{account}", "s3", region), bucket)
    for name in estate.keys:
        found[f"key {name}"] = _key(estate, name)
    return found


def _configuration(s3: Any, bucket: str) -> str:
    read = [
        s3.get_bucket_policy(Bucket=bucket)["Policy"],
        s3.get_bucket_versioning(Bucket=bucket)["Status"],
        s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
        s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"],
    ]
    if bucket in (PRIMARY, VAULTED, EVIDENCE):
        read.append(s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"])
    refused(lambda: s3.get_bucket_lifecycle_configuration(Bucket=bucket), "NoSuchLifecycleConfiguration")
    return hashlib.sha256(json.dumps(read, sort_keys=True, default=str).encode()).hexdigest()


def owner_of(estate: AttackedEstate, name: str) -> str:
    """Who owns a key's policy, as `AttackedEstate.client` names it."""
    spec = find(estate.estate, name)
    return f"admin@{spec.account}" if spec.layer == "bootstrap" else f"{spec.account}/deployer.{spec.layer}"


def _key(estate: AttackedEstate, name: str) -> str:
    kms = estate.key_client(owner_of(estate, name), name)
    state = kms.describe_key(KeyId=estate.keys[name])["KeyMetadata"]["KeyState"]
    alias = kms.describe_key(KeyId=names.alias(estate.estate, name))["KeyMetadata"]["Arn"]
    policy = kms.get_key_policy(KeyId=estate.keys[name], PolicyName="default")["Policy"]
    spec = find(estate.estate, name)
    grants = 0
    if spec.layer != "bootstrap":
        listed = estate.key_client(f"{spec.account}/auditor", name).list_grants(KeyId=estate.keys[name])["Grants"]
        grants = len([grant for grant in listed if not grant["GranteePrincipal"].startswith("rds.")])
    return f"{state} {alias} {hashlib.sha256(policy.encode()).hexdigest()} {grants} grants"
