"""Ransomware with the application's and the backup-writer's real credentials: every move refused, no byte changed."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import ransom
import stocked as shelf
from attacked_estate import DENIED, AttackedEstate, refused
from ransom import Move, Target

from strongroom.estate import names

pytestmark = pytest.mark.cloud
THIEVES = ("application", "backup-writer")
#: what lies under which key
TARGETS = {
    shelf.IMAGES: "storage-imaging",
    shelf.PRIMARY: "recipient-primary",
    shelf.VAULTED: "recipient-vaulted",
    shelf.EVIDENCE: "storage-evidence",
    shelf.MANIFEST: "storage-manifest",
}
#: a new version beside the old one is the application's daily work; nothing is lost by it
DAILY = {
    ("application", shelf.IMAGES, "overwrite_without_condition"),
    ("application", shelf.IMAGES, "overwrite_by_matching"),
}
MOVES = (*ransom.ON_OBJECTS, *ransom.ON_KEYS)


def foreign_key(estate: AttackedEstate, account: str = "audit") -> str:
    """A key in an account of the thief's whose policy lets everybody in, so that only our side can refuse."""
    everybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
    made = estate.client(f"admin@{account}", "kms").create_key(Policy=policy, Description="the thief's")
    return str(made["KeyMetadata"]["Arn"])


@pytest.fixture(scope="module")
def thief_key(stocked: AttackedEstate) -> str:
    return foreign_key(stocked)


@pytest.fixture(scope="module", autouse=True)
def unharmed(stocked: AttackedEstate) -> Iterator[None]:
    """After all moves every object version, lock, bucket configuration, key and alias is what it was before."""
    before = {n: s for n, s in shelf.fingerprint(stocked).items() if not n.startswith(f"{shelf.IMAGES}/daily/")}
    yield
    after = shelf.fingerprint(stocked)
    assert len([name for name in before if "@" in name]) >= 14, "too little was at stake"
    daily = [name for name in after if name.startswith(f"{shelf.IMAGES}/daily/")]
    assert {name: seen for name, seen in after.items() if name not in daily} == before


def target(estate: AttackedEstate, who: str, bucket: str, foreign: str) -> Target:
    region, key = shelf.READERS[bucket][1], shelf.READERS[bucket][3]
    name = TARGETS[bucket]
    return Target(
        estate.client(who, "s3", region),
        estate.key_client(who, name),
        bucket,
        key,
        shelf.newest(estate, bucket, key),
        estate.keys[name],
        foreign,
        names.alias(estate.estate, name),
        estate.role_arn(who),
    )


@pytest.mark.parametrize("who", THIEVES)
@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
def test_a_move_is_refused_on_everything_we_keep(stocked: AttackedEstate, thief_key: str, who: str, move: Move):
    for bucket in TARGETS:
        if (who, bucket, move.__name__) in DAILY:
            continue
        made = target(stocked, who, bucket, thief_key)
        # aliases do not cross accounts: the thief's own account has none of that name
        elsewhere = move in (ransom.retarget_alias, ransom.delete_alias) and bucket in (shelf.VAULTED, shelf.EVIDENCE)
        refused(lambda made=made: move(made), *(("NotFoundException",) if elsewhere else DENIED))


def test_what_the_application_overwrites_stays_beside_it(stocked: AttackedEstate):
    """Its own work puts new versions; the old one keeps its bytes, and nothing it may call removes one."""
    key = f"daily/{uuid.uuid4().hex}.dcm"
    application = stocked.client("application", "s3")
    first = application.put_object(Bucket=shelf.IMAGES, Key=key, Body=b"first")["VersionId"]
    application.put_object(Bucket=shelf.IMAGES, Key=key, Body=b"ransom")
    place = {"Bucket": shelf.IMAGES, "Key": key}
    for version in (first, None):
        refused(lambda v=version: application.delete_object(**place, **({"VersionId": v} if v else {})))
    kept = stocked.client("backup-writer", "s3").get_object(**place, VersionId=first)["Body"].read()
    assert hashlib.sha256(kept).hexdigest() == hashlib.sha256(b"first").hexdigest()


@pytest.fixture(scope="module")
def careless(stocked: AttackedEstate) -> Iterator[tuple[Any, Any, str]]:
    """A role as careless stacks give their application: everything on S3 and KMS. (S3 client, KMS client, ARN)"""
    user = f"arn:aws:iam::{stocked.account('workload')}:user/strongroom/runner.application"
    trust = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
    everything = {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}

    def document(statement: dict[str, Any]) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    # its user may assume what is called /strongroom/dev/application in any account: here, in the audit account
    path, iam = names.role_path(stocked.estate), stocked.client("admin@audit", "iam")
    role = iam.create_role(Path=path, RoleName="application", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="application", PolicyName="careless", PolicyDocument=document(everything))
    session = stocked.assume(stocked.user("runner.application"), role)
    clients = stocked.make(session, "s3"), stocked.make(session, "kms")
    yield *clients, role
    for client in clients:
        client.close()
    iam.delete_role_policy(RoleName="application", PolicyName="careless")
    iam.delete_role(RoleName="application")


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
def test_the_same_move_works_where_nobody_took_care(stocked: AttackedEstate, careless, thief_key: str, move: Move):
    """Negative control: on a bucket and key with the usual wide permissions each move does its harm."""
    s3, kms, role = careless
    bucket, alias = f"careless-{uuid.uuid4().hex[:12]}", f"alias/careless-{uuid.uuid4().hex[:12]}"
    locked = move in (ransom.delete_past_governance, ransom.shorten_lock, ransom.weaken_default_lock)
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=locked)
    if not locked:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = "" if move is ransom.delete_bucket else s3.put_object(Bucket=bucket, Key="x", Body=b"x")["VersionId"]
    if locked:
        lock = {"Mode": "GOVERNANCE", "RetainUntilDate": "2099-01-01T00:00:00Z"}
        s3.put_object_retention(Bucket=bucket, Key="x", Retention=lock)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    made = Target(s3, kms, bucket, "x", version, key, thief_key, alias, role)
    if move in ransom.BLOCKED_EVERYWHERE:
        refused(lambda: move(made), saying="does not allow server-side encryption with customer keys")
    else:
        move(made)
