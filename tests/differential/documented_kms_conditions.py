"""Examples of the KMS developer guide: condition keys."""

from __future__ import annotations

from documented import (
    FAR,
    FULL_ACCESS,
    HOME,
    Example,
    allow,
    deny,
    document,
    no,
    yes,
)
from documented_kms import ACCOUNT, ALICE, APP, EXTERNAL, GUIDE, KEY, MAY_USE, USE, context, for_app

VPCE = {"StringNotEquals": {"aws:sourceVpce": "vpce-0295a3caf8414c94a"}}
KEYS = "kms:EncryptionContextKeys"
CONDITIONS = [
    Example(
        f"{GUIDE}Connecting to AWS KMS through a VPC endpoint",
        "use only through one endpoint; managing from everywhere",
        {"resource": document(ACCOUNT, deny(USE[:-1], Principal="*", Condition=VPCE)), "identity": [FULL_ACCESS]},
        (
            yes(ALICE, "kms:Decrypt", KEY, {"aws:SourceVpce": "vpce-0295a3caf8414c94a"}),
            no(ALICE, "kms:Decrypt", KEY, {"aws:SourceVpce": "vpce-1"}),
            no(ALICE, "kms:Decrypt", KEY),
            yes(ALICE, "kms:DescribeKey", KEY),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "all identities of an account, through one service",
        {
            "resource": document(
                allow(
                    USE,
                    Principal={"AWS": "*"},
                    Condition={
                        "StringEquals": {"kms:CallerAccount": HOME, "kms:ViaService": "ec2.us-west-2.amazonaws.com"}
                    },
                )
            )
        },
        (
            yes(
                ALICE, "kms:Decrypt", KEY, {"kms:CallerAccount": HOME, "kms:ViaService": "ec2.us-west-2.amazonaws.com"}
            ),
            no(ALICE, "kms:Decrypt", KEY, {"kms:CallerAccount": HOME}),
            no(ALICE, "kms:Decrypt", KEY, {"kms:CallerAccount": HOME, "kms:ViaService": "s3.us-west-2.amazonaws.com"}),
            no(
                EXTERNAL,
                "kms:Decrypt",
                KEY,
                {"kms:CallerAccount": FAR, "kms:ViaService": "ec2.us-west-2.amazonaws.com"},
                given={"identity": [MAY_USE]},
            ),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "one of two services on behalf of a principal",
        for_app(
            "kms:Decrypt",
            StringEquals={"kms:ViaService": ["ec2.us-west-2.amazonaws.com", "rds.us-west-2.amazonaws.com"]},
        ),
        (
            yes(APP, "kms:Decrypt", KEY, {"kms:ViaService": "rds.us-west-2.amazonaws.com"}),
            no(APP, "kms:Decrypt", KEY, {"kms:ViaService": "rds.us-east-1.amazonaws.com"}),
            no(APP, "kms:Decrypt", KEY),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "no bypass of the lockout check by Deny; by Allow only where the parameter is absent",
        {
            "identity": [
                FULL_ACCESS,
                document(
                    deny(
                        ["kms:CreateKey", "kms:PutKeyPolicy"],
                        Condition={"Bool": {"kms:BypassPolicyLockoutSafetyCheck": True}},
                    )
                ),
            ],
            "resource": document(ACCOUNT),
        },
        (
            yes(ALICE, "kms:PutKeyPolicy", KEY),
            no(ALICE, "kms:PutKeyPolicy", KEY, {"kms:BypassPolicyLockoutSafetyCheck": True}),
            no(ALICE, "kms:CreateKey", "*", {"kms:BypassPolicyLockoutSafetyCheck": True}),
            no(
                APP,
                "kms:PutKeyPolicy",
                KEY,
                {"kms:BypassPolicyLockoutSafetyCheck": False},
                given=for_app("kms:PutKeyPolicy", Null={"kms:BypassPolicyLockoutSafetyCheck": True}) | {"identity": []},
            ),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "one pair is required, others may come along; its name ignores case, its value does not",
        for_app("kms:GenerateDataKey", StringEquals={"kms:EncryptionContext:AppName": "ExampleApp"}),
        (
            yes(APP, "kms:GenerateDataKey", KEY, context(AppName="ExampleApp", Stage="Test")),
            yes(APP, "kms:GenerateDataKey", KEY, context(appname="ExampleApp")),
            no(APP, "kms:GenerateDataKey", KEY, context(AppName="exampleapp")),
            no(APP, "kms:GenerateDataKey", KEY),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "two pairs are required and nothing beside them",
        for_app(
            "kms:GenerateDataKey",
            StringEquals={"kms:EncryptionContext:Department": "IT", "kms:EncryptionContext:Project": "Alpha"},
            ForAllValues__StringEquals={KEYS: ["Department", "Project"]},
        ),
        (
            yes(APP, "kms:GenerateDataKey", KEY, context(Department="IT", Project="Alpha")),
            no(APP, "kms:GenerateDataKey", KEY, context(Department="IT", Project="Alpha", Stage="Restricted")),
            no(APP, "kms:GenerateDataKey", KEY, context(Department="IT")),
            no(APP, "kms:GenerateDataKey", KEY),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "either pair, in two statements",
        {
            "resource": document(
                *(
                    allow(
                        "kms:Decrypt",
                        Principal={"AWS": APP.role_arn},
                        Condition={"StringEquals": {f"kms:EncryptionContext:{name}": value}},
                    )
                    for name, value in [("Department", "IT"), ("Project", "Alpha")]
                )
            )
        },
        (
            yes(APP, "kms:Decrypt", KEY, context(Department="IT")),
            yes(APP, "kms:Decrypt", KEY, context(Project="Alpha", Department="HR")),
            no(APP, "kms:Decrypt", KEY, context(Department="HR")),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "with ForAllValues on a pair nothing is required at all, as the guide warns",
        for_app("kms:Decrypt", ForAllValues__StringEquals={"kms:EncryptionContext:Department": "IT"}),
        (
            yes(APP, "kms:Decrypt", KEY),
            yes(APP, "kms:Decrypt", KEY, context(Stage="Restricted")),
            no(APP, "kms:Decrypt", KEY, context(Department="HR")),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "a Deny on two values of a pair leaves other values",
        {
            "resource": document(
                allow("kms:*", Principal={"AWS": APP.role_arn}),
                deny(
                    "kms:GenerateDataKey",
                    Principal={"AWS": APP.role_arn},
                    Condition={"StringEquals": {"kms:EncryptionContext:Stage": ["Restricted", "Production"]}},
                ),
            )
        },
        (
            no(APP, "kms:GenerateDataKey", KEY, context(Stage="Restricted")),
            no(APP, "kms:GenerateDataKey", KEY, context(Stage="Production")),
            yes(APP, "kms:GenerateDataKey", KEY, context(Stage="Test")),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "at least one name, with its case, beside others",
        for_app("kms:GenerateDataKey", ForAnyValue__StringEquals={KEYS: "AppName"}),
        (
            yes(APP, "kms:GenerateDataKey", KEY, context(AppName="Helper", Project="Alpha")),
            no(APP, "kms:GenerateDataKey", KEY, context(appname="Helper")),
            no(APP, "kms:GenerateDataKey", KEY, context(Project="Alpha")),
            no(APP, "kms:GenerateDataKey", KEY),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "any encryption context rather than none",
        for_app("kms:Encrypt", Null={KEYS: False}),
        (yes(APP, "kms:Encrypt", KEY, context(a="b")), no(APP, "kms:Encrypt", KEY)),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "each user of a key under a context with their own name",
        {
            "resource": document(
                allow(
                    ["kms:Encrypt", "kms:Decrypt"],
                    Principal={"AWS": HOME},
                    Condition={"StringEquals": {"kms:EncryptionContext:user": "${aws:username}"}},
                )
            ),
            "identity": [FULL_ACCESS],
        },
        (
            yes(ALICE, "kms:Decrypt", KEY, context(user="alice")),
            no(ALICE, "kms:Decrypt", KEY, context(user="bob")),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "all names of the key match and it has one: with the first condition alone a key without aliases would do",
        {
            "identity": [
                document(
                    allow(
                        ["kms:EnableKey", "kms:DisableKey"],
                        Condition={
                            "ForAllValues:StringLike": {"kms:ResourceAliases": ["alias/*Test*"]},
                            "ForAnyValue:StringLike": {"kms:ResourceAliases": ["alias/*Test*"]},
                        },
                    )
                )
            ],
            "resource": document(ACCOUNT),
        },
        (
            yes(ALICE, "kms:DisableKey", KEY, {"kms:ResourceAliases": ("alias/MyTestKey",)}),
            no(ALICE, "kms:DisableKey", KEY, {"kms:ResourceAliases": ("alias/MyTestKey", "alias/live")}),
            no(ALICE, "kms:DisableKey", KEY),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "imported material that ends by a time",
        for_app("kms:ImportKeyMaterial", NumericLessThanEquals={"kms:ValidTo": "1546257599.0"}),
        (
            yes(APP, "kms:ImportKeyMaterial", KEY, {"kms:ValidTo": "1546257599"}),
            no(APP, "kms:ImportKeyMaterial", KEY, {"kms:ValidTo": "1546257600"}),
        ),
    ),
    Example(
        f"{GUIDE}AWS KMS condition keys",
        "grants of two operations at most, for one grantee, with one kind of constraint",
        for_app(
            "kms:CreateGrant",
            ForAllValues__StringEquals={"kms:GrantOperations": ["Encrypt", "ReEncryptTo"]},
            StringEquals={"kms:GranteePrincipal": ALICE.arn, "kms:GrantConstraintType": "EncryptionContextEquals"},
        ),
        tuple(
            make(
                APP,
                "kms:CreateGrant",
                KEY,
                {"kms:GrantOperations": operations, "kms:GranteePrincipal": grantee, "kms:GrantConstraintType": kind},
            )
            for make, operations, grantee, kind in [
                (yes, ("Encrypt",), ALICE.arn, "EncryptionContextEquals"),
                (no, ("Encrypt", "Decrypt"), ALICE.arn, "EncryptionContextEquals"),
                (no, ("Encrypt",), APP.role_arn, "EncryptionContextEquals"),
                (no, ("Encrypt",), ALICE.arn, "EncryptionContextSubset"),
            ]
        ),
    ),
]

EXAMPLES = [*CONDITIONS]
