"""Stolen, old, forged and borrowed credentials: who may become whom, and what the gateway believes of a request."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import stocked as shelf
from attacked_estate import AttackedEstate, refused
from weakened import weakened

from strongroom.estate import duties, names

pytestmark = pytest.mark.cloud
RUNNERS = tuple(duties.HOMES)


def every_role() -> list[tuple[str, str]]:
    """(account, duty) of every role, deployers and service roles included."""
    return [(a, d) for d in (*duties.all_duties(), *duties.SERVICES) for a in duties.accounts_of(d)]


@pytest.mark.parametrize("holder", [*(f"runner.{duty}" for duty in RUNNERS), "deployer", "bootstrap-admin"])
def test_a_holder_becomes_its_own_duty_and_no_other(estate: AttackedEstate, holder: str):
    """Every user against every role of every account, the administrators' roles included."""
    sts = estate.client(f"user:{holder}", "sts")

    def becomes(role: str) -> bool:
        try:
            sts.assume_role(RoleArn=role, RoleSessionName="attack")
        except sts.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied"
            assert "decided by: " in error.response["Error"]["Message"]
            return False
        return True

    for account, duty in every_role():
        mine = holder == f"runner.{duty}" or (holder == "deployer" and duty.startswith("deployer."))
        assert becomes(names.role_arn(estate.estate, account, duty)) is mine, f"{holder} and {duty} in {account}"
    for account in ("workload", "backup", "audit"):
        assert becomes(names.bootstrap_role_arn(estate.estate, account)) is (holder == "bootstrap-admin")


@pytest.mark.parametrize("duty", RUNNERS)
def test_a_session_of_a_duty_becomes_nobody(estate: AttackedEstate, duty: str):
    """Role chaining: the session of a duty may assume no role at all."""
    sts = estate.client(duty, "sts")
    for account, other in every_role():
        role = names.role_arn(estate.estate, account, other)
        refused(lambda role=role: sts.assume_role(RoleArn=role, RoleSessionName="attack"))


def test_a_runner_that_is_trusted_elsewhere_becomes_it(estate: AttackedEstate):
    """Negative control of the two tests above."""
    role = estate.role_arn("restorer")
    with weakened(estate, "application", ("role", "trust restorer")):
        estate.client("user:runner.application", "sts").assume_role(RoleArn=role, RoleSessionName="attack")
        estate.client("application", "sts").assume_role(RoleArn=role, RoleSessionName="attack")


@contextmanager
def clock_moved(estate: AttackedEstate, seconds: float) -> Iterator[None]:
    """The gateway's operator moves its clock; only sessions, presigned requests and locks look at it."""
    file = estate.home / "cloud" / "clock_offset"
    file.write_text(str(seconds))
    try:
        yield
    finally:
        file.unlink()


def test_a_session_ends_with_its_hour(estate: AttackedEstate):
    made = estate.assume(estate.user("runner.restorer"), estate.role_arn("restorer"), DurationSeconds=900)
    s3 = estate.make(made, "s3")
    try:
        s3.list_objects_v2(Bucket=shelf.PRIMARY)
        with clock_moved(estate, 901):
            refused(lambda: s3.list_objects_v2(Bucket=shelf.PRIMARY), "ExpiredToken")
    finally:
        s3.close()


def test_a_session_lasts_no_longer_than_an_hour(estate: AttackedEstate):
    sts, role = estate.client("user:runner.restorer", "sts"), estate.role_arn("restorer")
    ask = {"RoleArn": role, "RoleSessionName": "attack"}
    refused(lambda: sts.assume_role(**ask, DurationSeconds=3601), "ValidationError")


def test_a_presigned_address_ends_with_its_time(stocked: AttackedEstate):
    """Until then it opens exactly one object for whoever holds it; afterwards nothing."""
    s3 = stocked.client("restorer", "s3")
    place = {"Bucket": shelf.PRIMARY, "Key": shelf.SLOT}
    address = s3.generate_presigned_url("get_object", Params=place, ExpiresIn=60)
    assert fetch(stocked, address)[0] == 200
    other = address.replace("recipient-primary.1", "escrow.1")
    assert fetch(stocked, other)[0] == 403
    with clock_moved(stocked, 61):
        status, body = fetch(stocked, address)
    assert (status, b"Request has expired" in body) == (403, True)


def fetch(estate: AttackedEstate, address: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of a request made without any AWS client."""
    trust = ssl.create_default_context(cafile=estate.variables["AWS_CA_BUNDLE"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    request = urllib.request.Request(address, data=data, headers=headers)
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_an_access_key_that_was_made_inactive_opens_nothing(estate: AttackedEstate):
    iam, user = estate.client("admin@workload", "iam"), "runner.restorer"
    key = iam.create_access_key(UserName=user)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    sts = estate.make(session, "sts")
    try:
        sts.get_caller_identity()
        iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
        refused(sts.get_caller_identity, "InvalidClientTokenId")
    finally:
        sts.close()
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])


def test_a_forged_signature_opens_nothing(estate: AttackedEstate):
    """The right key id with a wrong secret; a session without, and with another session's, token."""
    real = estate.session("restorer").get_credentials().get_frozen_credentials()
    other = estate.session("application").get_credentials().get_frozen_credentials()
    for given, code in (
        ((real.access_key, "x" * 40, real.token), "SignatureDoesNotMatch"),
        ((real.access_key, real.secret_key, None), "InvalidToken"),
        ((real.access_key, real.secret_key, other.token), "InvalidToken"),
        (("ASIA" + "A" * 16, real.secret_key, real.token), "InvalidAccessKeyId"),
    ):
        s3 = estate.make(boto3.Session(*given), "s3")
        try:
            refused(lambda s3=s3: s3.list_objects_v2(Bucket=shelf.PRIMARY), code)
        finally:
            s3.close()


def altered(estate: AttackedEstate, change: Callable[[Any], None]) -> Callable[[], Any]:
    """A put whose request is changed between its signature and its departure."""

    def act() -> Any:
        s3 = estate.make(estate.session("application"), "s3")
        s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: change(request))
        try:
            return s3.put_object(
                Bucket=shelf.IMAGES, Key="daily/altered", Body=b"honest bytes", ChecksumAlgorithm="CRC32"
            )
        finally:
            s3.close()

    return act


def _other_name(request: Any) -> None:
    request.url = request.url.replace("daily/altered", "daily/other")


def _other_header(request: Any) -> None:
    request.headers["x-amz-storage-class"] = "REDUCED_REDUNDANCY"


def test_a_request_that_was_changed_on_its_way_is_refused(estate: AttackedEstate):
    refused(altered(estate, _other_name), "SignatureDoesNotMatch")
    refused(altered(estate, _other_header), "AccessDenied", saying="not signed")
    altered(estate, lambda request: None)()


def test_nobody_without_credentials_gets_in(stocked: AttackedEstate):
    """Anonymous reads, a browser's form upload, the emulator's own control interface."""
    base = stocked.variables["AWS_ENDPOINT_URL"]
    fields = (b"--x\r\nContent-Disposition: form-data; name=%b\r\n\r\nx\r\n" % name for name in (b"key", b"file"))
    form = b"".join(fields) + b"--x--\r\n"
    for path, data, headers in (
        (f"/{shelf.IMAGES}/studies/1.dcm", None, {}),
        (f"/{shelf.IMAGES}?list-type=2", None, {}),
        (f"/{shelf.IMAGES}", form, {"Content-Type": "multipart/form-data; boundary=x"}),
        ("/", b"Action=ListUsers&Version=2010-05-08", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("/moto-api/reset", b"", {}),
        ("/moto-api/data.json", None, {}),
    ):
        status, body = fetch(stocked, base + path, data, **headers)
        assert 400 <= status < 500, f"{path}: {status} {body[:200]!r}"
    assert stocked.client("application", "s3").list_objects_v2(Bucket=shelf.IMAGES)["KeyCount"] >= 2


def test_a_request_in_plain_text_gets_no_answer(stocked: AttackedEstate):
    """The port speaks TLS only; and where it did not, every bucket policy would refuse (decided by evaluation)."""
    port = stocked.variables["AWS_ENDPOINT_URL"].rpartition(":")[2]
    try:
        status, _ = fetch(stocked, f"http://127.0.0.1:{port}/{shelf.IMAGES}/studies/1.dcm")
    except (urllib.error.URLError, ConnectionError):
        status = 400
    assert status == 400


def test_credentials_lie_where_only_their_owner_reads_them(estate: AttackedEstate):
    for path in [*(estate.home / "aws").iterdir(), *(p for p in (estate.home / "vault").rglob("*") if p.is_file())]:
        assert path.stat().st_mode & 0o077 == 0, path.name
    assert not (estate.home / "vault" / "root.json").exists()
    assert json.loads((estate.home / "vault" / "deployer.json").read_text())["token"]


def test_a_request_signed_for_one_service_reaches_no_other(estate: AttackedEstate):
    """The scope of the signature says which service is meant; a target header of another service changes nothing."""
    sts = estate.make(estate.session("application"), "sts")
    sts.meta.events.register(
        "before-sign.sts.GetCallerIdentity",
        lambda request, **_: request.headers.add_header("X-Amz-Target", "TrentService.ListKeys"),
    )
    try:
        answer = sts.get_caller_identity()
    finally:
        sts.close()
    assert answer["Arn"].endswith("assumed-role/application/attack") and "Keys" not in answer


def test_time_is_not_moved_for_others(estate: AttackedEstate):
    """The negative control of the moved clock: without the operator's file, sessions live on."""
    assert not Path(estate.home / "cloud" / "clock_offset").exists()
    started = time.monotonic()
    estate.client("restorer", "s3").list_objects_v2(Bucket=shelf.PRIMARY)
    assert time.monotonic() - started < 20
