"""What services of AWS are known to do beyond their policies: tables that search, checker and evaluator read alike."""

from __future__ import annotations

#: The services on whose resources resource control policies have effect; on any other they have none (Organizations
#: user guide, "Resource control policies", the list of 2024: later additions are left out, which can only refute).
UNDER_RCPS = frozenset({"s3", "sts", "kms", "sqs", "secretsmanager"})

#: The services that take requests without credentials; all others refuse them unseen.
WITHOUT_CREDENTIALS = frozenset({"s3", "sqs", "sns"})

#: Requests that carry `iam:PermissionsBoundary` (service authorization reference, IAM): of the boundary that a new
#: identity gets or the target has. Other requests lack the key.
FENCED = frozenset(
    f"iam:{action}".lower()
    for action in (
        "CreateRole",
        "CreateUser",
        "PutRolePolicy",
        "PutUserPolicy",
        "AttachRolePolicy",
        "AttachUserPolicy",
        "DetachRolePolicy",
        "DetachUserPolicy",
        "DeleteRolePolicy",
        "DeleteUserPolicy",
        "PutRolePermissionsBoundary",
        "PutUserPermissionsBoundary",
        "DeleteRolePermissionsBoundary",
        "DeleteUserPermissionsBoundary",
    )
)

#: KMS requests that carry `kms:GrantIsForAWSResource` (KMS developer guide, "AWS KMS condition keys").
ABOUT_GRANTS = frozenset({"kms:creategrant", "kms:listgrants", "kms:revokegrant"})

#: What an account's root user may do to its own resources whatever their policy denies (S3 API, "PutBucketPolicy"; IAM
#: user guide, "Perform a privileged task", which unlocks queues in the same way).
UNLOCKS = frozenset({"s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy", "sqs:setqueueattributes"})

#: kind of store -> (service between it and its key, actions on the store that make the service use the key).
THROUGH: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "bucket": (
        "s3",
        {"kms:Decrypt": ("s3:GetObject", "s3:GetObjectVersion"), "kms:GenerateDataKey": ("s3:PutObject",)},
    ),
    "queue": ("sqs", {"kms:Decrypt": ("sqs:ReceiveMessage",), "kms:GenerateDataKey": ("sqs:SendMessage",)}),
    "topic": ("sns", {"kms:GenerateDataKey": ("sns:Publish",)}),
    "secret": (
        "secretsmanager",
        {"kms:Decrypt": ("secretsmanager:GetSecretValue",), "kms:GenerateDataKey": ("secretsmanager:PutSecretValue",)},
    ),
}
#: What somebody else can be let in to beside the policy: by access control lists (S3 user guide, "Access control list
#: overview"), by AddPermission.
SHARED = (
    *(
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucket",
        "s3:ListBucketVersions",
    ),
    *("s3:GetObjectAcl", "s3:PutObjectAcl", "s3:GetBucketAcl", "s3:PutBucketAcl", "sqs:*", "sns:*"),
)
#: Reading that gives nothing without the key under which the resource is encrypted, if it is a customer's.
SEALED = frozenset(
    {
        "secretsmanager:getsecretvalue",
        "ssm:getparameter",
        "ssm:getparameters",
        "ssm:getparametersbypath",
        "ssm:getparameterhistory",
        "s3:getobject",
    }
)
#: The store kinds that there are; recovery points of a vault and images of a repository count as the store itself.
STORES = frozenset({*THROUGH, "images", "vault"})

#: Object actions of S3 whose name does not say so.
_OF_OBJECTS = frozenset({"bypassgovernanceretention", "abortmultipartupload", "listmultipartuploadparts"})


def of_objects(action: str) -> bool:
    """Whether an action of S3 names objects and not buckets (service authorization reference, S3)."""
    name = action.lower().removeprefix("s3:")
    return name in _OF_OBJECTS or ("object" in name and "bucket" not in name) or name.startswith("replicate")


def suits(action: str, arn: str) -> bool:
    """Whether a request for an action can name a resource: the service is the same, and with S3 the level."""
    service = arn.split(":")[2] if arn.count(":") >= 2 else ""
    if action.lower().partition(":")[0] != service:
        return False
    return service != "s3" or "/" not in arn or of_objects(action)
