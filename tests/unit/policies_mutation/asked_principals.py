"""Who is asked about, what they are asked to do it on, and how a row of the table is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mutated_estate import ACCOUNTS, Row, roles

from strongroom.estate import duties

ROLES = roles()
ADMINS = tuple(f"admin/{account}" for account in ACCOUNTS)
ROOTS = tuple(f"root/{account}" for account in ACCOUNTS)
PEOPLE = (*ROLES, "stranger")
DEPLOYERS = frozenset(who for who in ROLES if "/deployer." in who)
SERVICES = frozenset(f"workload/{duty}" for duty in duties.SERVICES)
READERS = frozenset(ROLES) - DEPLOYERS - SERVICES
ADMIN, APP, ROTATOR, REENCRYPTOR, WRITER, RESTORER, AUDITOR = (
    f"workload/{duty}"
    for duty in ("key-admin", "application", "rotator", "re-encryptor", "backup-writer", "restorer", "auditor")
)
FAR_RESTORER, COPIER, KEEPER, FAR_AUDITOR = (f"backup/{d}" for d in ("restorer", "copier", "lock-keeper", "auditor"))
NOTARY, EVIDENCE_AUDITOR = "audit/notary", "audit/auditor"
DATA, JOBS, KEYS = "workload/deployer.data", "workload/deployer.jobs", "workload/deployer.keys"
SIGNERS = {"backup-writer": WRITER, "copier": COPIER, "restorer": RESTORER, "rotator": ROTATOR,
           "re-encryptor": REENCRYPTOR, "notary": NOTARY}  # fmt: skip
JOBBERS = frozenset({WRITER, COPIER, RESTORER, FAR_RESTORER, KEEPER, ROTATOR, REENCRYPTOR, NOTARY})
MANIFEST, EVIDENCE, IMAGES = "strongroom-dev-manifest", "strongroom-dev-evidence", "strongroom-dev-images"
PRIMARY, VAULTED = "strongroom-dev-backup-primary", "strongroom-dev-backup-vaulted"
CONTROL, FAR_CONTROL = "strongroom-dev-backup-control", "strongroom-dev-backup-control-vaulted"
OWNERS = {"bootstrap": "admin/{}", "audit": "audit/deployer.audit", "keys": KEYS, "backup": "backup/deployer.backup"}
AUDITORS = (AUDITOR, EVIDENCE_AUDITOR, FAR_AUDITOR)
CONTENT = ("GetObject", "GetObjectVersion", "PutObject", "DeleteObject", "PutObjectRetention", "GetObjectRetention",
           "GetObjectTagging", "AbortMultipartUpload")  # fmt: skip
REPO = {"kms:EncryptionContext:repo": "strongroom-dev"}
BRANCH = {
    f"kms:EncryptionContext:{k}": v for k, v in (("purpose", "branch-key"), ("class", "clinical"), ("tenant", "n"))
}
NEW, MATCHING = {"s3:if-none-match": "*"}, {"s3:if-match": "etag"}
SSE, SSE_KEY = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"


def row(action: str, resource: str, may: Iterable[str] = (), among: Iterable[str] = PEOPLE, **more: Any) -> Row:
    """A row; `document` is the policy of the resource."""
    context = dict(more.pop("context", {}))
    if resource == "*":  # of the caller's own account, where a stranger does as it likes
        among = [who for who in among if who != "stranger"]
    said = " ".join(f"{key}={value}" for key, value in context.items())
    return Row(f"{action} {resource} {said}".strip(), action, resource, frozenset(may), tuple(among), context, **more)


def via(service: str, region: str = "us-east-1") -> dict[str, str]:
    return {"kms:ViaService": f"{service}.{region}.amazonaws.com"}
