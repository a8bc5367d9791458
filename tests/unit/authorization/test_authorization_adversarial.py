"""Documents and requests made to be read two ways are refused, or mean what they plainly say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strongroom.authorization import Form, Named, Policies, Principal, Request, UnknownElement, evaluate, parse
from strongroom.errors import UsageError

HOME, OTHER = "210000000001", "210000000002"
DANA = Principal(f"arn:aws:iam::{HOME}:user/dana", HOME, "user")
EVE = Principal(f"arn:aws:iam::{OTHER}:user/eve", OTHER, "user")
KEY = f"arn:aws:kms:us-east-1:{HOME}:key/0f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0"
OBJECT = "arn:aws:s3:::scans/7.dcm"
KELVIN = "\u212a"  # lower case of this sign is the letter k
GOOD: dict[str, Any] = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
ANYTHING = Named(
    "anything", {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
)


def document(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allows(statement: Any, asked: Request) -> bool:
    return evaluate(asked, Policies(identity=[Named("identity", document(statement))])).allowed


def reads(context: dict[str, Any] | None = None, who: Principal = DANA, resource: str = OBJECT) -> Request:
    return Request(who, "s3:GetObject", resource, context or {}, HOME)


@pytest.mark.parametrize(
    "change",
    [
        {"Action": "k?s:Decrypt"},
        {"Action": "k*:Decrypt"},
        {"Action": " kms:Decrypt"},
        {"Action": "kms:Decrypt "},
        {"Action": "kms:Decrypt\n"},
        {"Action": f"{KELVIN}ms:Decrypt"},
        {"Action": "kms:D\u0435crypt"},
        {"Action": [["kms:Decrypt"]]},
        {"Action": ["kms:Decrypt", None]},
        {"Action": None},
        {"Effect": "\u0410llow"},
        {"Effect": "Allow "},
        {"Effect": ["Allow"]},
        {"Effect": None},
        {"Resource": " arn:aws:s3:::scans"},
        {"Resource": "ARN:aws:s3:::scans"},
        {"Resource": ["*", ["*"]]},
        {"Resource": None},
        {"Resource": {}},
        {"Resource": []},
        {"Condition": None},
        {"Condition": {"StringEquals": {}}},
        {"Condition": {"StringEquals": None}},
        {"Condition": {"StringEquals": {"aws:username": {}}}},
        {"Condition": {"StringEquals": {"aws:username": ["dana", ["bo"]]}}},
        {"Condition": {"StringEquals": {f"aws:Princip{KELVIN}lArn": "x"}}},
        {"Condition": {"StringEquals": {f"aws:PrincipalTag/{KELVIN}ey": "x"}}},
        {"Condition": {"STRINGEQUALS": {"aws:username": "dana"}}},
        {"Condition": {"ForAllValues:ForAnyValue:StringEquals": {"aws:TagKeys": "x"}}},
        {"Condition": {"StringEqualsIfExistsIfExists": {"aws:username": "x"}}},
        {"Condition": {"NumericLessThan": {"s3:max-keys": "1_0"}}},
        {"Condition": {"NumericLessThan": {"s3:max-keys": "1e9"}}},
        {"Condition": {"NumericLessThan": {"s3:max-keys": "\u0661\u0660"}}},
        {"Condition": {"NumericLessThan": {"s3:max-keys": " 10"}}},
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "\u0662\u0660\u0662\u0666"}}},
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-02-30"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/0.255.255.255"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/255.0.0.0"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "1"}}},
        {"Sid": None},
    ],
    ids=repr,
)
def test_what_only_looks_like_a_policy_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UnknownElement):
        parse(Named("under test", document({**GOOD, **change})), Form.IDENTITY)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"Version": "2012-10-17", "Statement": ' + "[" * 100_000,
        '\ufeff{"Version": "2012-10-17", "Statement": []}',
        json.dumps(document(GOOD)).replace('"Action"', '"Action": "s3:*", "Action"'),
        json.dumps(document({**GOOD, "Condition": {"StringEquals": {"x:y": "1"}}})).replace('"1"', "NaN"),
        json.dumps(document({**GOOD, "Condition": {"StringEquals": {"x:y": "1"}}})).replace('"x:y"', '"x:y": 2, "x:y"'),
        json.dumps(document(GOOD)).replace('"', "'"),
        json.dumps(document(GOOD)) + json.dumps(document(GOOD)),
        "null",
        '"Allow"',
    ],
    ids=lambda text: text[:24],
)
def test_texts_that_are_no_single_document_are_refused(text: str) -> None:
    with pytest.raises(UnknownElement):
        parse(Named("under test", text), Form.IDENTITY)


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": []},
        {"AWS": None},
        {"AWS": [None]},
        {"AWS": [["*"]]},
        {"AWS": 210000000001},
        {"AWS": "210000000001 "},
        {"AWS": "\u0662\u0661\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661"},
        {"AWS": "clinic-prod"},
        {"AWS": "**"},
        {"AWS": f"arn:aws:iam::{HOME}:user/${{aws:username}}"},
        {"AWS": f"arn:aws:iam::{HOME}:user/dana*"},
        {"AWS": f"arn:aws:iam::{HOME}:user/da na"},
        {"AWS": f"arn:aws:iam::{HOME}:user/dana\n"},
        {"AWS": f"arn:aws:iam::{HOME}:user/d\u0430na"},
        {"AWS": f"arn:aws:iam::{HOME}:group/staff"},
        {"AWS": f"arn:aws:iam::{HOME}:assumed-role/restorer/run"},
        {"AWS": f"arn:aws:sts::{HOME}:role/restorer"},
        {"AWS": f"arn:aws:iam:us-east-1:{HOME}:user/dana"},
        {"AWS": "arn:aws:iam::*:root"},
        {"aws": HOME},
        {"Service": ["*"]},
        ["*"],
        None,
        {},
    ],
    ids=repr,
)
def test_what_names_no_principal_is_refused(principal: Any) -> None:
    with pytest.raises(UnknownElement):
        parse(Named("key", document({**GOOD, "Principal": principal})), Form.KEY)


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov", "aws-iso", "aw"])
@pytest.mark.parametrize("tail", ["root", "user/dana"])
def test_an_account_of_another_partition_is_another_account(partition: str, tail: str) -> None:
    statement = {**GOOD, "Principal": {"AWS": f"arn:{partition}:iam::{HOME}:{tail}"}}
    asked = Request(DANA, "kms:Decrypt", KEY)
    assert not evaluate(asked, Policies(identity=[ANYTHING], resource=Named("key", document(statement)))).allowed
    there = Principal(f"arn:{partition}:iam::{HOME}:user/dana", HOME, "user")
    assert evaluate(
        Request(there, "kms:Decrypt", KEY), Policies(identity=[ANYTHING], resource=Named("key", document(statement)))
    ).allowed


def test_a_canonical_id_names_an_account_and_not_everyone_in_it() -> None:
    bucket = Named("bucket", document({**GOOD, "Action": "s3:GetObject", "Principal": {"CanonicalUser": "79a59d"}}))
    dana = Principal(DANA.arn, HOME, "user", canonical_user="79a59d")
    assert not evaluate(reads(who=dana), Policies(resource=bucket)).allowed
    assert evaluate(reads(who=dana), Policies(identity=[ANYTHING], resource=bucket)).allowed
    assert not evaluate(reads(who=DANA), Policies(resource=bucket)).allowed


def test_a_path_that_imitates_a_service_linked_role_escapes_no_organisation() -> None:
    role = f"arn:aws:iam::{HOME}:role/x:role/aws-service-role/mine"
    session = Principal(f"arn:aws:sts::{HOME}:assumed-role/mine/run", HOME, "role-session", role_arn=role)
    none = [Named("none", document({**GOOD, "Effect": "Deny", "Action": "s3:*"}))]
    assert not evaluate(reads(who=session), Policies(identity=[ANYTHING], scps=[[ANYTHING, *none]])).allowed


def test_no_conditions_are_no_conditions_and_names_are_what_they_are() -> None:
    assert allows({**GOOD, "Action": "s3:GetObject", "Condition": {}}, reads())
    exact = {**GOOD, "Action": "s3:GetObject", "Resource": OBJECT}
    assert allows(exact, reads())
    for other in ("arn:aws:s3:::scans/%37.dcm", "arn:aws:s3:::Scans/7.dcm", f"{OBJECT} ", f"{OBJECT}\n", f"{OBJECT}\0"):
        assert not allows(exact, reads(resource=other)), other
    for partition in ("aws-cn", "aws-us-gov"):
        assert not allows(exact, reads(resource=OBJECT.replace("arn:aws:", f"arn:{partition}:")))


def test_requests_that_read_two_ways_are_refused() -> None:
    pair = {**GOOD, "Condition": {"StringEquals": {"kms:EncryptionContext:tenant": "north"}}}
    for context in (
        {"kms:EncryptionContext:tenant": "north", "kms:EncryptionContext:Tenant": "south"},
        {"kms:EncryptionContext:Tenant": "south", "kms:EncryptionContext:tenant": "north"},
        {f"kms:EncryptionContext:{KELVIN}ey": "x", "kms:EncryptionContext:tenant": "north"},
    ):
        with pytest.raises(UnknownElement, match="other letters"):
            allows(pair, Request(DANA, "kms:Decrypt", KEY, context))
    twins = Principal(DANA.arn, HOME, "user", tags={"Team": "records", "team": "imaging"})
    with pytest.raises(UnknownElement, match="other letters"):
        allows(
            {**GOOD, "Condition": {"StringEquals": {"aws:PrincipalTag/team": "records"}}},
            Request(twins, "kms:Decrypt", KEY),
        )
    with pytest.raises(UsageError, match="names no account"):
        allows(GOOD, Request(DANA, "kms:Decrypt", "alias/strongroom"))


def test_an_address_is_the_same_in_the_form_of_a_dual_stack_listener() -> None:
    fence = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    }
    policies = Policies(identity=[ANYTHING, Named("fence", document(fence))])
    for address, allowed in [("10.1.2.3", False), ("::ffff:10.1.2.3", False), ("::ffff:11.1.2.3", True)]:
        assert evaluate(reads({"aws:SourceIp": address}), policies).allowed is allowed
    with pytest.raises(UnknownElement, match="not an address"):
        evaluate(reads({"aws:SourceIp": "10.1.2.3/8"}), policies)
