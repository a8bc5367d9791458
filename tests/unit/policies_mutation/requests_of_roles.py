"""Requests on roles, services and queues; those that only a boundary refuses or only identity policies decide."""

from __future__ import annotations

from collections.abc import Iterator

from asked_principals import (
    ADMIN,
    APP,
    AUDITOR,
    AUDITORS,
    CONTENT,
    DATA,
    DEPLOYERS,
    EVIDENCE,
    EVIDENCE_AUDITOR,
    FAR_AUDITOR,
    FAR_RESTORER,
    IMAGES,
    JOBS,
    KEYS,
    MANIFEST,
    MATCHING,
    NEW,
    PEOPLE,
    PRIMARY,
    READERS,
    REENCRYPTOR,
    RESTORER,
    ROLES,
    ROTATOR,
    SIGNERS,
    WRITER,
    row,
    via,
)
from mutated_estate import ACCOUNTS, ESTATE, QUEUES, STRANGER, Row, queue_arn
from requests_of_buckets import s3

from strongroom.estate import duties, names


def on_queues() -> Iterator[Row]:
    arn = queue_arn(QUEUES[0])
    outsiders = ("stranger", "anonymous", "admin/workload")
    for queue in QUEUES:
        boss, where = ("admin/workload",), queue_arn(queue)
        policy = {"document": f"queue {queue}"}
        yield row("sqs:SendMessage", where, boss, boss, **policy)
        yield row("sqs:SendMessage", where, (), boss, context={"aws:SecureTransport": False}, **policy)
        yield row("sqs:SendMessage", where, boss, outsiders, **policy)
        yield row("sqs:SetQueueAttributes", where, (DATA,), PEOPLE, **policy)
        yield row("sqs:PurgeQueue", where, (), PEOPLE, **policy)
    yield row("sqs:SendMessage", arn, (APP,), PEOPLE, document=f"queue {QUEUES[0]}")
    yield row("sqs:ReceiveMessage", queue_arn("other"), (), PEOPLE)
    yield row("sqs:CreateQueue", queue_arn("other"), (), PEOPLE)
    yield row("sqs:PurgeQueue", queue_arn("other"), (), PEOPLE)


def on_trust() -> Iterator[Row]:
    users = ("user:deployer", "user:bootstrap-admin", *(f"user:runner.{duty}" for duty in duties.HOMES), "stranger")
    for who in ROLES:
        account, _, duty = who.partition("/")
        role, document = names.role_arn(ESTATE, account, duty), f"trust {who}"
        if duty in duties.SERVICES:
            service = f"service:{duties.SERVICES[duty]}"
            among = tuple(f"service:{s}" for s in (*duties.SERVICES.values(), "lambda.amazonaws.com"))
            ours = {"aws:SourceAccount": ACCOUNTS["workload"]}
            yield row("sts:AssumeRole", role, (service,), (*among, *users), context=ours, document=document)
            yield row("sts:AssumeRole", role, (), among, context={"aws:SourceAccount": STRANGER}, document=document)
            yield row("sts:TagSession", role, (), among, context=ours, document=document)
            continue
        holder = "user:deployer" if duty.startswith("deployer.") else f"user:runner.{duty}"
        yield row("sts:AssumeRole", role, (holder,), (*users, "admin/workload"), document=document)
        yield row("sts:TagSession", role, (), users, document=document)


def by_deployers() -> Iterator[Row]:
    number, region = ACCOUNTS["workload"], "us-east-1"
    for account, other in ((a, n) for a, n in ACCOUNTS.items()):
        mine, base = f"{account}/deployer.access", f"arn:aws:iam::{other}:role/strongroom/dev"
        reader, limit = f"{account}/auditor", {"iam:PermissionsBoundary": names.duty_boundary_arn(ESTATE, account)}
        for action in ("CreateRole", "PutRolePolicy"):
            yield row(f"iam:{action}", f"{base}/application", (mine,), context=limit)
            yield row(f"iam:{action}", f"{base}/application")
            wider = {"iam:PermissionsBoundary": names.boundary_arn(ESTATE, account)}
            yield row(f"iam:{action}", f"{base}/application", context=wider)
            yield row(f"iam:{action}", f"arn:aws:iam::{other}:role/other", context=limit)
            yield row(f"iam:{action}", f"{base}/deployer.keys", context=limit)
        yield row("iam:UpdateAssumeRolePolicy", f"{base}/application", (mine,))
        yield row("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{other}:role/other")
        yield row("iam:AttachRolePolicy", f"{base}/application")
        yield row("iam:AttachRolePolicy", f"{base}/application", context=limit)
        yield row("iam:GetRole", f"{base}/deployer.keys", (mine, reader))
        yield row("iam:GetUser", f"arn:aws:iam::{other}:user/x", (reader,))
        yield row("iam:GenerateCredentialReport", f"arn:aws:iam::{other}:user/x")
    makers = {KEYS, "audit/deployer.audit", "backup/deployer.backup"}
    listers = makers | {ADMIN, ROTATOR, AUDITOR, FAR_AUDITOR, EVIDENCE_AUDITOR, DATA, JOBS}
    for action, may in (
        ("CreateKey", makers),
        ("ListAliases", listers),
        ("ListKeys", {ADMIN, ROTATOR, AUDITOR, FAR_AUDITOR, EVIDENCE_AUDITOR}),
        ("ConnectCustomKeyStore", ()),
    ):
        yield row(f"kms:{action}", "*", may)
    for account, owner in (("workload", KEYS), ("audit", "audit/deployer.audit"), ("backup", "backup/deployer.backup")):
        where = f"arn:aws:kms:{ESTATE.accounts[account].region}:{ACCOUNTS[account]}:alias"  # type: ignore[index]
        yield row("kms:UpdateAlias", f"{where}/strongroom/dev/x", (owner,))
        yield row("kms:UpdateAlias", f"{where}/other")
        yield row("kms:DeleteAlias", f"{where}/strongroom/dev/x")
    rds, logs, ecs = (f"arn:aws:{s}:{region}:{number}" for s in ("rds", "logs", "ecs"))
    jobs, tasks = f"{ecs}:cluster/strongroom-dev-jobs", f"{ecs}:task-definition/strongroom-dev-job:1"
    cluster = {"ecs:cluster": jobs}
    group, scheduler = names.log_group_arn(ESTATE), f"arn:aws:scheduler:{region}:{number}"
    secret = f"arn:aws:secretsmanager:{region}:{number}:secret"
    starter, puller = "workload/job-starter", "workload/task-starter"
    image = f"arn:aws:ecr:{region}:{number}:repository"
    for action, resource, may, *context in (
        ("rds:ModifyDBInstance", f"{rds}:db:strongroom-dev-portal", (DATA,)),
        ("rds:ModifyDBInstance", f"{rds}:db:other", ()),
        ("rds:CreateDBSnapshot", f"{rds}:db:strongroom-dev-portal", ()),
        ("rds:CreateDBSnapshot", f"{rds}:db:other", ()),
        ("rds:DescribeDBInstances", f"{rds}:db:other", (DATA, AUDITOR)),
        ("ec2:CreateVpc", "*", (DATA,)),
        ("ec2:RunInstances", "*", ()),
        ("secretsmanager:GetSecretValue", f"{secret}:rds!db-1", (DATA,)),
        ("secretsmanager:GetSecretValue", f"{secret}:other", ()),
        ("secretsmanager:PutSecretValue", f"{secret}:rds!db-1", ()),
        ("secretsmanager:ListSecrets", "*", AUDITORS),
        ("logs:CreateLogGroup", group, (JOBS,)),
        ("logs:CreateLogGroup", f"{logs}:log-group:other", ()),
        ("logs:GetLogEvents", f"{group}:log-stream:x", ()),
        ("logs:GetLogEvents", f"{logs}:log-group:other:log-stream:x", ()),
        ("logs:PutLogEvents", f"{group}:log-stream:x", (puller,)),
        ("logs:PutLogEvents", f"{logs}:log-group:other:log-stream:x", ()),
        ("logs:DescribeLogGroups", "*", (JOBS, *AUDITORS)),
        ("logs:FilterLogEvents", "*", ()),
        ("ecs:CreateCluster", jobs, (JOBS,)),
        ("ecs:CreateCluster", f"{ecs}:cluster/other", ()),
        ("ecs:UpdateClusterSettings", jobs, ()),
        ("ecs:RegisterTaskDefinition", tasks, (JOBS,)),
        ("ecs:RegisterTaskDefinition", f"{ecs}:task-definition/other:1", ()),
        ("ecs:ExecuteCommand", tasks, ()),
        ("ecs:ExecuteCommand", tasks, (), cluster),
        ("ecs:RunTask", tasks, (starter,), cluster),
        ("ecs:RunTask", tasks, (), {"ecs:cluster": f"{ecs}:cluster/other"}),
        ("ecs:RunTask", f"{ecs}:task-definition/other:1", (), cluster),
        ("scheduler:CreateSchedule", f"{scheduler}:schedule/strongroom-dev/x", (JOBS,)),
        ("scheduler:CreateSchedule", f"{scheduler}:schedule/other/x", ()),
        ("scheduler:UntagResource", f"{scheduler}:schedule/strongroom-dev/x", ()),
        ("secretsmanager:GetResourcePolicy", f"{secret}:other", (AUDITOR,)),
        ("sns:ListTopics", "*", AUDITORS),
        ("ecr:GetRepositoryPolicy", f"{image}/strongroom", (AUDITOR,)),
        ("backup:GetBackupVaultAccessPolicy", "*", AUDITORS),
        ("backup:StartRestoreJob", "*", ()),
        ("events:ListTargetsByRule", "*", AUDITORS),
        ("events:PutTargets", "*", ()),
        ("lambda:ListFunctions", "*", AUDITORS),
        ("lambda:GetFunction", "*", ()),
        ("codebuild:BatchGetProjects", "*", AUDITORS),
        ("cloudformation:DescribeStacks", "*", AUDITORS),
        ("states:DescribeStateMachine", "*", AUDITORS),
        ("ec2:DescribeInstances", "*", (DATA, *AUDITORS)),
        ("organizations:DescribePolicy", "*", AUDITORS),
        ("organizations:AttachPolicy", "*", ()),
        ("ssm:DescribeParameters", "*", AUDITORS),
        ("ssm:GetParameter", "*", ()),
        ("ecr:GetAuthorizationToken", "*", (puller,)),
        ("ecr:PutImage", "*", ()),
        ("ecr:BatchGetImage", f"{image}/strongroom", (puller,)),
        ("ecr:BatchGetImage", f"{image}/other", ()),
        ("ecr:PutImage", f"{image}/strongroom", ()),
    ):
        yield row(action, resource, may, context=dict(*context) if context else {})
    for duty, passed in (("restorer", ()), ("task-starter", (JOBS, starter)), ("job-starter", (JOBS,))):
        role, to = names.role_arn(ESTATE, "workload", duty), {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
        yield row("iam:PassRole", role, passed, context=to)
        yield row("iam:PassRole", role, context={"iam:PassedToService": "lambda.amazonaws.com"})
        yield row("iam:AttachRolePolicy", role, (), (JOBS, starter), context=to)


def under_ceilings() -> Iterator[Row]:
    """Principals whose own policy allows everything: only their boundary is left to refuse."""
    duty, deployer = (
        ("workload/application+", "backup/copier+"),
        ("workload/deployer.keys+", "workload/deployer.access+"),
    )
    role, far = names.role_arn(ESTATE, "workload", "restorer"), f"arn:aws:iam::{ACCOUNTS['workload']}:role/other"
    chief = names.role_arn(ESTATE, "workload", "deployer.keys")
    mine = ("workload/application+",)
    for action, resource, allowed in (
        ("s3:PutBucketPolicy", f"arn:aws:s3:::{IMAGES}", ()),
        ("s3:PutLifecycleConfiguration", f"arn:aws:s3:::{IMAGES}", ()),
        ("s3:GetObject", f"arn:aws:s3:::{IMAGES}/x", mine),
        ("kms:CreateKey", "*", ()),
        ("kms:ListKeys", "*", duty),
        ("iam:GetRole", role, mine),
        ("iam:PassRole", role, mine),
        ("iam:PassRole", far, ()),
        ("iam:PutRolePolicy", role, ()),
        ("iam:CreateUser", "*", ()),
        ("rds:DeleteDBInstance", "*", ()),
    ):
        among = duty if resource == "*" else mine
        policy = {"document": f"bucket {IMAGES}"} if ":s3:::" in resource else {}
        yield row(action, resource, allowed, among, **policy)
    yield row(
        "s3:BypassGovernanceRetention",
        "arn:aws:s3:::careless-workload/x",
        (),
        (*mine, *deployer),
        document="bucket careless-workload",
    )
    yield row(
        "s3:GetObject",
        "arn:aws:s3:::careless-workload/x",
        (*mine, *deployer),
        (*mine, *deployer),
        document="bucket careless-workload",
    )
    for bucket in (IMAGES, PRIMARY, EVIDENCE):
        if bucket != EVIDENCE:
            yield s3("GetObjectTorrent", bucket, "x", (), deployer)
            yield s3("GetObjectVersion", bucket, "x", (), deployer)
        yield s3("DeleteObjectVersion", bucket, "x", (), deployer)
    careless = {"document": "key careless-workload"}
    key = f"arn:aws:kms:us-east-1:{ACCOUNTS['workload']}:key/careless"
    for action, allowed, context in (
        ("Decrypt", (), {}),
        ("Sign", (), {}),
        ("Decrypt", deployer, via("s3")),
        ("Decrypt", (), via("ec2")),
        ("DisableKey", (), {}),
        ("ScheduleKeyDeletion", (), {}),
        ("PutKeyPolicy", deployer, {"kms:BypassPolicyLockoutSafetyCheck": False}),
        ("PutKeyPolicy", (), {"kms:BypassPolicyLockoutSafetyCheck": True}),
    ):
        yield row(f"kms:{action}", key, allowed, deployer, context=context, **careless)
    for action, resource, allowed in (
        ("sts:AssumeRole", role, ()),
        ("iam:CreateUser", "*", ()),
        ("iam:CreateAccessKey", "*", ()),
        ("iam:PutRolePolicy", chief, ()),
        ("iam:PutRolePolicy", role, deployer),
        ("iam:CreatePolicyVersion", "*", ()),
        ("iam:DeleteRolePermissionsBoundary", role, ()),
        ("lambda:CreateFunction", "*", ()),
        ("ec2:CreateVpc", "*", deployer),
    ):
        # a trust policy that names a session goes past a boundary's silence, yet not past its Deny
        document = {"document": "trust of sessions"} if action == "sts:AssumeRole" else {}
        yield row(action, resource, allowed, deployer, **document)


def on_careless() -> Iterator[Row]:
    """Keys and buckets that let the three accounts in as a whole: whoever comes in does so by its identity policy."""
    makers = {"workload": KEYS, "audit": "audit/deployer.audit", "backup": "backup/deployer.backup"}
    for account, number in ACCOUNTS.items():
        key = f"arn:aws:kms:{ESTATE.accounts[account].region}:{number}:key/careless"  # type: ignore[index]
        policy = {"document": f"key careless-{account}"}
        signs, far, id_users = SIGNERS.values(), account == "backup", (RESTORER, FAR_RESTORER)
        for action, may in (
            ("Decrypt", ()),
            ("Sign", signs if account == "audit" else ()),
            ("GenerateDataKey", (WRITER,) if far else ()),
            ("Encrypt", (WRITER, APP, REENCRYPTOR) if far else ()),
            ("ReEncryptTo", (ROTATOR,) if far else ()),
            ("GenerateMac", id_users if account == "workload" else ()),
            ("RevokeGrant", ()),
            ("GetKeyPolicy", (AUDITOR,) if account == "workload" else ()),
            ("ListGrants", (AUDITOR,) if account == "workload" else ()),
            ("TagResource", (makers[account],)),
        ):
            yield row(f"kms:{action}", key, may, **policy)
        for bucket, who in ((MANIFEST, READERS | DEPLOYERS), (EVIDENCE, set(signs)), ("elsewhere", set())):
            ours = account == {MANIFEST: "workload", EVIDENCE: "audit"}.get(bucket)
            given = {
                **via("s3", ESTATE.accounts[account].region),
                "kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}",
            }  # type: ignore[index]
            yield row("kms:Decrypt", key, who if ours else (), context=given, **policy)
            yield row("kms:RevokeGrant", key, (), context=given, **policy)
            yield row("kms:Decrypt", key, (), context={**given, **via("secretsmanager")}, **policy)
        bucket = f"careless-{account}"
        for action in CONTENT:
            for context in ({}, NEW, MATCHING, {"s3:object-lock-remaining-retention-days": 1}):
                yield row(f"s3:{action}", f"arn:aws:s3:::{bucket}/x", (), context=context, document=f"bucket {bucket}")
        for action in ("ListBucket", "ListBucketVersions", "ListBucketMultipartUploads", "PutBucketPolicy"):
            yield row(f"s3:{action}", f"arn:aws:s3:::{bucket}", (), document=f"bucket {bucket}")
        # offered to the owner's account alone, which is the workload account for all of these
        yield row(
            "s3:GetBucketPolicy",
            f"arn:aws:s3:::{bucket}",
            (AUDITOR,),
            document=f"bucket {bucket}",
        )
        yield row("s3:ListAllMyBuckets", "*", (AUDITOR, EVIDENCE_AUDITOR, FAR_AUDITOR))
