"""Rules of multi-Region KMS keys: replicas, primaries and their policies."""

from __future__ import annotations

from typing import Any

from contract_rows import ADMIN, allow, new_key, new_role, row


def kms(cloud: Any, who: str = ADMIN, region: str = "us-east-1") -> Any:
    return cloud.client(who, "kms", region)


def two_regions(cloud: Any, *statements: dict[str, Any], **more: Any) -> str:
    """The ARN of a multi-Region key of us-east-1 with a replica in us-west-2."""
    key = new_key(cloud, *statements, MultiRegion=True, **more)
    kms(cloud).replicate_key(KeyId=key, ReplicaRegion="us-west-2")
    return key


@row()
def a_replica_becomes_the_primary(cloud: Any) -> None:
    key = two_regions(cloud)
    kms(cloud).enable_key_rotation(KeyId=key, RotationPeriodInDays=100)
    kms(cloud).update_primary_region(KeyId=key, PrimaryRegion="us-west-2")
    there = kms(cloud, ADMIN, "us-west-2")
    moved = key.replace("us-east-1", "us-west-2")
    configuration = there.describe_key(KeyId=moved)["KeyMetadata"]["MultiRegionConfiguration"]
    assert configuration["MultiRegionKeyType"] == "PRIMARY" and configuration["PrimaryKey"]["Arn"] == moved
    here = kms(cloud).describe_key(KeyId=key)["KeyMetadata"]["MultiRegionConfiguration"]
    assert here["MultiRegionKeyType"] == "REPLICA"
    assert there.get_key_rotation_status(KeyId=moved)["RotationPeriodInDays"] == 100
    there.rotate_key_on_demand(KeyId=moved)
    blob = there.encrypt(KeyId=moved, Plaintext=b"x")["CiphertextBlob"]
    assert kms(cloud).decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


@row("NotFoundException")
def the_new_primary_is_a_replica(cloud: Any) -> None:
    kms(cloud).update_primary_region(KeyId=two_regions(cloud), PrimaryRegion="eu-west-1")


@row("UnsupportedOperationException")
def a_key_of_one_region_has_no_primary(cloud: Any) -> None:
    kms(cloud).update_primary_region(KeyId=new_key(cloud), PrimaryRegion="us-west-2")


@row("UnsupportedOperationException")
def a_replica_is_not_replicated(cloud: Any) -> None:
    replica = two_regions(cloud).replace("us-east-1", "us-west-2")
    kms(cloud, ADMIN, "us-west-2").replicate_key(KeyId=replica, ReplicaRegion="eu-west-1")


@row("UnsupportedOperationException")
def a_replica_is_not_rotated_by_itself(cloud: Any) -> None:
    replica = two_regions(cloud).replace("us-east-1", "us-west-2")
    kms(cloud, ADMIN, "us-west-2").enable_key_rotation(KeyId=replica)


@row("UnsupportedOperationException")
def a_key_of_one_region_is_not_replicated(cloud: Any) -> None:
    kms(cloud).replicate_key(KeyId=new_key(cloud), ReplicaRegion="us-west-2")


@row("AccessDeniedException")
def replicating_needs_to_create_keys_there(cloud: Any) -> None:
    role = new_role(cloud, allow("kms:ReplicateKey"))
    key = new_key(cloud, MultiRegion=True)
    kms(cloud, role).replicate_key(KeyId=key, ReplicaRegion="us-west-2", BypassPolicyLockoutSafetyCheck=True)


@row("AccessDeniedException")
def a_condition_on_the_replicas_region_is_decided(cloud: Any) -> None:
    condition = {"StringEquals": {"kms:ReplicaRegion": "us-west-2"}}
    role = new_role(cloud, allow(["kms:CreateKey", "kms:PutKeyPolicy"]), allow("kms:ReplicateKey", Condition=condition))
    key = new_key(cloud, MultiRegion=True)
    kms(cloud, role).replicate_key(KeyId=key, ReplicaRegion="us-west-2")
    kms(cloud, role).replicate_key(KeyId=key, ReplicaRegion="eu-west-1")


@row("AccessDeniedException")
def a_replica_has_a_policy_of_its_own(cloud: Any) -> None:
    role = new_role(cloud)
    key = two_regions(cloud, allow("kms:Encrypt", Principal={"AWS": role}))
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")
    kms(cloud, role, "us-west-2").encrypt(KeyId=key.replace("us-east-1", "us-west-2"), Plaintext=b"x")
