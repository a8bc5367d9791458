"""Who writes, copies, restores or locks backups tries what its neighbour may: read, open, overwrite, delete, forge."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stocked as shelf
from attacked_estate import DENIED, AttackedEstate, refused
from test_attack_key_duties import generates, opens_slot
from weakened import BUCKETS, Attack, check

pytestmark = pytest.mark.cloud
PACK = shelf.READERS[shelf.PRIMARY][3]
WRITER, COPIER, RESTORER, KEEPER = "backup-writer", "copier", "restorer", "lock-keeper"
CENTURY = {
    "ObjectLockMode": "GOVERNANCE",
    "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(days=36500),
}


def reads(who: str, bucket: str, key: str) -> Callable[[AttackedEstate], Any]:
    return lambda e: e.client(who, "s3", BUCKETS[bucket][1]).get_object(Bucket=bucket, Key=key)


def puts(who: str, bucket: str, key: str, **conditions: Any) -> Callable[[AttackedEstate], Any]:
    """A new name each time, `{}` in `key`, so that nothing of the estate is hidden by the variant on which it works."""

    def act(estate: AttackedEstate) -> Any:
        s3 = estate.client(who, "s3", BUCKETS[bucket][1])
        return s3.put_object(Bucket=bucket, Key=key.format(uuid.uuid4().hex), Body=b"forged", **conditions)

    return act


def hides(who: str, bucket: str, key: str) -> Callable[[AttackedEstate], Any]:
    return lambda e: e.client(who, "s3", BUCKETS[bucket][1]).delete_object(Bucket=bucket, Key=key)


def shows(who: str, bucket: str, key: str) -> Callable[[AttackedEstate, Any], Any]:
    """Takes a delete marker away."""
    return lambda e, made: e.client(who, "s3", BUCKETS[bucket][1]).delete_object(
        Bucket=bucket, Key=key, VersionId=made["VersionId"]
    )


def opens_far_run_key(who: str) -> Callable[[AttackedEstate], Any]:
    def act(estate: AttackedEstate) -> Any:
        context = {**shelf.CONTEXT, "recipient": "recipient-vaulted"}
        key = estate.keys["recipient-vaulted"]
        wrapped = estate.key_client(WRITER, "recipient-vaulted").encrypt(
            KeyId=key, Plaintext=b"k" * 32, EncryptionContext=context
        )
        kms = estate.key_client(who, "recipient-vaulted")
        return kms.decrypt(KeyId=key, CiphertextBlob=wrapped["CiphertextBlob"], EncryptionContext=context)

    return act


def frees(who: str, bucket: str) -> Callable[[AttackedEstate], Any]:
    """Deletes a version under GOVERNANCE that this attack put there itself."""

    def act(estate: AttackedEstate) -> Any:
        key = f"packs/00/{uuid.uuid4().hex}.pack"
        made = estate.client(WRITER, "s3").put_object(Bucket=bucket, Key=key, Body=b"x", IfNoneMatch="*")
        return estate.client(who, "s3").delete_object(
            Bucket=bucket, Key=key, VersionId=made["VersionId"], BypassGovernanceRetention=True
        )

    return act


def fresh(**more: Any) -> dict[str, Any]:
    return {"IfNoneMatch": "*", **more}


WHOLLY = ("role", "unbounded")
ROLE, AT_PRIMARY, AT_VAULTED = "role", f"bucket {shelf.PRIMARY}", f"bucket {shelf.VAULTED}"
HIDDEN = (shelf.PRIMARY, PACK)
ATTACKS = [
    Attack(WRITER, "reads a pack", reads(WRITER, *HIDDEN), (ROLE,)),
    Attack(WRITER, "reads a slot", reads(WRITER, shelf.PRIMARY, shelf.SLOT), (ROLE,)),
    Attack(WRITER, "reads a snapshot", reads(WRITER, shelf.PRIMARY, "snapshots/images/run-1"), (ROLE,)),
    Attack(WRITER, "opens a slot", opens_slot(WRITER), ("key recipient-primary",)),
    Attack(WRITER, "opens a far run key", opens_far_run_key(WRITER), (ROLE, "key recipient-vaulted")),
    Attack(WRITER, "makes a branch key", generates(WRITER, "fields-clinical", shelf.BRANCH), ("key fields-clinical",)),
    Attack(
        WRITER,
        "wraps a run key of another repository",
        generates(WRITER, "recipient-primary", {"repo": "other"}),
        ("key recipient-primary",),
    ),
    Attack(WRITER, "puts without condition", puts(WRITER, shelf.PRIMARY, "packs/00/{}"), (ROLE, AT_PRIMARY)),
    Attack(WRITER, "marks a pack for pruning", puts(WRITER, shelf.PRIMARY, "tombstones/{}", **fresh()), (ROLE,)),
    Attack(
        WRITER,
        "plants a reader",
        puts(WRITER, shelf.PRIMARY, "tools/{}.py", **fresh()),
        (ROLE, AT_PRIMARY),
        saying="FormatAndReaderAreFixed",
    ),
    Attack(WRITER, "locks junk for a century", puts(WRITER, shelf.PRIMARY, "packs/00/{}", **fresh(**CENTURY)), (ROLE,)),
    Attack(
        WRITER,
        "calls its own backup verified",
        puts(WRITER, shelf.CONTROL, "verified/{}"),
        (ROLE, f"bucket {shelf.CONTROL}"),
        saying="OnlyTheRestorerVerifies",
    ),
    Attack(
        WRITER,
        "reaches the far copy",
        puts(WRITER, shelf.VAULTED, "packs/00/{}", **fresh()),
        (ROLE, AT_VAULTED),
    ),
    Attack(
        WRITER,
        "seals a pack under a key that can be lost",
        puts(
            WRITER,
            shelf.PRIMARY,
            "packs/00/{}",
            **fresh(ServerSideEncryption="aws:kms"),
        ),
        (ROLE, AT_PRIMARY),
        saying="NoServiceKeys",
    ),
    Attack(WRITER, "frees a locked version", frees(WRITER, shelf.PRIMARY), (*WHOLLY, AT_PRIMARY)),
    Attack(COPIER, "opens a far run key", opens_far_run_key(COPIER), ("key recipient-vaulted",)),
    Attack(COPIER, "opens a slot", opens_slot(COPIER), (ROLE, "key recipient-primary")),
    Attack(
        COPIER,
        "hides a pack of its copy",
        hides(COPIER, shelf.VAULTED, PACK),
        (ROLE, AT_VAULTED),
        shows(COPIER, shelf.VAULTED, PACK),
    ),
    Attack(COPIER, "writes to the origin", puts(COPIER, shelf.PRIMARY, "packs/00/{}", **fresh()), (ROLE, AT_PRIMARY)),
    Attack(COPIER, "puts without condition", puts(COPIER, shelf.VAULTED, "packs/00/{}"), (ROLE, AT_VAULTED)),
    Attack(
        COPIER,
        "calls its own copy verified",
        puts(COPIER, shelf.CONTROL, "verified/{}"),
        (ROLE, f"bucket {shelf.CONTROL}"),
    ),
    Attack(RESTORER, "adds a pack", puts(RESTORER, shelf.PRIMARY, "packs/00/{}", **fresh()), (ROLE,)),
    Attack(RESTORER, "hides a pack", hides(RESTORER, *HIDDEN), (ROLE, AT_PRIMARY), shows(RESTORER, *HIDDEN)),
    Attack(RESTORER, "frees a locked version", frees(RESTORER, shelf.PRIMARY), (*WHOLLY, AT_PRIMARY)),
    Attack(
        RESTORER,
        "wraps a run key",
        generates(RESTORER, "recipient-primary", shelf.CONTEXT),
        ("key recipient-primary",),
    ),
    Attack(RESTORER, "opens the far copy", opens_far_run_key(RESTORER), (ROLE, "key recipient-vaulted")),
    Attack(KEEPER, "reads a pack", reads(KEEPER, shelf.VAULTED, PACK), (ROLE,)),
    Attack(KEEPER, "reads a pack of the origin", reads(KEEPER, *HIDDEN), (ROLE, AT_PRIMARY)),
    Attack(KEEPER, "adds a pack", puts(KEEPER, shelf.VAULTED, "packs/00/{}", **fresh()), (ROLE,)),
    Attack(KEEPER, "opens a far run key", opens_far_run_key(KEEPER), ("key recipient-vaulted",)),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_a_backup_duty_does_not_exceed_itself(stocked: AttackedEstate, attack: Attack):
    check(stocked, attack)


def test_a_compliance_lock_outlasts_even_who_may_do_everything(stocked: AttackedEstate):
    """The far copy: no fault in a policy frees a version before its time, the account's administrator included."""
    admin = stocked.client("admin@backup", "s3", "us-west-2")
    place = {"Bucket": shelf.VAULTED, "Key": PACK, "VersionId": shelf.newest(stocked, shelf.VAULTED, PACK)}
    soon = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(minutes=1)}
    policy = admin.get_bucket_policy(Bucket=shelf.VAULTED)["Policy"]
    admin.delete_bucket_policy(Bucket=shelf.VAULTED)
    try:
        for act in (
            lambda: admin.delete_object(**place, BypassGovernanceRetention=True),
            lambda: admin.put_object_retention(**place, Retention=soon, BypassGovernanceRetention=True),
        ):
            refused(act, *DENIED, saying="object lock")
    finally:
        admin.put_bucket_policy(Bucket=shelf.VAULTED, Policy=policy)
