"""What S3 resources do to data: objects from files, buckets that are not empty, locks, somebody else's writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from local_cloud.plugins.wire import Asset

pytestmark = pytest.mark.cloud
BUCKET, OBJECT = "aws:s3/bucket:Bucket", "aws:s3/bucketObjectv2:BucketObjectv2"


def test_a_bucket_with_objects_is_deleted_only_by_force(aws: Any) -> None:
    made = aws.create(BUCKET, "full", {})
    s3 = aws.servicer.service("s3")
    s3.put_bucket_versioning(Bucket=made.id, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket=made.id, Key="a", Body=body)
    s3.delete_object(Bucket=made.id, Key="a")
    with pytest.raises(grpc.RpcError, match="BucketNotEmpty"):
        aws.delete(made)
    aws.update(made, {"forceDestroy": True})
    aws.delete(made)
    assert not aws.read(made)


def test_locked_versions_survive_even_force(aws: Any) -> None:
    made = aws.create(BUCKET, "locked", {"objectLockEnabled": True, "forceDestroy": True})
    lock = {"rule": {"defaultRetention": {"mode": "COMPLIANCE", "days": 1}}, "bucket": made.id}
    aws.create("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "lock", lock)
    aws.servicer.service("s3").put_object(Bucket=made.id, Key="pack", Body=b"x")
    with pytest.raises(grpc.RpcError, match="the first is pack"):
        aws.delete(made)
    assert aws.read(made)


def test_a_file_is_an_object_and_its_change_is_seen(aws: Any, tmp_path: Path) -> None:
    bucket = aws.create(BUCKET, "files", {}).id
    path = tmp_path / "restore.py"
    path.write_text("print('one')")
    inputs = {"bucket": bucket, "key": "tools/restore.py", "source": Asset(path=str(path))}
    made = aws.create(OBJECT, "tool", inputs)
    s3 = aws.servicer.service("s3")
    assert s3.get_object(Bucket=bucket, Key="tools/restore.py")["Body"].read() == b"print('one')"
    assert not aws.diff(made, inputs).diffs
    path.write_text("print('two')")
    assert aws.diff(made, inputs).diffs == ["source"]
    aws.update(made, inputs)
    assert s3.get_object(Bucket=bucket, Key="tools/restore.py")["Body"].read() == b"print('two')"
    aws.clean_up()


def test_an_object_that_somebody_else_wrote_is_a_difference(aws: Any) -> None:
    bucket = aws.create(BUCKET, "written", {}).id
    inputs = {"bucket": bucket, "key": "dev/keys.json", "content": "{}"}
    made = aws.create(OBJECT, "part", inputs)
    s3 = aws.servicer.service("s3")
    s3.put_object(Bucket=bucket, Key="dev/keys.json", Body=b"forged")
    assert aws.read(made)
    assert "content" in aws.diff(made, inputs).diffs
    aws.update(made, inputs)
    assert s3.get_object(Bucket=bucket, Key="dev/keys.json")["Body"].read() == b"{}"
    assert aws.read(made)
    assert not aws.diff(made, inputs).diffs
    aws.clean_up()


def test_an_object_takes_retention(aws: Any) -> None:
    bucket = aws.create(BUCKET, "kept", {"objectLockEnabled": True}).id
    until = "2099-01-01T00:00:00Z"
    inputs = {"bucket": bucket, "key": "a", "content": "x", "objectLockMode": "GOVERNANCE", "forceDestroy": True}
    made = aws.create(OBJECT, "a", {**inputs, "objectLockRetainUntilDate": until})
    assert made.outputs["objectLockMode"] == "GOVERNANCE"
    assert not aws.diff(made, {**inputs, "objectLockRetainUntilDate": "2099-01-01T01:00:00+01:00"}).diffs
    longer = {**inputs, "objectLockRetainUntilDate": "2099-06-01T00:00:00Z"}
    assert aws.diff(made, longer).diffs == ["objectLockRetainUntilDate"]
    version = made.outputs["versionId"]
    aws.update(made, longer)
    assert made.outputs["versionId"] == version, "a longer retention writes no new version"
    aws.clean_up()


def test_two_contents_are_refused(aws: Any) -> None:
    bucket = aws.create(BUCKET, "twice", {}).id
    with pytest.raises(grpc.RpcError, match="content and contentBase64"):
        aws.create(OBJECT, "a", {"bucket": bucket, "key": "a", "content": "x", "contentBase64": "eA=="})
    aws.clean_up()
