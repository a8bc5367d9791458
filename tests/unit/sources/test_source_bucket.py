"""A bucket as a source: the versions of one time, with metadata and tags; keys that are no paths come back as files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from backup_jobs.sources.bucket import BucketSource
from backup_jobs.sources.bucket_objects import split_url
from backup_jobs.sources.bucket_restore import digest_objects, file_names, to_folder
from strongroom.errors import Missing, UsageError
from strongroom.jobs.clock import SystemClock

pytestmark = pytest.mark.cloud
KEY = b"k" * 32


@pytest.fixture(scope="module")
def s3() -> Iterator[object]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    client = session.client("s3", endpoint_url=f"http://{host}:{port}")
    yield client
    client.close()
    server.stop()


@pytest.fixture
def bucket(s3) -> str:
    name = f"images-{os.urandom(4).hex()}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def put(s3, bucket: str, key: str, body: bytes, **more) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=body, **more)


def test_round_trip_with_metadata_tags_and_deletions(s3, bucket: str, tmp_path: Path, carry) -> None:
    put(s3, bucket, "a", b"old")
    put(s3, bucket, "a", b"new", ContentType="application/dicom", Metadata={"modality": "US"}, Tagging="class=imaging")
    put(s3, bucket, "gone", b"x")
    s3.delete_object(Bucket=bucket, Key="gone")
    put(s3, bucket, "a/b", b"below a")
    source = BucketSource("images", s3, bucket, SystemClock())
    items, facts, _ = carry(source, KEY)
    assert {item.path: b"".join(item.read()) for item in items} == {"a": b"new", "a/b": b"below a"}
    assert items[0].metadata == {"ContentType": "application/dicom", "user:modality": "US", "tag:class": "imaging"}
    other = f"{bucket}-back"
    s3.create_bucket(Bucket=other)
    assert source.restore(iter(items), f"s3://{other}/p/") == {"items": 2}
    head = s3.head_object(Bucket=other, Key="p/a")
    assert (head["ContentType"], head["Metadata"]) == ("application/dicom", {"modality": "US"})
    tags = s3.get_object_tagging(Bucket=other, Key="p/a")["TagSet"]
    assert tags == [{"Key": "class", "Value": "imaging"}]
    folder = tmp_path / "back"
    names = to_folder(iter(items), folder)
    assert digest_objects(folder, KEY) == facts["tables"]["objects"]
    (folder / names["a/b"]).write_bytes(b"longer than it was")
    assert digest_objects(folder, KEY) != facts["tables"]["objects"]


def test_what_is_written_during_the_capture_changes_nothing(s3, bucket: str) -> None:
    put(s3, bucket, "k", b"before")
    with BucketSource("images", s3, bucket, SystemClock()).capture(KEY) as capture:
        put(s3, bucket, "k", b"after, and longer")
        items = list(capture.items())
        with items[0].open() as stream:
            assert stream.read() == b"before"
        assert capture.facts()["skipped"] == []


def test_the_state_at_an_earlier_time(s3, bucket: str, carry) -> None:
    put(s3, bucket, "k", b"now")
    source = BucketSource("images", s3, bucket, SystemClock(), at=datetime(2020, 1, 1, tzinfo=UTC))
    items, facts, _ = carry(source, KEY)
    assert (items, facts["tables"]["objects"]["rows"]) == ([], 0)


def test_an_unversioned_object_replaced_meanwhile_is_listed(s3) -> None:
    name = f"plain-{os.urandom(4).hex()}"
    s3.create_bucket(Bucket=name)
    put(s3, name, "k", b"before")
    with BucketSource("images", s3, name, SystemClock()).capture(KEY) as capture:
        items = list(capture.items())
        put(s3, name, "k", b"after")
        with pytest.raises(OSError, match="answered"):
            items[0].open()
        facts = capture.facts()
    assert facts["skipped"] == [{"path": "k", "reason": "unreadable"}]
    assert facts["tables"]["objects"]["rows"] == 0


def test_targets(s3, bucket: str, tmp_path: Path, carry) -> None:
    put(s3, bucket, "k", b"x")
    source = BucketSource("images", s3, bucket, SystemClock())
    items, _, _ = carry(source, KEY)
    with pytest.raises(UsageError, match="source itself"):
        source.restore(iter(items), f"s3://{bucket}/elsewhere/")
    used = f"{bucket}-used"
    s3.create_bucket(Bucket=used)
    put(s3, used, "k", b"x")
    with pytest.raises(UsageError, match="not empty"):
        source.restore(iter(items), f"s3://{used}")
    with pytest.raises(Missing), BucketSource("none", s3, "absent-bucket", SystemClock()).capture(KEY):
        pass
    with pytest.raises(UsageError):
        split_url("s3://")


def test_keys_become_distinct_names_inside_the_folder() -> None:
    keys = ["a", "a/", "a/b", "a//b", "../x", "./x", "a%", "a/b%", "x" * 300, "/abs", "..", "%", "a\0b"]
    names = file_names(keys)
    assert len(set(names.values())) == len(keys)
    folders = {name.rsplit("/", depth)[0] for name in names.values() for depth in range(1, name.count("/") + 1)}
    assert not folders & set(names.values()), "no object's file is another's folder"
    for name in names.values():
        assert ".." not in name.split("/") and not name.startswith("/") and "\0" not in name
        assert all(0 < len(part.encode()) <= 255 for part in name.split("/"))
