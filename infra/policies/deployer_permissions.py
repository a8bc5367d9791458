"""Identity policies and the permission boundary of the deployers: each layer's resources, no use of keys, no duty.

A deployer of one layer cannot touch another layer's part of the manifest, and none can assume a duty's role, use a key
outside the services that store what it deploys, or read what the stores hold.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.policies.document import Conditions, Document, Statement, allow, deny, document
from infra.policies.duty_permissions import s3_copies
from infra.policies.service_permissions import job_family
from strongroom.estate import duties, keyring, names
from strongroom.estate.model import Estate

BUCKET = (
    "s3:CreateBucket", "s3:DeleteBucket", "s3:ListBucket", "s3:GetBucket*", "s3:PutBucketVersioning",
    "s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging",
    "s3:PutBucketObjectLockConfiguration", "s3:PutEncryptionConfiguration", "s3:GetEncryptionConfiguration",
    "s3:PutLifecycleConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration",
    "s3:GetAccelerateConfiguration", "s3:PutBucketOwnershipControls",
)  # fmt: skip
ROLE = (
    "iam:DeleteRole", "iam:GetRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:TagRole", "iam:UntagRole",
    "iam:ListRoleTags", "iam:UpdateAssumeRolePolicy", "iam:GetRolePolicy", "iam:ListRolePolicies",
    "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
)  # fmt: skip
PERMIT = ("iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy")
#: what uses a key; everything here passes only through a service that stores what the deployer writes
USE = (
    "kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:Sign", "kms:GenerateMac",
    "kms:VerifyMac", "kms:DeriveSharedSecret",
)  # fmt: skip


def deployer_policy(estate: Estate, account: str, layer: str) -> Document:
    """What the deployer of a layer may do in an account."""
    layers = {"access": _access, "audit": _audit, "keys": _keys, "data": _data, "backup": _backup, "jobs": _jobs}
    own = (*_own_manifest_part(estate, layer), *_own_state(estate, account, layer))
    return document([*own, *layers[layer](estate, account)])


def boundary(estate: Estate) -> Document:
    """The ceiling of every deployer, whatever its policy says."""
    roles = f"arn:aws:iam::*:role{names.role_path(estate)}"
    services = [f"{s}.{r}.amazonaws.com" for s in ("s3", "secretsmanager") for r in _regions(estate)]
    buckets = [names.store_name(estate, name) for name in estate.created("bucket")]
    buckets += [names.copy_bucket(estate, name, copy) for _, name, copy in s3_copies(estate)]
    data = [names.bucket_arn(bucket, "*") for bucket in [*buckets, names.evidence_bucket(estate)]]
    kit = ("iam", "s3", "kms", "rds", "ec2", "sqs", "secretsmanager", "logs", "ecs", "scheduler", "tag")
    return document(
        [
            allow("KitServices", [f"{service}:*" for service in kit]),
            deny("NoUseOfKeys", USE, when={"StringNotEquals": {"kms:ViaService": services}, **_but_state(estate)}),
            deny("NoKeyLoss", ("kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:DeleteImportedKeyMaterial")),
            deny(
                "NoLockout",
                ("kms:CreateKey", "kms:PutKeyPolicy"),
                when={"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}},
            ),
            deny("NoDuty", ("sts:AssumeRole",), [f"{roles}*"]),
            deny("NoIdentities", ("iam:CreateUser", "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:*Group*")),
            deny(
                "NoDeployerChange",
                ("iam:CreateRole", "iam:DeleteRole*", "iam:Update*", "iam:PutRolePolicy", "iam:Attach*"),
                [f"{roles}deployer.*"],
            ),
            deny(
                "NoBoundaryChange",
                ("iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary", "iam:CreatePolicyVersion",
                 "iam:DeletePolicy", "iam:SetDefaultPolicyVersion"),
            ),
            deny("NoDataRead", ("s3:GetObjectVersion", "s3:GetObjectTorrent", "s3:DeleteObjectVersion"), data),
            deny("NoLockBypass", ("s3:BypassGovernanceRetention",)),
            *_no_state_alias(estate),
        ]
    )  # fmt: skip


def _regions(estate: Estate) -> list[str]:
    return list(dict.fromkeys(region for account in estate.accounts.values() for region in account.regions))


def _own_manifest_part(estate: Estate, layer: str) -> Iterator[Statement]:
    bucket = names.manifest_bucket(estate)
    part = names.bucket_arn(bucket, names.manifest_object(estate, layer))
    # DeleteObject only hides a version behind a marker: the bucket keeps what was
    actions = ("s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject")
    yield allow("OwnManifestPart", actions, [part])
    region = estate.accounts["workload"].region
    yield allow(
        "OwnManifestPartSealed",
        ("kms:GenerateDataKey", "kms:Decrypt"),
        [names.keys_of_account(estate, "workload")],
        when={
            "StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"},
            "ArnLike": {"kms:EncryptionContext:aws:s3:arn": [names.bucket_arn(bucket), part]},
        },
    )


def _but_state(estate: Estate) -> Conditions:
    """Lets the secrets of Pulumi's state be sealed; without an alias the test holds and the Deny fires."""
    if not estate.bootstrap.state_bucket:
        return {}
    state = names.alias(estate, keyring.state_key("*"))
    return {"ForAllValues:StringNotLike": {"kms:ResourceAliases": state}}


def _no_state_alias(estate: Estate) -> Iterator[Statement]:
    """Keeps the name by which `_but_state` knows a key from being given to any other key."""
    if estate.bootstrap.state_bucket:
        state = f"arn:aws:kms:*:*:{names.alias(estate, keyring.state_key('*'))}"
        yield deny("NoStateAlias", ("kms:CreateAlias", "kms:UpdateAlias"), [state])


def _own_state(estate: Estate, account: str, layer: str) -> Iterator[Statement]:
    if not estate.bootstrap.state_bucket:
        return
    bucket = names.state_bucket(estate)
    objects = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
    yield allow("OwnState", objects, [names.bucket_arn(bucket, layer, "*")])
    under = {"StringLike": {"s3:prefix": [f"{layer}/*"]}}
    yield allow("OwnStateList", ("s3:ListBucket",), [names.bucket_arn(bucket)], when=under)
    if account != "workload":
        seal = ("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey")
        yield allow("OwnStateSeal", seal, [names.keys_of_account(estate, "workload")])


def _makes_keys(estate: Estate, account: str) -> Iterator[Statement]:
    region = estate.accounts[account].region  # type: ignore[index]
    aliases = f"arn:aws:kms:{region}:{names.account_id(estate, account)}:{names.alias(estate, '*')}"
    yield allow("KeysCreate", ("kms:CreateKey", "kms:TagResource"))
    yield allow("AliasesList", ("kms:ListAliases",))
    yield allow("AliasesName", ("kms:CreateAlias", "kms:UpdateAlias"), [aliases])


def _access(estate: Estate, account: str) -> Iterator[Statement]:
    roles = f"arn:aws:iam::{names.account_id(estate, account)}:role{names.role_path(estate)}*"
    yield allow("DutyRoles", ROLE, [roles])
    # a role without the ceiling, or with permissions beyond it, would be anything its maker likes
    under = {"StringEquals": {"iam:PermissionsBoundary": names.duty_boundary_arn(estate, account)}}
    yield allow("DutyRolesUnderTheirBoundary", PERMIT, [roles], when=under)


def _audit(estate: Estate, account: str) -> Iterator[Statement]:
    yield from _makes_keys(estate, account)
    yield allow("EvidenceBucket", BUCKET, [names.bucket_arn(names.evidence_bucket(estate))])


def _keys(estate: Estate, account: str) -> Iterator[Statement]:
    yield from _makes_keys(estate, account)


def _data(estate: Estate, _account: str) -> Iterator[Statement]:
    region, number = estate.accounts["workload"].region, estate.accounts["workload"].id
    prefix = names.prefix(estate)
    yield allow("AliasesList", ("kms:ListAliases",))
    if buckets := [names.store_name(estate, name) for name in estate.created("bucket")]:
        yield allow("DataBuckets", BUCKET, [names.bucket_arn(bucket) for bucket in buckets])
    if estate.created("queue"):
        attributes = (
            "CreateQueue",
            "DeleteQueue",
            "GetQueueAttributes",
            "SetQueueAttributes",
            "GetQueueUrl",
            "TagQueue",
            "UntagQueue",
            "ListQueueTags",
        )
        yield allow("Queues", [f"sqs:{a}" for a in attributes], [f"arn:aws:sqs:{region}:{number}:{prefix}-*"])
    if estate.created("postgres"):
        rds = (
            "CreateDBInstance", "ModifyDBInstance", "DeleteDBInstance", "CreateDBSubnetGroup", "ModifyDBSubnetGroup",
            "DeleteDBSubnetGroup", "CreateDBParameterGroup", "ModifyDBParameterGroup", "DeleteDBParameterGroup",
            "AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource", "RebootDBInstance",
        )  # fmt: skip
        kinds = ("db", "subgrp", "pg", "og")
        owned = [f"arn:aws:rds:{region}:{number}:{kind}:{prefix}-*" for kind in kinds]
        yield allow("Databases", [f"rds:{action}" for action in rds], owned)
        yield allow("DatabasesDescribe", ("rds:Describe*",))
        network = (
            "CreateVpc", "DeleteVpc", "ModifyVpcAttribute", "CreateSubnet", "DeleteSubnet", "ModifySubnetAttribute",
            "CreateSecurityGroup", "DeleteSecurityGroup", "AuthorizeSecurityGroupIngress",
            "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", "CreateTags",
            "DeleteTags", "Describe*",
        )  # fmt: skip
        yield allow("PrivateNetwork", [f"ec2:{action}" for action in network])
        secrets = f"arn:aws:secretsmanager:{region}:{number}:secret:rds!db-*"
        master = ("CreateSecret", "TagResource", "DescribeSecret", "GetSecretValue")
        yield allow("MasterSecret", [f"secretsmanager:{action}" for action in master], [secrets])


def _backup(estate: Estate, account: str) -> Iterator[Statement]:
    if account == "backup":
        yield from _makes_keys(estate, account)
    data = [names.copy_bucket(estate, name, copy) for _, name, copy in s3_copies(estate, account)]
    control = [names.copy_control_bucket(estate, name, copy) for _, name, copy in s3_copies(estate, account)]
    if not data:
        return
    yield allow("RepositoryBuckets", BUCKET, [names.bucket_arn(bucket) for bucket in [*data, *control]])
    fixed = [names.bucket_arn(bucket, key) for bucket in data for key in ("format.json", "tools/*")]
    objects = ("s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging")
    yield allow("FormatAndReader", objects, fixed)


def _jobs(estate: Estate, _account: str) -> Iterator[Statement]:
    region, number = estate.accounts["workload"].region, estate.accounts["workload"].id
    prefix = names.prefix(estate)
    yield allow("AliasesList", ("kms:ListAliases",))
    group = names.log_group_arn(estate)
    logs = (
        "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:AssociateKmsKey",
        "logs:TagResource", "logs:UntagResource", "logs:ListTagsForResource",
    )  # fmt: skip
    yield allow("JobLogs", logs, [group, f"{group}:*"])
    seen = ("logs:DescribeLogGroups", "ecs:DescribeClusters", "ecs:DescribeTaskDefinition")
    yield allow("Describe", (*seen, "ecs:DeregisterTaskDefinition"))
    ecs = f"arn:aws:ecs:{region}:{number}"
    yield allow(
        "JobCluster",
        ("ecs:CreateCluster", "ecs:DeleteCluster", "ecs:UpdateCluster", "ecs:TagResource"),
        [f"{ecs}:cluster/{prefix}-jobs"],
    )
    tasks = ("ecs:RegisterTaskDefinition", "ecs:TagResource")
    yield allow("JobTasks", tasks, [f"{ecs}:task-definition/{job_family(estate)}:*"])
    scheduler = f"arn:aws:scheduler:{region}:{number}"
    schedules = [f"{scheduler}:schedule-group/{prefix}", f"{scheduler}:schedule/{prefix}/*"]
    yield allow(
        "Schedules",
        [f"scheduler:{a}" for a in ("Create*", "Update*", "Delete*", "Get*", "List*", "TagResource")],
        schedules,
    )
    passed = [names.role_arn(estate, "workload", duty) for duty in duties.SERVICES]
    yield allow(
        "ServiceRolesPass",
        ("iam:PassRole",),
        passed,
        when={"StringEquals": {"iam:PassedToService": list(duties.SERVICES.values())}},
    )
