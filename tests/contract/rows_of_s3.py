"""Rules of S3 objects, buckets and encryption."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import requests
from botocore.config import Config
from contract_rows import ADMIN, BACKUP, WORKLOAD, allow, deny, document, new_bucket, new_key, new_role, row


def s3(cloud: Any, who: str = ADMIN) -> Any:
    return cloud.client(who, "s3")


def encrypt_by(cloud: Any, bucket: str, key: str) -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    s3(cloud).put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})


@row("AccessDenied")
def a_bucket_is_its_accounts_own(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")
    s3(cloud, f"admin@{BACKUP}").get_object(Bucket=bucket, Key="k")


@row(moto_differs=False)
def a_bucket_policy_admits_another_account(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")
    other = {"AWS": f"arn:aws:iam::{BACKUP}:root"}
    statement = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal=other)
    s3(cloud).put_bucket_policy(Bucket=bucket, Policy=document(statement))
    assert s3(cloud, f"admin@{BACKUP}").get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@row()
def deny_without_tls_lets_tls_through(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    policy = document(deny("s3:*", resources, Principal="*", Condition=condition))
    s3(cloud).put_bucket_policy(Bucket=bucket, Policy=policy)
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")


@row("AccessDenied")
def deny_unless_if_none_match_is_decided(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    condition = {"Null": {"s3:if-none-match": "true"}}
    policy = document(deny("s3:PutObject", f"arn:aws:s3:::{bucket}/*", Principal="*", Condition=condition))
    s3(cloud).put_bucket_policy(Bucket=bucket, Policy=policy)
    s3(cloud).put_object(Bucket=bucket, Key="a", Body=b"x", IfNoneMatch="*")
    s3(cloud).put_object(Bucket=bucket, Key="b", Body=b"x")


@row("AccessDenied")
def prefix_conditions_limit_listings(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    condition = {"StringLike": {"s3:prefix": "packs/*"}}
    role = new_role(cloud, allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition=condition))
    s3(cloud, role).list_objects_v2(Bucket=bucket, Prefix="packs/")
    s3(cloud, role).list_objects_v2(Bucket=bucket, Prefix="keys/")


@row("PreconditionFailed", moto_differs=False)
def if_none_match_finds_the_name_taken(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    for _ in range(2):
        s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")


@row("PreconditionFailed", moto_differs=False)
def if_match_wants_the_version_it_names(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    old = s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"y", IfMatch=old)
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"z", IfMatch=old)


@row("BadDigest")
def a_wrong_sha256_is_refused(cloud: Any) -> None:
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    s3(cloud).put_object(Bucket=new_bucket(cloud), Key="k", Body=b"x", ChecksumSHA256=wrong)


@row("BadDigest")
def a_wrong_md5_is_refused(cloud: Any) -> None:
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    s3(cloud).put_object(Bucket=new_bucket(cloud), Key="k", Body=b"x", ContentMD5=wrong)


@row("InvalidDigest")
def an_unreadable_md5_is_refused(cloud: Any) -> None:
    s3(cloud).put_object(Bucket=new_bucket(cloud), Key="k", Body=b"x", ContentMD5="short")


@row("KMS.DisabledException")
def a_disabled_key_stops_writing(cloud: Any) -> None:
    bucket, key = new_bucket(cloud), new_key(cloud)
    encrypt_by(cloud, bucket, key)
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")


@row("KMS.DisabledException")
def a_disabled_key_stops_reading(cloud: Any) -> None:
    bucket, key = new_bucket(cloud), new_key(cloud)
    encrypt_by(cloud, bucket, key)
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    s3(cloud).get_object(Bucket=bucket, Key="k")


@row("AccessDenied")
def reading_needs_the_key_as_well(cloud: Any) -> None:
    bucket, key = new_bucket(cloud), new_key(cloud)
    encrypt_by(cloud, bucket, key)
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")
    role = new_role(cloud, allow("s3:*"))
    s3(cloud, role).get_object(Bucket=bucket, Key="k")


@row("AccessDeniedException")
def a_key_given_through_s3_opens_nothing_directly(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    role = new_role(cloud, allow("s3:*"))
    condition = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    use = ["kms:GenerateDataKey", "kms:Decrypt"]
    key = new_key(cloud, allow(use, Principal={"AWS": role}, Condition=condition))
    encrypt_by(cloud, bucket, key)
    s3(cloud, role).put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3(cloud, role).get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    cloud.client(role, "kms").generate_data_key(KeyId=key, KeySpec="AES_256")


@row("NotFoundException")
def a_default_key_must_exist_to_write(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    encrypt_by(cloud, bucket, f"arn:aws:kms:us-east-1:{WORKLOAD}:key/00000000-0000-0000-0000-000000000000")
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")


@row("AccessDenied")
def customer_keys_are_blocked(cloud: Any) -> None:
    s3(cloud).put_object(
        Bucket=new_bucket(cloud), Key="k", Body=b"x", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32
    )


@row()
def objects_are_encrypted_by_default(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    assert s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"
    rules = s3(cloud).get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@row()
def new_buckets_are_closed_to_the_public(cloud: Any) -> None:
    block = s3(cloud).get_public_access_block(Bucket=new_bucket(cloud))["PublicAccessBlockConfiguration"]
    assert all(block.values())


@row("AccessDenied")
def a_public_policy_is_blocked(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    policy = document(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*"))
    s3(cloud).put_bucket_policy(Bucket=bucket, Policy=policy)


@row("MalformedPolicy")
def a_bucket_policy_names_existing_principals(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    ghost = {"AWS": f"arn:aws:iam::{WORKLOAD}:role/ghost"}
    policy = document(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal=ghost))
    s3(cloud).put_bucket_policy(Bucket=bucket, Policy=policy)


@row("AccessDenied")
def who_may_not_list_learns_nothing_of_absent_keys(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    role = new_role(cloud, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    s3(cloud, role).get_object(Bucket=bucket, Key="absent")


@row("BucketNotEmpty", moto_differs=False)
def a_bucket_with_old_versions_is_not_deleted(cloud: Any) -> None:
    bucket = new_bucket(cloud, versioned=True)
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")
    s3(cloud).delete_object(Bucket=bucket, Key="k")
    s3(cloud).delete_bucket(Bucket=bucket)


@row()
def presigned_urls_hold_until_they_expire_and_are_not_edited(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    client = cloud.make(cloud.session(ADMIN), "s3", config=Config(signature_version="s3v4"))
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    verify = client._endpoint.http_session._verify
    assert requests.get(url, verify=verify, timeout=10).content == b"x"
    edited = url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")
    assert requests.get(edited, verify=verify, timeout=10).status_code == 403
    old = _signed_in_the_past(client, bucket)
    assert requests.get(old, verify=verify, timeout=10).status_code == 403


def _signed_in_the_past(client: Any, bucket: str) -> str:
    from datetime import UTC, datetime, timedelta
    from unittest import mock

    import botocore.auth

    past = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=past):
        return str(client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60))


@row(moto_differs=False)
def ranges_copies_tags_and_listings_work_as_documented(cloud: Any) -> None:
    bucket, client = new_bucket(cloud, versioned=True), s3(cloud)
    body = bytes(range(256)) * 10000
    client.put_object(Bucket=bucket, Key="a/1", Body=body, Tagging="t=1", Metadata={"m": "v"}, ContentType="x/y")
    part = client.get_object(Bucket=bucket, Key="a/1", Range="bytes=1048570-1048590")
    assert part["Body"].read() == body[1048570:1048591]
    assert part["ContentRange"] == f"bytes 1048570-1048590/{len(body)}"
    client.copy_object(Bucket=bucket, Key="b/2", CopySource={"Bucket": bucket, "Key": "a/1"})
    copied = client.get_object(Bucket=bucket, Key="b/2")
    assert (copied["Body"].read(), copied["Metadata"], copied["TagCount"]) == (body, {"m": "v"}, 1)
    for number in range(5):
        client.put_object(Bucket=bucket, Key=f"c/{number}", Body=b"")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    assert keys == ["a/1", "b/2", "c/0", "c/1", "c/2", "c/3", "c/4"]
    listed = client.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [row_["Prefix"] for row_ in listed["CommonPrefixes"]] == ["a/", "b/", "c/"]
    client.delete_object(Bucket=bucket, Key="c/0")
    client.put_object(Bucket=bucket, Key="c/0", Body=b"again")
    versions = client.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
    seen = [v["Key"] for page in versions for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    assert sorted(seen).count("c/0") == 3 and len(seen) == 9


@row()
def a_multipart_upload_comes_back_whole(cloud: Any) -> None:
    bucket, client = new_bucket(cloud), s3(cloud)
    parts = [b"a" * (5 << 20), b"b" * (5 << 20), b"c" * 10]
    upload = client.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        made = client.upload_part(
            Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=part, ChecksumAlgorithm="SHA256"
        )
        done.append({"PartNumber": number, "ETag": made["ETag"], "ChecksumSHA256": made["ChecksumSHA256"]})
    ended = client.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
    joined = b"".join(base64.b64decode(row_["ChecksumSHA256"]) for row_ in done)
    assert ended["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(joined).digest()).decode() + "-3"
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(parts)
    ranged = client.get_object(Bucket=bucket, Key="k", Range=f"bytes={(5 << 20) - 2}-{(5 << 20) + 1}")
    assert ranged["Body"].read() == b"aabb"


@row(moto_differs=False)
def the_policy_that_was_put_comes_back(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    statement = deny("s3:DeleteBucket", f"arn:aws:s3:::{bucket}", Principal="*", Sid="Never")
    s3(cloud).put_bucket_policy(Bucket=bucket, Policy=document(statement))
    kept = json.loads(s3(cloud).get_bucket_policy(Bucket=bucket)["Policy"])
    assert kept["Statement"][0]["Sid"] == "Never"
    assert s3(cloud).get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
