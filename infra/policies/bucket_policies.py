"""Bucket policies: TLS only, one key, no customer-supplied keys; repositories and evidence are only ever appended to.

Each Deny states what happens when its condition key is absent: a negated operator fires, a positive one does not and
is paired with `Null`. Allows name only roles of other accounts; a role of the bucket's own account is allowed by its
identity policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infra.policies.document import Document, Statement, allow, deny, document
from infra.policies.duty_permissions import GET, IF_ABSENT, LIST, WRITTEN, lock_days_limit, s3_copies
from strongroom.estate import duties, names
from strongroom.estate.model import CopySpec, Estate

SSE = "s3:x-amz-server-side-encryption"
SSE_KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"
SSE_CUSTOMER = "s3:x-amz-server-side-encryption-customer-algorithm"
DESTROY = ("s3:DeleteObject", "s3:DeleteObjectVersion")


def class_bucket(bucket: str, key_arn: str) -> Document:
    """A bucket of one data class: every object under the class's key, whoever writes it."""
    return document([*_transport(bucket), *_one_key(bucket, key_arn)])


def manifest_bucket(estate: Estate, key_arn: str) -> Document:
    """The manifest's bucket: each part is written by the deployer of its layer alone, read by every role."""
    bucket = names.manifest_bucket(estate)
    statements = [*_transport(bucket), *_one_key(bucket, key_arn)]
    accounts = [a for a in ("backup", "audit") if a in estate.accounts]
    others = [f"arn:aws:iam::{estate.accounts[a].id}:role{names.role_path(estate)}*" for a in accounts]
    reading = {"ArnLike": {"aws:PrincipalArn": others}}
    roots = [names.account_root(estate, account) for account in accounts]
    parts = [names.bucket_arn(bucket, estate.env, "*")]
    statements.append(allow("RolesOfOtherAccountsRead", ("s3:GetObject",), parts, to=roots, when=reading))
    statements.append(
        allow("RolesOfOtherAccountsList", ("s3:ListBucket",), [names.bucket_arn(bucket)], to=roots, when=reading)
    )
    for layer in duties.DEPLOYERS:
        statements += _own_part(estate, bucket, layer, names.role_arns(estate, duties.deployer(layer)))
    statements += _own_part(estate, bucket, "bootstrap", (names.bootstrap_role_arn(estate, "workload"),))
    statements.append(deny("VersionsStay", ("s3:DeleteObjectVersion",), [names.bucket_arn(bucket, "*")], everyone=True))
    return document(statements)


def evidence_bucket(estate: Estate, key_arn: str) -> Document:
    """The evidence bucket: signing duties append the next statement; nothing is replaced, nothing is deleted."""
    bucket = names.evidence_bucket(estate)
    objects = names.bucket_arn(bucket, "evidence", estate.env, "*")
    signers = [
        arn for duty in duties.SIGNS if duties.HOMES[duty][0] != "audit" for arn in [names.home_role_arn(estate, duty)]
    ]
    return document(
        [
            *_transport(bucket),
            *_one_key(bucket, key_arn),
            allow("SignersAppend", ("s3:PutObject",), [objects], to=signers, when=IF_ABSENT),
            allow("SignersReadAndRetain", ("s3:GetObject", "s3:PutObjectRetention"), [objects], to=signers),
            allow("SignersList", ("s3:ListBucket",), [names.bucket_arn(bucket)], to=signers),
            deny("NothingIsReplaced", ("s3:PutObject",), [names.bucket_arn(bucket, "*")], everyone=True,
                 when={"Null": {"s3:if-none-match": "true"}}),
            *_worm(bucket),
        ]
    )  # fmt: skip


def repository_bucket(estate: Estate, repo: str, name: str, copy: CopySpec) -> Document:
    """A copy's data bucket: SSE-S3, appended to by name, healed only by its copier, never deleted from.

    Contents are sealed by the client; under SSE-KMS a lost key would make even the escrow key useless.
    """
    bucket = names.copy_bucket(estate, name, copy)
    appended = [names.bucket_arn(bucket, prefix, "*") for prefix in (*WRITTEN, "tombstones")]
    fixed = [names.bucket_arn(bucket, key) for key in ("format.json", "tools/*")]
    deployer = names.role_arn(estate, copy.account, "deployer.backup")
    healers = [names.role_arn(estate, copy.account, duty) for duty in ("copier",) if copy.account in duties.HOMES[duty]]
    replaces = {"Null": {"s3:if-match": "false"}}
    if healers:
        healing = deny("OnlyTheCopierHeals", ("s3:PutObject",), appended, everyone=True,
                       when={**replaces, "ArnNotEquals": {"aws:PrincipalArn": healers}})  # fmt: skip
    else:
        healing = deny("NothingIsReplaced", ("s3:PutObject",), appended, everyone=True, when=replaces)
    unconditional = {"Null": {"s3:if-none-match": "true", "s3:if-match": "true"}}
    return document(
        [
            *_transport(bucket),
            deny("NoServiceKeys", ("s3:PutObject",), [names.bucket_arn(bucket, "*")], everyone=True,
                 when={"Null": {SSE: "false"}, "StringNotEquals": {SSE: "AES256"}}),
            deny("PutsAreConditional", ("s3:PutObject",), appended, everyone=True, when=unconditional),
            healing,
            deny("FormatAndReaderAreFixed", ("s3:PutObject",), fixed, everyone=True,
                 when={"ArnNotEquals": {"aws:PrincipalArn": deployer}}),
            *_worm(bucket),
            *_far_readers(estate, repo, name, copy),
        ]
    )  # fmt: skip


def control_bucket(estate: Estate, name: str, copy: CopySpec) -> Document:
    """A copy's control bucket: leases, caches and marks; verified marks are written by the restorer alone."""
    bucket = names.copy_control_bucket(estate, name, copy)
    marks = [names.bucket_arn(bucket, "verified", "*")]
    restorer = names.role_arn(estate, copy.account, "restorer")
    holders = [
        names.role_arn(estate, account, duty)
        for duty in dict.fromkeys(duties.JOBS.values())
        for account in duties.accounts_of(duty)
        if account != copy.account
    ]
    leases = [names.bucket_arn(bucket, prefix, "*") for prefix in ("leases", "heartbeats", "journal")]
    statements = [
        *_transport(bucket),
        deny("OnlyTheRestorerVerifies", ("s3:PutObject", *DESTROY), marks, everyone=True,
             when={"ArnNotEquals": {"aws:PrincipalArn": restorer}}),
        allow("LeasesOfOtherAccounts", ("s3:GetObject", "s3:PutObject", *DESTROY), leases, to=holders),
        allow("ListsOfOtherAccounts", LIST, [names.bucket_arn(bucket)], to=holders),
    ]  # fmt: skip
    if copy.account != "backup":
        copiers = [names.role_arn(estate, "backup", "copier")]
        statements.append(allow("CopierReadsMarks", ("s3:GetObject",), marks, to=copiers))
    return document(statements)


def state_bucket(estate: Estate) -> Document:
    """Pulumi's state: each layer's deployer reaches its own prefix alone."""
    bucket = names.state_bucket(estate)
    statements = [*_transport(bucket)]
    for layer in duties.DEPLOYERS:
        prefix = [names.bucket_arn(bucket, layer, "*")]
        deployers = names.role_arns(estate, duties.deployer(layer))
        owners = [*deployers, names.bootstrap_role_arn(estate, "workload")]
        others = {"ArnNotEquals": {"aws:PrincipalArn": owners}}
        objects = ("s3:GetObject", "s3:PutObject")
        statements.append(deny(f"Only{layer.title()}", (*objects, *DESTROY), prefix, everyone=True, when=others))
        if far := [arn for arn in deployers if f"::{estate.accounts['workload'].id}:" not in arn]:
            under = {"StringLike": {"s3:prefix": [f"{layer}/*"]}}
            statements.append(allow(f"{layer.title()}FromAfar", (*objects, "s3:DeleteObject"), prefix, to=far))
            listing = [names.bucket_arn(bucket)]
            statements.append(allow(f"{layer.title()}Lists", ("s3:ListBucket",), listing, to=far, when=under))
    return document(statements)


def _transport(bucket: str) -> Iterator[Statement]:
    everything = [names.bucket_arn(bucket), names.bucket_arn(bucket, "*")]
    yield deny("TlsOnly", ("s3:*",), everything, everyone=True, when={"Bool": {"aws:SecureTransport": "false"}})
    # a stolen role could otherwise re-encrypt objects under a key that only the thief holds
    yield deny("NoCustomerKeys", ("s3:PutObject",), [names.bucket_arn(bucket, "*")], everyone=True,
               when={"Null": {SSE_CUSTOMER: "false"}})  # fmt: skip


def _one_key(bucket: str, key_arn: str) -> Iterator[Statement]:
    objects = [names.bucket_arn(bucket, "*")]
    # absent headers are right: the bucket's default then applies this very key
    yield deny("OnlyKms", ("s3:PutObject",), objects, everyone=True,
               when={"Null": {SSE: "false"}, "StringNotEquals": {SSE: "aws:kms"}})  # fmt: skip
    yield deny("OnlyOurKey", ("s3:PutObject",), objects, everyone=True,
               when={"Null": {SSE_KEY: "false"}, "StringNotEquals": {SSE_KEY: key_arn}})  # fmt: skip
    # aws:kms without a key id means aws/s3, the key that AWS manages, whatever the bucket's default is
    yield deny("OurKeyIsNamed", ("s3:PutObject",), objects, everyone=True,
               when={"Null": {SSE: "false", SSE_KEY: "true"}})  # fmt: skip


def _worm(bucket: str) -> Iterator[Statement]:
    objects = [names.bucket_arn(bucket, "*")]
    yield deny("NothingIsDeleted", DESTROY, objects, everyone=True)
    lock = ("s3:BypassGovernanceRetention", "s3:PutObjectLegalHold")
    yield deny("LocksHold", lock, objects, everyone=True)


def _own_part(estate: Estate, bucket: str, layer: str, writers: Iterable[str]) -> Iterator[Statement]:
    part = [names.bucket_arn(bucket, names.manifest_object(estate, layer))]
    writers = list(writers)
    yield deny(f"Only{layer.title()}Writes", ("s3:PutObject", "s3:DeleteObject"), part, everyone=True,
               when={"ArnNotEquals": {"aws:PrincipalArn": writers}})  # fmt: skip
    foreign = [arn for arn in writers if f"::{estate.accounts['workload'].id}:" not in arn]
    if foreign:
        objects = ("s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject")
        yield allow(f"{layer.title()}FromItsAccount", objects, part, to=foreign)


def _far_readers(estate: Estate, repo: str, name: str, copy: CopySpec) -> Iterator[Statement]:
    """The duties of other accounts: the copier fetches, the lock-keeper extends, the rotator rewraps slots."""
    bucket = names.copy_bucket(estate, name, copy)
    everything, slots = [names.bucket_arn(bucket, "*")], [names.bucket_arn(bucket, "keys", "*")]
    listed: list[str] = []
    if copy.account != "backup" and any(c.account == "backup" for _, _, c in s3_copies(estate)):
        copier, keeper = (names.role_arn(estate, "backup", duty) for duty in ("copier", "lock-keeper"))
        yield allow("CopierReads", GET, everything, to=[copier])
        roots = [names.bucket_arn(bucket, key) for key in ("format.json", "refs/*", "commits/*")]
        yield allow("LockKeeperReadsRoots", GET, roots, to=[keeper])
        yield allow("LockKeeperExtends", ("s3:PutObjectRetention", "s3:GetObjectRetention"), everything, to=[keeper])
        listed += [copier, keeper]
    if copy.account != "workload":
        rotator = names.role_arn(estate, "workload", "rotator")
        limit = {
            "NumericLessThanEquals": {"s3:object-lock-remaining-retention-days": lock_days_limit(estate, repo, copy)}
        }
        yield allow("RotatorReadsSlots", GET, slots, to=[rotator])
        yield allow("RotatorAppendsSlots", ("s3:PutObject",), slots, to=[rotator], when=IF_ABSENT)
        yield allow("RotatorLocksSlots", ("s3:PutObjectRetention",), slots, to=[rotator], when=limit)
        listed.append(rotator)
    if listed:
        yield allow("ListsOfOtherAccounts", LIST, [names.bucket_arn(bucket)], to=listed)
