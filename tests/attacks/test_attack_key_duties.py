"""Who administers, rotates or owns a key tries to use it, to let itself in, or to become somebody who may."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stocked as shelf
from attacked_estate import AttackedEstate, refused
from weakened import Attack, check, weakened

pytestmark = pytest.mark.cloud
PRIMARY, FIELDS = "recipient-primary", "fields-clinical"


def slot(estate: AttackedEstate) -> bytes:
    """The wrapped run key of a backup, as anybody who may read slots has it."""
    body = estate.client("restorer", "s3").get_object(Bucket=shelf.PRIMARY, Key=shelf.SLOT)["Body"]
    return bytes(body.read())


def opens_slot(who: str) -> Any:
    def act(estate: AttackedEstate) -> Any:
        kms = estate.key_client(who, PRIMARY)
        return kms.decrypt(KeyId=estate.keys[PRIMARY], CiphertextBlob=slot(estate), EncryptionContext=shelf.CONTEXT)

    return act


def opens_slot_without_naming_key(estate: AttackedEstate) -> Any:
    return estate.client("key-admin", "kms").decrypt(CiphertextBlob=slot(estate), EncryptionContext=shelf.CONTEXT)


def moves_slot_to(who: str, destination: str, context: dict[str, str]) -> Any:
    def act(estate: AttackedEstate) -> Any:
        return estate.client(who, "kms").re_encrypt(
            CiphertextBlob=slot(estate),
            SourceKeyId=estate.keys[PRIMARY],
            SourceEncryptionContext=shelf.CONTEXT,
            DestinationKeyId=estate.keys[destination],
            DestinationEncryptionContext=context,
        )

    return act


def grants(who: str, name: str = PRIMARY) -> Any:
    def act(estate: AttackedEstate) -> Any:
        kms, role = estate.key_client(who, name), estate.role_arn(who)
        return kms.create_grant(KeyId=estate.keys[name], GranteePrincipal=role, Operations=["Decrypt"])

    return act


def revokes(who: str, name: str = PRIMARY) -> Any:
    return lambda e, made: e.key_client(who, name).revoke_grant(KeyId=e.keys[name], GrantId=made["GrantId"])


def rewrites_policy(who: str, name: str = PRIMARY) -> Any:
    def act(estate: AttackedEstate) -> Any:
        wide = {"Effect": "Allow", "Principal": {"AWS": estate.role_arn(who)}, "Action": "kms:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [wide]})
        kms = estate.key_client(who, name)
        return kms.put_key_policy(
            KeyId=estate.keys[name], PolicyName="default", Policy=policy, BypassPolicyLockoutSafetyCheck=True
        )

    return act


def restores_policy(name: str = PRIMARY) -> Any:
    """The thief's own hand lets the owner in again, so that the variant can be mended."""

    def undo(estate: AttackedEstate, _answer: Any, who: str = "key-admin") -> None:
        owner, key = shelf.owner_of(estate, name), estate.keys[name]
        both = [estate.role_arn(who), estate.role_arn(owner)]
        wide = {"Effect": "Allow", "Principal": {"AWS": both}, "Action": "kms:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [wide]})
        estate.key_client(who, name).put_key_policy(KeyId=key, PolicyName="default", Policy=policy)

    return undo


def deletes(who: str, days: int) -> Any:
    return lambda e: e.client(who, "kms").schedule_key_deletion(KeyId=e.keys[PRIMARY], PendingWindowInDays=days)


def revives(who: str) -> Any:
    def undo(estate: AttackedEstate, _answer: Any) -> None:
        kms, key = estate.client(who, "kms"), estate.keys[PRIMARY]
        kms.cancel_key_deletion(KeyId=key)
        kms.enable_key(KeyId=key)

    return undo


def disables(who: str) -> Any:
    return lambda e: e.client(who, "kms").disable_key(KeyId=e.keys[PRIMARY])


def enables(who: str) -> Any:
    return lambda e, _answer: e.client(who, "kms").enable_key(KeyId=e.keys[PRIMARY])


def generates(who: str, name: str, context: dict[str, str]) -> Any:
    return lambda e: e.key_client(who, name).generate_data_key(
        KeyId=e.keys[name], KeySpec="AES_256", EncryptionContext=context
    )


def becomes(who: str, duty: str) -> Any:
    """From the session of a duty; the session that results is thrown away."""

    def act(estate: AttackedEstate) -> Any:
        sts = estate.client(who, "sts")
        return sts.assume_role(RoleArn=estate.role_arn(duty), RoleSessionName="attack")

    return act


def creates_key(who: str) -> Any:
    return lambda e: e.client(who, "kms").create_key(BypassPolicyLockoutSafetyCheck=True)


OWNER = "deployer.keys"
KEY = f"key {PRIMARY}"
ATTACKS = [
    Attack("key-admin", "opens a slot", opens_slot("key-admin"), (KEY,)),
    Attack("key-admin", "opens a slot without naming its key", opens_slot_without_naming_key, (KEY,)),
    Attack("key-admin", "grants itself decrypt", grants("key-admin"), (KEY, "unbounded"), revokes("key-admin")),
    Attack("key-admin", "rewrites a key policy", rewrites_policy("key-admin"), (KEY, "unbounded"), restores_policy()),
    Attack("key-admin", "deletes a key in 7 days", deletes("key-admin", 7), (KEY,), revives("key-admin")),
    Attack("key-admin", "makes a data key", generates("key-admin", PRIMARY, shelf.CONTEXT), (KEY,)),
    Attack("key-admin", "makes a key of its own", creates_key("key-admin"), ("role", "unbounded")),
    Attack("key-admin", "becomes the application", becomes("key-admin", "application"), ("role", "trust application")),
    Attack("rotator", "opens a slot", opens_slot("rotator"), (KEY,)),
    Attack(
        "rotator",
        "moves a run key to the key the application opens",
        moves_slot_to("rotator", FIELDS, shelf.BRANCH),
        (KEY, f"key {FIELDS}"),
    ),
    Attack(
        "rotator",
        "moves a run key to another account",
        moves_slot_to("rotator", "storage-evidence", {"x": "y"}),
        (KEY, "role", "key storage-evidence"),
    ),
    Attack("rotator", "disables a key", disables("rotator"), (KEY,), enables("rotator")),
    Attack("rotator", "deletes a key", deletes("rotator", 30), (KEY,), revives("rotator")),
    Attack("rotator", "grants itself decrypt", grants("rotator"), (KEY, "unbounded"), revokes("rotator")),
    Attack(OWNER, "opens a slot", opens_slot(OWNER), (KEY, "unbounded")),
    Attack(OWNER, "grants itself decrypt", grants(OWNER), (KEY,), revokes(OWNER)),
    Attack(OWNER, "deletes a key", deletes(OWNER, 30), (KEY, "unbounded"), revives(OWNER)),
    Attack(OWNER, "makes a key nobody can mend", creates_key(OWNER), ("unbounded",), saying="NoLockout"),
    Attack(OWNER, "becomes the restorer", becomes(OWNER, "restorer"), ("role", "unbounded", "trust restorer")),
    Attack("re-encryptor", "opens a slot", opens_slot("re-encryptor"), (KEY,)),
    Attack(
        "re-encryptor",
        "makes a data key of another class",
        generates("re-encryptor", FIELDS, {**shelf.BRANCH, "class": "psychotherapy"}),
        (f"key {FIELDS}",),
    ),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_a_key_duty_does_not_exceed_itself(stocked: AttackedEstate, attack: Attack):
    check(stocked, attack)


def test_an_owner_who_names_itself_in_the_policy_still_cannot_use_the_key(stocked: AttackedEstate):
    """PutKeyPolicy cannot be taken from who creates keys; the boundary keeps it from use all the same."""
    with weakened(stocked, OWNER, (KEY,)):
        refused(lambda: opens_slot(OWNER)(stocked), saying="NoUseOfKeys")
        refused(lambda: generates(OWNER, PRIMARY, shelf.CONTEXT)(stocked), saying="NoUseOfKeys")


def test_what_a_run_key_would_be_worth_under_the_applications_key(stocked: AttackedEstate):
    """Why rewrapping stays within one key: elsewhere rotator and application together would open a backup."""
    with weakened(stocked, "rotator", (KEY, f"key {FIELDS}")):
        moved = moves_slot_to("rotator", FIELDS, shelf.BRANCH)(stocked)["CiphertextBlob"]
    opened = stocked.client("application", "kms").decrypt(CiphertextBlob=moved, EncryptionContext=shelf.BRANCH)
    restored = opens_slot("restorer")(stocked)
    assert opened["Plaintext"] == restored["Plaintext"]


def test_rewrapping_within_one_key_is_the_rotators_work(stocked: AttackedEstate):
    moves_slot_to("rotator", PRIMARY, shelf.CONTEXT)(stocked)
