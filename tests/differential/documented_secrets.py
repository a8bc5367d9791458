"""Examples of the guides of Secrets Manager and AWS Backup."""

from __future__ import annotations

from documented import (
    FAR,
    HOME,
    VENDOR,
    Example,
    allow,
    deny,
    document,
    no,
    session,
    user,
    yes,
)
from documented_services import ABROAD, CARLA, DANA

SECRETS = "Secrets Manager user guide: Permissions policy examples"
SECRET = f"arn:aws:secretsmanager:us-east-1:{HOME}:secret:"
PORTAL = SECRET + "portal-a1b2c3"
READER = session("reader")
OF_SECRETS = [
    Example(
        SECRETS,
        "a policy on the secret, where * is this secret, or one on the identity: each is enough",
        {"resource": document(allow("secretsmanager:GetSecretValue", Principal={"AWS": READER.role_arn}))},
        (
            yes(READER, "secretsmanager:GetSecretValue", PORTAL),
            no(session("writer"), "secretsmanager:GetSecretValue", PORTAL),
            yes(
                session("writer"),
                "secretsmanager:GetSecretValue",
                PORTAL,
                given={"identity": [document(allow("secretsmanager:GetSecretValue", PORTAL))]},
            ),
            no(READER, "secretsmanager:DeleteSecret", PORTAL),
        ),
    ),
    Example(
        SECRETS,
        "a folder of secrets; a name with its six random characters, not with more",
        {
            "identity": [
                document(
                    allow("secretsmanager:GetSecretValue", SECRET + "TestEnv/*"),
                    allow("secretsmanager:*", SECRET + "other-??????"),
                )
            ]
        },
        (
            yes(DANA, "secretsmanager:GetSecretValue", SECRET + "TestEnv/db-a1b2c3"),
            no(DANA, "secretsmanager:GetSecretValue", SECRET + "LiveEnv/db-a1b2c3"),
            yes(DANA, "secretsmanager:UpdateSecret", SECRET + "other-a1b2c3"),
            no(DANA, "secretsmanager:UpdateSecret", SECRET + "other-thing-a1b2c3"),
        ),
    ),
    Example(
        SECRETS,
        "descriptions and lists of all secrets, no values",
        {"identity": [document(allow(["secretsmanager:DescribeSecret", "secretsmanager:List*"]))]},
        (
            yes(DANA, "secretsmanager:ListSecretVersionIds", PORTAL),
            yes(DANA, "secretsmanager:ListSecrets"),
            no(DANA, "secretsmanager:GetSecretValue", PORTAL),
        ),
    ),
    Example(
        SECRETS,
        "managing from one VPC, reading from another",
        {
            "resource": document(
                deny(
                    ["secretsmanager:Create*", "secretsmanager:Put*", "secretsmanager:Delete*"],
                    Principal="*",
                    Condition={"StringNotEquals": {"aws:sourceVpc": "vpc-12345678"}},
                ),
                deny(
                    "secretsmanager:GetSecretValue",
                    Principal="*",
                    Condition={"StringNotEquals": {"aws:sourceVpc": "vpc-2b2b2b2b"}},
                ),
            ),
            **ABROAD,
        },
        (
            yes(DANA, "secretsmanager:PutSecretValue", PORTAL, {"aws:SourceVpc": "vpc-12345678"}),
            no(DANA, "secretsmanager:PutSecretValue", PORTAL, {"aws:SourceVpc": "vpc-2b2b2b2b"}),
            yes(DANA, "secretsmanager:GetSecretValue", PORTAL, {"aws:SourceVpc": "vpc-2b2b2b2b"}),
            no(DANA, "secretsmanager:GetSecretValue", PORTAL, {"aws:SourceVpc": "vpc-12345678"}),
            no(DANA, "secretsmanager:GetSecretValue", PORTAL),
        ),
    ),
    Example(
        SECRETS,
        "secrets with one tag",
        {
            "identity": [
                document(
                    allow(
                        "secretsmanager:DescribeSecret",
                        Condition={"StringEquals": {"secretsmanager:ResourceTag/ServerName": "ServerABC"}},
                    )
                )
            ]
        },
        (
            yes(DANA, "secretsmanager:DescribeSecret", PORTAL, {"secretsmanager:ResourceTag/ServerName": "ServerABC"}),
            no(DANA, "secretsmanager:DescribeSecret", PORTAL, {"secretsmanager:ResourceTag/ServerName": "ServerABD"}),
            no(DANA, "secretsmanager:DescribeSecret", PORTAL),
        ),
    ),
    Example(
        SECRETS,
        "an account's roles read the secrets that have their own tag; the variable is written with blanks inside",
        {
            "resource": document(
                allow(
                    "secretsmanager:GetSecretValue",
                    Principal={"AWS": HOME},
                    Condition={
                        "StringEquals": {"aws:ResourceTag/AccessProject": "${ aws:PrincipalTag/AccessProject }"}
                    },
                )
            ),
            "identity": [document(allow("s3:*"))],
        },
        (
            yes(
                session("reader", tags={"AccessProject": "peg"}),
                "secretsmanager:GetSecretValue",
                PORTAL,
                {"aws:ResourceTag/AccessProject": "peg"},
                given=ABROAD,
            ),
            no(
                session("reader", account=FAR, tags={"AccessProject": "uni"}),
                "secretsmanager:GetSecretValue",
                PORTAL,
                {"aws:ResourceTag/AccessProject": "peg"},
                given={
                    **ABROAD,
                    "resource": document(
                        allow(
                            "secretsmanager:GetSecretValue",
                            Principal={"AWS": FAR},
                            Condition={
                                "StringEquals": {"aws:ResourceTag/AccessProject": "${ aws:PrincipalTag/AccessProject }"}
                            },
                        )
                    ),
                },
            ),
            yes(
                session("reader", account=FAR, tags={"AccessProject": "peg"}),
                "secretsmanager:GetSecretValue",
                PORTAL,
                {"aws:ResourceTag/AccessProject": "peg"},
                given={
                    **ABROAD,
                    "resource": document(
                        allow(
                            "secretsmanager:GetSecretValue",
                            Principal={"AWS": FAR},
                            Condition={
                                "StringEquals": {"aws:ResourceTag/AccessProject": "${ aws:PrincipalTag/AccessProject }"}
                            },
                        )
                    ),
                },
            ),
        ),
    ),
    Example(
        "Secrets Manager user guide: Access AWS Secrets Manager secrets from a different account",
        "both policies must allow, and only operations that Secrets Manager offers abroad",
        {
            "resource": document(allow("secretsmanager:*", Principal={"AWS": f"arn:aws:iam::{FAR}:role/application"})),
            **ABROAD,
        },
        (
            yes(session("application", account=FAR), "secretsmanager:GetSecretValue", PORTAL),
            no(
                session("application", account=FAR),
                "secretsmanager:GetSecretValue",
                PORTAL,
                given={"identity": [document(allow("s3:*"))]},
            ),
            no(session("other", account=FAR), "secretsmanager:GetSecretValue", PORTAL),
            no(
                session("application", account=FAR),
                "secretsmanager:CreateSecret",
                PORTAL,
                twice="the service offers it to the secret's account alone",
            ),
        ),
    ),
]

VAULT = f"arn:aws:backup:us-west-2:{HOME}:backup-vault:vaulted"
BACKUP = "AWS Backup developer guide: Vault access policies"
OF_VAULTS = [
    Example(
        BACKUP,
        "recovery points stay whatever identity policies allow; from other accounts only copies come in",
        {
            "resource": document(
                deny("backup:DeleteRecoveryPoint", Principal="*"),
                allow(["backup:CopyIntoBackupVault", "backup:StartRestoreJob"], Principal={"AWS": FAR}),
            ),
            **ABROAD,
        },
        (
            no(DANA, "backup:DeleteRecoveryPoint", VAULT),
            yes(DANA, "backup:StartBackupJob", VAULT),
            yes(CARLA, "backup:CopyIntoBackupVault", VAULT),
            no(CARLA, "backup:StartRestoreJob", VAULT, twice="the service offers it to the vault's account alone"),
            no(user("eve", VENDOR), "backup:CopyIntoBackupVault", VAULT),
        ),
    ),
    Example(
        "AWS re:Post knowledge center: Assign policies to AWS Backup vaults",
        "recovery points are deleted by the sessions of one role alone",
        {
            "resource": document(
                deny(
                    "backup:DeleteRecoveryPoint",
                    Principal="*",
                    Condition={"StringNotLike": {"aws:userId": ["AROAEXAMPLEKEEPER0001:*", HOME]}},
                )
            ),
            **ABROAD,
        },
        (
            yes(session("lock-keeper", user_id="AROAEXAMPLEKEEPER0001:run-1"), "backup:DeleteRecoveryPoint", VAULT),
            no(session("operator", user_id="AROAEXAMPLEOPERATOR01:run-1"), "backup:DeleteRecoveryPoint", VAULT),
        ),
    ),
]

EXAMPLES = [*OF_SECRETS, *OF_VAULTS]
