"""Key policies: who owns, administers and uses each KMS key; three duties that never meet in one principal.

- The *policy owner* (the deployer of the layer that makes the key) keeps PutKeyPolicy, because CreateKey demands it,
  and can use nothing (https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html, "lockout").
- The *administrator* rotates, disables and schedules deletion; it changes neither policy nor grants.
- *Users* are named role by role. Use is never delegated to the account: only its root user is let in, to recover.

The backup and the audit account have no standing administrator: their keys rotate by themselves, and an emergency
names one through the policy owner, with a second person's approval.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.policies.document import Document, Statement, allow, document
from infra.policies.duty_permissions import KEY_CONFIGURATION
from strongroom.estate import duties, names
from strongroom.estate.keyring import KeySpec
from strongroom.estate.model import Estate

READ = (
    "kms:DescribeKey",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
)
OWN = (
    *READ,
    "kms:PutKeyPolicy",
    "kms:CreateAlias",
    "kms:UpdateAlias",
    "kms:EnableKeyRotation",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
)
ADMINISTER = (
    *READ,
    "kms:EnableKey",
    "kms:DisableKey",
    "kms:EnableKeyRotation",
    "kms:RotateKeyOnDemand",
    "kms:CancelKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
)
DESCRIBE = ("kms:DescribeKey", "kms:ListKeyRotations")
REENCRYPT = ("kms:ReEncryptFrom", "kms:ReEncryptTo")
VIA_SERVICE = ("kms:GenerateDataKey", "kms:Decrypt")
DELETION_DAYS = "30"


def key_policy(estate: Estate, spec: KeySpec) -> Document:
    """The policy of one key of the estate; ValueError for a key that is not KMS's."""
    if spec.provider != "aws-kms":
        raise ValueError(f"{spec.name} is a {spec.provider} key; it has no key policy")
    users = {
        "storage": _storage,
        "state": _state if spec.duty else _manifest,
        "recipient": _recipient,
        "field-root": _field_root,
        "id": _id,
        "signing": _signing,
    }[spec.purpose]
    return document([*_owners(estate, spec), *users(estate, spec)])


def policy_owner(estate: Estate, spec: KeySpec) -> str:
    """The ARN of the role that makes a key and owns its policy."""
    if spec.layer == "bootstrap":
        return names.bootstrap_role_arn(estate, spec.account)
    return names.role_arn(estate, spec.account, duties.deployer(spec.layer))


def _owners(estate: Estate, spec: KeySpec) -> Iterator[Statement]:
    root = names.account_root(estate, spec.account)
    yield allow(
        "RootUserRecovers",
        (
            "kms:DescribeKey",
            "kms:GetKeyPolicy",
            "kms:GetKeyRotationStatus",
            "kms:PutKeyPolicy",
            "kms:CancelKeyDeletion",
        ),
        to=[root],
        # without this the statement would delegate to every IAM policy of the account
        when={"StringEquals": {"aws:PrincipalArn": root}},
    )
    extra = ("kms:GetPublicKey",) if spec.purpose == "signing" else ()
    yield allow("PolicyOwnerOwns", (*OWN, *extra), to=[policy_owner(estate, spec)])
    if spec.account == "workload" and spec.layer != "bootstrap":
        administrator = names.role_arn(estate, "workload", "key-admin")
        yield allow("AdministratorAdministers", ADMINISTER, to=[administrator])
        yield allow(
            "AdministratorDeletesLate",
            ("kms:ScheduleKeyDeletion",),
            to=[administrator],
            when={"NumericGreaterThanEquals": {"kms:ScheduleKeyDeletionPendingWindowInDays": DELETION_DAYS}},
        )
    auditor = names.role_arn(estate, spec.account, "auditor")
    if spec.layer != "bootstrap":
        yield allow("AuditorReads", KEY_CONFIGURATION, to=[auditor])
    else:
        # the role does not exist yet, so its account is named; what it may do stands in its own policy
        only = {"ArnEquals": {"aws:PrincipalArn": auditor}}
        yield allow("AuditorReads", KEY_CONFIGURATION, to=[root], when=only)


def _via(estate: Estate, account: str, *services: str) -> dict[str, dict[str, list[str]]]:
    region = estate.accounts[account].region  # type: ignore[index]
    return {"StringEquals": {"kms:ViaService": [f"{service}.{region}.amazonaws.com" for service in services]}}


def _storage(estate: Estate, spec: KeySpec) -> Iterator[Statement]:
    if spec.account == "audit":
        yield from _evidence_storage(estate)
        return
    kinds = {s.kind for s in estate.stores.values() if s.data_class == spec.data_class and s.ownership == "created"}
    services = [service for kind, service in (("bucket", "s3"), ("queue", "sqs"), ("topic", "sns")) if kind in kinds]

    def role(duty: str) -> str:
        return names.role_arn(estate, "workload", duty)

    yield from _rotating(estate)
    if services:
        via = _via(estate, "workload", *services)
        yield allow("ApplicationUsesThroughService", VIA_SERVICE, to=[role("application")], when=via)
    if "bucket" in kinds:
        via = _via(estate, "workload", "s3")
        yield allow("WriterReadsSourcesThroughS3", ("kms:Decrypt",), to=[role("backup-writer")], when=via)
    if "postgres" in kinds:
        deployer = [role("deployer.data")]
        yield allow("DatabaseDeployerDescribes", ("kms:DescribeKey",), to=deployer)
        yield allow(
            "DatabaseDeployerLetsRdsIn",
            ("kms:CreateGrant",),
            to=deployer,
            when={**_via(estate, "workload", "rds"), "Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
        via = _via(estate, "workload", "secretsmanager")
        yield allow("DatabaseDeployerOpensMasterSecret", VIA_SERVICE, to=deployer, when=via)
    if spec.data_class == estate.runtime.log_class:
        region = estate.accounts["workload"].region
        yield allow(
            "JobLogs",
            ("kms:Encrypt", "kms:Decrypt", *REENCRYPT, "kms:GenerateDataKey", "kms:DescribeKey"),
            service=f"logs.{region}.amazonaws.com",
            when={"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": names.log_group_arn(estate)}},
        )


def _evidence_storage(estate: Estate) -> Iterator[Statement]:
    via = _via(estate, "audit", "s3")
    signers = [names.home_role_arn(estate, duty) for duty in duties.SIGNS]
    yield allow("SignersWriteThroughS3", VIA_SERVICE, to=signers, when=via)
    yield allow("AuditorReadsThroughS3", ("kms:Decrypt",), to=[names.role_arn(estate, "audit", "auditor")], when=via)


def _manifest(estate: Estate, spec: KeySpec) -> Iterator[Statement]:
    # roles of later layers do not exist yet, so their accounts are named and the roles by pattern
    accounts = [names.account_root(estate, account) for account in ("workload", "backup", "audit")]
    via = _via(estate, "workload", "s3")["StringEquals"]
    ours = [
        f"arn:aws:iam::{estate.accounts[a].id}:role{names.role_path(estate)}*" for a in ("workload", "backup", "audit")
    ]
    deployers = [f"{pattern[:-1]}deployer.*" for pattern in ours]
    yield allow(
        "RolesReadThroughS3",
        ("kms:Decrypt",),
        to=accounts,
        when={"StringEquals": via, "ArnLike": {"aws:PrincipalArn": ours}},
    )
    yield allow(
        "DeployersWriteThroughS3",
        ("kms:GenerateDataKey",),
        to=accounts,
        when={"StringEquals": via, "ArnLike": {"aws:PrincipalArn": deployers}},
    )
    yield allow("BootstrapWritesThroughS3", VIA_SERVICE, to=[policy_owner(estate, spec)], when={"StringEquals": via})


def _state(estate: Estate, spec: KeySpec) -> Iterator[Statement]:
    users = names.role_arns(estate, spec.duty)
    yield allow("OneDeployerSealsItsState", ("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"), to=users)


def _rewrapping(estate: Estate, spec: KeySpec) -> Iterator[Statement]:
    rotator = [names.role_arn(estate, "workload", "rotator")]
    # to the same key alone: else a backup's run key could be moved under a key that the application opens
    yield allow("RotatorRewraps", REENCRYPT, to=rotator, when={"Bool": {"kms:ReEncryptOnSameKey": "true"}})
    if spec.account == "workload":
        yield from _rotating(estate)
    else:
        yield allow("RotatorDescribes", DESCRIBE, to=rotator)


def _rotating(estate: Estate) -> Iterator[Statement]:
    """Only within the account: RotateKeyOnDemand does not cross accounts, other keys rotate by themselves."""
    rotate = ("kms:RotateKeyOnDemand", "kms:GetKeyRotationStatus", *DESCRIBE)
    yield allow("RotatorRotates", rotate, to=[names.role_arn(estate, "workload", "rotator")])


def _recipient(estate: Estate, spec: KeySpec) -> Iterator[Statement]:
    writer = [names.role_arn(estate, "workload", "backup-writer")]
    yield allow(
        "WriterWrapsRunKeys",
        ("kms:GenerateDataKey", "kms:Encrypt"),
        to=writer,
        when={"StringEquals": {"kms:EncryptionContext:repo": list(estate.repositories) or ["none"]}},
    )
    enrolling = [names.role_arn(estate, "workload", duty) for duty in ("application", "re-encryptor")]
    # slots and branch keys have contexts of their own: an application cannot forge a slot of a backup
    branch_keys = {"StringEquals": {"kms:EncryptionContext:purpose": "branch-key"}}
    yield allow("BranchKeysAreEnrolled", ("kms:Encrypt",), to=enrolling, when=branch_keys)
    yield allow("WrappersDescribe", DESCRIBE, to=[*writer, *enrolling])
    yield from _rewrapping(estate, spec)
    restorer = [names.role_arn(estate, spec.account, "restorer")]
    yield allow("RestorerUnwraps", ("kms:Decrypt", *DESCRIBE), to=restorer)


def _field_root(estate: Estate, spec: KeySpec) -> Iterator[Statement]:
    its_class = {
        "StringEquals": {
            "kms:EncryptionContext:purpose": "branch-key",
            "kms:EncryptionContext:class": spec.data_class,
        },
        "Null": {"kms:EncryptionContext:tenant": "false"},
    }
    for sid, duty in (("ApplicationOpensBranchKeys", "application"), ("ReEncryptorOpensBranchKeys", "re-encryptor")):
        role = [names.role_arn(estate, "workload", duty)]
        yield allow(sid, ("kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt"), to=role, when=its_class)
    users = [names.role_arn(estate, "workload", duty) for duty in ("application", "re-encryptor")]
    yield allow("UsersDescribe", DESCRIBE, to=users)
    yield from _rewrapping(estate, spec)


def _id(estate: Estate, _spec: KeySpec) -> Iterator[Statement]:
    users = [names.role_arn(estate, "workload", "backup-writer"), *names.role_arns(estate, "restorer")]
    yield allow(
        "BlobIdsAreKeyed",
        ("kms:GenerateMac",),
        to=users,
        when={"StringEquals": {"kms:MacAlgorithm": "HMAC_SHA_256"}},
    )
    yield allow("UsersDescribe", ("kms:DescribeKey",), to=users)


def _signing(estate: Estate, spec: KeySpec) -> Iterator[Statement]:
    signer = [names.home_role_arn(estate, spec.duty)]
    yield allow(
        "OneDutySigns", ("kms:Sign",), to=signer, when={"StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256"}}
    )
    readers = [*signer, names.role_arn(estate, "audit", "auditor")]
    yield allow("PublicKeyIsRead", ("kms:GetPublicKey", "kms:DescribeKey"), to=list(dict.fromkeys(readers)))
