"""The part of Pulumi's engine that talks to a provider, for driving a real one over real gRPC."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
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
                f"unchanged, yet {moment} differs: {[(name, made.outputs.get(name)) for name in response.diffs]}"
            )
            before = reveal(made.outputs)
            assert self.read(made)
            after = reveal(made.outputs)
            changed = {name for name in before | after if before.get(name) != after.get(name)}
            assert not changed, {name: (before.get(name), after.get(name)) for name in changed}


def served(servicer: ProviderServicer) -> Iterator[Engine]:
    """The engine's side of a provider that is served for as long as the generator lives."""
    server, port = serve(servicer, workers=8)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Engine(provider_pb2_grpc.ResourceProviderStub(channel), servicer)
    server.stop(grace=0).wait()
