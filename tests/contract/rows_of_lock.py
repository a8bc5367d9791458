"""Rules of S3 Object Lock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from contract_rows import ADMIN, allow, new_bucket, new_role, row

SOON = timedelta(hours=1)


def s3(cloud: Any, who: str = ADMIN) -> Any:
    return cloud.client(who, "s3")


def locked(cloud: Any, mode: str = "COMPLIANCE", **more: Any) -> tuple[str, str]:
    """(bucket, version) of an object `k` that is retained for two hours."""
    bucket = new_bucket(cloud, lock=True)
    until = datetime.now(UTC) + 2 * SOON
    made = s3(cloud).put_object(
        Bucket=bucket, Key="k", Body=b"x", ObjectLockMode=mode, ObjectLockRetainUntilDate=until, **more
    )
    return bucket, made["VersionId"]


def retain(cloud: Any, bucket: str, version: str, mode: str, span: timedelta, who: str = ADMIN, **more: Any) -> None:
    retention = {"Mode": mode, "RetainUntilDate": datetime.now(UTC) + span}
    s3(cloud, who).put_object_retention(Bucket=bucket, Key="k", VersionId=version, Retention=retention, **more)


@row("AccessDenied", moto_differs=False, laptop_only="a compliance lock outlives the test")
def a_retained_version_is_not_deleted(cloud: Any) -> None:
    bucket, version = locked(cloud)
    s3(cloud).delete_object(Bucket=bucket, Key="k", VersionId=version)


@row("AccessDenied", moto_differs=False, laptop_only="a compliance lock outlives the test")
def compliance_is_not_bypassed(cloud: Any) -> None:
    bucket, version = locked(cloud)
    s3(cloud).delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)


@row("AccessDenied", laptop_only="a compliance lock outlives the test")
def compliance_is_not_shortened(cloud: Any) -> None:
    bucket, version = locked(cloud)
    retain(cloud, bucket, version, "COMPLIANCE", SOON, BypassGovernanceRetention=True)


@row("AccessDenied", laptop_only="a compliance lock outlives the test")
def compliance_is_not_weakened_to_governance(cloud: Any) -> None:
    bucket, version = locked(cloud)
    retain(cloud, bucket, version, "GOVERNANCE", 3 * SOON, BypassGovernanceRetention=True)


@row(laptop_only="a compliance lock outlives the test")
def retention_is_extended_and_read_back(cloud: Any) -> None:
    bucket, version = locked(cloud)
    retain(cloud, bucket, version, "COMPLIANCE", 5 * SOON)
    kept = s3(cloud).get_object_retention(Bucket=bucket, Key="k", VersionId=version)["Retention"]
    assert kept["Mode"] == "COMPLIANCE" and kept["RetainUntilDate"] > datetime.now(UTC) + 4 * SOON


@row("AccessDenied")
def governance_is_not_shortened_without_bypass(cloud: Any) -> None:
    bucket, version = locked(cloud, "GOVERNANCE")
    retain(cloud, bucket, version, "GOVERNANCE", SOON)


@row("AccessDenied")
def bypass_needs_its_own_permission(cloud: Any) -> None:
    bucket, version = locked(cloud, "GOVERNANCE")
    role = new_role(cloud, allow(["s3:DeleteObject", "s3:DeleteObjectVersion"]))
    s3(cloud, role).delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)


@row(moto_differs=False)
def who_may_bypass_deletes_under_governance(cloud: Any) -> None:
    bucket, version = locked(cloud, "GOVERNANCE")
    s3(cloud).delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)


@row("InvalidArgument")
def a_lock_does_not_end_in_the_past(cloud: Any) -> None:
    bucket = new_bucket(cloud, lock=True)
    until = datetime.now(UTC) - SOON
    s3(cloud).put_object(
        Bucket=bucket, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )


def default_lock(cloud: Any) -> str:
    bucket = new_bucket(cloud, lock=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3(cloud).put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    return bucket


@row(moto_differs=False, laptop_only="a compliance lock outlives the test")
def the_default_applies_to_a_put(cloud: Any) -> None:
    bucket = default_lock(cloud)
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")
    head = s3(cloud).head_object(Bucket=bucket, Key="k")
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert head["ObjectLockRetainUntilDate"] > datetime.now(UTC) + 23 * SOON


@row("AccessDenied", laptop_only="a compliance lock outlives the test")
def the_default_applies_to_a_multipart_upload(cloud: Any) -> None:
    bucket, client = default_lock(cloud), s3(cloud)
    upload = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = client.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    done = client.complete_multipart_upload(
        Bucket=bucket,
        Key="k",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    client.delete_object(Bucket=bucket, Key="k", VersionId=done["VersionId"])


@row("AccessDenied", laptop_only="a compliance lock outlives the test")
def a_multipart_upload_keeps_its_own_lock(cloud: Any) -> None:
    bucket, client = new_bucket(cloud, lock=True), s3(cloud)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + SOON}
    upload = client.create_multipart_upload(Bucket=bucket, Key="k", **lock)["UploadId"]
    part = client.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    done = client.complete_multipart_upload(
        Bucket=bucket,
        Key="k",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    client.delete_object(Bucket=bucket, Key="k", VersionId=done["VersionId"])


@row("AccessDenied", laptop_only="a compliance lock outlives the test")
def a_copy_carries_the_lock_it_asks_for(cloud: Any) -> None:
    bucket, _ = locked(cloud)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + SOON}
    made = s3(cloud).copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"}, **lock)
    s3(cloud).delete_object(Bucket=bucket, Key="c", VersionId=made["VersionId"])


@row("AccessDenied", moto_differs=False)
def a_legal_hold_is_not_bypassed(cloud: Any) -> None:
    bucket = new_bucket(cloud, lock=True)
    made = s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON")
    s3(cloud).delete_object(Bucket=bucket, Key="k", VersionId=made["VersionId"], BypassGovernanceRetention=True)


@row("InvalidBucketState")
def versioning_is_not_suspended_under_lock(cloud: Any) -> None:
    bucket = new_bucket(cloud, lock=True)
    s3(cloud).put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


@row(moto_differs=False, laptop_only="a compliance lock outlives the test")
def a_delete_marker_hides_but_keeps_the_version(cloud: Any) -> None:
    bucket, version = locked(cloud)
    assert s3(cloud).delete_object(Bucket=bucket, Key="k")["DeleteMarker"]
    assert s3(cloud).get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read() == b"x"


@row(laptop_only="a compliance lock outlives the test")
def a_batch_delete_says_which_version_is_locked(cloud: Any) -> None:
    bucket, version = locked(cloud)
    free = s3(cloud).put_object(Bucket=bucket, Key="free", Body=b"x")["VersionId"]
    objects = [{"Key": "k", "VersionId": version}, {"Key": "free", "VersionId": free}]
    answer = s3(cloud).delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [row_["Key"] for row_ in answer["Deleted"]] == ["free"]
    assert [(row_["Key"], row_["Code"], row_["VersionId"]) for row_ in answer["Errors"]] == [
        ("k", "AccessDenied", version)
    ]


@row("AccessDenied")
def writing_a_lock_needs_its_own_permission(cloud: Any) -> None:
    bucket = new_bucket(cloud, lock=True)
    role = new_role(cloud, allow("s3:PutObject"))
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + SOON}
    s3(cloud, role).put_object(Bucket=bucket, Key="k", Body=b"x", **lock)


@row("AccessDenied")
def remaining_retention_days_are_decided(cloud: Any) -> None:
    bucket = new_bucket(cloud, lock=True)
    condition = {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "10"}}
    permission = allow(["s3:PutObjectRetention"])
    denial = {"Effect": "Deny", "Action": "s3:PutObjectRetention", "Resource": "*", "Condition": condition}
    role = new_role(cloud, permission, denial)
    made = s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")
    retain(cloud, bucket, made["VersionId"], "GOVERNANCE", timedelta(days=5), role)
    retain(cloud, bucket, made["VersionId"], "GOVERNANCE", timedelta(days=20), role)
