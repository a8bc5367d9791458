"""Rules of KMS keys: kinds, names, and what decides over disabling and deleting them."""

from __future__ import annotations

import json
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from contract_rows import ADMIN, BACKUP, allow, deny, document, name, new_key, new_role, root, row
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key


def kms(cloud: Any, who: str = ADMIN, region: str = "us-east-1") -> Any:
    return cloud.client(who, "kms", region)


# kinds of keys


@row("ValidationException")
def the_usage_fits_the_spec(cloud: Any) -> None:
    kms(cloud).create_key(KeySpec="ECC_NIST_P256", KeyUsage="ENCRYPT_DECRYPT")


@row("ValidationException")
def asymmetric_keys_say_their_usage(cloud: Any) -> None:
    kms(cloud).create_key(KeySpec="RSA_2048")


@row("ValidationException")
def mac_keys_do_nothing_else(cloud: Any) -> None:
    kms(cloud).create_key(KeySpec="HMAC_256", KeyUsage="SIGN_VERIFY")


@row("InvalidKeyUsageException")
def encryption_keys_do_not_sign(cloud: Any) -> None:
    kms(cloud).sign(KeyId=new_key(cloud), Message=b"m", SigningAlgorithm="ECDSA_SHA_256")


@row("InvalidKeyUsageException")
def the_algorithm_fits_the_key(cloud: Any) -> None:
    key = new_key(cloud, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    kms(cloud).sign(KeyId=key, Message=b"m", SigningAlgorithm="ECDSA_SHA_384")


@row("InvalidKeyUsageException")
def data_keys_come_of_symmetric_keys(cloud: Any) -> None:
    key = new_key(cloud, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    kms(cloud).generate_data_key(KeyId=key, KeySpec="AES_256")


@row("UnsupportedOperationException")
def symmetric_keys_have_no_public_half(cloud: Any) -> None:
    kms(cloud).get_public_key(KeyId=new_key(cloud))


@row("ValidationException")
def a_digest_has_its_algorithms_length(cloud: Any) -> None:
    key = new_key(cloud, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    kms(cloud).sign(KeyId=key, Message=b"m" * 31, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")


@row("KMSInvalidSignatureException")
def a_lattice_signature_holds_for_its_message(cloud: Any) -> None:
    key = new_key(cloud, KeySpec="ML_DSA_65", KeyUsage="SIGN_VERIFY")
    signed = {"KeyId": key, "SigningAlgorithm": "ML_DSA_SHAKE_256"}
    signature = kms(cloud).sign(**signed, Message=b"m")["Signature"]
    assert kms(cloud).verify(**signed, Message=b"m", Signature=signature)["SignatureValid"]
    public: Any = load_der_public_key(kms(cloud).get_public_key(KeyId=key)["PublicKey"])
    public.verify(signature, b"m")
    kms(cloud).verify(**signed, Message=b"other", Signature=signature)


@row()
def a_data_key_pair_is_one_pair(cloud: Any) -> None:
    key, context = new_key(cloud), {"field": "a"}
    made = kms(cloud).generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P384", EncryptionContext=context)
    private: Any = load_der_private_key(made["PrivateKeyPlaintext"], None)
    public: Any = load_der_public_key(made["PublicKey"])
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.public_key().public_numbers() == public.public_numbers()
    opened = kms(cloud).decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
    sealed = kms(cloud).generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec="ECC_NIST_P256")
    assert "PrivateKeyPlaintext" not in sealed and sealed["PrivateKeyCiphertextBlob"]


@row("AccessDeniedException")
def a_data_key_pair_needs_its_own_permission(cloud: Any) -> None:
    role = new_role(cloud)
    key = new_key(cloud, allow("kms:GenerateDataKey", Principal={"AWS": role}))
    kms(cloud, role).generate_data_key(KeyId=key, KeySpec="AES_256")
    kms(cloud, role).generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")


# names


@row(laptop_only="AWS takes minutes for a rotation")
def every_operation_takes_the_arn(cloud: Any) -> None:
    client, key = kms(cloud), new_key(cloud)
    client.enable_key_rotation(KeyId=key)
    assert client.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    client.disable_key_rotation(KeyId=key)
    client.rotate_key_on_demand(KeyId=key)
    client.list_key_rotations(KeyId=key)
    policy = client.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    client.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    assert client.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    client.update_key_description(KeyId=key, Description="d")
    client.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "b"}])
    assert client.list_resource_tags(KeyId=key)["Tags"]
    client.untag_resource(KeyId=key, TagKeys=["a"])
    alias = f"alias/{name()}"
    client.create_alias(AliasName=alias, TargetKeyId=key)
    assert client.list_aliases(KeyId=key)["Aliases"][0]["AliasName"] == alias
    assert client.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "d"
    client.list_grants(KeyId=key)
    client.get_key_last_usage(KeyId=key)
    client.disable_key(KeyId=key)
    client.enable_key(KeyId=key)
    client.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    client.cancel_key_deletion(KeyId=key)


@row("NotFoundException", moto_differs=False)
def what_changes_a_key_takes_no_alias(cloud: Any) -> None:
    alias = f"alias/{name()}"
    kms(cloud).create_alias(AliasName=alias, TargetKeyId=new_key(cloud))
    assert kms(cloud).describe_key(KeyId=alias)
    kms(cloud).disable_key(KeyId=alias)


@row("NotAuthorizedException", moto_differs=False)
def aliases_of_aws_are_reserved(cloud: Any) -> None:
    kms(cloud).create_alias(AliasName="alias/aws/mine", TargetKeyId=new_key(cloud))


@row("ValidationException")
def an_alias_does_not_move_to_a_key_of_another_kind(cloud: Any) -> None:
    alias = f"alias/{name()}"
    kms(cloud).create_alias(AliasName=alias, TargetKeyId=new_key(cloud))
    kms(cloud).update_alias(AliasName=alias, TargetKeyId=new_key(cloud))
    signing = new_key(cloud, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    kms(cloud).update_alias(AliasName=alias, TargetKeyId=signing)


@row("NotFoundException", moto_differs=False)
def an_alias_that_is_not_there_is_not_moved(cloud: Any) -> None:
    kms(cloud).update_alias(AliasName=f"alias/{name()}", TargetKeyId=new_key(cloud))


@row("AccessDeniedException")
def moving_an_alias_needs_both_keys(cloud: Any) -> None:
    alias = f"alias/{name()}"
    first, second = new_key(cloud), new_key(cloud)
    arn = f"arn:aws:kms:us-east-1:{first.split(':')[4]}:{alias}"
    role = new_role(cloud, allow("kms:UpdateAlias", [arn, first]))
    kms(cloud).create_alias(AliasName=alias, TargetKeyId=first)
    kms(cloud, role).update_alias(AliasName=alias, TargetKeyId=second)


@row("AccessDeniedException")
def an_alias_condition_follows_the_alias(cloud: Any) -> None:
    alias = f"alias/{name()}"
    condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
    role = new_role(cloud, allow("kms:Encrypt", Condition=condition))
    key = new_key(cloud)
    kms(cloud).create_alias(AliasName=alias, TargetKeyId=key)
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")
    kms(cloud).delete_alias(AliasName=alias)
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")


# what decides over a key's life


@row("AccessDeniedException")
def keys_in_use_are_not_disabled_where_the_policy_says_so(cloud: Any) -> None:
    condition = {"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": "30"}}
    key = new_key(cloud, deny(["kms:DisableKey", "kms:ScheduleKeyDeletion"], Principal="*", Condition=condition))
    kms(cloud).encrypt(KeyId=key, Plaintext=b"x")
    kms(cloud).disable_key(KeyId=key.split("/")[-1])


@row("AccessDeniedException")
def a_condition_on_the_deletion_window_is_decided(cloud: Any) -> None:
    condition = {"NumericLessThan": {"kms:ScheduleKeyDeletionPendingWindowInDays": "30"}}
    key = new_key(cloud, deny("kms:ScheduleKeyDeletion", Principal="*", Condition=condition)).split("/")[-1]
    kms(cloud).schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    kms(cloud).cancel_key_deletion(KeyId=key)
    kms(cloud).schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


@row("ValidationException")
def a_deletion_window_is_at_most_30_days(cloud: Any) -> None:
    kms(cloud).schedule_key_deletion(KeyId=new_key(cloud), PendingWindowInDays=31)


@row("ValidationException")
def a_rotation_period_is_at_most_2560_days(cloud: Any) -> None:
    unchecked = cloud.make(cloud.session(ADMIN), "kms", config=Config(parameter_validation=False))
    unchecked.enable_key_rotation(KeyId=new_key(cloud), RotationPeriodInDays=2561)


@row("AccessDeniedException")
def a_condition_on_the_rotation_period_is_decided(cloud: Any) -> None:
    condition = {"NumericGreaterThan": {"kms:RotationPeriodInDays": "180"}}
    key = new_key(cloud, deny("kms:EnableKeyRotation", Principal="*", Condition=condition))
    kms(cloud).enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    kms(cloud).enable_key_rotation(KeyId=key, RotationPeriodInDays=181)


@row("AccessDeniedException")
def the_lockout_check_is_not_bypassed_where_a_policy_forbids_it(cloud: Any) -> None:
    condition = {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}}
    role = new_role(cloud, allow(["kms:CreateKey", "kms:PutKeyPolicy"]), deny("kms:CreateKey", Condition=condition))
    kms(cloud, role).create_key()
    kms(cloud, role).create_key(BypassPolicyLockoutSafetyCheck=True)


@row("MalformedPolicyDocumentException")
def a_policy_that_locks_its_writer_out_is_not_put(cloud: Any) -> None:
    key = new_key(cloud)
    policy = json.loads(kms(cloud).get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    policy["Statement"][0]["Action"] = ["kms:Describe*", "kms:Get*"]
    kms(cloud).put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))


@row("KMSInvalidStateException")
def a_key_that_awaits_deletion_is_not_changed(cloud: Any) -> None:
    key = new_key(cloud).split("/")[-1]
    kms(cloud).schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kms(cloud).enable_key(KeyId=key)


@row("AccessDeniedException")
def another_account_does_not_change_a_key_whatever_its_policy_says(cloud: Any) -> None:
    key = new_key(cloud, allow("kms:*", Principal=root(BACKUP)))
    there = cloud.client(f"admin@{BACKUP}", "kms")
    assert there.describe_key(KeyId=key)
    there.put_key_policy(KeyId=key, PolicyName="default", Policy=document(allow("kms:*", Principal=root(BACKUP))))


@row()
def a_refused_call_changes_nothing(cloud: Any) -> None:
    role, key = new_role(cloud, allow("kms:*")), new_key(cloud, deny("kms:DisableKey", Principal="*"))
    try:
        kms(cloud, role).disable_key(KeyId=key.split("/")[-1])
    except ClientError as refused:
        assert refused.response["Error"]["Code"] == "AccessDeniedException"
    assert kms(cloud).describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
