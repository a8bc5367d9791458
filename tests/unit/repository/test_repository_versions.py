"""In a versioned bucket an attacker who may write lays garbage and delete markers over everything: nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric import rsa
from repository_kit import Kit, memory_item

from backup_jobs.repository import copy_run, create
from strongroom.errors import IntegrityFailure
from strongroom.storage.local import LocalStorage
from strongroom.storage.s3 import S3Storage

TREE = {"a": b"a" * 1000, "b": bytes(range(256)) * 3000}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    made = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )
    yield made
    made.close()
    server.stop()


@pytest.fixture
def bucket(client: Any, tmp_path: Path, escrow_key: rsa.RSAPrivateKey) -> Kit:
    name = f"bucket-{abs(hash(tmp_path)) % 10**9}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    kit = Kit(tmp_path / "kit", escrow_key)
    kit.storage = S3Storage(client, name, "repository")  # type: ignore[assignment]
    create(kit.storage, "strongroom-test")
    kit.backup("r1", [memory_item(path, data) for path, data in TREE.items()])
    assert kit.verify("r1").ok
    kit.backup("r2", [memory_item(path, data, "2") for path, data in TREE.items()])
    return kit


def overwrite(bucket: Kit) -> int:
    names = [entry.name for entry in bucket.storage.list() if entry.name != "format.json"]
    for name in names:
        bucket.storage.put(name, b"garbage")
    return len(names)


def test_overwritten_objects_are_read_in_their_true_version(bucket: Kit) -> None:
    assert overwrite(bucket) > 10
    for run in ("r1", "r2"):
        assert bucket.content(run=run) == TREE
        assert bucket.reader().open("files", run).verify().ok
    assert [info.signature_state for info in bucket.reader().runs()] == ["valid", "valid"]


def test_objects_under_delete_markers_are_read_and_copied(bucket: Kit, client: Any, tmp_path: Path) -> None:
    names = [entry.name for entry in bucket.storage.list() if not entry.name.startswith(("format", "commits", "keys"))]
    for name in names:
        client.delete_object(Bucket=bucket.storage._bucket, Key=f"repository/{name}")  # type: ignore[attr-defined]
    assert bucket.content() == TREE
    overwrite(bucket)
    target = LocalStorage(tmp_path / "copy")
    copy_run(bucket.storage, target, "r2", ["escrow"], trust=bucket.trust)
    assert bucket.content(storage=target) == TREE


def test_negative_control_without_versions_garbage_is_what_there_is(
    bucket: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(bucket)
    monkeypatch.setattr(S3Storage, "versions", lambda self, name: (self.head(name),))
    with pytest.raises(IntegrityFailure):
        bucket.content(run="r2")


def test_a_copy_heals_what_lies_on_top(bucket: Kit, client: Any, tmp_path: Path) -> None:
    good = LocalStorage(tmp_path / "copy")
    copy_run(bucket.storage, good, "r2", ["escrow"], trust=bucket.trust)
    for entry in list(bucket.storage.list("packs/")):
        bucket.storage.put(entry.name, b"garbage")
    healed = copy_run(good, bucket.storage, "r2", ["escrow"], check_present=True, trust=bucket.trust).healed
    assert healed and all(name.startswith("packs/") for name in healed)
    assert all(bucket.storage.get(name) == good.get(name) for name in healed)
