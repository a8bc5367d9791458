"""Deployers try another layer's resources, their own boundary, identities and roles; the pipeline as a way in."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import stocked as shelf
from attacked_estate import AttackedEstate, refused
from test_attack_backup_duties import frees, hides, reads, shows
from test_attack_key_duties import becomes
from weakened import Attack, account_of, check, weakened

from strongroom.estate import names

pytestmark = pytest.mark.cloud
ACCESS, KEYS, DATA, BACKUP, JOBS = (f"deployer.{layer}" for layer in ("access", "keys", "data", "backup", "jobs"))
PACK, IMAGE, STATEMENT = (shelf.READERS[bucket][3] for bucket in (shelf.PRIMARY, shelf.IMAGES, shelf.EVIDENCE))
ADMINISTRATOR = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def trusting(estate: AttackedEstate) -> str:
    """A trust policy that lets a stranger in: another account as a whole."""
    outside = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [outside]})


def makes_role(who: str, **more: str) -> Callable[[AttackedEstate], Any]:
    def act(estate: AttackedEstate) -> Any:
        given = {
            name: value.format(boundary=names.boundary_arn(estate.estate, "workload")) for name, value in more.items()
        }
        iam, role = estate.client(who, "iam"), f"door-{uuid.uuid4().hex[:8]}"
        path = names.role_path(estate.estate)
        return iam.create_role(RoleName=role, Path=path, AssumeRolePolicyDocument=trusting(estate), **given)

    return act


def drops_role(who: str) -> Callable[[AttackedEstate, Any], Any]:
    return lambda e, made: e.client(who, "iam").delete_role(RoleName=made["Role"]["RoleName"])


def permits(who: str, role: str) -> Callable[[AttackedEstate], Any]:
    return lambda e: e.client(who, "iam").put_role_policy(
        RoleName=role, PolicyName="more", PolicyDocument=json.dumps(ADMINISTRATOR)
    )


def forbids(role: str) -> Callable[[AttackedEstate, Any], Any]:
    return lambda e, _answer: e.client("admin@workload", "iam").delete_role_policy(RoleName=role, PolicyName="more")


def frees_role(who: str, role: str) -> Callable[[AttackedEstate], Any]:
    return lambda e: e.client(who, "iam").delete_role_permissions_boundary(RoleName=role)


def binds_role(role: str) -> Callable[[AttackedEstate, Any], Any]:
    return lambda e, _answer: e.client("admin@workload", "iam").put_role_permissions_boundary(
        RoleName=role, PermissionsBoundary=names.duty_boundary_arn(e.estate, "workload")
    )


def rewrites_boundary(who: str) -> Callable[[AttackedEstate], Any]:
    return lambda e: e.client(who, "iam").create_policy_version(
        PolicyArn=names.boundary_arn(e.estate, "workload"), PolicyDocument=json.dumps(ADMINISTRATOR)
    )


def forgets_version(who: str) -> Callable[[AttackedEstate, Any], Any]:
    return lambda e, made: e.client(who, "iam").delete_policy_version(
        PolicyArn=names.boundary_arn(e.estate, "workload"), VersionId=made["PolicyVersion"]["VersionId"]
    )


def makes_access_key(who: str) -> Callable[[AttackedEstate], Any]:
    return lambda e: e.client(who, "iam").create_access_key(UserName="runner.restorer")["AccessKey"]


def drops_access_key(who: str) -> Callable[[AttackedEstate, Any], Any]:
    return lambda e, made: e.client(who, "iam").delete_access_key(
        UserName="runner.restorer", AccessKeyId=made["AccessKeyId"]
    )


def configures(who: str, bucket: str, region: str = "us-east-1") -> Callable[[AttackedEstate], Any]:
    """Says what is so already: harmless where it works, and as telling as a change."""
    enabled = {"Status": "Enabled"}
    return lambda e: e.client(who, "s3", region).put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)


def rewrites_part(who: str, layer: str) -> Callable[[AttackedEstate], Any]:
    """Puts the part of another layer as it is: jobs would take their keys and buckets from a forged one."""

    def act(estate: AttackedEstate) -> Any:
        key = names.manifest_object(estate.estate, layer)
        body = estate.client("restorer", "s3").get_object(Bucket=shelf.MANIFEST, Key=key)["Body"].read()
        return estate.client(who, "s3").put_object(Bucket=shelf.MANIFEST, Key=key, Body=body)

    return act


def runs_as(who: str, duty: str) -> Callable[[AttackedEstate], Any]:
    def act(estate: AttackedEstate) -> Any:
        container = {"name": "job", "image": "strongroom", "memory": 128}
        return estate.client(who, "ecs").register_task_definition(
            family="strongroom-dev-job",
            taskRoleArn=estate.role_arn(duty),
            containerDefinitions=[container],
        )

    return act


def disables(who: str, name: str) -> Callable[[AttackedEstate], Any]:
    return lambda e: e.client(who, "kms").disable_key(KeyId=e.keys[name])


def enables(who: str, name: str) -> Callable[[AttackedEstate, Any], Any]:
    return lambda e, _answer: e.client(who, "kms").enable_key(KeyId=e.keys[name])


def retargets(who: str) -> Callable[[AttackedEstate], Any]:
    return lambda e: e.client(who, "kms").update_alias(
        AliasName=names.alias(e.estate, "storage-imaging"), TargetKeyId=e.keys["storage-imaging"]
    )


AUDIT = "deployer.audit"
LIMITS = ("role", "unbounded")
ATTACKS = [
    Attack(DATA, "configures the backups", configures(DATA, shelf.PRIMARY), ("role",)),
    Attack(BACKUP, "configures the images", configures(BACKUP, shelf.IMAGES), ("role",)),
    Attack(
        f"backup/{BACKUP}",
        "configures the evidence",
        configures(f"backup/{BACKUP}", shelf.EVIDENCE),
        ("role", f"bucket {shelf.EVIDENCE}"),
    ),
    Attack(KEYS, "configures the backups", configures(KEYS, shelf.PRIMARY), ("role",)),
    Attack(DATA, "rewrites the part of keys", rewrites_part(DATA, "keys"), ("role", f"bucket {shelf.MANIFEST}")),
    Attack(
        AUDIT,
        "rewrites the part of backup",
        rewrites_part(AUDIT, "backup"),
        ("role", f"bucket {shelf.MANIFEST}", "key storage-manifest"),
    ),
    Attack(DATA, "reads an image", reads(DATA, shelf.IMAGES, IMAGE), ("role", "key storage-imaging")),
    Attack(BACKUP, "reads a pack", reads(BACKUP, shelf.PRIMARY, PACK), ("role",)),
    Attack(BACKUP, "frees a locked version", frees(BACKUP, shelf.PRIMARY), (*LIMITS, f"bucket {shelf.PRIMARY}")),
    Attack(
        AUDIT,
        "hides a statement",
        hides(AUDIT, shelf.EVIDENCE, STATEMENT),
        ("role", f"bucket {shelf.EVIDENCE}"),
        shows(f"admin@{account_of(AUDIT)}", shelf.EVIDENCE, STATEMENT),
        saying="NothingIsDeleted",
    ),
    Attack(
        DATA,
        "disables a key",
        disables(DATA, "storage-imaging"),
        ("unbounded", "key storage-imaging"),
        enables(DATA, "storage-imaging"),
        saying="NoKeyLoss",
    ),
    Attack(DATA, "retargets an alias", retargets(DATA), ("role", "key storage-imaging")),
    Attack(DATA, "becomes the application", becomes(DATA, "application"), (*LIMITS, "trust application")),
    Attack(ACCESS, "becomes the restorer", becomes(ACCESS, "restorer"), (*LIMITS, "trust restorer"), saying="NoDuty"),
    Attack(
        ACCESS,
        "becomes another deployer",
        becomes(ACCESS, KEYS),
        (*LIMITS, f"trust {KEYS}"),
        saying="NoDuty",
    ),
    Attack(ACCESS, "makes a role without boundary", makes_role(ACCESS), ("role",), drops_role(ACCESS)),
    Attack(
        ACCESS,
        "makes a role under a wider boundary",
        makes_role(ACCESS, PermissionsBoundary="{boundary}"),
        ("role",),
        drops_role(ACCESS),
    ),
    Attack(ACCESS, "permits another deployer", permits(ACCESS, KEYS), LIMITS, forbids(KEYS), saying="NoDeployerChange"),
    Attack(
        ACCESS,
        "frees the application of its boundary",
        frees_role(ACCESS, "application"),
        LIMITS,
        binds_role("application"),
        saying="NoBoundaryChange",
    ),
    Attack(
        ACCESS,
        "rewrites the boundary",
        rewrites_boundary(ACCESS),
        LIMITS,
        forgets_version(ACCESS),
        saying="NoBoundaryChange",
    ),
    Attack(
        ACCESS,
        "makes an access key",
        makes_access_key(ACCESS),
        LIMITS,
        drops_access_key(ACCESS),
        saying="NoIdentities",
    ),
    Attack(JOBS, "runs a task as the restorer", runs_as(JOBS, "restorer"), ("role",)),
    Attack(JOBS, "permits the application", permits(JOBS, "application"), ("role",), forbids("application")),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_a_deployer_stays_in_its_layer(stocked: AttackedEstate, attack: Attack):
    check(stocked, attack)


@pytest.mark.parametrize("duty", ["application", "rotator", "backup-writer", "restorer"])
def test_a_duty_that_was_given_everything_still_changes_no_guard(stocked: AttackedEstate, duty: str):
    """The deployer of `access` writes a duty's permissions; the ceiling holds whatever it writes."""
    iam, s3, kms = (stocked.client(duty, service) for service in ("iam", "s3", "kms"))
    permits(ACCESS, duty)(stocked)
    try:
        assert s3.list_objects_v2(Bucket=shelf.IMAGES)["KeyCount"], "the harness: its new permissions hold"
        document = json.dumps(ADMINISTRATOR)
        refused(lambda: iam.put_role_policy(RoleName=duty, PolicyName="mine", PolicyDocument=document))
        refused(lambda: iam.delete_role_permissions_boundary(RoleName=duty))
        refused(lambda: iam.create_user(UserName="door"))
        refused(lambda: s3.delete_bucket_policy(Bucket=shelf.IMAGES), saying="NoGuardIsChanged")
        refused(lambda: s3.put_public_access_block(Bucket=shelf.IMAGES, PublicAccessBlockConfiguration={}))
        rules = {"Rules": [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}
        refused(
            lambda: s3.put_bucket_lifecycle_configuration(Bucket=shelf.IMAGES, LifecycleConfiguration=rules),
            saying="NoGuardIsChanged",
        )
        refused(lambda: kms.create_key(), saying="NoKeyIsOwned")
    finally:
        forbids(duty)(stocked, None)


def test_an_owner_of_access_cannot_give_itself_more(stocked: AttackedEstate):
    with weakened(stocked, ACCESS, ("role",)):
        refused(lambda: permits(ACCESS, ACCESS)(stocked), saying="NoDeployerChange")
        refused(lambda: frees_role(ACCESS, ACCESS)(stocked), saying="NoDeployerChange")
