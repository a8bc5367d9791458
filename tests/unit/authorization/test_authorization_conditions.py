"""Condition operators, sets, absent keys and policy variables, after the examples of the IAM user guide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom.authorization import Named, Policies, Principal, Request, UnknownElement, evaluate

ACCOUNT = "210000000001"
USER = Principal(f"arn:aws:iam::{ACCOUNT}:user/strongroom/dana", ACCOUNT, "user", tags={"Team": "records"})


def holds(condition: dict[str, Any], context: dict[str, Any], version: str = "2012-10-17") -> bool:
    """True if a statement with the condition applies."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    document = Named("identity", {"Version": version, "Statement": statement})
    return evaluate(Request(USER, "ec2:DescribeVpcs", "*", context), Policies(identity=[document])).allowed


@pytest.mark.parametrize(
    ("operator", "policy", "given", "expected"),
    [
        ("StringEquals", "Records", "records", False),
        ("StringEquals", ["a", "records"], "records", True),
        ("StringEquals", "rec*", "records", False),
        ("StringEquals", "a${*}c", "a*c", True),
        ("StringNotEquals", ["a", "records"], "records", False),
        ("StringEqualsIgnoreCase", "RECORDS", "records", True),
        ("StringNotEqualsIgnoreCase", "RECORDS", "records", False),
        ("StringLike", "rec*", "records/x", True),
        ("StringLike", "r?c*s", "records", True),
        ("StringLike", "rec${*}", "records", False),
        ("StringLike", "rec${*}", "rec*", True),
        ("StringLike", "*a*b*c*", "xaxbxcx", True),
        ("StringLike", "a*b?c", "aXXbYc", True),
        ("StringNotLike", "rec*", "imaging", True),
        ("NumericLessThan", 10, "9.5", True),
        ("NumericLessThanEquals", "10", "10.0", True),
        ("NumericGreaterThan", "7", 30, True),
        ("NumericGreaterThanEquals", "7", 6, False),
        ("NumericEquals", ["7", "30"], "30", True),
        ("NumericNotEquals", ["7", "30"], "30", False),
        ("DateLessThan", "2026-03-01T00:00:00Z", "2026-02-28T23:59:59Z", True),
        ("DateEquals", "2026-03-01T10:00:00Z", "2026-03-01T12:00:00+02:00", True),
        ("DateGreaterThan", "2026-03-01", datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC), True),
        ("DateGreaterThan", "1772323200", "2026-03-01T00:00:01Z", True),
        ("DateLessThanEquals", "2026", "2026-01-01T00:00:00Z", True),
        ("DateNotEquals", "2026-03-01", "2026-03-01T00:00:00.000Z", False),
        ("Bool", True, True, True),
        ("Bool", "TRUE", "true", True),
        ("Bool", "false", True, False),
        ("BinaryEquals", "b25l", b"one", True),
        ("BinaryEquals", "b25l", b"two", False),
        ("IpAddress", "203.0.113.0/24", "203.0.113.77", True),
        ("IpAddress", ["10.0.0.0/8", "2001:db8::/32"], "2001:db8::5", True),
        ("IpAddress", "203.0.113.7", "203.0.113.8", False),
        ("NotIpAddress", "203.0.113.0/24", "203.0.113.77", False),
        ("NotIpAddress", "203.0.113.7", "2001:db8::5", True),
        ("ArnLike", "arn:aws:iam::*:role/strongroom/*", f"arn:aws:iam::{ACCOUNT}:role/strongroom/dev/x", True),
        ("ArnEquals", "arn:aws:iam::*:role/strongroom/*", f"arn:aws:iam::{ACCOUNT}:role/strongroom/dev/x", True),
        # a star stays within its segment, where StringLike runs over colons
        ("ArnLike", "arn:aws:*:role/x", "arn:aws:iam::1:role/x", None),
        ("StringLike", "arn:aws:*:role/x", "arn:aws:iam::1:role/x", True),
        ("ArnLike", "arn:aws:sns:*:1:t", "arn:aws:sns:eu:9:1:t", False),
        ("ArnNotLike", "arn:aws:iam::*:role/x", "arn:aws:iam::1:role/y", True),
    ],
)
def test_operators(operator: str, policy: Any, given: Any, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(UnknownElement, match="six segments"):
            holds({operator: {"x:key": policy}}, {"x:key": given})
        return
    assert holds({operator: {"x:key": policy}}, {"x:key": given}) is expected


@pytest.mark.parametrize(
    "operator", ["StringEquals", "StringLike", "ArnLike", "NumericEquals", "DateEquals", "IpAddress"]
)
def test_an_absent_key_fails_an_operator_satisfies_its_negation_and_if_exists(operator: str) -> None:
    value = {"Arn": "arn:aws:s3:::x", "Num": "1", "Dat": "2026-01-01", "IpA": "10.0.0.1"}.get(operator[:3], "x")
    negated = {"IpAddress": "NotIpAddress"}.get(
        operator, operator.replace("Equals", "NotEquals").replace("Like", "NotLike")
    )
    assert not holds({operator: {"x:absent": value}}, {})
    assert holds({negated: {"x:absent": value}}, {})
    assert holds({f"{operator}IfExists": {"x:absent": value}}, {})


def test_bool_of_an_absent_key() -> None:
    """Deny unless MFA: with Bool a missing key escapes the Deny, with BoolIfExists it does not."""
    assert not holds({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, {})
    assert holds({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}, {})


def test_null_asks_for_presence() -> None:
    assert holds({"Null": {"aws:TokenIssueTime": "true"}}, {})
    assert not holds({"Null": {"aws:TokenIssueTime": "false"}}, {})
    assert holds({"Null": {"aws:TokenIssueTime": False}}, {"aws:TokenIssueTime": "2026-03-01T00:00:00Z"})
    assert holds({"Null": {"aws:TagKeys": "true"}}, {"aws:TagKeys": ()})


TAGS = ["environment", "costcenter"]


@pytest.mark.parametrize(
    ("operator", "given", "expected"),
    [
        # the guide's tables of aws:TagKeys, in our own values
        ("ForAllValues:StringEquals", ("environment", "costcenter"), True),
        ("ForAllValues:StringEquals", ("environment",), True),
        ("ForAllValues:StringEquals", ("environment", "owner"), False),
        ("ForAllValues:StringEquals", None, True),
        ("ForAllValues:StringEquals", "", True),
        ("ForAllValues:StringNotEquals", ("owner", "stage"), True),
        ("ForAllValues:StringNotEquals", ("owner", "environment"), False),
        ("ForAnyValue:StringEquals", ("environment", "owner"), True),
        ("ForAnyValue:StringEquals", ("owner",), False),
        ("ForAnyValue:StringEquals", None, False),
        ("ForAnyValue:StringEquals", "", False),
        ("ForAnyValue:StringNotEquals", ("environment", "owner"), True),
        ("ForAnyValue:StringNotEquals", ("environment", "costcenter"), False),
        ("ForAnyValue:StringNotEquals", None, False),
        ("ForAnyValue:StringEqualsIfExists", None, False),
        ("ForAllValues:StringEquals", "environment", True),
    ],
)
def test_sets(operator: str, given: Any, expected: bool) -> None:
    assert holds({operator: {"aws:TagKeys": TAGS}}, {"aws:TagKeys": given}) is expected


@pytest.mark.parametrize("operator", ["StringEquals", "StringNotEquals", "StringLikeIfExists"])
def test_a_key_of_several_values_needs_a_set_operator(operator: str) -> None:
    """A Deny that quietly never matched would be open."""
    with pytest.raises(UnknownElement, match="several values"):
        holds({operator: {"aws:TagKeys": TAGS}}, {"aws:TagKeys": ("environment",)})
    assert holds({"StringEqualsIfExists": {"aws:TagKeys": TAGS}}, {})


def test_all_operators_and_keys_must_hold() -> None:
    both = {"StringEquals": {"x:a": "1", "x:b": "2"}, "NumericLessThan": {"x:c": "3"}}
    assert holds(both, {"x:a": "1", "x:b": "2", "x:c": "2"})
    assert not holds(both, {"x:a": "1", "x:b": "9", "x:c": "2"})
    assert not holds(both, {"x:a": "1", "x:b": "2", "x:c": "3"})


def test_keys_ignore_case_and_values_do_not() -> None:
    assert holds({"StringEquals": {"AWS:PrincipalTag/TEAM": "records"}}, {})
    assert not holds({"StringEquals": {"aws:PrincipalTag/Team": "Records"}}, {})


@pytest.mark.parametrize(
    ("operator", "policy", "given", "expected"),
    [
        ("StringEquals", "${aws:username}", "dana", True),
        ("StringLike", "home/${aws:username}/*", "home/dana/x", True),
        ("StringEquals", "${aws:PrincipalTag/team}", "records", True),
        ("StringEquals", "${aws:PrincipalTag/squad, 'everyone'}", "everyone", True),
        ("StringEquals", "${aws:PrincipalTag/team, 'everyone'}", "everyone", False),
        ("StringEquals", "${aws:PrincipalTag/squad}", "${aws:PrincipalTag/squad}", False),
        # a variable without value is null: nothing equals it, everything differs from it
        ("StringNotEquals", "${aws:PrincipalTag/squad}", "x", True),
        ("StringNotLike", "${aws:PrincipalTag/squad}*", "x", True),
        ("StringLike", "${x:pattern}", "anything", False),
        ("StringLike", "${x:pattern}", "a*", True),
        ("ArnEquals", "${aws:PrincipalArn}", USER.arn, True),
        ("ArnLike", f"arn:aws:iam::{ACCOUNT}:user/strongroom/${{aws:username}}", USER.arn, True),
    ],
)
def test_variables(operator: str, policy: str, given: str, expected: bool) -> None:
    assert holds({operator: {"x:key": policy}}, {"x:key": given, "x:pattern": "a*"}) is expected


def test_the_old_version_has_no_variables() -> None:
    condition = {"StringEquals": {"x:key": "${aws:username}"}}
    assert not holds(condition, {"x:key": "dana"}, version="2008-10-17")
    assert holds(condition, {"x:key": "${aws:username}"}, version="2008-10-17")


@pytest.mark.parametrize(
    ("resource", "asked", "expected"),
    [
        ("arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/dana/x", True),
        ("arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/bo/x", False),
        ("arn:aws:s3:::home/${aws:PrincipalTag/squad}/*", "arn:aws:s3:::home//x", False),
        ("arn:aws:s3:::home/${aws:PrincipalTag/squad, 'all'}/*", "arn:aws:s3:::home/all/x", True),
    ],
)
def test_variables_in_resources(resource: str, asked: str, expected: bool) -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": resource}
    document = Named("identity", {"Version": "2012-10-17", "Statement": statement})
    request = Request(USER, "s3:GetObject", asked, resource_account=ACCOUNT)
    assert evaluate(request, Policies(identity=[document])).allowed is expected


def test_a_value_of_the_wrong_type_is_refused() -> None:
    for condition, given in [
        ({"NumericLessThan": {"x:n": "3"}}, "many"),
        ({"DateLessThan": {"x:n": "2026-01-01"}}, "soon"),
        ({"Bool": {"x:n": "true"}}, "maybe"),
        ({"IpAddress": {"x:n": "10.0.0.0/8"}}, "localhost"),
    ]:
        with pytest.raises(UnknownElement, match="request's value"):
            holds(condition, {"x:n": given})
