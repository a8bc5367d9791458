"""Actions, ARNs and their wildcards (IAM user guide, "Resource", "Action", "IAM identifiers")."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.authorization import Named, Policies, Principal, Request, evaluate, matching

ACCOUNT = "210000000001"
USER = Principal(f"arn:aws:iam::{ACCOUNT}:user/dana", ACCOUNT, "user")


def covers(pattern: str, resource: str, *, element: str = "Resource") -> bool:
    document = Named(
        "identity", {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", element: pattern}}
    )
    return evaluate(Request(USER, "x:Do", resource, {}, ACCOUNT), Policies(identity=[document])).allowed


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        ("*", "arn:aws:s3:::b/k", True),
        ("*", "*", True),
        ("arn:aws:s3:::*", "*", False),
        ("arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b/1/2/3/test/4/o.jpg", True),
        ("arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b//test/o.jpg", True),
        ("arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b/1-test/o.jpg", False),
        ("arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b/test/o.jpg", False),
        ("arn:aws:s3:::b/????-test", "arn:aws:s3:::b/2026-test", True),
        ("arn:aws:s3:::b/????-test", "arn:aws:s3:::b/26-test", False),
        ("arn:aws:s3:::B/k", "arn:aws:s3:::b/k", False),
        ("arn:aws:ec2:*:1:volume/*", "arn:aws:ec2:us-east-1:1:volume/v", True),
        ("arn:aws:ec2:us-*-1:1:volume/*", "arn:aws:ec2:us-east-1:1:volume/v", True),
        ("arn:aws:ec2:us-*-1:1:volume/*", "arn:aws:ec2:us:-1:1:volume/v", False),
        # a star that ends a segment may run on beyond its colon
        ("arn:aws:logs:*:log-group:jobs:*", "arn:aws:logs:us-east-1:1:log-group:jobs:log-stream:s", True),
        ("arn:aws:logs:us-east-1:1:log-group:*", "arn:aws:logs:us-east-1:1:log-group:jobs:log-stream:s", True),
        ("arn:aws:sqs", "arn:aws:sqs:us-east-1:1:q", True),
        ("arn:aws:sqs", "arn:aws:sns:us-east-1:1:q", False),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", True),
        ("arn:aws:s3:::b/[k]", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::b/k.dcm", "arn:aws:s3:::b/kxdcm", False),
    ],
)
def test_resources(pattern: str, resource: str, expected: bool) -> None:
    assert covers(pattern, resource) is expected
    assert covers(pattern, resource, element="NotResource") is not expected


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("*", "kms:Decrypt", True),
        ("kms:*", "kms:Decrypt", True),
        ("KMS:decrypt", "kms:Decrypt", True),
        ("kms:De*", "kms:DescribeKey", True),
        ("kms:*Key", "kms:DescribeKey", True),
        ("kms:ReEncrypt????", "kms:ReEncryptFrom", True),
        ("kms:ReEncrypt??", "kms:ReEncryptFrom", False),
        ("s3:*", "kms:Decrypt", False),
    ],
)
def test_actions(pattern: str, action: str, expected: bool) -> None:
    def covered(element: str) -> bool:
        statement = {"Effect": "Allow", element: pattern, "Resource": "*"}
        document = Named("identity", {"Version": "2012-10-17", "Statement": statement})
        return evaluate(Request(USER, action, "*"), Policies(identity=[document])).allowed

    assert covered("Action") is expected
    assert covered("NotAction") is not expected


LETTERS = st.text(alphabet="ab:/*?", max_size=12)


@given(LETTERS, st.text(alphabet="ab:/", max_size=14))
def test_globs_agree_with_a_plain_regular_expression(pattern: str, text: str) -> None:
    plain = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    assert matching.glob(pattern)(text) is (re.fullmatch(plain, text, re.DOTALL) is not None)


@given(st.lists(st.text(alphabet="ab*?", max_size=5), min_size=6, max_size=6), st.text(alphabet="ab:", max_size=20))
def test_arn_patterns_agree_with_a_plain_regular_expression(segments: list[str], text: str) -> None:
    def plain(segment: str, inner: str) -> str:
        return "".join(f"{inner}*" if c == "*" else inner if c == "?" else re.escape(c) for c in segment)

    expression = ":".join([*(plain(segment, "[^:]") for segment in segments[:5]), plain(segments[5], ".")])
    assert matching.arn(":".join(segments))(text) is (re.fullmatch(expression, text, re.DOTALL) is not None)

    def running_on(segment: str) -> str:
        return plain(segment[:-1], "[^:]") + ".*" if segment.endswith("*") else plain(segment, "[^:]")

    expression = ":".join([*(running_on(segment) for segment in segments[:5]), plain(segments[5], ".")])
    expected = re.fullmatch(expression, text, re.DOTALL) is not None
    pattern = ":".join(segments)
    assert matching.resources((pattern,))(text) is expected
    assert matching._walk(matching._steps(pattern), text) is expected


@given(st.text(max_size=30))
def test_an_escaped_text_matches_itself_only(text: str) -> None:
    assert matching.glob(matching.escape(text))(text)
    assert not matching.glob(matching.escape(text))(text + "x")
    assert matching.literal(matching.escape(text)) == text


def test_a_hostile_pattern_costs_a_scan() -> None:
    started = time.process_time()
    assert not matching.glob("*a" * 60 + "b")("a" * 2000)
    # an object's name may be nothing but colons
    assert not matching.resources(("arn:*:*:*:*:*z",))("arn:aws:s3:::" + ":" * 1000)
    assert matching.resources(("arn:*:*:*:*:*z",))("arn:aws:s3:::" + ":" * 1000 + "z")
    assert time.process_time() - started < 1
