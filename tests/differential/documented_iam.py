"""Examples of the IAM user guide: how policies of all kinds are evaluated together, and whom they name."""

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
    root,
    session,
    user,
    yes,
)

from strongroom.authorization import Principal

DANA, BO, ABROAD = user("dana"), user("bo"), user("carla", FAR)
RESTORER = session("restorer")
ROLE = f"arn:aws:iam::{HOME}:role/restorer"
HERE = {"owner": HOME}
SCAN = "arn:aws:s3:::scans/7.dcm"
NOTHING = document(allow("iam:ListUsers"))
READS = document(allow("s3:GetObject", "arn:aws:s3:::scans/*"))
GUIDE = "IAM user guide: "


def to(*principals: str) -> dict[str, object]:
    """A bucket policy that lets principals read."""
    return document(allow("s3:GetObject", "arn:aws:s3:::scans/*", Principal={"AWS": list(principals)}))


def federated(name: str, by: str = "token-app") -> Principal:
    """A session of GetFederationToken, and the user who asked for it."""
    maker = f"arn:aws:iam::{HOME}:user/{by}"
    return Principal(f"arn:aws:sts::{HOME}:federated-user/{name}", HOME, "federated-user", federated_by=maker)


OWN = ["arn:aws:s3:::dana", "arn:aws:s3:::dana/*"]
OF_DANA = document(
    allow(["s3:GetBucketLocation", "s3:ListAllMyBuckets"], "arn:aws:s3:::*"),
    allow("s3:*", OWN),
    deny("s3:*", "arn:aws:s3:::*log*"),
)
OF_CARLA = document(
    allow("s3:ListAllMyBuckets"),
    allow("s3:*Object*", "arn:aws:s3:::Production/*"),
    deny("s3:*", ["arn:aws:s3:::*log*", "arn:aws:s3:::*log*/*"]),
)
PRODUCTION = document(
    allow(["s3:GetObject*", "s3:PutObject*"], "arn:aws:s3:::Production/*", Principal={"AWS": ABROAD.arn})
)

EVALUATION = [
    Example(
        f"{GUIDE}Policy evaluation logic",
        "a user writes to their own bucket and not to a bucket of logs, whatever that bucket's policy says",
        {"identity": [OF_DANA]},
        (
            yes(DANA, "s3:PutObject", "arn:aws:s3:::dana/notes", **HERE),
            no(
                DANA,
                "s3:PutObject",
                "arn:aws:s3:::dana-logs/notes",
                **HERE,
                given={"resource": document(allow("s3:*", "arn:aws:s3:::dana-logs/*", Principal={"AWS": DANA.arn}))},
            ),
        ),
    ),
    Example(
        f"{GUIDE}Policy evaluation logic",
        "within an account the bucket's policy is enough by itself for whom it names",
        {"resource": to(DANA.arn)},
        (yes(DANA, "s3:GetObject", SCAN, **HERE), no(BO, "s3:GetObject", SCAN, **HERE)),
    ),
    Example(
        f"{GUIDE}Policy evaluation logic",
        "what is allowed nowhere is denied; what is denied stays denied when another policy allows it",
        {"identity": [document(allow(["iam:Get*", "iam:List*"]), deny("iam:*Report")), document(allow("iam:Gen*"))]},
        (
            yes(DANA, "iam:GetUser", BO.arn),
            no(DANA, "iam:CreatePolicy", f"arn:aws:iam::{HOME}:policy/p"),
            no(DANA, "iam:GenerateCredentialReport"),
            no(DANA, "iam:GetOrganizationsAccessReport"),
        ),
    ),
    Example(
        f"{GUIDE}Policy evaluation logic",
        "a grant to a role's ARN is limited by silence of boundary and session policy, one to a session is not",
        {"resource": to(ROLE)},
        (
            yes(RESTORER, "s3:GetObject", SCAN, **HERE),
            no(RESTORER, "s3:GetObject", SCAN, **HERE, given={"boundary": NOTHING}),
            no(RESTORER, "s3:GetObject", SCAN, **HERE, given={"session": [NOTHING]}),
            yes(
                RESTORER,
                "s3:GetObject",
                SCAN,
                **HERE,
                given={"resource": to(RESTORER.arn), "boundary": NOTHING, "session": [NOTHING]},
            ),
        ),
    ),
    Example(
        f"{GUIDE}Policy evaluation logic",
        "a grant to a user's ARN is not limited by the user's boundary; it limits federated sessions of the user",
        {"resource": to(f"arn:aws:iam::{HOME}:user/token-app"), "boundary": NOTHING},
        (
            yes(user("token-app"), "s3:GetObject", SCAN, **HERE),
            no(federated("bo"), "s3:GetObject", SCAN, **HERE, given={"session": [READS]}),
            no(federated("bo"), "s3:GetObject", SCAN, **HERE, given={"boundary": READS, "session": [NOTHING]}),
            yes(
                federated("bo"),
                "s3:GetObject",
                SCAN,
                **HERE,
                given={"resource": to(f"arn:aws:sts::{HOME}:federated-user/bo"), "session": [NOTHING]},
            ),
        ),
    ),
    Example(
        f"{GUIDE}Policy evaluation logic",
        "a role session without session policy has the role's permissions, a federated user's session none",
        {"identity": [READS]},
        (
            yes(RESTORER, "s3:GetObject", SCAN, **HERE),
            no(RESTORER, "s3:GetObject", SCAN, **HERE, given={"session": [NOTHING]}),
            no(federated("bo"), "s3:GetObject", SCAN, **HERE, twice="a session policy is missing, none can be widened"),
            yes(federated("bo"), "s3:GetObject", SCAN, **HERE, given={"session": [READS]}),
        ),
    ),
    Example(
        f"{GUIDE}Cross-account policy evaluation logic",
        "both accounts must allow: the user's policy and the bucket's",
        {"identity": [OF_CARLA], "resource": PRODUCTION},
        (
            yes(ABROAD, "s3:PutObject", "arn:aws:s3:::Production/file", **HERE),
            no(ABROAD, "s3:DeleteObject", "arn:aws:s3:::Production/file", **HERE),
            no(ABROAD, "s3:PutBucketVersioning", "arn:aws:s3:::Production", **HERE, twice="neither account allows it"),
            no(
                ABROAD,
                "s3:PutObject",
                "arn:aws:s3:::Production-logs/file",
                **HERE,
                given={"resource": document(allow("s3:*", "arn:aws:s3:::Production-logs/*", Principal={"AWS": FAR}))},
            ),
            no(user("eve", FAR), "s3:PutObject", "arn:aws:s3:::Production/file", **HERE),
            no(ABROAD, "s3:PutObject", "arn:aws:s3:::Production/file", **HERE, given={"identity": [NOTHING]}),
        ),
    ),
    Example(
        f"{GUIDE}Policies and permissions in IAM",
        "three statements, the third only with MFA",
        {
            "identity": [
                document(
                    allow("iam:ChangePassword"),
                    allow("s3:ListAllMyBuckets"),
                    allow(
                        ["s3:List*", "s3:Get*"],
                        ["arn:aws:s3:::confidential", "arn:aws:s3:::confidential/*"],
                        Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}},
                    ),
                )
            ]
        },
        (
            yes(DANA, "iam:ChangePassword", DANA.arn),
            yes(DANA, "s3:GetObject", "arn:aws:s3:::confidential/x", {"aws:MultiFactorAuthPresent": True}, **HERE),
            no(DANA, "s3:GetObject", "arn:aws:s3:::confidential/x", {"aws:MultiFactorAuthPresent": False}, **HERE),
            no(DANA, "s3:GetObject", "arn:aws:s3:::confidential/x", **HERE),
            no(DANA, "s3:PutObject", "arn:aws:s3:::confidential/x", {"aws:MultiFactorAuthPresent": True}, **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Policies and permissions in IAM",
        "a bucket policy that trusts the account leaves it to the policies of its users; SCPs bind the root user",
        {"resource": to(f"arn:aws:iam::{HOME}:root"), "identity": [READS], "scps": [[FULL_ACCESS]]},
        (
            yes(DANA, "s3:GetObject", SCAN, **HERE),
            no(DANA, "s3:GetObject", SCAN, **HERE, given={"identity": [NOTHING]}),
            yes(root(), "s3:GetObject", SCAN, **HERE),
            no(root(), "s3:GetObject", SCAN, **HERE, given={"scps": [[FULL_ACCESS, document(deny("s3:*"))]]}),
        ),
    ),
]

BOUNDARY = f"arn:aws:iam::{HOME}:policy/clinic-boundary"
OF_NEW_USERS = document(
    allow(["s3:*", "cloudwatch:*", "ec2:*", "dynamodb:*"]),
    allow(["iam:*AccessKey*", "iam:ChangePassword", "iam:GetUser"], ["arn:aws:iam::*:user/${aws:username}"]),
    deny("s3:*", ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]),
    deny("ec2:*", "arn:aws:ec2:*:*:instance/i-1234567890abcdef0"),
)
OF_DELEGATE = document(
    allow(
        ["iam:CreateUser", "iam:AttachUserPolicy", "iam:PutUserPermissionsBoundary"],
        Condition={"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}},
    ),
    allow(["cloudwatch:*", "iam:GetUser", "iam:DeleteUser", "iam:CreatePolicy", "iam:DeletePolicy"]),
    deny(["iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:SetDefaultPolicyVersion"], BOUNDARY),
    deny("iam:DeleteUserPermissionsBoundary"),
)
DELEGATE = {
    "boundary": OF_DELEGATE,
    "identity": [document(allow("iam:*"), allow("cloudwatch:GetDashboard"), allow("s3:ListBucket", "arn:aws:s3:::z"))],
}
NEW = user("nikita")
OF_NEW = {"boundary": OF_NEW_USERS, "identity": [document(allow("iam:*"), allow(["s3:Get*", "s3:List*"]))]}
INSTANCE = f"arn:aws:ec2:us-east-1:{HOME}:instance/i-1234567890abcdef0"
SECRET = f"arn:aws:secretsmanager:us-east-1:{HOME}:secret:portal-a1b2c3"

BOUNDARIES = [
    Example(
        f"{GUIDE}Permissions boundaries for IAM entities",
        "a boundary limits what a policy gives and gives nothing itself",
        {
            "boundary": document(allow(["s3:*", "cloudwatch:*", "ec2:*"])),
            "identity": [document(allow("iam:CreateUser"))],
        },
        (
            no(DANA, "iam:CreateUser", BO.arn),
            no(DANA, "ec2:RunInstances"),
            yes(DANA, "ec2:RunInstances", given={"identity": [document(allow("ec2:*"))]}),
            yes(DANA, "iam:CreateUser", BO.arn, given={"boundary": document(allow(["s3:*", "iam:CreateUser"]))}),
        ),
    ),
    Example(
        f"{GUIDE}Permissions boundaries for IAM entities",
        "the delegate makes users only under the given boundary, and changes neither it nor anybody's",
        DELEGATE,
        (
            no(DANA, "iam:CreateUser", NEW.arn),
            yes(DANA, "iam:CreateUser", NEW.arn, {"iam:PermissionsBoundary": BOUNDARY}),
            no(DANA, "iam:CreateUser", NEW.arn, {"iam:PermissionsBoundary": f"arn:aws:iam::{HOME}:policy/other"}),
            no(DANA, "iam:DeleteUserPermissionsBoundary", NEW.arn),
            no(DANA, "iam:DeletePolicy", BOUNDARY),
            yes(DANA, "iam:DeletePolicy", f"arn:aws:iam::{HOME}:policy/other"),
            no(DANA, "iam:CreateRole", ROLE),
            yes(DANA, "cloudwatch:GetDashboard"),
            no(DANA, "cloudwatch:DeleteAlarms"),
            no(DANA, "s3:ListBucket", "arn:aws:s3:::z", **HERE),
        ),
    ),
    Example(
        f"{GUIDE}Permissions boundaries for IAM entities",
        "the new user looks after their own credentials, never reads the logs, and reads a secret that names them",
        OF_NEW,
        (
            yes(NEW, "iam:ChangePassword", NEW.arn),
            no(NEW, "iam:ChangePassword", DANA.arn),
            no(NEW, "iam:CreateUser", BO.arn),
            yes(NEW, "s3:GetObject", SCAN, **HERE),
            no(NEW, "s3:GetObject", "arn:aws:s3:::logs/today", **HERE),
            no(
                NEW,
                "ec2:StopInstances",
                INSTANCE,
                given={"resource": document(allow("ec2:StopInstances", INSTANCE, Principal={"AWS": NEW.arn}))},
            ),
            yes(
                NEW,
                "secretsmanager:GetSecretValue",
                SECRET,
                given={"resource": document(allow("secretsmanager:GetSecretValue", Principal={"AWS": NEW.arn}))},
            ),
        ),
    ),
]

EXAMPLES = [*EVALUATION, *BOUNDARIES]
