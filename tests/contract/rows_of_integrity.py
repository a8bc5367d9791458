"""Rules of what S3 verifies: checksums of every kind, encryption that may not be chosen, links that end."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import requests
from botocore.config import Config
from contract_rows import ADMIN, BACKUP, allow, deny, document, new_bucket, new_key, new_role, row


def s3(cloud: Any, who: str = ADMIN) -> Any:
    return cloud.client(who, "s3")


@row("BadDigest")
def a_wrong_crc32_is_refused(cloud: Any) -> None:
    wrong = base64.b64encode(zlib.crc32(b"other").to_bytes(4)).decode()
    s3(cloud).put_object(Bucket=new_bucket(cloud), Key="k", Body=b"x", ChecksumCRC32=wrong)


@row("BadDigest")
def a_wrong_sha1_is_refused(cloud: Any) -> None:
    s3(cloud).put_object(
        Bucket=new_bucket(cloud), Key="k", Body=b"x", ChecksumSHA1=base64.b64encode(b"x" * 20).decode()
    )


@row("BadDigest")
def a_part_with_a_wrong_checksum_is_refused(cloud: Any) -> None:
    bucket, client = new_bucket(cloud), s3(cloud)
    upload = client.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    wrong = base64.b64encode(b"x" * 32).decode()
    client.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x", ChecksumSHA256=wrong)


@row("NoSuchKey")
def what_was_refused_is_not_there(cloud: Any) -> None:
    bucket, client = new_bucket(cloud), s3(cloud)
    wrong = base64.b64encode(zlib.crc32(b"other").to_bytes(4)).decode()
    try:
        client.put_object(Bucket=bucket, Key="k", Body=b"x", ChecksumCRC32=wrong)
    except client.exceptions.ClientError as refused:
        assert refused.response["Error"]["Code"] == "BadDigest"
    client.get_object(Bucket=bucket, Key="k")


@row(moto_differs=False)
def a_checksum_comes_back_with_the_object(cloud: Any) -> None:
    bucket, client = new_bucket(cloud), s3(cloud)
    right = base64.b64encode(zlib.crc32(b"x").to_bytes(4)).decode()
    client.put_object(Bucket=bucket, Key="k", Body=b"x", ChecksumCRC32=right)
    assert client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == right


@row("AccessDenied")
def customer_keys_are_blocked_in_copies_too(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x")
    source = {"Bucket": bucket, "Key": "k"}
    s3(cloud).copy_object(
        Bucket=bucket, Key="k", CopySource=source, SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32
    )


@row("AccessDenied")
def objects_are_not_encrypted_under_a_key_the_policy_does_not_name(cloud: Any) -> None:
    bucket, ours, other = new_bucket(cloud), new_key(cloud), new_key(cloud)
    condition = {"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption-aws-kms-key-id": ours}}
    policy = document(deny("s3:PutObject", f"arn:aws:s3:::{bucket}/*", Principal="*", Condition=condition))
    s3(cloud).put_bucket_policy(Bucket=bucket, Policy=policy)
    for key in (ours, other):
        s3(cloud).put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)


@row("AccessDenied")
def copies_read_with_the_callers_own_permissions(cloud: Any) -> None:
    source, target = new_bucket(cloud), new_bucket(cloud)
    s3(cloud).put_object(Bucket=source, Key="k", Body=b"x")
    role = new_role(cloud, allow("s3:PutObject", f"arn:aws:s3:::{target}/*"))
    s3(cloud, role).put_object(Bucket=target, Key="own", Body=b"x")
    s3(cloud, role).copy_object(Bucket=target, Key="k", CopySource={"Bucket": source, "Key": "k"})


@row("AccessDenied")
def another_account_does_not_list_a_bucket(cloud: Any) -> None:
    s3(cloud, f"admin@{BACKUP}").list_objects_v2(Bucket=new_bucket(cloud))


@row("AccessDenied")
def another_account_does_not_write_into_a_bucket(cloud: Any) -> None:
    s3(cloud, f"admin@{BACKUP}").put_object(Bucket=new_bucket(cloud), Key="k", Body=b"x")


@row()
def a_presigned_put_carries_the_signers_permissions(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    role = new_role(cloud, allow("s3:PutObject", f"arn:aws:s3:::{bucket}/in/*"))
    client = cloud.make(cloud.session(role), "s3", config=Config(signature_version="s3v4"))
    verify = client._endpoint.http_session._verify

    def put(key: str) -> int:
        url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
        return int(requests.put(url, data=b"x", verify=verify, timeout=10).status_code)

    assert (put("in/a"), put("out/a")) == (200, 403)


@row()
def a_presigned_url_is_for_its_method_and_key(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    client = cloud.make(cloud.session(ADMIN), "s3", config=Config(signature_version="s3v4"))
    for key in ("a", "b"):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"}, ExpiresIn=60)
    verify = client._endpoint.http_session._verify
    assert requests.get(url, verify=verify, timeout=10).status_code == 200
    assert requests.delete(url, verify=verify, timeout=10).status_code == 403
    assert requests.get(url.replace(f"{bucket}/a", f"{bucket}/b"), verify=verify, timeout=10).status_code == 403
