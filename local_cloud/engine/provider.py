"""A resource provider as the engine sees it: the client of Pulumi's ResourceProvider protocol.

One client is one configured provider. It hides what plugins differ in: whether they accept secrets and references,
support previews, or implement the optional calls (Handshake, CheckConfig, DiffConfig).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2

from local_cloud.engine import values
from local_cloud.engine.values import Properties
from strongroom.errors import Denied, Exists, Missing, StrongroomError, Transient, UsageError

#: Pulumi's own limit of a message; details of a half-made resource travel as metadata, in Go's limit of 16 MiB.
MESSAGE_LIMIT = [
    ("grpc.max_receive_message_length", 400 << 20),
    ("grpc.max_send_message_length", 400 << 20),
    ("grpc.max_metadata_size", 16 << 20),
    ("grpc.absolute_max_metadata_size", 16 << 20),
]

_ERRORS: dict[grpc.StatusCode, type[StrongroomError]] = {
    grpc.StatusCode.PERMISSION_DENIED: Denied,
    grpc.StatusCode.UNAUTHENTICATED: Denied,
    grpc.StatusCode.INVALID_ARGUMENT: UsageError,
    grpc.StatusCode.FAILED_PRECONDITION: UsageError,
    grpc.StatusCode.ALREADY_EXISTS: Exists,
    grpc.StatusCode.NOT_FOUND: Missing,
    grpc.StatusCode.UNAVAILABLE: Transient,
    grpc.StatusCode.DEADLINE_EXCEEDED: Transient,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Transient,
}


@dataclass(frozen=True)
class Diff:
    """What a provider says of a change; `changes` is None when it does not know."""

    changes: bool | None = None
    replaces: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    delete_before_replace: bool = False
    #: property path -> kind: add, delete, update and their -replace forms
    detailed: Mapping[str, str] = field(default_factory=dict)


class HalfMade(Exception):
    """A resource exists but did not become ready; it must be recorded."""

    def __init__(self, id_: str, outputs: Properties, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.id, self.outputs, self.reasons = id_, outputs, reasons


class Provider:
    """One configured plugin; every method raises a StrongroomError that holds the plugin's own message."""

    def __init__(self, package: str, address: str, close: Callable[[], None]) -> None:
        self.package = package
        self._channel = grpc.insecure_channel(address, options=MESSAGE_LIMIT)
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self._close = close
        self._secrets = self._resources = False
        #: whether the plugin computes outputs in a preview
        self.previews = False
        #: False while the configuration holds unknowns: nothing can be asked of the plugin then
        self.configured = False

    def close(self) -> None:
        """Ends the connection and what this engine started for it."""
        self._channel.close()
        self._close()

    def check_config(self, urn: str, olds: Properties, news: Properties) -> Properties:
        """The validated configuration; the given one where the plugin has no CheckConfig."""
        request = pb.CheckRequest(urn=urn, olds=values.encode(olds), news=values.encode(news))
        answer = self._optional("CheckConfig", request)
        if answer is None:
            return news
        _refuse_failures(urn, answer.failures)
        return values.decode(answer.inputs)

    def diff_config(self, urn: str, id_: str, olds: Properties, news: Properties) -> Diff:
        """What a change of configuration means; unknown where the plugin has no DiffConfig."""
        encoded = values.encode(olds)
        request = pb.DiffRequest(id=id_, urn=urn, olds=encoded, old_inputs=encoded, news=values.encode(news))
        answer = self._optional("DiffConfig", request)
        return Diff() if answer is None else _diff(answer)

    def configure(self, urn: str, id_: str, inputs: Properties) -> None:
        """Hands the plugin its configuration, as variables <package>:config:<key> and as a Struct."""
        if values.contains_unknown(inputs):
            return
        plain = {key: values.reveal(item) for key, item in inputs.items() if key not in ("version", "__internal")}
        variables = {f"{self.package}:config:{key}": _text(item) for key, item in plain.items() if item is not None}
        request = pb.ConfigureRequest(
            variables=variables,
            args=values.encode({key: item for key, item in inputs.items() if key in plain}),
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
            urn=urn,
            id=id_,
        )
        answer = self._call("Configure", request, urn)
        self._secrets, self._resources = answer.acceptSecrets, answer.acceptResources
        self.previews = answer.supportsPreview
        self.configured = True

    def check(self, urn: str, olds: Properties, news: Properties, allow_unknown: bool) -> Properties:
        """The inputs with the plugin's defaults filled in; UsageError lists what it refuses."""
        if not self.configured:
            return news
        request = pb.CheckRequest(
            urn=urn,
            name=_name(urn),
            type=_type(urn),
            olds=self._encode(olds),
            news=self._encode(news),
            randomSeed=os.urandom(32),
        )
        answer = self._call("Check", request, urn)
        _refuse_failures(urn, answer.failures)
        return self._keep(values.decode(answer.inputs), news)

    def diff(
        self, urn: str, id_: str, old_inputs: Properties, old_outputs: Properties, news: Properties, ignore: list[str]
    ) -> Diff:
        """What the change from old to new inputs means."""
        if not self.configured:
            return Diff()
        request = pb.DiffRequest(
            id=id_,
            urn=urn,
            name=_name(urn),
            type=_type(urn),
            olds=self._encode(old_outputs),
            old_inputs=self._encode(old_inputs),
            news=self._encode(news),
            ignoreChanges=ignore,
        )
        return _diff(self._call("Diff", request, urn))

    def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> tuple[str, Properties]:
        """The id and outputs of a new resource; in a preview the id is empty and outputs may be unknown."""
        if preview and not (self.configured and self.previews):
            return "", dict(inputs) if self.configured else {}
        request = pb.CreateRequest(
            urn=urn,
            name=_name(urn),
            type=_type(urn),
            properties=self._encode(inputs),
            timeout=timeout,
            preview=preview,
        )
        answer = self._call("Create", request, urn)
        if not preview and not answer.id:
            raise StrongroomError(f"{urn}: the plugin made a resource without an id")
        return ("" if preview else answer.id), self._keep(values.decode(answer.properties), inputs)

    def update(
        self,
        urn: str,
        id_: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        ignore: list[str],
        timeout: float,
        preview: bool,
    ) -> Properties:
        """The outputs after an update in place."""
        if preview and not (self.configured and self.previews):
            return dict(news)
        request = pb.UpdateRequest(
            id=id_,
            urn=urn,
            name=_name(urn),
            type=_type(urn),
            olds=self._encode(old_outputs),
            old_inputs=self._encode(old_inputs),
            news=self._encode(news),
            ignoreChanges=ignore,
            timeout=timeout,
            preview=preview,
        )
        answer = self._call("Update", request, urn)
        return self._keep(values.decode(answer.properties), news)

    def read(self, urn: str, id_: str, inputs: Properties, outputs: Properties) -> tuple[str, Properties, Properties]:
        """The id, inputs and outputs of the live resource; an empty id says it is gone."""
        request = pb.ReadRequest(
            id=id_,
            urn=urn,
            name=_name(urn),
            type=_type(urn),
            inputs=self._encode(inputs),
            properties=self._encode(outputs),
        )
        answer = self._call("Read", request, urn)
        live = self._keep(values.decode(answer.properties), inputs)
        return answer.id, self._keep(values.decode(answer.inputs), inputs) or inputs, live

    def delete(self, urn: str, id_: str, inputs: Properties, outputs: Properties, timeout: float) -> None:
        """Deletes a resource; one that is gone already counts as deleted (the plugin's duty)."""
        request = pb.DeleteRequest(
            id=id_,
            urn=urn,
            name=_name(urn),
            type=_type(urn),
            properties=self._encode(outputs),
            old_inputs=self._encode(inputs),
            timeout=timeout,
        )
        self._call("Delete", request, urn)

    def invoke(self, token: str, arguments: Properties, preview: bool) -> pb.InvokeResponse:
        """The answer of a function, failures included."""
        request = pb.InvokeRequest(tok=token, args=self._encode(arguments), preview=preview)
        return self._call("Invoke", request)

    def call(self, request: pb.CallRequest) -> pb.CallResponse:
        """The answer of a method."""
        return self._call("Call", request, request.tok)

    def _encode(self, properties: Properties) -> Any:
        return values.encode(properties, secrets=self._secrets, resources=self._resources)

    def _keep(self, outputs: Properties, inputs: Properties) -> Properties:
        return outputs if self._secrets else values.keep_secrets(outputs, inputs)

    def _optional(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return None
            raise _translate(error, request.urn) from error

    def _call(self, method: str, request: Any, subject: str = "") -> Any:
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as error:
            if (half := _half_made(error)) is not None:
                raise half from error
            raise _translate(error, subject) from error


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _type(urn: str) -> str:
    return urn.split("::", 3)[2].rsplit("$", 1)[-1]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value

    return json.dumps(value)


def _diff(answer: pb.DiffResponse) -> Diff:
    kinds = pb.PropertyDiff.Kind
    detailed = {path: kinds.Name(entry.kind).lower().replace("_", "-") for path, entry in answer.detailedDiff.items()}
    unknown = answer.changes == pb.DiffResponse.DIFF_UNKNOWN
    replaces = tuple(answer.replaces) or tuple(path for path, kind in detailed.items() if kind.endswith("-replace"))
    return Diff(
        changes=None if unknown and not replaces else bool(replaces) or answer.changes == pb.DiffResponse.DIFF_SOME,
        replaces=replaces,
        keys=tuple(answer.diffs) or tuple(sorted({path.split(".")[0].split("[")[0] for path in detailed})),
        delete_before_replace=answer.deleteBeforeReplace,
        detailed=detailed,
    )


def _refuse_failures(urn: str, failures: Any) -> None:
    if failures:
        reasons = "; ".join(f"{item.property}: {item.reason}" if item.property else item.reason for item in failures)
        raise UsageError(f"{urn}: {reasons}")


def _translate(error: grpc.RpcError, subject: str) -> StrongroomError:
    kind = _ERRORS.get(error.code(), StrongroomError)
    return kind(f"{subject}: {error.details()}" if subject else str(error.details()))


def _half_made(error: grpc.RpcError) -> HalfMade | None:
    """The ErrorResourceInitFailed inside a gRPC error, if there is one."""
    for key, data in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(data).details:
            failed = pb.ErrorResourceInitFailed()
            if detail.Is(failed.DESCRIPTOR) and detail.Unpack(failed):
                reasons = list(failed.reasons) or [error.details() or ""]
                return HalfMade(failed.id, values.decode(failed.properties), reasons)
    return None
