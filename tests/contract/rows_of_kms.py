"""Rules of KMS."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from contract_rows import (
    ADMIN,
    ALICE,
    BACKUP,
    admin_role,
    allow,
    deny,
    document,
    ghost,
    name,
    new_key,
    new_role,
    root,
    row,
)


def kms(cloud: Any, who: str = ADMIN) -> Any:
    return cloud.client(who, "kms")


@row("DisabledException")
def disabled_key_does_not_encrypt(cloud: Any) -> None:
    key = new_key(cloud)
    kms(cloud).disable_key(KeyId=key.split("/")[-1])
    kms(cloud).encrypt(KeyId=key, Plaintext=b"x")


@row("DisabledException")
def disabled_key_does_not_decrypt(cloud: Any) -> None:
    key = new_key(cloud)
    blob = kms(cloud).encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms(cloud).disable_key(KeyId=key.split("/")[-1])
    kms(cloud).decrypt(CiphertextBlob=blob)


@row("KMSInvalidStateException")
def key_pending_deletion_gives_no_data_keys(cloud: Any) -> None:
    key = new_key(cloud)
    kms(cloud).schedule_key_deletion(KeyId=key.split("/")[-1], PendingWindowInDays=7)
    kms(cloud).generate_data_key(KeyId=key, KeySpec="AES_256")


@row("ValidationException")
def deletion_window_is_at_least_7_days(cloud: Any) -> None:
    kms(cloud).schedule_key_deletion(KeyId=new_key(cloud).split("/")[-1], PendingWindowInDays=3)


@row()
def cancelled_deletion_leaves_the_key_disabled(cloud: Any) -> None:
    key = new_key(cloud)
    kms(cloud).schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kms(cloud).cancel_key_deletion(KeyId=key)
    assert kms(cloud).describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"


@row()
def keys_are_disabled_and_enabled_by_arn(cloud: Any) -> None:
    key = new_key(cloud)
    kms(cloud).disable_key(KeyId=key)
    kms(cloud).enable_key(KeyId=key)
    assert kms(cloud).get_key_policy(KeyId=key, PolicyName="default")["Policy"]


@row(laptop_only="AWS takes minutes for a rotation")
def rotation_makes_new_material_and_old_ciphertexts_open(cloud: Any) -> None:
    key = new_key(cloud)
    before = kms(cloud).describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    old = kms(cloud).encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    kms(cloud).rotate_key_on_demand(KeyId=key)
    after = kms(cloud).describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    opened = kms(cloud).decrypt(CiphertextBlob=old)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"old", before)
    again = kms(cloud).re_encrypt(CiphertextBlob=old, DestinationKeyId=key)
    assert (again["SourceKeyMaterialId"], again["DestinationKeyMaterialId"]) == (before, after)
    assert before != after


@row("LimitExceededException", laptop_only="AWS takes minutes for a rotation")
def a_key_is_rotated_on_demand_25_times(cloud: Any) -> None:
    key = new_key(cloud)
    for _ in range(26):
        kms(cloud).rotate_key_on_demand(KeyId=key)


@row("UnsupportedOperationException")
def asymmetric_keys_are_not_rotated(cloud: Any) -> None:
    key = new_key(cloud, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    kms(cloud).rotate_key_on_demand(KeyId=key)


@row()
def rotation_period_is_kept(cloud: Any) -> None:
    key = new_key(cloud)
    kms(cloud).enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    status = kms(cloud).get_key_rotation_status(KeyId=key)
    assert status["RotationPeriodInDays"] == 180 and status["NextRotationDate"]


@row("ValidationException")
def rotation_period_is_at_least_90_days(cloud: Any) -> None:
    unchecked = cloud.make(cloud.session(ADMIN), "kms", config=Config(parameter_validation=False))
    unchecked.enable_key_rotation(KeyId=new_key(cloud), RotationPeriodInDays=30)


@row("InvalidCiphertextException", moto_differs=False)
def another_encryption_context_does_not_open(cloud: Any) -> None:
    key = new_key(cloud)
    blob = kms(cloud).encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    kms(cloud).decrypt(CiphertextBlob=blob, EncryptionContext={"a": "2"})


@row("IncorrectKeyException")
def another_key_does_not_open(cloud: Any) -> None:
    blob = kms(cloud).encrypt(KeyId=new_key(cloud), Plaintext=b"x")["CiphertextBlob"]
    kms(cloud).decrypt(CiphertextBlob=blob, KeyId=new_key(cloud))


@row("MalformedPolicyDocumentException")
def malformed_key_policy_is_refused(cloud: Any) -> None:
    kms(cloud).put_key_policy(KeyId=new_key(cloud), PolicyName="default", Policy="{bad")


@row("MalformedPolicyDocumentException")
def key_policy_names_existing_principals(cloud: Any) -> None:
    new_key(cloud, allow("kms:Decrypt", Principal={"AWS": ghost()}))


@row("MalformedPolicyDocumentException")
def key_policy_does_not_lock_its_writer_out(cloud: Any) -> None:
    kms(cloud).create_key(Policy=document(allow("kms:Decrypt", Principal={"AWS": ALICE})))


@row(moto_differs=False, laptop_only="nobody could remove the key")
def lockout_check_can_be_bypassed(cloud: Any) -> None:
    policy = document(allow("kms:Decrypt", Principal={"AWS": ALICE}))
    assert kms(cloud).create_key(Policy=policy, BypassPolicyLockoutSafetyCheck=True)


@row("AccessDeniedException")
def identity_policy_alone_does_not_open_a_key_that_does_not_delegate(cloud: Any) -> None:
    role = new_role(cloud, allow("kms:*"))
    admin = admin_role(cloud)
    key = kms(cloud).create_key(Policy=document(allow("kms:*", Principal={"AWS": admin})))["KeyMetadata"]["Arn"]
    kms(cloud, role).generate_data_key(KeyId=key, KeySpec="AES_256")


@row(moto_differs=False)
def key_policy_alone_gives_a_role_its_use(cloud: Any) -> None:
    role = new_role(cloud)
    key = new_key(cloud, allow(["kms:Encrypt"], Principal={"AWS": role}))
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")


@row("AccessDeniedException")
def encryption_context_condition_is_decided(cloud: Any) -> None:
    role = new_role(cloud)
    condition = {"StringEquals": {"kms:EncryptionContext:repo": "a"}}
    key = new_key(cloud, allow("kms:Encrypt", Principal={"AWS": role}, Condition=condition))
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"repo": "a"})
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"repo": "b"})


@row("AccessDeniedException")
def rotator_rewraps_and_does_not_decrypt(cloud: Any) -> None:
    role = new_role(cloud)
    key = new_key(cloud, allow(["kms:ReEncryptFrom", "kms:ReEncryptTo"], Principal={"AWS": role}))
    blob = kms(cloud).encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms(cloud, role).re_encrypt(CiphertextBlob=blob, DestinationKeyId=key)
    kms(cloud, role).decrypt(CiphertextBlob=blob)


@row(laptop_only="AWS names no statement")
def the_refusal_names_the_deciding_statement(cloud: Any) -> None:
    role = new_role(cloud, allow("kms:*"))
    key = new_key(cloud, deny("kms:Decrypt", Principal={"AWS": role}, Sid="WritersNeverDecrypt"))
    blob = kms(cloud).encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    try:
        kms(cloud, role).decrypt(CiphertextBlob=blob)
    except ClientError as refused:
        assert refused.response["Error"]["Code"] == "AccessDeniedException"
        assert f"key policy of {key}" in str(refused) and "WritersNeverDecrypt" in str(refused)
    else:
        raise AssertionError("allowed")


@row()
def another_account_uses_a_key_by_arn(cloud: Any) -> None:
    key = new_key(cloud, allow(["kms:Encrypt", "kms:Decrypt"], Principal=root(BACKUP)))
    there = cloud.client(f"admin@{BACKUP}", "kms")
    blob = there.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=blob)["KeyId"] == key


@row("AccessDeniedException")
def another_account_needs_the_key_policy(cloud: Any) -> None:
    cloud.client(f"admin@{BACKUP}", "kms").encrypt(KeyId=new_key(cloud), Plaintext=b"x")


@row("DryRunOperationException")
def dry_run_changes_and_reveals_nothing(cloud: Any) -> None:
    kms(cloud).generate_data_key(KeyId=new_key(cloud), KeySpec="AES_256", DryRun=True)


@row("AccessDeniedException")
def grant_constraints_are_enforced(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    constraint = {"EncryptionContextSubset": {"repo": "a"}}
    kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"], Constraints=constraint)
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"repo": "a", "run": "1"})
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"repo": "b"})


@row("AccessDeniedException")
def a_revoked_grant_gives_nothing(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    made = kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")
    kms(cloud).revoke_grant(KeyId=key, GrantId=made["GrantId"])
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")


@row()
def digest_signatures_verify_as_raw(cloud: Any) -> None:
    for spec, algorithm in (("ECC_NIST_P256", "ECDSA_SHA_256"), ("ECC_NIST_P384", "ECDSA_SHA_384")):
        key = new_key(cloud, KeySpec=spec, KeyUsage="SIGN_VERIFY")
        digest = hashlib.new("sha" + algorithm[-3:], b"message").digest()
        signed = kms(cloud).sign(KeyId=key, Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm)
        verdict = kms(cloud).verify(
            KeyId=key, Message=b"message", Signature=signed["Signature"], SigningAlgorithm=algorithm
        )
        assert verdict["SignatureValid"]


@row("ValidationException")
def raw_messages_have_at_most_4096_bytes(cloud: Any) -> None:
    key = new_key(cloud, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    kms(cloud).sign(KeyId=key, Message=b"x" * 4097, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256")


@row("InvalidKeyUsageException")
def signing_keys_do_not_encrypt(cloud: Any) -> None:
    key = new_key(cloud, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    kms(cloud).encrypt(KeyId=key, Plaintext=b"x")


@row("KMSInvalidMacException", moto_differs=False)
def a_wrong_mac_is_refused(cloud: Any) -> None:
    key = new_key(cloud, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    mac = kms(cloud).generate_mac(KeyId=key, Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
    kms(cloud).verify_mac(KeyId=key, Message=b"other", Mac=mac, MacAlgorithm="HMAC_SHA_256")


@row()
def replicas_open_what_the_primary_sealed(cloud: Any) -> None:
    key = kms(cloud).create_key(MultiRegion=True)["KeyMetadata"]
    kms(cloud).replicate_key(KeyId=key["KeyId"], ReplicaRegion="us-west-2")
    blob = kms(cloud).encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert cloud.client(ADMIN, "kms", "us-west-2").decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


@row()
def last_usage_is_known(cloud: Any) -> None:
    key = new_key(cloud)
    kms(cloud).encrypt(KeyId=key, Plaintext=b"x")
    assert kms(cloud).get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"] == "Encrypt"


@row("AlreadyExistsException", moto_differs=False)
def aliases_are_unique(cloud: Any) -> None:
    alias = f"alias/{name()}"
    for _ in range(2):
        kms(cloud).create_alias(AliasName=alias, TargetKeyId=new_key(cloud))


@row("AccessDeniedException")
def a_key_policy_is_changed_by_who_it_names_only(cloud: Any) -> None:
    role = new_role(cloud)
    key = new_key(cloud, allow(["kms:EnableKeyRotation"], Principal={"AWS": role}))
    kms(cloud, role).enable_key_rotation(KeyId=key)
    policy = json.loads(kms(cloud).get_key_policy(KeyId=key)["Policy"])
    kms(cloud, role).put_key_policy(KeyId=key, Policy=json.dumps(policy))
