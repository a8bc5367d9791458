"""Each control passes what must pass, fails what must fail, and says so when a value is not known yet."""

from __future__ import annotations

import pytest

from strongroom.controls import kms, s3
from strongroom.controls.catalogue import CATALOGUE
from strongroom.controls.facts import UNKNOWN, Fact, Verdict

A = "arn:aws:iam::111122223333:"
OWN = {"Effect": "Allow", "Principal": {"AWS": [f"{A}role/owner"]}, "Action": ["kms:PutKeyPolicy"], "Resource": "*"}
USE = {"Effect": "Allow", "Principal": {"AWS": f"{A}role/app"}, "Action": "kms:Decrypt", "Resource": "*"}
ROOT = {"Effect": "Allow", "Principal": {"AWS": f"{A}root"}, "Action": "kms:PutKeyPolicy", "Resource": "*"}
ONLY_ROOT = {"StringEquals": {"aws:PrincipalArn": f"{A}root"}}
GOOD_KEY = {
    "KeySpec": "SYMMETRIC_DEFAULT",
    "KeyRotationEnabled": True,
    "RotationPeriodInDays": 365,
    "PendingWindowInDays": 30,
    "Policy": {"Statement": [OWN, USE, {**ROOT, "Condition": ONLY_ROOT}]},
}
TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": ["s3:*"],
    "Resource": ["*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
SSE_C = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:PutObject",
    "Resource": "*",
    "Condition": {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}},
}
BLOCKED = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
GOOD_BUCKET = {
    "PublicAccessBlockConfiguration": BLOCKED,
    "VersioningStatus": "Enabled",
    "ObjectLockEnabled": False,
    "Policy": {"Statement": [TLS, SSE_C]},
}
GOOD = {"kms:key": GOOD_KEY, "s3:bucket": GOOD_BUCKET}


def statements(*added):
    return {"Policy": {"Statement": [OWN, USE, *added]}}


BAD = [
    (kms.K1, {"KeyRotationEnabled": False}, "rotation is off"),
    (kms.K1, {"RotationPeriodInDays": None}, "period is not set"),
    (kms.K2, {"PendingWindowInDays": 7}, "7 days"),
    (kms.K3, statements({**USE, "Principal": {"AWS": f"{A}role/owner"}}), "may both rule and use"),
    (kms.K3, statements({**OWN, "Action": "kms:*"}), "may both rule and use"),
    (kms.K3, statements({**OWN, "Action": ["kms:Re*"]}), "may both rule and use"),
    (kms.K3, statements({**USE, "Action": "kms:CreateGrant"}), "may both rule and use"),
    (kms.K3, statements(ROOT), "delegates to every IAM policy"),
    (kms.K3, statements({**USE, "Principal": "*"}), "allows everybody"),
    (kms.K3, statements({"Effect": "Allow", "NotPrincipal": {"AWS": A}, "Action": "kms:Decrypt"}), "who is not meant"),
    (s3.S1, {"PublicAccessBlockConfiguration": {**BLOCKED, "IgnorePublicAcls": False}}, "IgnorePublicAcls"),
    (s3.S1, {"PublicAccessBlockConfiguration": None}, "BlockPublicAcls"),
    (s3.S3, {"Policy": {"Statement": [SSE_C]}}, "without TLS"),
    (s3.S3, {"Policy": {"Statement": [{**TLS, "Principal": {"AWS": f"{A}role/app"}}]}}, "without TLS"),
    (s3.S3, {"Policy": None}, "without TLS"),
    (s3.S4, {"VersioningStatus": "Suspended"}, "not kept"),
    (s3.S8, {"Policy": {"Statement": [TLS]}}, "writer brings"),
]


@pytest.mark.parametrize("control", CATALOGUE, ids=lambda c: c.id)
def test_what_is_right_passes_and_what_is_not_known_is_said(control):
    good = GOOD[control.kind]
    assert [f.verdict for f in control([Fact(control.kind, "x", good)])] == [Verdict.PASS]
    for name in control.needs:
        (finding,) = control([Fact(control.kind, "x", {**good, name: UNKNOWN})])
        assert finding.verdict is Verdict.NOT_EVALUABLE and name in finding.reason


@pytest.mark.parametrize(("control", "change", "reason"), BAD, ids=lambda v: getattr(v, "id", str(v)[:40]))
def test_what_is_wrong_fails_with_its_reason(control, change, reason):
    (finding,) = control([Fact(control.kind, "x", {**GOOD[control.kind], **change})])
    assert finding.verdict is Verdict.FAIL and reason in finding.reason


def test_every_control_has_a_case_that_fails():
    assert {control.id for control, _, _ in BAD} == {control.id for control in CATALOGUE}


def test_a_control_leaves_other_kinds_alone():
    assert kms.K1([Fact("s3:bucket", "x", GOOD_BUCKET)]) == []
