"""What the backup's writer cannot do with its own real credentials: open, read, delete, unlock or overwrite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.stage import Stage, require

TITLE = "A stolen writer"
DENIED = ("AccessDenied", "AccessDeniedException")


def show(stage: Stage) -> str:
    """Five attempts with the role session of the backup-writer; each must be refused by policy."""
    from urllib.parse import urlparse

    copy, ctx = stage.copy("primary"), stage.context("backup-writer")
    bucket, session = urlparse(copy.url).netloc, ctx.session("backup-writer", copy.account, copy.region)
    s3, kms = session.client("s3"), session.client("kms")
    storage, slot = stage.data("restorer", "primary"), _slot(stage)
    pack = next(storage.list("packs/")).name
    version = storage.head(pack).version.id
    key = {"Bucket": bucket, "Key": pack}
    sooner = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(minutes=1)}
    junk = f"packs/00/{'0' * 64}.pack"
    attempts: list[tuple[str, Callable[[], Any]]] = [
        (
            "open a slot",
            lambda: kms.decrypt(
                KeyId=slot.wrapped.key_ref, CiphertextBlob=slot.wrapped.blob, EncryptionContext=dict(slot.context)
            ),
        ),
        ("read a pack", lambda: s3.get_object(**key)),
        ("delete a version", lambda: s3.delete_object(**key, VersionId=version)),
        ("shorten a lock", lambda: s3.put_object_retention(**key, VersionId=version, Retention=sooner)),
        ("put without If-None-Match", lambda: s3.put_object(Bucket=bucket, Key=junk, Body=b"junk")),
    ]
    refused = [_attempt(stage, what, act) for what, act in attempts]
    require(
        all(refused), f"the writer could {', '.join(w for (w, _), no in zip(attempts, refused, strict=True) if not no)}"
    )
    require(storage.head(pack).version.id == version, "the pack was changed by a refused attempt")
    return f"{len(refused)} attempts with real credentials, {len(refused)} refused"


def _slot(stage: Stage) -> Any:
    from backup_jobs.recipients import newest_slots
    from demo.steps.rotation import FOLLOWED

    return newest_slots(stage.data("rotator", "primary"))[FOLLOWED][0][0]


def _attempt(stage: Stage, what: str, act: Callable[[], Any]) -> bool:
    from botocore.exceptions import ClientError

    try:
        act()
    except ClientError as error:
        found = error.response["Error"]
        if found["Code"] in DENIED:
            stage.display.refused(what, stage.named(deciding(found["Message"])))
            return True
        stage.display.failed(f"{what}: {found['Code']}: {found['Message']}")
        return False
    return False


def deciding(message: str) -> str:
    """What decided, out of a refusal's message: the gateway names the statement, or the policy that allows nothing."""
    _, mark, decided = message.partition("[decided by: ")
    words = decided.removesuffix("]") if mark else message
    silent = "no statement allows it"
    return words[: words.index(silent) + len(silent)] if silent in words else words
