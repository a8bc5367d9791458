"""What has no documented meaning is refused, whatever the rest of the policy says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strongroom.authorization import Form, Named, UnknownElement, parse

GOOD: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def refuse(statement: Any, form: Form = Form.IDENTITY, **document: Any) -> str:
    with pytest.raises(UnknownElement) as caught:
        parse(Named("under test", {"Version": "2012-10-17", "Statement": statement, **document}), form)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Effects": "Allow"}, "unknown element Effects"),
        ({"effect": "Allow"}, "unknown element effect"),
        ({"Effect": "allow"}, "neither Allow nor Deny"),
        ({"Sid": 7}, "Sid is not a text"),
        ({"Action": []}, "Action is not a text"),
        ({"Action": "GetObject"}, "no action"),
        ({"Action": "s3:Get Object"}, "no action"),
        ({"Action": "*:*"}, "no action"),
        ({"Action": {"a": "b"}}, "Action is not a text"),
        ({"NotAction": "s3:*"}, "Action and NotAction together"),
        ({"NotResource": "*"}, "Resource and NotResource together"),
        ({"Resource": "my-bucket"}, "neither an ARN nor *"),
        ({"Resource": ["*", ""]}, "Resource is not a text"),
        ({"Resource": "arn:aws:s3:::x/${aws:username"}, "not closed"),
        ({"Resource": "arn:aws:s3:::x/${username}"}, "no policy variable"),
        ({"Resource": "arn:aws:s3:::x/${aws:usrname}"}, "no policy variable"),
        ({"Resource": "arn:aws:${aws:username}:::x"}, "before the fifth colon"),
        ({"Principal": "*"}, "an identity policy with Principal"),
        ({"Condition": []}, "Condition is not an object"),
        ({"Condition": {"StringEquals": "x"}}, "has no keys"),
        ({"Condition": {"StringMatches": {"aws:username": "x"}}}, "no condition operator"),
        ({"Condition": {"stringequals": {"aws:username": "x"}}}, "no condition operator"),
        ({"Condition": {"StringEqualsIfexists": {"aws:username": "x"}}}, "no condition operator"),
        ({"Condition": {"ForSomeValues:StringEquals": {"aws:TagKeys": "x"}}}, "no set operator"),
        ({"Condition": {"NullIfExists": {"aws:username": "true"}}}, "no condition operator"),
        ({"Condition": {"ForAnyValue:Null": {"aws:TagKeys": "true"}}}, "no condition operator"),
        ({"Condition": {"Null": {"aws:username": "yes"}}}, "neither true nor false"),
        ({"Condition": {"Bool": {"aws:SecureTranport": "true"}}}, "condition key is not known"),
        ({"Condition": {"Bool": {"SecureTransport": "true"}}}, "condition key is not known"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "on"}}}, "not true or false"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "${aws:username}"}}}, "not true or false"),
        ({"Condition": {"NumericEquals": {"s3:max-keys": "ten"}}}, "not a number"),
        ({"Condition": {"NumericEquals": {"s3:max-keys": "NaN"}}}, "not a number"),
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "tomorrow"}}}, "not a date"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/40"}}}, "not an address range"),
        ({"Condition": {"BinaryEquals": {"x:y": "not base64!"}}}, "not base64"),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "*"}}}, "six segments"),
        ({"Condition": {"StringEquals": {"aws:username": []}}}, "no values"),
        ({"Condition": {"StringEquals": {"aws:username": None}}}, "neither text"),
    ],
)
def test_unknown_parts_of_a_statement(change: dict[str, Any], words: str) -> None:
    assert words in refuse({**GOOD, **change})


@pytest.mark.parametrize("element", ["Effect", "Action", "Resource"])
def test_missing_parts_of_a_statement(element: str) -> None:
    assert "statement 1" in refuse({name: value for name, value in GOOD.items() if name != element})


def test_unknown_parts_of_a_document() -> None:
    assert "unknown element Statements" in refuse([GOOD], Statements=[])
    assert "Version '2030-01-01'" in refuse([GOOD], Version="2030-01-01")
    assert "no Statement" in refuse("Allow")
    assert "statement 2" in refuse([GOOD, "Allow"])
    for text, words in [("{", "not JSON"), ("[]", "not an object"), ('{"Version": 1, "Version": 2}', "twice")]:
        with pytest.raises(UnknownElement, match=words):
            parse(Named("under test", text), Form.IDENTITY)
    inner = json.dumps({"Version": "2012-10-17", "Statement": [GOOD]}).replace('"Effect"', '"Effect": "Deny", "Effect"')
    with pytest.raises(UnknownElement, match="Effect twice"):
        parse(Named("under test", inner), Form.IDENTITY)


@pytest.mark.parametrize(
    ("principal", "words"),
    [
        ("arn:aws:iam::210000000001:root", "neither \\* nor an object"),
        ({}, "neither \\* nor an object"),
        ({"AWS": "arn:aws:iam::210000000001:user/*"}, "names no principal"),
        ({"AWS": "arn:aws:iam::210000000001:role/dev?"}, "names no principal"),
        ({"AWS": "dana"}, "names no principal"),
        ({"AWS": []}, "lists nobody"),
        ({"Service": "*"}, "has a wildcard"),
        ({"Users": "x"}, "no type of principal"),
        ({"AWS": [7]}, "not a text"),
    ],
)
def test_unknown_principals(principal: Any, words: str) -> None:
    with pytest.raises(UnknownElement, match=words):
        parse(Named("bucket", {"Statement": {**GOOD, "Principal": principal}}), Form.RESOURCE)


@pytest.mark.parametrize(
    ("form", "statement", "words"),
    [
        (Form.RESOURCE, GOOD, "without Principal"),
        (Form.RCP, {**GOOD, "Effect": "Deny", "NotPrincipal": {"AWS": "*"}}, "NotPrincipal with Deny"),
        (
            Form.TRUST,
            {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"},
            "with Resource",
        ),
        (Form.TRUST, {"Effect": "Deny", "NotPrincipal": {"AWS": "*"}, "Action": "sts:AssumeRole"}, "NotPrincipal"),
        (Form.KEY, {"Effect": "Allow", "Principal": "*", "Action": "kms:*"}, "without Resource"),
        (Form.SESSION, {**GOOD, "Resource": "arn:aws:s3"}, "fewer than six"),
        (Form.SCP, {**GOOD, "Resource": "arn:aws:s3"}, "fewer than six"),
    ],
)
def test_what_each_kind_of_policy_holds(form: Form, statement: dict[str, Any], words: str) -> None:
    assert words in refuse(statement, form)


def test_a_deleted_principal_stays_readable_and_matches_nobody() -> None:
    document = parse(
        Named("bucket", {"Statement": {**GOOD, "Principal": {"AWS": "AIDACKCEVSQ6C2EXAMPLE"}}}), Form.RESOURCE
    )
    assert document.statements[0].principals is not None


def test_messages_name_policy_statement_and_remedy() -> None:
    message = refuse([GOOD, {**GOOD, "Effect": "allow"}])
    assert message == "under test: statement 2: Effect is neither Allow nor Deny; write one of the two"
