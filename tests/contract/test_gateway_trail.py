"""The trail over the life of a gateway: delivered when it stops, kept when it is killed, dated by its own clock."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from contract_rows import ADMIN, WORKLOAD, new_bucket, new_key
from gateway_process import GatewayProcess
from rows_of_backup import back_up, locked, new_vault
from rows_of_secrets import new_secret
from rows_of_trail import arn_of, new_trail, objects, verified

pytestmark = pytest.mark.cloud
DAY = 86400
ROLE = f"arn:aws:iam::{WORKLOAD}:role/OrganizationAccountAccessRole"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("trail"))
    yield process
    process.stop()


@contextmanager
def later(gateway: GatewayProcess, seconds: float) -> Iterator[Callable[[str], Any]]:
    """A client maker while the gateway's clock is ahead; sessions of before have ended by then."""
    clock = gateway.home / "cloud" / "clock_offset"
    clock.write_text(str(seconds))
    try:
        admin: boto3.Session = gateway.assume(gateway.user("bootstrap-admin"), ROLE)
        yield lambda service: gateway.make(admin, service)
    finally:
        clock.unlink()


def code_of(ask: Callable[..., object], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        ask(**arguments)
    return str(caught.value.response["Error"]["Code"])


def keys_in(home: Path, bucket: str) -> list[str]:
    with sqlite3.connect(home / "cloud" / "s3" / "index.sqlite") as index:
        rows = index.execute("select key from versions where bucket=? order by key", (bucket,)).fetchall()
    index.close()
    return [row[0] for row in rows]


def test_what_happened_until_the_stop_is_delivered(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path)
    trail, bucket = new_trail(gateway, EnableLogFileValidation=True)
    new_key(gateway)
    gateway.stop()
    keys = keys_in(tmp_path, bucket)
    assert any("/CloudTrail/" in key for key in keys) and any("/CloudTrail-Digest/" in key for key in keys)
    progress = json.loads((tmp_path / "cloud" / "events" / "delivery.json").read_bytes())[arn_of(trail)]
    [day] = (tmp_path / "cloud" / "events").glob("*.ndjson")
    unseen = day.read_bytes()[progress["seen"][day.stem] :].splitlines()
    # beyond the cursor stand only the deliveries themselves
    assert {json.loads(line)["userIdentity"].get("invokedBy") for line in unseen} <= {"cloudtrail.amazonaws.com"}


def test_what_a_killed_gateway_did_not_deliver_is_kept(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path)
    trail, _ = new_trail(gateway)
    key = new_key(gateway)
    gateway.process.kill()
    gateway.process.wait(20)
    gateway.log.close()
    (tmp_path / "cloud" / "gateway.json").unlink()
    second = GatewayProcess(tmp_path)
    try:
        archived = Path(json.loads((tmp_path / "cloud" / "gateway.json").read_text())["archived"]) / "events"
        progress = json.loads((archived / "delivery.json").read_bytes())[arn_of(trail)]
        [day] = archived.glob("*.ndjson")
        assert key in day.read_bytes()[progress["seen"].get(day.stem, 0) :].decode()
        assert second.client(ADMIN, "cloudtrail").describe_trails()["trailList"] == []
    finally:
        second.stop()


def test_a_digest_is_due_every_hour(gateway: GatewayProcess) -> None:
    _, bucket = new_trail(gateway, EnableLogFileValidation=True)
    assert not list(objects(gateway, bucket, "/CloudTrail-Digest/"))
    with later(gateway, 3700):
        deadline = time.monotonic() + 20
        while not any("/CloudTrail-Digest/" in key for key in keys_in(gateway.home, bucket)):
            assert time.monotonic() < deadline, "no digest came"
            time.sleep(0.1)
    assert verified(gateway, bucket)


def test_event_history_reaches_back_ninety_days(gateway: GatewayProcess) -> None:
    key = new_key(gateway)
    asked = {"LookupAttributes": [{"AttributeKey": "ResourceName", "AttributeValue": key}]}
    gateway.client(ADMIN, "kms").describe_key(KeyId=key)
    for days, held in ((89, True), (91, False)):
        with later(gateway, days * DAY) as client:
            assert bool(client("cloudtrail").lookup_events(**asked)["Events"]) == held


def test_a_compliance_lock_becomes_immutable_on_its_date(gateway: GatewayProcess) -> None:
    vault = locked(gateway, new_vault(gateway), MinRetentionDays=7, ChangeableForDays=3)
    point = back_up(gateway, vault, 30)["RecoveryPointArn"]
    backup = gateway.client(ADMIN, "backup")
    described = backup.describe_backup_vault(BackupVaultName=vault)
    assert described["Locked"] and (described["LockDate"] - described["CreationDate"]).days == 3
    backup.put_backup_vault_lock_configuration(BackupVaultName=vault, MinRetentionDays=7, ChangeableForDays=3)
    with later(gateway, 3 * DAY + 60) as client:
        backup, asked = client("backup"), {"BackupVaultName": vault}
        assert code_of(backup.delete_backup_vault_lock_configuration, **asked) == "InvalidRequestException"
        weaker = {**asked, "MinRetentionDays": 1}
        assert code_of(backup.put_backup_vault_lock_configuration, **weaker) == "InvalidRequestException"
        assert code_of(backup.delete_recovery_point, **asked, RecoveryPointArn=point) == "InvalidRequestException"
        assert code_of(backup.delete_backup_vault, **asked) == "InvalidRequestException"
    with later(gateway, 31 * DAY) as client:
        # its retention has ended: AWS Backup itself removed it, and the empty vault stays locked
        assert client("backup").list_recovery_points_by_backup_vault(BackupVaultName=vault)["RecoveryPoints"] == []
        assert code_of(client("backup").delete_backup_vault, BackupVaultName=vault) == "InvalidRequestException"


def test_a_deleted_secret_is_gone_after_its_window(gateway: GatewayProcess) -> None:
    secret = new_secret(gateway)
    gateway.client(ADMIN, "secretsmanager").delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    with later(gateway, 6 * DAY) as client:
        assert code_of(client("secretsmanager").get_secret_value, SecretId=secret) == "InvalidRequestException"
    with later(gateway, 7 * DAY + 60) as client:
        assert code_of(client("secretsmanager").restore_secret, SecretId=secret) == "ResourceNotFoundException"


def test_what_the_trail_writes_is_private(gateway: GatewayProcess) -> None:
    new_trail(gateway, EnableLogFileValidation=True)
    new_bucket(gateway)
    gateway.client(ADMIN, "cloudtrail").list_public_keys()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (gateway.home / "cloud" / "events").iterdir()}
    assert {"delivery.json"} <= set(modes) and set(modes.values()) == {0o600}
