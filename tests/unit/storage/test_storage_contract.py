"""The storage contract, the same rows for a folder and for S3 (moto behind its real HTTP server)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from strongroom.errors import Exists, Locked, Missing, Transient, UsageError
from strongroom.storage.contract import Version
from strongroom.storage.local import LocalStorage
from strongroom.storage.s3 import S3Storage


@pytest.fixture(scope="module")
def s3_client():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    client.create_bucket(Bucket="contract", ObjectLockEnabledForBucket=True)
    yield client
    client.close()
    server.stop()


@pytest.fixture(params=["local", "s3"])
def storage(request, tmp_path):
    if request.param == "local":
        return LocalStorage(tmp_path / "store")
    return S3Storage(request.getfixturevalue("s3_client"), "contract", f"run-{os.urandom(4).hex()}")


def test_put_get_head_list(storage):
    for name in ("b/2", "a/1", "b/1", "c"):
        storage.put(name, name.encode())
    assert storage.get("b/1") == b"b/1" and storage.head("b/1").size == 3
    assert [e.name for e in storage.list()] == ["a/1", "b/1", "b/2", "c"]
    assert [e.name for e in storage.list("b/")] == ["b/1", "b/2"]
    assert [e.name for e in storage.list("b/", after="b/1")] == ["b/2"]
    assert abs((storage.head("c").modified - datetime.now(UTC)).total_seconds()) < 60


def test_ranges(storage):
    storage.put("r", bytes(range(100)))
    assert storage.get("r", range=(10, 20)) == bytes(range(10, 20))
    assert storage.get("r", range=(5, 5)) == b""


def test_missing(storage):
    for call in (lambda: storage.get("no"), lambda: storage.head("no"), lambda: storage.get("no/such")):
        with pytest.raises(Missing, match="no"):
            call()
    assert storage.versions("no") == ()


def test_if_absent_keeps_the_first(storage):
    storage.put("once", b"first", if_absent=True)
    with pytest.raises(Exists):
        storage.put("once", b"second", if_absent=True)
    assert storage.get("once") == b"first"


def test_if_match_refuses_a_changed_object(storage):
    first = storage.put("m", b"1")
    second = storage.put("m", b"22", if_match=first)
    with pytest.raises(Exists):
        storage.put("m", b"333", if_match=first)
    storage.put("m", b"333", if_match=second)
    assert storage.get("m") == b"333"


def test_retention_holds_and_is_never_shortened(storage):
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    storage.put("kept", b"x", retain_until=until)
    version = storage.versions("kept")[0].version.id
    with pytest.raises(Locked):
        storage.delete("kept", version)
    storage.extend("kept", version, until + timedelta(days=1))
    assert storage.head("kept", version=version).retain_until == until + timedelta(days=1)
    assert storage.get("kept") == b"x"


def test_delete_names_its_version(storage):
    storage.put("gone", b"x")
    storage.delete("gone", storage.versions("gone")[0].version.id)
    with pytest.raises(Missing):
        storage.get("gone")


def test_local_refuses_names_that_leave_the_folder(tmp_path):
    storage = LocalStorage(tmp_path / "store")
    for name in ("../x", "/etc/passwd", "a/../../x", "", "a//b"):
        with pytest.raises(UsageError, match="object name"):
            storage.put(name, b"x")
    assert not (tmp_path / "x").exists()


def test_local_files_are_private_and_shortening_is_locked(tmp_path):
    storage = LocalStorage(tmp_path / "store")
    until = datetime.now(UTC) + timedelta(days=2)
    version = storage.put("a/b", b"x", retain_until=until)
    assert (tmp_path / "store/a/b").stat().st_mode & 0o077 == 0
    assert (tmp_path / "store").stat().st_mode & 0o077 == 0
    with pytest.raises(Locked, match="shortened"):
        storage.extend("a/b", version.id, until - timedelta(days=1))
    with pytest.raises(Locked):
        storage.put("a/b", b"overwrite")


def test_a_killed_local_put_leaves_nothing_that_looks_whole(tmp_path):
    """The child is killed between writing and linking: its part is never listed."""
    code = (
        "import os, signal, sys; from pathlib import Path; from strongroom.storage.local import LocalStorage;"
        "os.link = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL);"
        "LocalStorage(Path(sys.argv[1])).put('big', b'x' * 10_000_000, if_absent=True)"
    )
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], check=False)
    assert child.returncode == -signal.SIGKILL
    storage = LocalStorage(tmp_path / "s")
    assert list(storage.list()) == [] and list((tmp_path / "s").glob(".big*.part"))
    with pytest.raises(Missing):
        storage.get("big")


def test_s3_that_cannot_be_reached_is_transient(unused_port):
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{unused_port}",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=boto3.session.Config(retries={"max_attempts": 0}, connect_timeout=1),
    )
    with pytest.raises(Transient):
        S3Storage(client, "none").put("x", b"")
    client.close()


def test_version_is_comparable():
    assert Version("1", "e") == Version("1", "e") != Version("2", "e")
