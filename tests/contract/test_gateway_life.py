"""The gateway's own life: KMS stopped alone, time moved, a version withheld, old state archived, private files."""

from __future__ import annotations

import json
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from contract_rows import ADMIN, name, new_bucket, new_key
from gateway_process import GatewayProcess

from local_cloud.servers.gateway.events import lookup

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("life"))
    yield process
    process.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def accepts(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), 1).close()
    except OSError:
        return False
    return True


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_kms_stops_alone_and_comes_back_on_its_port(gateway: GatewayProcess) -> None:
    kms, s3, key = gateway.client(ADMIN, "kms"), gateway.client(ADMIN, "s3"), new_key(gateway)
    bucket = new_bucket(gateway)
    s3.put_object(Bucket=bucket, Key="kms", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    s3.put_object(Bucket=bucket, Key="s3", Body=b"x")
    gateway.process.send_signal(signal.SIGUSR1)
    until(lambda: not accepts(gateway.kms_url))
    with pytest.raises(EndpointConnectionError):
        gateway.make(gateway.session(ADMIN), "kms").describe_key(KeyId=key)
    assert s3.get_object(Bucket=bucket, Key="s3")["Body"].read() == b"x"
    assert code_of(lambda: s3.get_object(Bucket=bucket, Key="kms")) == "ServiceUnavailable"
    gateway.process.send_signal(signal.SIGUSR2)
    until(lambda: accepts(gateway.kms_url))
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key
    assert s3.get_object(Bucket=bucket, Key="kms")["Body"].read() == b"x"


def test_a_withheld_version_opens_nothing_and_the_new_one_everything(gateway: GatewayProcess) -> None:
    kms, key = gateway.client(ADMIN, "kms"), new_key(gateway)
    old = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.rotate_key_on_demand(KeyId=key)
    new = kms.re_encrypt(CiphertextBlob=old, DestinationKeyId=key)["CiphertextBlob"]
    withheld = gateway.home / "cloud" / "kms" / "withheld.json"
    withheld.write_text(json.dumps([{"key": key, "version": 1}]))
    assert code_of(lambda: kms.decrypt(CiphertextBlob=old)) == "KMSInvalidStateException"
    assert kms.decrypt(CiphertextBlob=new)["Plaintext"] == b"x"
    withheld.unlink()
    assert kms.decrypt(CiphertextBlob=old)["Plaintext"] == b"x"


def test_locks_and_sessions_end_by_the_gateways_clock(gateway: GatewayProcess) -> None:
    s3, bucket = gateway.client(ADMIN, "s3"), new_bucket(gateway, lock=True)
    until_then = datetime.now(UTC) + timedelta(minutes=30)
    version = s3.put_object(
        Bucket=bucket, Key="k", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until_then
    )["VersionId"]
    assert code_of(lambda: s3.delete_object(Bucket=bucket, Key="k", VersionId=version)) == "AccessDenied"
    clock = gateway.home / "cloud" / "clock_offset"
    try:
        clock.write_text("1900")
        s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
        clock.write_text("7200")
        assert code_of(lambda: s3.list_buckets()) == "ExpiredToken"
    finally:
        clock.unlink()


def test_a_large_object_is_not_held_in_memory(gateway: GatewayProcess) -> None:
    s3, bucket = gateway.client(ADMIN, "s3"), new_bucket(gateway)
    s3.put_object(Bucket=bucket, Key="warm", Body=b"x" * (1 << 20))
    before = peak(gateway)
    body = b"0123456789abcdef" * (4 << 20)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    assert peak(gateway) - before < 24 << 20


def peak(gateway: GatewayProcess) -> int:
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_nothing_the_gateway_writes_is_readable_by_others(gateway: GatewayProcess) -> None:
    gateway.client(ADMIN, "s3").put_object(Bucket=new_bucket(gateway), Key=name(), Body=b"x")
    new_key(gateway)
    written = [path for folder in ("cloud", "aws") for path in (gateway.home / folder).rglob("*")]
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in written if path.name != "gateway.json"}
    assert {mode for path, mode in modes.items() if Path(path).is_file()} == {0o600}
    assert {mode for path, mode in modes.items() if Path(path).is_dir()} == {0o700}
    assert next(lookup(gateway.home, name="CreateBucket"))["userIdentity"]["type"] == "AssumedRole"


def test_what_an_earlier_process_left_is_archived(tmp_path: Path) -> None:
    first = GatewayProcess(tmp_path)
    key = new_key(first)
    first.stop()
    assert not (tmp_path / "cloud" / "gateway.json").exists()
    second = GatewayProcess(tmp_path)
    try:
        archived = Path(json.loads((tmp_path / "cloud" / "gateway.json").read_text())["archived"])
        assert list(archived.glob(f"kms/*/*/{key.split('/')[-1]}.json"))
        assert code_of(lambda: second.client(ADMIN, "kms").describe_key(KeyId=key)) == "NotFoundException"
    finally:
        second.stop()
