"""Rules of KMS grants and of DryRun."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from contract_rows import ADMIN, BACKUP, allow, document, ghost, new_key, new_role, root, row


def kms(cloud: Any, who: str = ADMIN) -> Any:
    return cloud.client(who, "kms")


def code_of(call: Any) -> str:
    """The error code a call ends with; "" where it succeeds."""
    try:
        call()
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return ""


@row("AccessDeniedException")
def an_equals_constraint_wants_the_whole_context(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    constraint = {"EncryptionContextEquals": {"repo": "a"}}
    kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"], Constraints=constraint)
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"repo": "a"})
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"repo": "a", "run": "1"})


@row("AccessDeniedException")
def a_grant_gives_its_operations_only(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])
    blob = kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms(cloud, role).decrypt(CiphertextBlob=blob)


@row(moto_differs=False)
def a_grant_alone_lets_another_account_in(cloud: Any) -> None:
    role, key = new_role(cloud, account=BACKUP), new_key(cloud)
    kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])
    assert kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")["KeyId"] == key


@row("InvalidArnException")
def a_grantee_exists(cloud: Any) -> None:
    kms(cloud).create_grant(KeyId=new_key(cloud), GranteePrincipal=ghost(), Operations=["Encrypt"])


@row("ValidationException")
def operations_fit_the_key(cloud: Any) -> None:
    kms(cloud).create_grant(KeyId=new_key(cloud), GranteePrincipal=new_role(cloud), Operations=["Sign"])


@row("ValidationException")
def constraints_are_for_keys_with_contexts(cloud: Any) -> None:
    key = new_key(cloud, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    constraint = {"EncryptionContextSubset": {"a": "1"}}
    kms(cloud).create_grant(KeyId=key, GranteePrincipal=new_role(cloud), Operations=["Sign"], Constraints=constraint)


@row("DisabledException")
def a_disabled_key_takes_no_grants(cloud: Any) -> None:
    key = new_key(cloud)
    kms(cloud).disable_key(KeyId=key.split("/")[-1])
    kms(cloud).create_grant(KeyId=key, GranteePrincipal=new_role(cloud), Operations=["Encrypt"])


@row("AccessDeniedException")
def grants_for_services_only_are_not_made_by_people(cloud: Any) -> None:
    role = new_role(cloud)
    condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    key = new_key(cloud, allow("kms:CreateGrant", Principal={"AWS": role}, Condition=condition))
    kms(cloud, role).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Decrypt"])


@row("AccessDeniedException")
def a_condition_on_granted_operations_is_decided(cloud: Any) -> None:
    role = new_role(cloud)
    condition = {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt", "DescribeKey"]}}
    key = new_key(cloud, allow("kms:CreateGrant", Principal={"AWS": role}, Condition=condition))
    kms(cloud, role).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])
    kms(cloud, role).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt", "Decrypt"])


@row("AccessDeniedException")
def a_grant_to_grant_gives_no_more_than_itself(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt", "CreateGrant"])
    kms(cloud, role).create_grant(KeyId=key, GranteePrincipal=new_role(cloud), Operations=["Encrypt"])
    kms(cloud, role).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Decrypt"])


@row("AccessDeniedException")
def a_grant_to_grant_hands_its_constraint_on(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    narrow = {"EncryptionContextSubset": {"repo": "a"}}
    operations = ["Encrypt", "CreateGrant"]
    kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=operations, Constraints=narrow)
    kms(cloud, role).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])


@row("NotFoundException")
def the_retiring_principal_retires_and_then_it_is_gone(cloud: Any) -> None:
    role, retiring, key = new_role(cloud), new_role(cloud), new_key(cloud)
    made = kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, RetiringPrincipal=retiring, Operations=["Encrypt"])
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")
    kms(cloud, retiring).retire_grant(KeyId=key, GrantId=made["GrantId"])
    assert code_of(lambda: kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")) == "AccessDeniedException"
    kms(cloud).revoke_grant(KeyId=key, GrantId=made["GrantId"])


@row("AccessDeniedException")
def nobody_else_retires(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    made = kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])
    kms(cloud, role).retire_grant(KeyId=key, GrantId=made["GrantId"])


@row("AccessDeniedException")
def revoking_needs_permission_on_the_key(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    made = kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])
    kms(cloud, role).revoke_grant(KeyId=key, GrantId=made["GrantId"])


@row("NotFoundException", moto_differs=False)
def a_grant_that_is_not_there_is_not_revoked(cloud: Any) -> None:
    kms(cloud).revoke_grant(KeyId=new_key(cloud), GrantId="0" * 64)


@row(moto_differs=False)
def the_same_named_grant_is_made_once(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    grant = {"KeyId": key, "GranteePrincipal": role, "Operations": ["Encrypt"], "Name": "once"}
    first, second = (kms(cloud).create_grant(**grant)["GrantId"] for _ in range(2))
    assert first == second and len(kms(cloud).list_grants(KeyId=key)["Grants"]) == 1


@row()
def dry_run_stops_every_operation_that_offers_it(cloud: Any) -> None:
    client, key, role = kms(cloud), new_key(cloud), new_role(cloud)
    signing = new_key(cloud, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    hmac = new_key(cloud, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    blob = client.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    signature = client.sign(KeyId=signing, Message=b"m", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    mac = client.generate_mac(KeyId=hmac, Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
    grant = client.create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])["GrantId"]
    signed: dict[str, Any] = {"KeyId": signing, "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    tagged: dict[str, Any] = {"KeyId": hmac, "Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}
    operations: dict[str, dict[str, Any]] = {
        "encrypt": {"KeyId": key, "Plaintext": b"x"},
        "decrypt": {"CiphertextBlob": blob},
        "re_encrypt": {"CiphertextBlob": blob, "DestinationKeyId": key},
        "generate_data_key": {"KeyId": key, "KeySpec": "AES_256"},
        "generate_data_key_without_plaintext": {"KeyId": key, "KeySpec": "AES_256"},
        "generate_data_key_pair": {"KeyId": key, "KeyPairSpec": "ECC_NIST_P256"},
        "generate_data_key_pair_without_plaintext": {"KeyId": key, "KeyPairSpec": "ECC_NIST_P256"},
        "sign": signed,
        "verify": {**signed, "Signature": signature},
        "generate_mac": tagged,
        "verify_mac": {**tagged, "Mac": mac},
        "create_grant": {"KeyId": key, "GranteePrincipal": role, "Operations": ["Decrypt"]},
        "revoke_grant": {"KeyId": key, "GrantId": grant},
        "retire_grant": {"KeyId": key, "GrantId": grant},
    }
    for name, arguments in operations.items():
        assert (
            code_of(lambda n=name, a=arguments: getattr(client, n)(**a, DryRun=True)) == "DryRunOperationException"
        ), name  # type: ignore[misc]
    assert [row_["GrantId"] for row_ in client.list_grants(KeyId=key)["Grants"]] == [grant]


@row("AccessDeniedException")
def dry_run_says_what_is_not_allowed(cloud: Any) -> None:
    kms(cloud, new_role(cloud)).generate_data_key(KeyId=new_key(cloud), KeySpec="AES_256", DryRun=True)


@row("AccessDeniedException")
def a_deny_stops_a_grant(cloud: Any) -> None:
    role, key = new_role(cloud), new_key(cloud)
    kms(cloud).create_grant(KeyId=key, GranteePrincipal=role, Operations=["Encrypt"])
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")
    never = {"Effect": "Deny", "Principal": {"AWS": role}, "Action": "kms:Encrypt", "Resource": "*"}
    policy = document(allow("kms:*", Principal=root()), never)
    kms(cloud).put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    kms(cloud, role).encrypt(KeyId=key, Plaintext=b"x")
