"""Signature Version 4 against botocore's own signer, and every way in which a request can be altered after signing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from local_cloud.servers.gateway.authentication import authenticate, claimed, headers_of
from local_cloud.servers.gateway.call import Principal, Refuse

SECRET, ACCESS_KEY = "a secret", "AKIAEXAMPLEEXAMPLE00"
USER = Principal(
    "user", "arn:aws:iam::210000000001:user/u", "arn:aws:iam::210000000001:user/u", "210000000001", "U", "u"
)


class OneUser:
    """Identities of a single access key."""

    def resolve(self, access_key: str, token: str, now: datetime, *, s3: bool) -> tuple[str, Principal]:
        assert access_key == ACCESS_KEY
        return SECRET, USER


def environ_of(request: AWSRequest) -> dict[str, Any]:
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": prepared.method,
        "REQUEST_URI": parts.path + (f"?{parts.query}" if parts.query else ""),
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
        "HTTP_HOST": parts.netloc,
    }
    for name, value in prepared.headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value.decode() if isinstance(value, bytes) else value
    return environ


def check(environ: dict[str, Any], body: bytes | None = b"", now: datetime | None = None) -> Principal:
    headers = headers_of(environ)
    wall = datetime.now(UTC)
    signed = claimed(headers, environ["QUERY_STRING"])
    return authenticate(environ, headers, signed, body, OneUser(), now or wall, wall)[0]  # type: ignore[arg-type]


def signed(service: str, path: str = "/", query: str = "", body: bytes = b"", method: str = "POST") -> dict[str, Any]:
    url = f"https://127.0.0.1:1{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, data=body, headers={"X-Amz-Target": "T.Op"})
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(ACCESS_KEY, SECRET), service, "us-east-1").add_auth(request)
    return environ_of(request)


@given(st.text("abc/ ~-_.%é&=+:", max_size=20), st.text("ab=&%+ ~é", max_size=20))
@settings(max_examples=60, deadline=None)
def test_what_botocore_signs_is_accepted(path: str, value: str) -> None:
    from urllib.parse import quote

    query = f"prefix={quote(value, safe='-_.~')}&list-type=2&acl"
    assert check(signed("s3", "/bucket/" + quote(path, safe="/-_.~"), query, method="GET")) is USER
    assert check(signed("kms", body=b'{"a": 1}'), b'{"a": 1}') is USER


@pytest.mark.parametrize(
    "change",
    [
        {"REQUEST_METHOD": "GET"},
        {"REQUEST_URI": "/other"},
        {"QUERY_STRING": "a=1"},
        {"HTTP_HOST": "127.0.0.1:2"},
        {"HTTP_X_AMZ_TARGET": "T.Other"},
    ],
)
def test_an_altered_request_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Refuse, match="SignatureDoesNotMatch"):
        check({**signed("kms", body=b"{}"), **change}, b"{}")


def test_an_altered_body_or_an_added_header_is_refused() -> None:
    environ = signed("kms", body=b"{}")
    with pytest.raises(Refuse, match="SignatureDoesNotMatch"):
        check(environ, b"[]")
    with pytest.raises(Refuse, match="not signed"):
        check({**environ, "HTTP_X_AMZ_SOMETHING": "new"}, b"{}")


def test_old_requests_are_refused() -> None:
    environ = signed("kms", body=b"{}")
    headers = headers_of(environ)
    later = datetime.now(UTC) + timedelta(minutes=16)
    with pytest.raises(Refuse, match="too large"):
        authenticate(environ, headers, claimed(headers, ""), b"{}", OneUser(), later, later)  # type: ignore[arg-type]


def test_presigned_requests_expire() -> None:
    request = AWSRequest(method="GET", url="https://127.0.0.1:1/bucket/key")
    S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET), "s3", "us-east-1", expires=60).add_auth(request)
    environ = environ_of(request)
    assert check(environ, None) is USER
    with pytest.raises(Refuse, match="Request has expired"):
        check(environ, None, datetime.now(UTC) + timedelta(seconds=61))
    environ["QUERY_STRING"] = environ["QUERY_STRING"].replace("Expires=60", "Expires=90")
    with pytest.raises(Refuse, match="SignatureDoesNotMatch"):
        check(environ, None)


@pytest.mark.parametrize("header", ["AWS AKIA:signature", "Bearer token", "AWS4-HMAC-SHA256 Credential=short"])
def test_other_kinds_of_authorization_are_refused(header: str) -> None:
    with pytest.raises(Refuse):
        claimed({"authorization": header}, "")
