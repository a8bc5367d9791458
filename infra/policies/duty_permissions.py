"""Identity policies of the duties, row by row of the table in docs/threat-model.md.

Use of KMS keys inside the workload account is granted by key policies alone. What crosses accounts needs both halves:
here the identity half names all keys of the other account, and that account's key policies name the one role.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.policies.document import Conditions, Document, Statement, allow, deny, document
from strongroom.estate import duties, names
from strongroom.estate.model import CopySpec, Estate

#: prefixes of a repository that a backup writes, in the order it writes them
WRITTEN = ("keys", "packs", "index", "snapshots", "refs", "commits", "wal")
GET = ("s3:GetObject", "s3:GetObjectVersion")
LIST = ("s3:ListBucket", "s3:ListBucketVersions")
#: a put must name the condition it relies on; without the header the key is absent and the Allow does not match
IF_ABSENT: Conditions = {"Null": {"s3:if-none-match": "false"}}
LOCK_MARGIN_DAYS = 8
#: configuration of a key, with who was granted its use
KEY_CONFIGURATION = (
    "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListKeyRotations", "kms:ListResourceTags",
    "kms:ListGrants",
)  # fmt: skip
#: configuration that an auditor reads; no content
CONFIGURATION = (
    "iam:Get*", "iam:List*", "kms:ListKeys", "kms:ListAliases", "s3:GetBucket*", "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration", "s3:ListAllMyBuckets", "sqs:GetQueueAttributes", "sqs:ListQueues",
    "rds:Describe*", "rds:ListTagsForResource", "ecs:Describe*", "ecs:List*", "scheduler:Get*", "scheduler:List*",
    "logs:DescribeLogGroups", "secretsmanager:DescribeSecret", "secretsmanager:ListSecrets",
    "secretsmanager:GetResourcePolicy", "ssm:DescribeParameters", "ssm:ListTagsForResource", "sns:ListTopics",
    "sns:GetTopicAttributes", "ecr:DescribeRepositories", "ecr:GetRepositoryPolicy", "ecr:GetRegistryPolicy",
    "backup:ListBackupVaults", "backup:GetBackupVaultAccessPolicy", "events:ListEventBuses", "events:ListRules",
    "events:ListTargetsByRule", "lambda:ListFunctions", "lambda:GetPolicy", "codebuild:ListProjects",
    "codebuild:BatchGetProjects", "cloudformation:DescribeStacks", "states:ListStateMachines",
    "states:DescribeStateMachine", "ec2:DescribeInstances", "organizations:DescribeOrganization",
    "organizations:ListParents", "organizations:ListPoliciesForTarget", "organizations:DescribePolicy",
)  # fmt: skip


def duty_policy(estate: Estate, account: str, duty: str) -> Document:
    """What a duty's role in an account may do beyond what key and bucket policies grant it by name."""
    rows = {
        "key-admin": _key_admin,
        "application": _application,
        "rotator": _rotator,
        "re-encryptor": _re_encryptor,
        "backup-writer": _backup_writer,
        "restorer": _restorer,
        "copier": _copier,
        "lock-keeper": _lock_keeper,
        "notary": _notary,
        "auditor": _auditor,
    }
    return document(
        [*_manifest(estate), *_signs(estate, account, duty), *rows[duty](estate, account), *_leases(estate, duty)]
    )


def duty_boundary(estate: Estate) -> Document:
    """The ceiling of every role that is not a deployer's: work on data, never on what guards it.

    The deployer of `access` writes these roles' policies; under the ceiling it cannot write itself an administrator.
    """
    roles = f"arn:aws:iam::*:role{names.role_path(estate)}*"
    work = (
        "kms:*", "s3:*", "sqs:*", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability",
        "ecr:GetAuthorizationToken", "logs:CreateLogStream", "logs:PutLogEvents", "ecs:RunTask",
    )  # fmt: skip
    guards = (
        "s3:PutBucket*", "s3:DeleteBucket*", "s3:CreateBucket", "s3:Put*Configuration", "s3:BypassGovernanceRetention",
        "s3:PutObjectLegalHold", "s3:PutObjectAcl", "s3:PutObjectVersionAcl", "sqs:SetQueueAttributes",
        "sqs:AddPermission", "sqs:DeleteQueue",
    )  # fmt: skip
    owned = (
        "kms:CreateKey", "kms:PutKeyPolicy", "kms:CreateGrant", "kms:ReplicateKey", "kms:UpdatePrimaryRegion",
        "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:ImportKeyMaterial",
        "kms:DeleteImportedKeyMaterial",
    )  # fmt: skip
    return document(
        [
            allow("Work", work),
            allow("Look", CONFIGURATION),
            allow("Become", ("sts:AssumeRole", "iam:PassRole"), [roles]),
            deny("NoGuardIsChanged", guards),
            deny("NoKeyIsOwned", owned),
        ]
    )


def s3_copies(estate: Estate, account: str | None = None) -> Iterator[tuple[str, str, CopySpec]]:
    """Every S3 copy as (repository, copy name, copy), of one account or of all."""
    for repo, repository in estate.repositories.items():
        for name, copy in repository.copies.items():
            if copy.backend == "s3" and account in (None, copy.account):
                yield repo, name, copy


def lock_days_limit(estate: Estate, repo: str, copy: CopySpec) -> str:
    """The longest lock a writer may set: a stolen writer must not lock junk for a century."""
    lock = copy.lock or estate.repositories[repo].lock
    return str(lock.days + LOCK_MARGIN_DAYS)


def _data(estate: Estate, account: str | None = None) -> list[str]:
    return [names.copy_bucket(estate, name, copy) for _, name, copy in s3_copies(estate, account)]


def _control(estate: Estate, account: str | None = None) -> list[str]:
    return [names.copy_control_bucket(estate, name, copy) for _, name, copy in s3_copies(estate, account)]


def _arns(buckets: Sequence[str], *keys: str) -> list[str]:
    return [names.bucket_arn(b, k) for b in buckets for k in keys] if keys else [names.bucket_arn(b) for b in buckets]


def _manifest(estate: Estate) -> Iterator[Statement]:
    bucket = names.manifest_bucket(estate)
    yield allow("ManifestRead", ("s3:GetObject",), [names.bucket_arn(bucket, estate.env, "*")])
    yield allow("ManifestList", ("s3:ListBucket",), [names.bucket_arn(bucket)])
    yield allow(
        "ManifestOpen",
        ("kms:Decrypt",),
        [names.keys_of_account(estate, "workload")],
        when=_through_s3(estate, "workload", bucket),
    )


def _through_s3(estate: Estate, account: str, bucket: str) -> Conditions:
    region = estate.accounts[account].region  # type: ignore[index]
    return {
        "StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"},
        "ArnLike": {"kms:EncryptionContext:aws:s3:arn": [names.bucket_arn(bucket), names.bucket_arn(bucket, "*")]},
    }


def _signs(estate: Estate, account: str, duty: str) -> Iterator[Statement]:
    if duty not in duties.SIGNS or account != duties.HOMES[duty][0]:
        return
    bucket, keys = names.evidence_bucket(estate), [names.keys_of_account(estate, "audit")]
    statements = names.bucket_arn(bucket, "evidence", estate.env, "*")
    yield allow("EvidenceSign", ("kms:Sign", "kms:GetPublicKey", "kms:DescribeKey"), keys)
    yield allow("EvidenceRead", ("s3:GetObject",), [statements])
    yield allow("EvidenceList", ("s3:ListBucket",), [names.bucket_arn(bucket)])
    yield allow("EvidenceAppend", ("s3:PutObject",), [statements], when=IF_ABSENT)
    yield allow("EvidenceRetain", ("s3:PutObjectRetention",), [statements])
    through = _through_s3(estate, "audit", bucket)
    yield allow("EvidenceSeal", ("kms:GenerateDataKey", "kms:Decrypt"), keys, when=through)


def _leases(estate: Estate, duty: str) -> Iterator[Statement]:
    buckets = _control(estate)
    if not buckets or duty not in duties.JOBS.values():
        return
    marks = _arns(buckets, "leases/*", "heartbeats/*", "journal/*")
    lease = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion")
    yield allow("LeasesHold", lease, marks)
    yield allow("LeasesList", LIST, _arns(buckets))


def _key_admin(_estate: Estate, _account: str) -> Iterator[Statement]:
    yield allow("KeysList", ("kms:ListKeys", "kms:ListAliases"))


def _application(estate: Estate, _account: str) -> Iterator[Statement]:
    buckets = [names.store_name(estate, name) for name in estate.created("bucket")]
    if buckets:
        yield allow("ImagesReadWrite", ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"), _arns(buckets, "*"))
        yield allow("ImagesList", ("s3:ListBucket",), _arns(buckets))
    queues = [names.queue_arn(estate, name) for name in estate.created("queue")]
    if queues:
        exchange = (
            "SendMessage",
            "ReceiveMessage",
            "DeleteMessage",
            "ChangeMessageVisibility",
            "GetQueueAttributes",
            "GetQueueUrl",
        )
        yield allow("QueuesExchange", [f"sqs:{action}" for action in exchange], queues)
    yield from _enrols(estate)


def _enrols(estate: Estate) -> Iterator[Statement]:
    if any(r.account == "backup" for r in estate.recipients.values()):
        actions = ("kms:Encrypt", "kms:DescribeKey")
        yield allow("BranchKeysEnrol", actions, [names.keys_of_account(estate, "backup")])


def _rotator(estate: Estate, _account: str) -> Iterator[Statement]:
    yield allow("KeysList", ("kms:ListKeys", "kms:ListAliases"))
    yield allow(
        "FarRecipientsRewrap",
        ("kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey"),
        [names.keys_of_account(estate, "backup")],
    )
    if buckets := _data(estate):
        slots = _arns(buckets, "keys/*")
        yield allow("SlotsList", LIST, _arns(buckets))
        yield allow("SlotsRead", GET, slots)
        yield allow("SlotsAppend", ("s3:PutObject",), slots, when=IF_ABSENT)
        yield from _retain(estate, None, ("keys",))


def _re_encryptor(estate: Estate, _account: str) -> Iterator[Statement]:
    yield from _enrols(estate)


def _retain(estate: Estate, account: str | None, prefixes: Sequence[str]) -> Iterator[Statement]:
    for number, (repo, name, copy) in enumerate(s3_copies(estate, account)):
        bucket = names.copy_bucket(estate, name, copy)
        limit = lock_days_limit(estate, repo, copy)
        yield allow(
            f"LockOnPut{number}",
            ("s3:PutObjectRetention",),
            [names.bucket_arn(bucket, prefix, "*") for prefix in prefixes],
            when={"NumericLessThanEquals": {"s3:object-lock-remaining-retention-days": limit}},
        )


def _backup_writer(estate: Estate, _account: str) -> Iterator[Statement]:
    sources = [names.store_name(estate, name) for name in estate.created("bucket")]
    sources += [s.arn.rpartition(":")[2] for s in estate.stores.values() if s.kind == "bucket" and s.arn]
    if sources:
        yield allow("SourcesRead", (*GET, "s3:GetObjectTagging", "s3:GetObjectVersionTagging"), _arns(sources, "*"))
        yield allow("SourcesList", LIST, _arns(sources))
    if any(r.account == "backup" for r in estate.recipients.values()):
        wrap = ("kms:GenerateDataKey", "kms:Encrypt", "kms:DescribeKey")
        yield allow("FarRecipientsWrap", wrap, [names.keys_of_account(estate, "backup")])
    if buckets := _data(estate, "workload"):
        yield allow("RepositoryList", LIST, _arns(buckets))
        readable = _arns(buckets, "format.json", "index/*", "tombstones/*", "refs/*", "commits/*")
        yield allow("RepositoryIndexRead", ("s3:GetObject",), readable)
        written = _arns(buckets, *(f"{prefix}/*" for prefix in WRITTEN))
        yield allow("RepositoryAppend", ("s3:PutObject",), written, when=IF_ABSENT)
        yield from _retain(estate, "workload", WRITTEN)
        # HeadObject is s3:GetObject to IAM; how long a pack stays locked has an action of its own
        yield allow("PackLocksRead", ("s3:GetObjectRetention",), _arns(buckets, "packs/*"))
        control = _control(estate, "workload")
        yield allow("VerifiedRead", ("s3:GetObject",), _arns(control, "verified/*"))
        yield allow("CacheKeep", ("s3:GetObject", "s3:PutObject"), _arns(control, "cache/*"))


def _restorer(estate: Estate, account: str) -> Iterator[Statement]:
    yield allow("IdKeyUse", ("kms:GenerateMac", "kms:DescribeKey"), [names.keys_of_account(estate, "workload")])
    if buckets := _data(estate, account):
        yield allow("RepositoryList", LIST, _arns(buckets))
        yield allow("RepositoryRead", (*GET, "s3:GetObjectRetention"), _arns(buckets, "*"))
        control = _control(estate, account)
        marks = ("s3:GetObject", "s3:PutObject")
        yield allow("VerifiedMark", marks, _arns(control, "verified/*"))


def _copier(estate: Estate, account: str) -> Iterator[Statement]:
    if origins := _data(estate, "workload"):
        yield allow("OriginList", LIST, _arns(origins))
        yield allow("OriginRead", GET, _arns(origins, "*"))
        yield allow("OriginVerifiedRead", ("s3:GetObject",), _arns(_control(estate, "workload"), "verified/*"))
    if targets := _data(estate, account):
        written = _arns(targets, *(f"{prefix}/*" for prefix in (*WRITTEN, "tombstones")))
        yield allow("TargetList", LIST, _arns(targets))
        yield allow("TargetRead", GET, _arns(targets, "*"))
        yield allow("TargetAppend", ("s3:PutObject",), written, when=IF_ABSENT)
        # heals a damaged object: only over the very version that was found damaged
        yield allow("TargetHeal", ("s3:PutObject",), written, when={"Null": {"s3:if-match": "false"}})
        yield from _retain(estate, account, (*WRITTEN, "tombstones"))
        yield allow("TargetCacheKeep", ("s3:GetObject", "s3:PutObject"), _arns(_control(estate, account), "cache/*"))


def _lock_keeper(estate: Estate, _account: str) -> Iterator[Statement]:
    if buckets := _data(estate):
        yield allow("RepositoryList", LIST, _arns(buckets))
        yield allow("RootsRead", GET, _arns(buckets, "format.json", "refs/*", "commits/*"))
        yield allow("LocksExtend", ("s3:PutObjectRetention", "s3:GetObjectRetention"), _arns(buckets, "*"))


def _notary(_estate: Estate, _account: str) -> Iterator[Statement]:
    return iter(())


def _auditor(estate: Estate, account: str) -> Iterator[Statement]:
    yield allow("ConfigurationRead", CONFIGURATION)
    if account == "workload":
        # keys made before this role was can let it in through its own policy only; the others name it
        yield allow("EarlyKeysRead", KEY_CONFIGURATION, [names.keys_of_account(estate, "workload")])
    if account == "audit":
        bucket = names.evidence_bucket(estate)
        yield allow("EvidenceRead", GET, [names.bucket_arn(bucket, "evidence", "*")])
        yield allow("EvidenceList", LIST, [names.bucket_arn(bucket)])
