"""Which events a trail records: selectors by value, and what is refused because it has no meaning."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.servers.gateway.call import Refuse
from local_cloud.servers.gateway.trail_selectors import check, in_reach, selected

ACCOUNT, OBJECT = "210000000001", "arn:aws:s3:::images/scans/1"


def event(**more: Any) -> dict[str, Any]:
    return {
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "eventCategory": "Data",
        "managementEvent": False,
        "readOnly": False,
        "awsRegion": "us-east-1",
        "recipientAccountId": ACCOUNT,
        "userIdentity": {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/writer/s"},
        "resources": [{"ARN": OBJECT, "type": "AWS::S3::Object"}],
        **more,
    }


def management(**more: Any) -> dict[str, Any]:
    return event(managementEvent=True, eventCategory="Management", eventSource="kms.amazonaws.com", **more)


def basic(**more: Any) -> list[dict[str, Any]]:
    return [{"ReadWriteType": "All", "IncludeManagementEvents": True, **more}]


def advanced(*fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"FieldSelectors": list(fields)}]


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("arn:aws:s3", True),
        ("arn:aws:s3:::", True),
        ("arn:aws:s3:::images/", True),
        ("arn:aws:s3:::images/scans/", True),
        ("arn:aws:s3:::images/reports/", False),
        ("arn:aws:s3:::other/", False),
    ],
)
def test_values_of_data_resources_are_prefixes(value: str, taken: bool) -> None:
    resources = [{"Type": "AWS::S3::Object", "Values": [value]}]
    assert selected(event(), basic(DataResources=resources), []) is taken


def test_without_selectors_a_trail_records_management_events_only() -> None:
    assert selected(management(), [], []) and not selected(event(), [], [])


@pytest.mark.parametrize(("kind", "read", "taken"), [("ReadOnly", True, True), ("ReadOnly", False, False)])
def test_reading_and_writing_are_told_apart(kind: str, read: bool, taken: bool) -> None:
    assert selected(management(readOnly=read), basic(ReadWriteType=kind), []) is taken
    assert selected(management(readOnly=not read), basic(ReadWriteType="WriteOnly"), []) is taken


def test_kms_can_be_left_out_and_management_as_a_whole() -> None:
    assert not selected(management(), basic(ExcludeManagementEventSources=["kms.amazonaws.com"]), [])
    assert not selected(management(), basic(IncludeManagementEvents=False), [])


@pytest.mark.parametrize(
    ("field", "taken"),
    [
        ({"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::images/"]}, True),
        ({"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::images/"]}, False),
        ({"Field": "resources.ARN", "EndsWith": ["/1"], "NotEquals": [OBJECT]}, False),
        ({"Field": "readOnly", "Equals": ["false"]}, True),
        ({"Field": "eventName", "Equals": ["GetObject", "PutObject"]}, True),
        ({"Field": "eventName", "NotEquals": ["PutObject"]}, False),
        ({"Field": "userIdentity.arn", "EndsWith": ["/s"]}, True),
        ({"Field": "eventSource", "Equals": ["sqs.amazonaws.com"]}, False),
        ({"Field": "sessionCredentialFromConsole", "Equals": ["true"]}, False),
    ],
)
def test_fields_of_advanced_selectors(field: dict[str, Any], taken: bool) -> None:
    category = {"Field": "eventCategory", "Equals": ["Data"]}
    assert selected(event(), [], advanced(category, field)) is taken
    assert not selected(management(), [], advanced(category, field))


def test_one_of_several_selectors_is_enough_and_every_field_of_it_is_needed() -> None:
    one, other = {"Field": "eventName", "Equals": ["PutObject"]}, {"Field": "eventName", "Equals": ["GetObject"]}
    data = {"Field": "eventCategory", "Equals": ["Data"]}
    assert selected(event(), [], [*advanced(data, other), *advanced(data, one)])
    assert not selected(event(), [], advanced(data, one, {"Field": "readOnly", "Equals": ["true"]}))


@pytest.mark.parametrize(
    ("region", "source", "multi", "with_global", "reached"),
    [
        ("us-east-1", "s3", False, False, True),
        ("us-west-2", "s3", False, True, False),
        ("us-west-2", "s3", True, True, True),
        ("us-east-1", "iam", False, False, False),
        ("us-west-2", "iam", False, True, True),
    ],
)
def test_regions_and_global_services(region: str, source: str, multi: bool, with_global: bool, reached: bool) -> None:
    found = event(awsRegion=region, eventSource=f"{source}.amazonaws.com")
    assert in_reach(found, ACCOUNT, "us-east-1", multi_region=multi, with_global=with_global) is reached
    assert not in_reach(found, "210000000002", "us-east-1", multi_region=True, with_global=True)


@pytest.mark.parametrize(
    ("plain", "fields"),
    [
        ([], []),
        (basic(ExcludeManagementEventSources=["s3.amazonaws.com"]), []),
        (basic(DataResources=[{"Type": "AWS::S3::Bucket", "Values": ["x"]}]), []),
        (basic(DataResources=[{"Type": "AWS::S3::Object", "Values": []}]), []),
        (basic(ReadWriteType="Some"), []),
        (basic() * 6, []),
        (basic(), advanced({"Field": "eventCategory", "Equals": ["Management"]})),
        ([], advanced({"Field": "eventName", "Equals": ["x"]})),
        ([], advanced({"Field": "eventCategory", "NotEquals": ["Data"]})),
        ([], advanced({"Field": "eventCategory", "Equals": ["Data"]})),
        ([], advanced({"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "userName", "Equals": ["x"]})),
        ([], advanced({"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "readOnly", "NotEquals": ["x"]})),
        ([], advanced({"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "eventName"})),
    ],
)
def test_selectors_without_meaning_are_refused(plain: list[Any], fields: list[Any]) -> None:
    with pytest.raises(Refuse) as caught:
        check(plain, fields)
    assert caught.value.code == "InvalidEventSelectorsException"


def test_selectors_with_meaning_are_kept() -> None:
    check(basic(), [])
    data = {"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}
    check([], advanced(*data))
