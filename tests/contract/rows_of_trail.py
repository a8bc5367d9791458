"""Rules of the trail: event history, trails that reach their bucket, selectors, digests, and what no event may hold."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from contract_rows import (
    ADMIN,
    ALICE,
    AUDIT,
    WORKLOAD,
    allow,
    deny,
    document,
    name,
    new_bucket,
    new_key,
    new_role,
    row,
)
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

LAPTOP_ONLY = "CloudTrail delivers minutes later, and event history is as late"
CLOUDTRAIL = {"Service": "cloudtrail.amazonaws.com"}


def arn_of(trail: str) -> str:
    return f"arn:aws:cloudtrail:us-east-1:{WORKLOAD}:trail/{trail}"


def trail_bucket(cloud: Any, trail: str, *, account: str = WORKLOAD, **more: Any) -> str:
    """A bucket with the policy that CloudTrail's user guide gives for a trail."""
    bucket = new_bucket(cloud, account=account)
    condition = {"StringEquals": {"aws:SourceArn": arn_of(trail)}}
    written = {"StringEquals": {**condition["StringEquals"], "s3:x-amz-acl": "bucket-owner-full-control"}}
    policy = document(
        allow("s3:GetBucketAcl", f"arn:aws:s3:::{bucket}", Principal=CLOUDTRAIL, Condition=condition),
        allow("s3:PutObject", f"arn:aws:s3:::{bucket}/AWSLogs/{WORKLOAD}/*", Principal=CLOUDTRAIL, Condition=written),
    )
    cloud.client(f"admin@{account}", "s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    return bucket


def new_trail(cloud: Any, *, account: str = WORKLOAD, selectors: Any = None, **more: Any) -> tuple[str, str]:
    """(trail, bucket) of a trail that logs."""
    trail, cloudtrail = name("trail"), cloud.client(ADMIN, "cloudtrail")
    for old in cloudtrail.describe_trails()["trailList"]:
        cloudtrail.delete_trail(Name=old["TrailARN"])  # a Region has five at most
    bucket = trail_bucket(cloud, trail, account=account)
    cloudtrail.create_trail(Name=trail, S3BucketName=bucket, **more)
    if selectors:
        cloudtrail.put_event_selectors(TrailName=trail, **selectors)
    cloudtrail.start_logging(Name=trail)
    return trail, bucket


def objects(cloud: Any, bucket: str, part: str = "/CloudTrail/", account: str = WORKLOAD) -> Iterator[tuple[str, Any]]:
    """(key, document) of the objects that a trail delivered."""
    s3 = cloud.client(f"admin@{account}", "s3")
    for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        if part in item["Key"]:
            body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            yield item["Key"], json.loads(gzip.decompress(body))


def delivered(cloud: Any, trail: str, bucket: str, account: str = WORKLOAD) -> list[dict[str, Any]]:
    """What a trail recorded, delivered by stopping it."""
    cloud.client(ADMIN, "cloudtrail").stop_logging(Name=trail)
    return [event for _, found in objects(cloud, bucket, account=account) for event in found["Records"]]


def lookup(cloud: Any, key: str, value: str, who: str = ADMIN, region: str = "us-east-1") -> list[dict[str, Any]]:
    found = cloud.client(who, "cloudtrail", region).lookup_events(
        LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}]
    )
    return [json.loads(event["CloudTrailEvent"]) for event in found["Events"]]


@row()
def every_call_is_in_the_event_history(cloud: Any) -> None:
    secret, bucket = name("secret"), new_bucket(cloud)
    cloud.client(ADMIN, "secretsmanager").create_secret(Name=secret, SecretString="hidden-value")
    try:
        cloud.client("alice", "s3").get_bucket_policy(Bucket=bucket)
    except ClientError as refused:
        assert refused.response["Error"]["Code"] == "AccessDenied"
    mine = next(e for e in lookup(cloud, "EventName", "GetBucketPolicy") if e["requestParameters"]["Bucket"] == bucket)
    assert (mine["errorCode"], mine["userIdentity"]["arn"]) == ("AccessDenied", ALICE)
    made = lookup(cloud, "EventName", "CreateSecret")
    assert secret in str(made) and "hidden-value" not in str(made)


@row()
def an_error_that_is_no_refusal_is_in_the_event(cloud: Any) -> None:
    missing = name("missing")
    for service, ask in (
        ("iam", lambda: cloud.client(ADMIN, "iam").get_role(RoleName=missing)),
        ("logs", lambda: cloud.client(ADMIN, "logs").delete_log_group(logGroupName=missing)),
    ):
        try:
            ask()
        except ClientError as error:
            code = error.response["Error"]["Code"]
        events = lookup(cloud, "EventSource", f"{service}.amazonaws.com")
        mine = next(event for event in events if missing in str(event["requestParameters"]))
        assert mine["errorCode"] == code


@row()
def event_history_is_searched_by_every_attribute(cloud: Any) -> None:
    key = new_key(cloud)
    cloud.client(ADMIN, "kms").disable_key(KeyId=key)
    mine = next(e for e in lookup(cloud, "EventName", "DisableKey") if e["resources"][0]["ARN"] == key)
    assert (mine["managementEvent"], mine["eventCategory"], mine["readOnly"]) == (True, "Management", False)
    assert mine["resources"][0]["type"] == "AWS::KMS::Key"
    asked = {
        "EventId": mine["eventID"],
        "Username": mine["userIdentity"]["arn"].rsplit("/", 1)[-1],
        "AccessKeyId": mine["userIdentity"]["accessKeyId"],
        "ResourceName": key,
        "ResourceType": "AWS::KMS::Key",
        "EventSource": "kms.amazonaws.com",
        "ReadOnly": "false",
    }
    for attribute, value in asked.items():
        assert mine["eventID"] in [event["eventID"] for event in lookup(cloud, attribute, value)], attribute
    assert lookup(cloud, "EventId", name()) == []
    assert mine["eventID"] not in str(lookup(cloud, "EventName", "DisableKey", f"admin@{AUDIT}"))
    assert mine["eventID"] not in str(lookup(cloud, "EventName", "DisableKey", region="us-west-2"))


@row()
def event_history_comes_in_pages_within_a_time(cloud: Any) -> None:
    kms, trail, key = cloud.client(ADMIN, "kms"), cloud.client(ADMIN, "cloudtrail"), new_key(cloud)
    for _ in range(5):
        kms.list_resource_tags(KeyId=key)
    asked = {
        "LookupAttributes": [{"AttributeKey": "ResourceName", "AttributeValue": key}],
        "StartTime": datetime.now(UTC) - timedelta(minutes=5),
        "EndTime": datetime.now(UTC) + timedelta(minutes=5),
    }
    first = trail.lookup_events(**asked, MaxResults=4)
    second = trail.lookup_events(**asked, MaxResults=4, NextToken=first["NextToken"])
    found = [event["EventId"] for event in first["Events"] + second["Events"]]
    assert len(first["Events"]) == 4 and len(set(found)) == len(found) >= 6 and "NextToken" not in second
    assert trail.lookup_events(**{**asked, "EndTime": datetime.now(UTC) - timedelta(minutes=4)})["Events"] == []


@row("InvalidTimeRangeException")
def event_history_refuses_an_end_before_its_start(cloud: Any) -> None:
    now = datetime.now(UTC)
    cloud.client(ADMIN, "cloudtrail").lookup_events(StartTime=now, EndTime=now - timedelta(hours=1))


@row("InvalidLookupAttributesException")
def event_history_takes_one_attribute(cloud: Any) -> None:
    attributes = [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2
    cloud.client(ADMIN, "cloudtrail").lookup_events(LookupAttributes=attributes)


@row()
def event_history_holds_no_data_events(cloud: Any) -> None:
    bucket = new_bucket(cloud)
    cloud.client(ADMIN, "s3").put_object(Bucket=bucket, Key="k", Body=b"x")
    assert [e for e in lookup(cloud, "EventName", "CreateBucket") if e["requestParameters"]["Bucket"] == bucket]
    assert lookup(cloud, "EventName", "PutObject") == []


@row("InsufficientS3BucketPolicyException")
def a_trail_needs_a_bucket_that_admits_it(cloud: Any) -> None:
    cloud.client(ADMIN, "cloudtrail").create_trail(Name=name("trail"), S3BucketName=new_bucket(cloud))


@row("InsufficientS3BucketPolicyException")
def a_bucket_policy_for_another_trail_does_not_serve(cloud: Any) -> None:
    bucket = trail_bucket(cloud, name("other"))
    cloud.client(ADMIN, "cloudtrail").create_trail(Name=name("trail"), S3BucketName=bucket)


@row("TrailAlreadyExistsException")
def a_trail_is_not_replaced_by_creating_it_again(cloud: Any) -> None:
    trail, bucket = new_trail(cloud)
    cloud.client(ADMIN, "cloudtrail").create_trail(Name=trail, S3BucketName=bucket)


@row()
def a_trail_writes_its_events_into_the_bucket(cloud: Any) -> None:
    trail, bucket = new_trail(cloud)
    secret = name("secret")
    cloud.client(ADMIN, "secretsmanager").create_secret(Name=secret, SecretString="hidden-value")
    cloud.client(ADMIN, "s3").put_object(Bucket=bucket, Key="data", Body=b"x")
    events = delivered(cloud, trail, bucket)
    names = [event["eventName"] for event in events]
    assert names[0] == "StartLogging" and names[-1] == "StopLogging" and "CreateSecret" in names
    assert "PutObject" not in names and "hidden-value" not in str(events)
    key = next(key for key, _ in objects(cloud, bucket))
    today = datetime.now(UTC)
    assert key.startswith(f"AWSLogs/{WORKLOAD}/CloudTrail/us-east-1/{today:%Y/%m}/")
    assert key.rsplit("/", 1)[-1].startswith(f"{WORKLOAD}_CloudTrail_us-east-1_{today:%Y%m}") and key.endswith(
        ".json.gz"
    )
    status = cloud.client(ADMIN, "cloudtrail").get_trail_status(Name=trail)
    assert not status["IsLogging"] and status["LatestDeliveryTime"] and "LatestDeliveryError" not in status


@row(moto_differs=False)  # plain moto never delivers, which the rows around this one show faster
def a_trail_delivers_by_itself(cloud: Any) -> None:
    _, bucket = new_trail(cloud)
    key = new_key(cloud)
    cloud.client(ADMIN, "kms").describe_key(KeyId=key)
    deadline = time.monotonic() + 20
    while not any(key in str(found) for _, found in objects(cloud, bucket)):
        assert time.monotonic() < deadline, "nothing was delivered"
        time.sleep(0.2)


@row()
def a_trail_writes_into_another_accounts_bucket(cloud: Any) -> None:
    trail, bucket = new_trail(cloud, account=AUDIT)
    assert "StopLogging" in str(delivered(cloud, trail, bucket, account=AUDIT))


@row()
def what_a_bucket_refuses_is_delivered_later(cloud: Any) -> None:
    trail, bucket = new_trail(cloud)
    s3, cloudtrail = cloud.client(ADMIN, "s3"), cloud.client(ADMIN, "cloudtrail")
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.put_bucket_policy(
        Bucket=bucket, Policy=document(deny("s3:PutObject", f"arn:aws:s3:::{bucket}/*", Principal="*"))
    )
    key = new_key(cloud)
    assert delivered(cloud, trail, bucket) == []
    assert cloudtrail.get_trail_status(Name=trail)["LatestDeliveryError"] == "AccessDenied"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    cloudtrail.start_logging(Name=trail)
    events = delivered(cloud, trail, bucket)
    assert key in str(events) and [event["eventName"] for event in events].count("StopLogging") == 2
    assert "LatestDeliveryError" not in cloudtrail.get_trail_status(Name=trail)


@row()
def a_trail_of_one_region_records_that_region(cloud: Any) -> None:
    trail, bucket = new_trail(cloud, IncludeGlobalServiceEvents=False)
    cloud.client(ADMIN, "sqs", "us-west-2").list_queues()
    cloud.client(ADMIN, "sqs").list_queues()
    cloud.client(ADMIN, "iam").list_roles()
    found = {(event["eventName"], event["awsRegion"]) for event in delivered(cloud, trail, bucket)}
    assert ("ListQueues", "us-east-1") in found and ("ListQueues", "us-west-2") not in found
    assert ("ListRoles", "us-east-1") not in found


@row()
def a_trail_of_all_regions_has_an_object_for_each(cloud: Any) -> None:
    trail, bucket = new_trail(cloud, IsMultiRegionTrail=True)
    cloud.client(ADMIN, "sqs", "us-west-2").list_queues()
    cloud.client(ADMIN, "iam").list_roles()
    assert {"ListQueues", "ListRoles"} <= {event["eventName"] for event in delivered(cloud, trail, bucket)}
    assert {key.split("/")[3] for key, _ in objects(cloud, bucket)} == {"us-east-1", "us-west-2"}


@row("InvalidParameterCombinationException")
def a_trail_of_all_regions_includes_global_services(cloud: Any) -> None:
    trail, _ = new_trail(cloud, IsMultiRegionTrail=True)
    cloud.client(ADMIN, "cloudtrail").update_trail(Name=trail, IncludeGlobalServiceEvents=False)


@row()
def selectors_choose_data_events_and_leave_kms_out(cloud: Any) -> None:
    data, other = new_bucket(cloud), new_bucket(cloud)
    selector = {
        "ReadWriteType": "WriteOnly",
        "IncludeManagementEvents": True,
        "ExcludeManagementEventSources": ["kms.amazonaws.com"],
        "DataResources": [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{data}/images/"]}],
    }
    trail, bucket = new_trail(cloud, selectors={"EventSelectors": [selector]})
    s3 = cloud.client(ADMIN, "s3")
    for place, key in ((data, "images/1"), (data, "else/1"), (other, "images/1")):
        s3.put_object(Bucket=place, Key=key, Body=b"x")
    s3.get_object(Bucket=data, Key="images/1")
    new_key(cloud)
    cloud.client(ADMIN, "sqs").list_queues()
    events = delivered(cloud, trail, bucket)
    names = {event["eventName"] for event in events}
    written = [event["resources"][0]["ARN"] for event in events if event["eventName"] == "PutObject"]
    assert written == [f"arn:aws:s3:::{data}/images/1"]
    assert not names & {"GetObject", "ListQueues", "CreateKey"} and "StopLogging" in names


@row()
def advanced_selectors_choose_by_field(cloud: Any) -> None:
    data = new_bucket(cloud)
    fields = [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        {"Field": "resources.ARN", "StartsWith": [f"arn:aws:s3:::{data}/"], "NotEndsWith": [".tmp"]},
        {"Field": "eventName", "Equals": ["PutObject", "DeleteObject"]},
    ]
    selectors = {"AdvancedEventSelectors": [{"Name": "writes", "FieldSelectors": fields}]}
    trail, bucket = new_trail(cloud, selectors=selectors)
    cloudtrail, s3 = cloud.client(ADMIN, "cloudtrail"), cloud.client(ADMIN, "s3")
    for key in ("a", "b.tmp"):
        s3.put_object(Bucket=data, Key=key, Body=b"x")
    s3.get_object(Bucket=data, Key="a")
    events = delivered(cloud, trail, bucket)
    assert [event["requestParameters"]["Key"] for event in events] == ["a"]
    described = cloudtrail.get_event_selectors(TrailName=trail)
    assert described["AdvancedEventSelectors"][0]["Name"] == "writes" and "EventSelectors" not in described
    assert cloudtrail.describe_trails(trailNameList=[trail])["trailList"][0]["HasCustomEventSelectors"]


@row("InvalidEventSelectorsException")
def selectors_without_meaning_are_refused(cloud: Any) -> None:
    trail, _ = new_trail(cloud)
    fields = [{"Field": "eventCategory", "Equals": ["Data"]}]
    selectors = [{"Name": "x", "FieldSelectors": fields}]
    cloud.client(ADMIN, "cloudtrail").put_event_selectors(TrailName=trail, AdvancedEventSelectors=selectors)


@row()
def who_narrows_a_trail_is_still_recorded(cloud: Any) -> None:
    trail, bucket = new_trail(cloud)
    selector = {"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}
    cloud.client(ADMIN, "cloudtrail").put_event_selectors(TrailName=trail, EventSelectors=[selector])
    key = new_key(cloud)
    events = delivered(cloud, trail, bucket)
    assert "PutEventSelectors" in {event["eventName"] for event in events} and key not in str(events)


def trail_key(cloud: Any, trail: str, *more: dict[str, Any]) -> str:
    condition = {
        "StringEquals": {"aws:SourceArn": arn_of(trail), "kms:EncryptionContext:aws:cloudtrail:arn": arn_of(trail)}
    }
    return new_key(cloud, allow("kms:GenerateDataKey*", Principal=CLOUDTRAIL, Condition=condition), *more)


@row("AccessDenied")
def log_files_under_a_key_need_that_key_to_be_read(cloud: Any) -> None:
    trail = name("trail")
    bucket, key = trail_bucket(cloud, trail), trail_key(cloud, trail)
    cloudtrail = cloud.client(ADMIN, "cloudtrail")
    for old in cloudtrail.describe_trails()["trailList"]:
        cloudtrail.delete_trail(Name=old["TrailARN"])
    cloudtrail.create_trail(Name=trail, S3BucketName=bucket, KmsKeyId=key)
    cloudtrail.start_logging(Name=trail)
    assert delivered(cloud, trail, bucket)
    stored = next(key for key, _ in objects(cloud, bucket))
    head = cloud.client(ADMIN, "s3").head_object(Bucket=bucket, Key=stored)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    cloud.client(new_role(cloud, allow("s3:*")), "s3").get_object(Bucket=bucket, Key=stored)


@row("InsufficientEncryptionPolicyException")
def a_trails_key_must_admit_the_trail(cloud: Any) -> None:
    trail = name("trail")
    bucket = trail_bucket(cloud, trail)
    cloud.client(ADMIN, "cloudtrail").create_trail(Name=trail, S3BucketName=bucket, KmsKeyId=new_key(cloud))


def verified(cloud: Any, bucket: str) -> list[str]:
    """The log files that the chain of digests vouches for, checked as `aws cloudtrail validate-logs` does.

    Raises AssertionError with the object that is missing, changed or not signed.
    """
    s3 = cloud.client(ADMIN, "s3")
    keys = {
        row["Fingerprint"]: row["Value"]
        for row in cloud.client(ADMIN, "cloudtrail").list_public_keys()["PublicKeyList"]
    }
    digests = sorted((key for key, _ in objects(cloud, bucket, "/CloudTrail-Digest/us-east-1/")), key=lambda k: k[-24:])
    present, vouched = set(digests), []
    current: str | None = digests[-1]
    while current is not None:
        assert current in present, f"{current} is missing"
        stored = s3.get_object(Bucket=bucket, Key=current)
        content = gzip.decompress(stored["Body"].read())
        digest = json.loads(content)
        assert (digest["digestS3Bucket"], digest["digestS3Object"]) == (bucket, current)
        public = serialization.load_der_public_key(keys[digest["digestPublicKeyFingerprint"]])
        assert isinstance(public, rsa.RSAPublicKey)
        text = (
            f"{digest['digestEndTime']}\n{bucket}/{current}\n{hashlib.sha256(content).hexdigest()}\n"
            f"{digest['previousDigestSignature'] or 'null'}"
        )
        signature = bytes.fromhex(stored["Metadata"]["signature"])
        public.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        for file in digest["logFiles"]:
            try:
                log = s3.get_object(Bucket=bucket, Key=file["s3Object"])["Body"].read()
            except ClientError as missing:
                raise AssertionError(f"{file['s3Object']} is missing") from missing
            assert hashlib.sha256(gzip.decompress(log)).hexdigest() == file["hashValue"], f"{file['s3Object']} changed"
            vouched.append(file["s3Object"])
        current = digest["previousDigestS3Object"]
    return vouched


@row()
def digests_vouch_for_every_log_file(cloud: Any) -> None:
    trail, bucket = new_trail(cloud, EnableLogFileValidation=True)
    delivered(cloud, trail, bucket)
    cloud.client(ADMIN, "cloudtrail").start_logging(Name=trail)
    delivered(cloud, trail, bucket)
    logs = sorted(key for key, _ in objects(cloud, bucket))
    assert len(logs) >= 2 and sorted(verified(cloud, bucket)) == logs


@row()
def a_removed_log_file_or_digest_shows(cloud: Any) -> None:
    trail, bucket = new_trail(cloud, EnableLogFileValidation=True)
    s3 = cloud.client(ADMIN, "s3")
    delivered(cloud, trail, bucket)
    cloud.client(ADMIN, "cloudtrail").start_logging(Name=trail)
    delivered(cloud, trail, bucket)
    for part in ("/CloudTrail/", "/CloudTrail-Digest/"):
        key = next(key for key, _ in objects(cloud, bucket, part))
        kept = s3.get_object(Bucket=bucket, Key=key)
        s3.delete_object(Bucket=bucket, Key=key)
        try:
            verified(cloud, bucket)
        except AssertionError as missing:
            assert key in str(missing)
        else:
            raise ValueError(f"{key} was removed and nothing shows it")
        s3.put_object(Bucket=bucket, Key=key, Body=kept["Body"].read(), Metadata=kept["Metadata"])
    assert verified(cloud, bucket)


@row()
def the_last_use_of_a_key_is_an_event_of_the_trail(cloud: Any) -> None:
    key, kms, bucket = new_key(cloud), cloud.client(ADMIN, "kms"), new_bucket(cloud)
    before = kms.get_key_last_usage(KeyId=key)
    assert "KeyLastUsage" not in before and before["KeyCreationDate"] >= before["TrackingStartDate"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    used = kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]
    event = lookup(cloud, "EventId", used["CloudTrailEventId"])[0]
    assert (used["Operation"], event["eventName"], event["requestID"]) == ("Encrypt", "Encrypt", used["KmsRequestId"])
    try:
        kms.decrypt(CiphertextBlob=blob, EncryptionContext={"wrong": "context"})
    except ClientError:
        assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"] == "Encrypt"
    kms.decrypt(CiphertextBlob=blob)
    assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"] == "Decrypt"
    cloud.client(ADMIN, "s3").put_object(
        Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key
    )
    assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"] == "GenerateDataKey"
