"""Examples of the KMS developer guide: key policies, condition keys, grants, use from other accounts."""

from __future__ import annotations

from typing import Any

from documented import (
    FAR,
    FULL_ACCESS,
    HOME,
    Example,
    allow,
    deny,
    document,
    no,
    root,
    session,
    user,
    yes,
)

GUIDE = "KMS developer guide: "
KEY = f"arn:aws:kms:us-west-2:{HOME}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ALICE, ADMIN, APP = user("alice"), session("key-admin"), session("application")
EXTERNAL = session("engineering", account=FAR)
USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
GRANTS = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]
ACCOUNT = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{HOME}:root"})
ADMINISTRATORS = allow(
    [
        f"kms:{verb}*"
        for verb in ("Create", "Describe", "Enable", "List", "Put", "Update", "Revoke", "Disable", "Get", "Delete")
    ]
    + ["kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"],
    Principal={"AWS": [user("key-admin").arn, ADMIN.role_arn]},
)
USERS = {"AWS": [ALICE.arn, APP.role_arn, f"arn:aws:iam::{FAR}:root"]}
FOR_SERVICES = {"Bool": {"kms:GrantIsForAWSResource": True}}
CONSOLE = document(
    ACCOUNT, ADMINISTRATORS, allow(USE, Principal=USERS), allow(GRANTS, Principal=USERS, Condition=FOR_SERVICES)
)
MAY_USE = document(allow(USE, KEY))


def for_app(action: Any, **condition: Any) -> dict[str, Any]:
    """A key policy that allows something to the application under conditions, and nothing to anybody else."""
    made = {operator.replace("__", ":"): keys for operator, keys in condition.items()}
    return {"resource": document(allow(action, Principal={"AWS": APP.role_arn}, Condition=made))}


def context(**pairs: str) -> dict[str, Any]:
    """An encryption context as condition keys."""
    found: dict[str, Any] = {f"kms:EncryptionContext:{name}": value for name, value in pairs.items()}
    return {**found, "kms:EncryptionContextKeys": tuple(pairs)} if pairs else {}


def grant(operations: list[str], grantee: str = APP.role_arn, **more: Any) -> dict[str, Any]:
    """A grant on the key."""
    return {"id": "g1", "key": KEY, "grantee": grantee, "operations": frozenset(operations), **more}


POLICIES = [
    Example(
        f"{GUIDE}Default key policy",
        "the account may delegate by identity policies; the statement itself lets no user or role in, but root",
        {"resource": document(ACCOUNT), "identity": [MAY_USE]},
        (
            yes(ALICE, "kms:Decrypt", KEY),
            no(ALICE, "kms:Decrypt", KEY, given={"identity": [document(allow("s3:*"))]}),
            yes(root(), "kms:Decrypt", KEY),
        ),
    ),
    Example(
        f"{GUIDE}Default key policy",
        "without it identity policies that allow are without effect, those that deny are not; root is out too",
        {"resource": document(allow(USE, Principal={"AWS": ALICE.arn})), "identity": [FULL_ACCESS]},
        (
            yes(ALICE, "kms:Decrypt", KEY),
            no(APP, "kms:Decrypt", KEY),
            no(root(), "kms:Decrypt", KEY),
            no(ALICE, "kms:Decrypt", KEY, given={"identity": [document(deny("kms:*"))]}),
        ),
    ),
    Example(
        f"{GUIDE}Default key policy",
        "key administrators manage the key and do not use it",
        {"resource": document(ADMINISTRATORS)},
        (
            yes(ADMIN, "kms:PutKeyPolicy", KEY),
            yes(ADMIN, "kms:CreateGrant", KEY),
            yes(ADMIN, "kms:ScheduleKeyDeletion", KEY),
            no(ADMIN, "kms:Decrypt", KEY),
            no(ADMIN, "kms:GenerateDataKey", KEY),
            no(ADMIN, "kms:ReplicateKey", KEY),
            no(ALICE, "kms:PutKeyPolicy", KEY),
        ),
    ),
    Example(
        f"{GUIDE}Default key policy",
        "key users use the key directly, grants only through a service, and never manage it",
        {"resource": CONSOLE},
        (
            yes(APP, "kms:GenerateDataKeyWithoutPlaintext", KEY),
            yes(APP, "kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": True}),
            no(APP, "kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": False}),
            no(APP, "kms:PutKeyPolicy", KEY),
            yes(EXTERNAL, "kms:Decrypt", KEY, given={"identity": [MAY_USE]}),
            no(EXTERNAL, "kms:Decrypt", KEY, given={"identity": [document(allow("s3:*"))]}),
        ),
    ),
    Example(
        f"{GUIDE}Troubleshooting key access",
        "a user is refused whom no key policy, identity policy or grant allows anything",
        {"resource": document(ACCOUNT), "identity": [document(allow("s3:*"))]},
        (
            no(ALICE, "kms:Decrypt", KEY),
            yes(ALICE, "kms:Decrypt", KEY, given={"identity": [MAY_USE]}),
            yes(ALICE, "kms:Decrypt", KEY, given={"grants": [grant(["Decrypt"], ALICE.arn)]}),
        ),
    ),
    Example(
        f"{GUIDE}Troubleshooting key access",
        "a role of another account needs its account in the key policy and the key in its own policy",
        {"resource": document(ACCOUNT, allow(USE, Principal={"AWS": FAR})), "identity": [MAY_USE]},
        (
            yes(EXTERNAL, "kms:Decrypt", KEY),
            no(EXTERNAL, "kms:Decrypt", KEY, given={"identity": [document(allow("kms:Decrypt", KEY[:-1] + "f"))]}),
            no(EXTERNAL, "kms:Decrypt", KEY, given={"resource": document(ACCOUNT)}),
            no(EXTERNAL, "kms:CreateGrant", KEY, given={"identity": [FULL_ACCESS]}),
        ),
    ),
    Example(
        f"{GUIDE}Allowing users in other accounts to use a KMS key",
        "a key policy that names particular identities abroad leaves all others out, whatever their policies say",
        {"resource": document(allow(USE, Principal={"AWS": EXTERNAL.role_arn})), "identity": [MAY_USE]},
        (
            yes(EXTERNAL, "kms:Encrypt", KEY),
            no(session("finance", account=FAR), "kms:Encrypt", KEY),
            no(EXTERNAL, "kms:Encrypt", KEY, given={"identity": [document(allow("kms:Decrypt", KEY))]}),
        ),
    ),
    Example(
        f"{GUIDE}Allowing users in other accounts to use a KMS key",
        "from another account only some operations work; for the others a permission has no effect",
        {"resource": document(allow("kms:*", Principal={"AWS": FAR})), "identity": [document(allow("kms:*"))]},
        (
            yes(EXTERNAL, "kms:Decrypt", KEY),
            yes(EXTERNAL, "kms:ReEncryptTo", KEY),
            yes(EXTERNAL, "kms:CreateGrant", KEY),
            yes(EXTERNAL, "kms:GetKeyRotationStatus", KEY),
            no(EXTERNAL, "kms:ScheduleKeyDeletion", KEY, twice="the service offers it to the key's account alone"),
            no(EXTERNAL, "kms:TagResource", KEY, twice="the service offers it to the key's account alone"),
            no(EXTERNAL, "kms:PutKeyPolicy", KEY, twice="the service offers it to the key's account alone"),
            no(EXTERNAL, "kms:ReplicateKey", KEY, twice="the service offers it to the key's account alone"),
        ),
    ),
    Example(
        f"{GUIDE}Customer managed policy examples",
        "any key of the account, in one Region",
        {
            "identity": [document(allow(["kms:Encrypt", "kms:Decrypt"], f"arn:aws:kms:us-west-2:{HOME}:key/*"))],
            "resource": document(ACCOUNT),
        },
        (
            yes(ALICE, "kms:Decrypt", KEY),
            no(ALICE, "kms:Decrypt", KEY.replace("us-west-2", "us-east-1")),
            no(ALICE, "kms:GenerateDataKey", KEY),
        ),
    ),
    Example(
        f"{GUIDE}Customer managed policy examples",
        "keys are neither disabled nor deleted, even if the key policy allows it",
        {
            "identity": [document(deny(["kms:DisableKey", "kms:ScheduleKeyDeletion"]))],
            "resource": document(allow("kms:*", Principal={"AWS": ADMIN.role_arn})),
        },
        (
            no(ADMIN, "kms:ScheduleKeyDeletion", KEY),
            no(ADMIN, "kms:DisableKey", KEY),
            yes(ADMIN, "kms:EnableKey", KEY),
        ),
    ),
    Example(
        f"{GUIDE}Controlling access to multi-Region keys",
        "replicas in three Regions only",
        for_app("kms:ReplicateKey", StringEquals={"kms:ReplicaRegion": ["us-east-1", "eu-west-3", "ap-southeast-2"]}),
        (
            yes(APP, "kms:ReplicateKey", KEY, {"kms:ReplicaRegion": "eu-west-3"}),
            no(APP, "kms:ReplicateKey", KEY, {"kms:ReplicaRegion": "us-west-1"}),
        ),
    ),
    Example(
        f"{GUIDE}Controlling access to multi-Region keys",
        "no multi-Region keys; related keys differ in the Region of their ARN, each with its own policy",
        {
            "identity": [document(allow("kms:*"), deny("kms:*", Condition={"Bool": {"kms:MultiRegion": True}}))],
            "resource": document(ACCOUNT),
        },
        (
            yes(ALICE, "kms:Decrypt", KEY, {"kms:MultiRegion": False}),
            no(ALICE, "kms:Decrypt", KEY, {"kms:MultiRegion": True}),
            no(ALICE, "kms:CreateKey", "*", {"kms:MultiRegion": True}),
        ),
    ),
    Example(
        f"{GUIDE}Controlling access to multi-Region keys",
        "deletion of replicas only",
        for_app("kms:ScheduleKeyDeletion", StringEquals={"kms:MultiRegionKeyType": "REPLICA"}),
        (
            yes(APP, "kms:ScheduleKeyDeletion", KEY, {"kms:MultiRegionKeyType": "REPLICA"}),
            no(APP, "kms:ScheduleKeyDeletion", KEY, {"kms:MultiRegionKeyType": "PRIMARY"}),
        ),
    ),
]

SUBSET = {"EncryptionContextSubset": {"Department": "Finance", "Classification": "Public"}}
SILENT = {"resource": document(allow("kms:*", Principal={"AWS": ADMIN.role_arn}))}
BY_GRANT = [
    Example(
        f"{GUIDE}Using grants",
        "under a subset constraint the stated pairs must be there, with their case; others may be",
        {**SILENT, "grants": [grant(["GenerateDataKey", "Decrypt"], constraints=SUBSET)]},
        (
            yes(APP, "kms:Decrypt", KEY, context(Department="Finance", Classification="Public")),
            yes(
                APP,
                "kms:Decrypt",
                KEY,
                context(Customer="12345", Department="Finance", Classification="Public", Purpose="T"),
            ),
            no(APP, "kms:Decrypt", KEY, context(Department="Finance")),
            no(APP, "kms:Decrypt", KEY, context(department="finance", classification="public")),
            no(APP, "kms:Decrypt", KEY, context(Classification="Public", Customer="12345")),
            no(APP, "kms:Encrypt", KEY, context(Department="Finance", Classification="Public")),
        ),
    ),
    Example(
        f"{GUIDE}Using grants",
        "under an equals constraint no further pair",
        {**SILENT, "grants": [grant(["Decrypt"], constraints={"EncryptionContextEquals": {"Department": "Finance"}})]},
        (
            yes(APP, "kms:Decrypt", KEY, context(Department="Finance")),
            no(APP, "kms:Decrypt", KEY, context(Department="Finance", Purpose="Test")),
        ),
    ),
    Example(
        f"{GUIDE}Using grants",
        "grants allow and never deny; a Deny of the key policy stands above them",
        {**SILENT, "grants": [grant(["Decrypt"])]},
        (
            yes(APP, "kms:Decrypt", KEY),
            no(APP, "kms:Decrypt", KEY, given={"resource": document(deny("kms:Decrypt", Principal="*"))}),
            yes(ADMIN, "kms:Encrypt", KEY),
        ),
    ),
    Example(
        f"{GUIDE}Using grants",
        "the retiring principal retires the grant, and so may the grantee if the grant says it",
        {**SILENT, "grants": [grant(["Decrypt"], retiring=ALICE.arn)]},
        (
            yes(ALICE, "kms:RetireGrant", KEY),
            no(APP, "kms:RetireGrant", KEY),
            yes(APP, "kms:RetireGrant", KEY, given={"grants": [grant(["Decrypt", "RetireGrant"])]}),
        ),
    ),
]

EXAMPLES = [*POLICIES, *BY_GRANT]
