"""Requests on KMS keys: who owns, administers and uses each of them, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asked_principals import (
    ADMIN,
    ADMINS,
    APP,
    AUDITOR,
    BRANCH,
    DATA,
    DEPLOYERS,
    EVIDENCE,
    EVIDENCE_AUDITOR,
    FAR_AUDITOR,
    FAR_RESTORER,
    KEYS,
    MANIFEST,
    NOTARY,
    OWNERS,
    PEOPLE,
    READERS,
    REENCRYPTOR,
    REPO,
    RESTORER,
    ROLES,
    ROOTS,
    ROTATOR,
    SIGNERS,
    WRITER,
    row,
    via,
)
from mutated_estate import ESTATE, KMS_KEYS, Row, key_arn

from strongroom.estate import duties, names


def on_keys() -> Iterator[Row]:
    for name, spec in KMS_KEYS.items():

        def on(action: str, *may: str, name: str = name, **context: Any) -> Row:
            among = (*PEOPLE, *ADMINS, *ROOTS)
            given = {k.replace("__", ":"): v for k, v in context.pop("given", {}).items()} | context
            return row(f"kms:{action}", key_arn(name), may, among, context=given, document=f"key {name}")

        owner, root = OWNERS[spec.layer].format(spec.account), f"root/{spec.account}"
        managed = spec.account == "workload" and spec.layer != "bootstrap"
        chief = (ADMIN,) if managed else ()
        auditor = (f"{spec.account}/auditor",)
        yield on("PutKeyPolicy", owner, root)
        yield on("GetKeyPolicy", owner, root, *chief, *auditor)
        yield on("CancelKeyDeletion", root, *chief)
        yield on("DisableKey", *chief)
        yield on("EnableKeyRotation", owner, *chief)
        yield on("ListGrants", *auditor)
        yield on("UpdateAlias", owner)
        for days, who in ((30, chief), (7, ()), (None, ())):
            context = {} if days is None else {"kms:ScheduleKeyDeletionPendingWindowInDays": days}
            yield on("ScheduleKeyDeletion", *who, given=context)
        for probe in ("RevokeGrant", "ReplicateKey", "DeriveSharedSecret"):
            yield on(probe)
        yield on("CreateGrant")
        yield from _uses(name, on)


def _uses(name: str, on: Any) -> Iterator[Row]:
    spec = KMS_KEYS[name]
    rotates = (ADMIN, ROTATOR) if spec.kms_spec == "SYMMETRIC_DEFAULT" and spec.layer == "keys" else (ADMIN,)
    if spec.layer == "keys":
        yield on("RotateKeyOnDemand", *rotates)
    for action in ("Decrypt", "GenerateDataKey", "Encrypt", "Sign", "ReEncryptFrom", "ReEncryptTo", "GenerateMac"):
        opens = {"recipient-primary": (RESTORER,), "recipient-vaulted": (FAR_RESTORER,)}
        yield on(action, *(opens.get(name, ()) if action == "Decrypt" else ()))
    if spec.purpose == "signing":
        yield on("Sign", SIGNERS[spec.duty], given={"kms:SigningAlgorithm": "ECDSA_SHA_256"})
        yield on("Sign", given={"kms:SigningAlgorithm": "ECDSA_SHA_384"})
        yield on("GetPublicKey", SIGNERS[spec.duty], EVIDENCE_AUDITOR, "audit/deployer.audit")
    elif spec.purpose == "id":
        users = (WRITER, RESTORER, FAR_RESTORER)
        yield on("GenerateMac", *users, given={"kms:MacAlgorithm": "HMAC_SHA_256"})
        yield on("GenerateMac", given={"kms:MacAlgorithm": "HMAC_SHA_512"})
        yield on("DescribeKey", *users, KEYS, ADMIN, AUDITOR, "root/workload")
    elif spec.purpose == "recipient":
        same = {"kms:ReEncryptOnSameKey": True}
        for action in ("ReEncryptFrom", "ReEncryptTo"):
            yield on(action, ROTATOR, given=same)
            yield on(action, given={"kms:ReEncryptOnSameKey": False})
        for action in ("GenerateDataKey", "Encrypt"):
            yield on(action, WRITER, given=REPO)
            yield on(action, given={"kms:EncryptionContext:repo": "other"})
        yield on("Encrypt", APP, REENCRYPTOR, given=BRANCH)
        # listing rotations does not cross accounts in the identity policies
        home = (RESTORER,) if spec.account == "workload" else (FAR_RESTORER,)
        near = (WRITER, APP, REENCRYPTOR, ROTATOR, *home)
        owner = (KEYS, ADMIN, AUDITOR) if spec.account == "workload" else ("backup/deployer.backup", FAR_AUDITOR)
        yield on("DescribeKey", *near, *owner, f"root/{spec.account}")
        yield on("ListKeyRotations", *(near if spec.account == "workload" else home), *owner)
    elif spec.purpose == "field-root":
        for action in ("Decrypt", "GenerateDataKey", "Encrypt"):
            yield on(action, APP, REENCRYPTOR, given=BRANCH)
            for missing in BRANCH:
                yield on(action, given={key: value for key, value in BRANCH.items() if key != missing})
                if not missing.endswith("tenant"):
                    yield on(action, given={**BRANCH, missing: "other"})
        for action in ("ReEncryptFrom", "ReEncryptTo"):
            yield on(action, ROTATOR, given={"kms:ReEncryptOnSameKey": True})
        yield on("ListKeyRotations", APP, REENCRYPTOR, ROTATOR, KEYS, ADMIN, AUDITOR)
    elif name.startswith("storage-"):
        yield from _storage(name, on)


def _storage(name: str, on: Any) -> Iterator[Row]:
    other = via("dynamodb")
    for action in ("Decrypt", "GenerateDataKey"):
        yield on(action, given=other)
    if name == "storage-imaging":
        yield on("Decrypt", APP, WRITER, given=via("s3"))
        yield on("GenerateDataKey", APP, given=via("s3"))
        yield on("Encrypt", given=via("s3"))
        yield on("ListKeyRotations", ADMIN, ROTATOR, AUDITOR, KEYS)
    if name == "storage-clinical":
        yield on("Decrypt", given=via("s3"))
        yield on("GenerateDataKey", given=via("s3"))
        yield on("Decrypt", APP, given=via("sqs"))
        yield on("GenerateDataKey", APP, given=via("sqs"))
        for action in ("Decrypt", "GenerateDataKey"):
            yield on(action, DATA, given=via("secretsmanager"))
        yield on("DescribeKey", ADMIN, ROTATOR, AUDITOR, KEYS, DATA, "root/workload")
        rds = via("rds")
        yield on("CreateGrant", DATA, given={**rds, "kms:GrantIsForAWSResource": True})
        yield on("CreateGrant", given={**rds, "kms:GrantIsForAWSResource": False})
        yield on("CreateGrant", given={"kms:GrantIsForAWSResource": True})
        logs, wanted = ("service:logs.us-east-1.amazonaws.com",), names.log_group_arn(ESTATE)
        for group, who in ((wanted, logs), (f"{wanted}-other", ())):
            given = {"kms:EncryptionContext:aws:logs:arn": group}
            yield row("kms:Decrypt", key_arn(name), who, logs, context=given, document=f"key {name}")
        yield row("kms:CreateGrant", key_arn(name), (), logs, context={"kms:EncryptionContext:aws:logs:arn": wanted},
                  document=f"key {name}")  # fmt: skip
    if name == "storage-evidence":
        through = {**via("s3"), "kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{EVIDENCE}"}
        yield on("GenerateDataKey", *SIGNERS.values(), given=through)
        yield on("Decrypt", *SIGNERS.values(), EVIDENCE_AUDITOR, given=through)
        elsewhere = {**via("s3"), "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::elsewhere"}
        # within the account the key policy is enough; from afar the identity policy names the bucket
        yield on("Decrypt", NOTARY, EVIDENCE_AUDITOR, given=elsewhere)
    if name == "storage-manifest":
        whole = {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{MANIFEST}"}
        boot = "admin/workload"
        yield on("Decrypt", *READERS, *DEPLOYERS, boot, given={**via("s3"), **whole})
        yield on("GenerateDataKey", *DEPLOYERS, boot, given={**via("s3"), **whole})
        yield on("Decrypt", given={**via("sqs"), **whole})
        every, deploying = [f"{who}!" for who in ROLES], [f"{who}!" for who in DEPLOYERS]
        for action, may in (("Decrypt", every), ("GenerateDataKey", deploying), ("RevokeGrant", ())):
            policy = {"document": f"key {name}"}
            yield row(f"kms:{action}", key_arn(name), may, every, context=via("s3"), **policy)
            yield row(f"kms:{action}", key_arn(name), (), every, context=via("sqs"), **policy)
        yield on("GenerateDataKey", given=whole)
        yield on("Decrypt", boot, given={**via("s3"), "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::elsewhere"})
        for layer in duties.DEPLOYERS:
            part = {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{MANIFEST}/dev/{layer}.json"}
            mine = [who for who in DEPLOYERS if who.endswith(f".{layer}")]
            yield on("GenerateDataKey", *mine, boot, given={**via("s3"), **part})
