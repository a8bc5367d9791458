"""A Pulumi provider is a gRPC service; this one answers the protocol from a table of resource types.

Nothing that goes wrong inside an operation can hang the engine: every exception becomes a gRPC status whose message
names operation, type, resource and cause, with the values of secret inputs taken out.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any, ClassVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from local_cloud.plugins import lifecycle
from local_cloud.plugins.differences import compare, delete_first
from local_cloud.plugins.lifecycle import PartlyMade
from local_cloud.plugins.table import Gone, Invalid, Operation, Properties, ResourceType, TimedOut
from local_cloud.plugins.wire import decode, encode, has_unknown, reveal, secret_texts

Status = tuple[grpc.StatusCode, str]
#: What Pulumi itself allows for one message.
MESSAGE_BYTES = 400 * 1024 * 1024
_IN_EVERY_PROVIDER = frozenset({"version", "pluginDownloadURL", "__internal"})


def _answered(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turns whatever a method raises into a status of the call."""

    @functools.wraps(method)
    def answer(self: ProviderServicer, request: Any, context: Any) -> Any:
        try:
            return method(self, request, context)
        except Exception as problem:  # every exception: the alternative is an engine that waits for ever
            code, message = self._status(method.__name__, request, problem)
            if isinstance(problem, PartlyMade):
                made = provider_pb2.ErrorResourceInitFailed(
                    id=problem.id, properties=encode(problem.properties), inputs=request.properties, reasons=[message]
                )
                detail = any_pb2.Any()
                detail.Pack(made)
                status = status_pb2.Status(code=code.value[0], message=message, details=[detail])
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        return context.abort(code, message)

    return answer


class ProviderServicer(provider_pb2_grpc.ResourceProviderServicer):
    """One provider under one configuration; safe for many calls at a time once `Configure` was answered.

    A subclass gives `package`, `version`, `table` and `settings` and overrides the methods below `# for a provider`.
    """

    package = ""
    version = ""
    table: ClassVar[Mapping[str, ResourceType]] = {}
    #: Names a configuration may hold; any other is refused.
    settings: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._unknown_settings: list[str] = []
        self._cancelled = lifecycle.Cancellation()

    # for a provider

    def configure(self, settings: Properties) -> None:
        """Takes the configuration: plain values, JSON texts already parsed. Raises Invalid to refuse it."""

    def client(self, operation: Operation) -> Any:
        """The client that an operation's row uses."""
        raise Invalid(f"{self.package} has no client")

    def derived(self, resource: ResourceType, inputs: Properties) -> Properties:
        """Outputs that follow from configuration and inputs alone."""
        return {}

    def missing(self, problem: Exception) -> bool:
        """True if the service says that the resource does not exist."""
        return False

    def explain(self, problem: Exception) -> Status | None:
        """The status of one of the service's own errors; None for any other exception."""
        return None

    def invoke(self, token: str, args: Properties) -> Properties:
        """The result of a function call."""
        raise Invalid(f"function {token} is not supported here")

    # the protocol

    @_answered
    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=True)

    @_answered
    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.version)

    @_answered
    def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": self.package, "version": self.version}))

    @_answered
    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    @_answered
    def Cancel(self, request: Any, context: Any) -> Any:
        self._cancelled.set()
        return empty_pb2.Empty()

    @_answered
    def CheckConfig(self, request: Any, context: Any) -> Any:
        failures = [
            provider_pb2.CheckFailure(
                property=name, reason=f"provider {self.package}: setting {name} is not supported here"
            )
            for name in request.news.fields
            if name not in self.settings | _IN_EVERY_PROVIDER
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @_answered
    def DiffConfig(self, request: Any, context: Any) -> Any:
        olds, news = reveal(decode(request.olds)), reveal(decode(request.news))
        changed = sorted(name for name in {*olds, *news} if olds.get(name) != news.get(name))
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=changed)

    @_answered
    def Configure(self, request: Any, context: Any) -> Any:
        given = {name.rpartition(":")[2]: value for name, value in request.variables.items()}
        given |= decode(request.args)
        settings = {name: _setting(value) for name, value in given.items() if name not in _IN_EVERY_PROVIDER}
        for name in settings:
            if name not in self.settings:
                raise Invalid(f"setting {name} is not supported here")
        self._unknown_settings = sorted(name for name, value in settings.items() if has_unknown(value))
        if not self._unknown_settings:
            self.configure(settings)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    @_answered
    def Invoke(self, request: Any, context: Any) -> Any:
        self._need_configuration()
        result = self.invoke(request.tok, reveal(decode(request.args)))
        return provider_pb2.InvokeResponse(**{"return": encode(result)})

    @_answered
    def Check(self, request: Any, context: Any) -> Any:
        row, name = self._row(request), _name(request)
        inputs, failures = lifecycle.check(row, name, decode(request.olds), decode(request.news), request.randomSeed)
        return provider_pb2.CheckResponse(
            inputs=encode(inputs),
            failures=[provider_pb2.CheckFailure(property=where, reason=reason) for where, reason in failures],
        )

    @_answered
    def Diff(self, request: Any, context: Any) -> Any:
        row = self._row(request)
        olds, news = reveal(decode(request.olds)), reveal(decode(request.news))
        found = compare(row, olds, reveal(decode(request.old_inputs)), news, self._derived(row, news))
        ignored = {path.partition(".")[0].partition("[")[0] for path in request.ignoreChanges}
        found = [difference for difference in found if difference.name not in ignored]
        response = provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({difference.name for difference in found}),
            replaces=sorted({difference.name for difference in found if difference.replaces}),
            deleteBeforeReplace=delete_first(row, _name(request), found, news),
            hasDetailedDiff=True,
        )
        for difference in found:
            kind = difference.kind + ("_REPLACE" if difference.replaces else "")
            response.detailedDiff[difference.path].kind = provider_pb2.PropertyDiff.Kind.Value(kind)
        return response

    @_answered
    def Create(self, request: Any, context: Any) -> Any:
        row, inputs = self._row(request), decode(request.properties)
        if request.preview:
            outputs = lifecycle.foreseen(row, inputs, self._derived(row, reveal(inputs)))
            return provider_pb2.CreateResponse(properties=encode(outputs))
        operation = self._operation(row, request, inputs=reveal(inputs))
        outputs = lifecycle.create(operation, inputs)
        return provider_pb2.CreateResponse(id=operation.id, properties=encode(outputs))

    @_answered
    def Read(self, request: Any, context: Any) -> Any:
        row, olds, old_inputs = self._row(request), decode(request.properties), decode(request.inputs)
        operation = self._operation(row, request, olds=reveal({**old_inputs, **olds}), id=request.id)
        try:
            outputs, inputs = lifecycle.refresh(operation, {**old_inputs, **olds}, old_inputs)
        except Exception as problem:
            if not isinstance(problem, Gone) and not self.missing(problem):
                raise
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=operation.id, properties=encode(outputs), inputs=encode(inputs))

    @_answered
    def Update(self, request: Any, context: Any) -> Any:
        row, olds, news = self._row(request), decode(request.olds), decode(request.news)
        if request.preview:
            outputs = lifecycle.foreseen(row, news, self._derived(row, reveal(news)), olds)
            return provider_pb2.UpdateResponse(properties=encode(outputs))
        operation = self._operation(row, request, inputs=reveal(news), olds=reveal(olds), id=request.id)
        found = compare(row, operation.olds, reveal(decode(request.old_inputs)), operation.inputs, {})
        operation.changed = frozenset(difference.name for difference in found)
        return provider_pb2.UpdateResponse(properties=encode(lifecycle.update(operation, news, olds)))

    @_answered
    def Delete(self, request: Any, context: Any) -> Any:
        row, olds = self._row(request), reveal(decode(request.properties))
        operation = self._operation(row, request, olds={**reveal(decode(request.old_inputs)), **olds}, id=request.id)
        try:
            row.delete(operation)
        except Exception as problem:
            if not isinstance(problem, Gone) and not self.missing(problem):
                raise
        return empty_pb2.Empty()

    # inside

    def _row(self, request: Any) -> ResourceType:
        token = _token(request)
        if token not in self.table:
            raise Invalid(f"resource type {token} is not supported here; known are {', '.join(sorted(self.table))}")
        return self.table[token]

    def _need_configuration(self) -> None:
        if self._unknown_settings:
            names = ", ".join(self._unknown_settings)
            raise Invalid(f"provider {self.package} is configured by values that are not known yet: {names}")

    def _derived(self, row: ResourceType, inputs: Properties) -> Properties:
        return {} if self._unknown_settings else self.derived(row, inputs)

    def _operation(self, row: ResourceType, request: Any, **known: Any) -> Operation:
        self._need_configuration()
        seconds = float(getattr(request, "timeout", 0) or 600)
        return Operation(row, self, name=_name(request), seconds=seconds, cancelled=self._cancelled, **known)

    def _status(self, method: str, request: Any, problem: Exception) -> Status:
        cause = problem.cause if isinstance(problem, PartlyMade) else problem
        if isinstance(cause, (Invalid, Gone, TimedOut, ValueError)):
            code = {Gone: grpc.StatusCode.NOT_FOUND, TimedOut: grpc.StatusCode.DEADLINE_EXCEEDED}.get(type(cause))
            status = code or grpc.StatusCode.INVALID_ARGUMENT, str(cause)
        else:
            status = self.explain(cause) or (grpc.StatusCode.INTERNAL, _defect(cause))
        what = f"{_token(request)} {_name(request)}: " if getattr(request, "urn", "").count("::") >= 3 else ""
        what = f"{request.tok}: " if method == "Invoke" else what
        message = f"{method} {what}{status[1]}"
        for text in sorted(_secrets(request), key=len, reverse=True):
            message = message.replace(text, "[secret]")
        return status[0], message


def _token(request: Any) -> str:
    return str(request.type or request.urn.split("::")[2].rpartition("$")[2])


def _name(request: Any) -> str:
    return str(request.name or request.urn.rpartition("::")[2])


def _secrets(request: Any) -> set[str]:
    structs = [getattr(request, part) for part in ("args", "properties", "olds", "news") if hasattr(request, part)]
    return {text for struct in structs for text in secret_texts(decode(struct))}


def _defect(problem: BaseException) -> str:
    frames = traceback.extract_tb(problem.__traceback__)
    place = next((frame for frame in reversed(frames) if "local_cloud" in frame.filename), None)
    where = f" ({Path(place.filename).name}:{place.lineno})" if place else ""
    return f"{type(problem).__name__}: {problem}{where}"


def _setting(value: Any) -> Any:
    """A provider's setting as a plain value: Pulumi sends anything but a text as its JSON."""
    value = reveal(value)
    if isinstance(value, str) and value[:1] in ("[", "{"):
        parsed = json.loads(value)
        return reveal(decode(encode({"value": parsed}))["value"])
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def serve(servicer: ProviderServicer, workers: int = 32) -> tuple[grpc.Server, int]:
    """Starts a servicer on a free loopback port; returns the running server and the port."""
    size = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(workers, thread_name_prefix=servicer.package), options=size)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def run(servicer: ProviderServicer) -> None:
    """The life of a plugin's process: prints its port, serves, ends on a signal or when the engine is gone."""
    parent = os.getppid()  # before the port is known: from then on the engine may be killed at any instant
    server, port = serve(servicer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop(grace=1))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while server.wait_for_termination(timeout=2):
        # Killed engines send no signal; a plugin that outlives its engine would hold credentials for ever.
        if os.getppid() != parent:
            server.stop(grace=0)
