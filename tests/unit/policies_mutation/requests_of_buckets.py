"""Requests on buckets and objects: what duties may, and what not even the account's administrator may."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from asked_principals import (
    ADMINS,
    APP,
    CONTROL,
    COPIER,
    DATA,
    DEPLOYERS,
    EVIDENCE,
    EVIDENCE_AUDITOR,
    FAR_CONTROL,
    FAR_RESTORER,
    IMAGES,
    JOBBERS,
    KEEPER,
    MANIFEST,
    MATCHING,
    NEW,
    PEOPLE,
    PRIMARY,
    READERS,
    RESTORER,
    ROTATOR,
    SIGNERS,
    SSE,
    SSE_KEY,
    VAULTED,
    WRITER,
    row,
)
from mutated_estate import Row, key_arn

from strongroom.estate import duties


def s3(
    action: str, bucket: str, key: str = "", may: Iterable[str] = (), among: Iterable[str] = PEOPLE, **context: Any
) -> Row:
    resource = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
    return row(f"s3:{action}", resource, may, among, document=f"bucket {bucket}", **context)


def _guarded(bucket: str, key: str, boss: str, key_name: str = "") -> Iterator[Row]:
    """What the account's administrator, whom no identity policy hinders, is refused by the bucket's policy."""
    who, put = (boss,), {**NEW}
    yield s3("PutObject", bucket, key, who, who, context=put)
    yield s3("ListBucket", bucket, "", who, who)
    yield s3("ListBucket", bucket, "", (), who, context={"aws:SecureTransport": False})
    yield s3("GetObject", bucket, key, (), who, context={"aws:SecureTransport": False})
    customer = {"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"}
    yield s3("PutObject", bucket, key, (), who, context={**put, **customer})
    if key_name:
        arn = key_arn(key_name)
        yield s3("PutObject", bucket, key, who, who, context={**put, SSE: "aws:kms", SSE_KEY: arn})
        yield s3("PutObject", bucket, key, (), who, context={**put, SSE: "aws:kms", SSE_KEY: f"{arn}-other"})
        yield s3("PutObject", bucket, key, (), who, context={**put, SSE_KEY: f"{arn}-other"})
        yield s3("PutObject", bucket, key, (), who, context={**put, SSE: "AES256"})
        yield s3("PutObject", bucket, key, (), who, context={**put, SSE: "AES256", SSE_KEY: arn})
        yield s3("PutObject", bucket, key, (), who, context={**put, SSE: "aws:kms"})


def _kept(bucket: str, key: str, boss: str) -> Iterator[Row]:
    """Nothing is deleted and no lock is passed, the administrator included; reading stays possible."""
    for action in ("DeleteObject", "DeleteObjectVersion", "BypassGovernanceRetention", "PutObjectLegalHold"):
        yield s3(action, bucket, key, (), (boss, *PEOPLE))
    yield s3("GetObjectAcl", bucket, key, (boss,), (boss, *PEOPLE))
    yield s3("ListBucketMultipartUploads", bucket, "", (boss,), (boss, *PEOPLE))


def on_manifest() -> Iterator[Row]:
    boss = "admin/workload"
    yield from _guarded(MANIFEST, "dev/bootstrap.json", boss, "storage-manifest")
    yield s3("DeleteObjectVersion", MANIFEST, "dev/keys.json", (), (boss, *PEOPLE))
    yield s3("ListBucket", MANIFEST, "", READERS | {boss}, (*PEOPLE, *ADMINS))
    yield s3("PutObject", MANIFEST, "dev/bootstrap.json", (), (f"{APP}!",))
    for layer in (*duties.DEPLOYERS, "bootstrap"):
        part, mine = f"dev/{layer}.json", {who for who in DEPLOYERS if who.endswith(f".{layer}")}
        bosses = {boss} if layer == "bootstrap" else set()
        among = (*PEOPLE, boss, "admin/backup")
        yield s3("PutObject", MANIFEST, part, mine | bosses, among)
        yield s3("DeleteObject", MANIFEST, part, mine | bosses, among)
        yield s3("GetObject", MANIFEST, part, READERS | mine | {boss}, (*PEOPLE, boss, "admin/backup"))
        yield s3("PutObjectAcl", MANIFEST, part, (), PEOPLE)
        yield s3("AbortMultipartUpload", MANIFEST, part, (), PEOPLE)
    yield s3("GetObject", MANIFEST, "other/keys.json", (), PEOPLE)
    yield s3("ListBucketMultipartUploads", MANIFEST, "", (), PEOPLE)


def on_evidence() -> Iterator[Row]:
    boss, item, signers = "admin/audit", "evidence/dev/000000000001.dsse", SIGNERS.values()
    yield from _guarded(EVIDENCE, item, boss, "storage-evidence")
    yield from _kept(EVIDENCE, item, boss)
    yield s3("PutObject", EVIDENCE, item, {*signers, boss}, (*PEOPLE, boss), context=NEW)
    yield s3("PutObject", EVIDENCE, item, (), (*PEOPLE, boss))
    yield s3("PutObject", EVIDENCE, "evidence/prod/000000000001.dsse", (), PEOPLE, context=NEW)
    yield s3("PutObject", EVIDENCE, "elsewhere", (), PEOPLE, context=NEW)
    for action in ("GetObject", "PutObjectRetention"):
        readers = {EVIDENCE_AUDITOR} if action == "GetObject" else set()
        yield s3(action, EVIDENCE, item, {*signers, *readers})
    yield s3("GetObject", EVIDENCE, "elsewhere")
    yield s3("AbortMultipartUpload", EVIDENCE, item)
    yield s3("ListBucket", EVIDENCE, "", {*signers, EVIDENCE_AUDITOR, "audit/deployer.audit"})
    yield s3("ListBucketVersions", EVIDENCE, "", {EVIDENCE_AUDITOR})
    yield s3("PutBucketPolicy", EVIDENCE, "", {"audit/deployer.audit"})


def on_images() -> Iterator[Row]:
    yield from _guarded(IMAGES, "studies/1.dcm", "admin/workload", "storage-imaging")
    for action, may in (
        ("GetObject", (APP, WRITER)),
        ("GetObjectVersion", (APP, WRITER)),
        ("PutObject", (APP,)),
        ("GetObjectTagging", (WRITER,)),
        ("DeleteObject", ()),
        ("DeleteObjectVersion", ()),
        ("AbortMultipartUpload", ()),
        ("GetObjectTorrent", ()),
    ):
        yield s3(action, IMAGES, "studies/1.dcm", may)
    yield s3("ListBucket", IMAGES, "", (APP, WRITER, DATA))
    yield s3("ListBucketVersions", IMAGES, "", (WRITER,))
    yield s3("PutBucketPolicy", IMAGES, "", (DATA,))
    yield s3("ListBucketMultipartUploads", IMAGES)


def on_repositories() -> Iterator[Row]:
    for bucket, boss, mine in ((PRIMARY, "admin/workload", RESTORER), (VAULTED, "admin/backup", FAR_RESTORER)):
        near, deployer = bucket == PRIMARY, f"{boss.partition('/')[2]}/deployer.backup"
        writers = {WRITER} if near else {COPIER}
        yield from _guarded(bucket, "packs/aa/x.pack", boss)
        yield from _kept(bucket, "packs/aa/x.pack", boss)
        for header in ("aws:kms", "aws:kms:dsse"):
            yield s3("PutObject", bucket, "packs/aa/x.pack", (), (boss,), context={**NEW, SSE: header})
        yield s3("PutObject", bucket, "packs/aa/x.pack", (boss,), (boss,), context={**NEW, SSE: "AES256"})
        for prefix in ("keys", "packs", "index", "snapshots", "refs", "commits", "wal", "tombstones"):
            key = f"{prefix}/x"
            slots = {ROTATOR} if prefix == "keys" else set()
            appends = {*(writers if prefix != "tombstones" or not near else ()), *slots}
            yield s3("PutObject", bucket, key, {*appends, boss}, (*PEOPLE, boss), context=NEW)
            yield s3("PutObject", bucket, key, (), (*PEOPLE, boss))
            yield s3("PutObject", bucket, key, () if near else (COPIER,), (*PEOPLE, boss), context=MATCHING)
            readers = {mine, COPIER} | slots
            readers |= {WRITER} if near and prefix in ("index", "tombstones", "refs", "commits") else set()
            readers |= {KEEPER} if prefix in ("refs", "commits") else set()
            yield s3("GetObject", bucket, key, readers)
            yield s3("GetObjectVersion", bucket, key, readers - {WRITER})
            locks = {"s3:object-lock-remaining-retention-days": 9}
            yield s3("PutObjectRetention", bucket, key, appends | {KEEPER}, context=locks)
            yield s3("PutObjectRetention", bucket, key, {KEEPER}, context={**locks, next(iter(locks)): 3650})
            yield s3("PutObjectRetention", bucket, key, {KEEPER})
            yield s3("GetObjectTorrent", bucket, key)
        kept = {mine, KEEPER, *({WRITER} if near else ())}
        yield s3("GetObjectRetention", bucket, "packs/aa/x.pack", kept)
        yield s3("GetObjectRetention", bucket, "keys/x", kept - {WRITER})
        for key in ("format.json", "tools/restore.py"):
            yield s3("PutObject", bucket, key, (deployer,), (*PEOPLE, boss))
            yield s3("PutObject", bucket, key, (deployer,), (*PEOPLE, boss), context=NEW)
            yield s3("AbortMultipartUpload", bucket, key)
        yield s3("PutObject", bucket, "elsewhere", (), PEOPLE, context=NEW)
        listers = {mine, COPIER, KEEPER, ROTATOR, *({WRITER} if near else ())}
        yield s3("ListBucket", bucket, "", listers | {deployer})
        yield s3("ListBucketVersions", bucket, "", listers)
        yield s3("PutBucketPolicy", bucket, "", (deployer,))
        yield s3("DeleteBucketPolicy", bucket, "", (deployer,))


def on_controls() -> Iterator[Row]:
    for bucket, boss, mine, cacher in (
        (CONTROL, "admin/workload", RESTORER, WRITER),
        (FAR_CONTROL, "admin/backup", FAR_RESTORER, COPIER),
    ):
        near, deployer = bucket == CONTROL, f"{boss.partition('/')[2]}/deployer.backup"
        yield from _guarded(bucket, "leases/x", boss)
        yield s3("PutObject", bucket, "verified/x", (mine,), (*PEOPLE, boss))
        yield s3("DeleteObject", bucket, "verified/x", (), (*PEOPLE, boss))
        yield s3("DeleteObjectVersion", bucket, "verified/x", (), (*PEOPLE, boss))
        yield s3("GetObject", bucket, "verified/x", {mine, *((WRITER, COPIER) if near else ())})
        for prefix in ("leases", "heartbeats", "journal"):
            for action in ("GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion"):
                yield s3(action, bucket, f"{prefix}/x", JOBBERS)
            yield s3("AbortMultipartUpload", bucket, f"{prefix}/x")
        for action in ("GetObject", "PutObject"):
            yield s3(action, bucket, "cache/x", (cacher,))
        yield s3("DeleteObject", bucket, "cache/x")
        for key in ("cache/x", "verified/x"):
            yield s3("AbortMultipartUpload", bucket, key)
        yield s3("ListBucket", bucket, "", JOBBERS | {deployer})
        yield s3("ListBucketVersions", bucket, "", JOBBERS)
        yield s3("ListBucketMultipartUploads", bucket)
