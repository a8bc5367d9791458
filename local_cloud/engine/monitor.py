"""The two services a Pulumi program talks to: ResourceMonitor registers resources, Engine takes its messages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, resource_pb2, resource_pb2_grpc

from local_cloud.engine import goal as goals
from local_cloud.engine import urn as urns
from local_cloud.engine import values
from local_cloud.engine.deployment import Deployment, Stopped
from local_cloud.engine.events import Message, Recorder
from local_cloud.engine.provider import MESSAGE_LIMIT
from local_cloud.engine.state import Resource
from strongroom.errors import StrongroomError

_FEATURES = {
    "secrets": resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    "resourceReferences": resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    "outputValues": resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    "aliasSpecs": resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    "deletedWith": resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
}
_SEVERITIES = {0: "debug", 1: "info", 2: "warning", 3: "error"}
_T = TypeVar("_T")


class EngineService(engine_pb2_grpc.EngineServicer):
    """Messages of programs, plugins and policy packs, and the root resource."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._root = ""

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Passes a message on; debug messages are dropped."""
        if request.severity:
            self._recorder(Message(_SEVERITIES.get(request.severity, "info"), request.message.strip(), request.urn))
        return empty_pb2.Empty()

    def SetRootResource(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Remembers the stack's URN."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def GetRootResource(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The stack's URN."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def RequirePulumiVersion(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Accepts every range: this engine follows the release of the SDK that is installed beside it."""
        return engine_pb2.RequirePulumiVersionResponse()


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Translates the program's requests into calls of a Deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._settings = deployment.settings

    def GetDeploymentInfo(self, request: Any, context: grpc.ServicerContext) -> resource_pb2.DeploymentInfo:
        """What the run is, and the features this engine has; the SDK refuses options beyond them."""
        settings = self._settings
        return resource_pb2.DeploymentInfo(
            project=settings.project,
            stack=settings.stack,
            organization=settings.organization,
            config=settings.config,
            configSecretKeys=settings.secret_keys,
            dryRun=settings.preview,
            parallel=settings.parallel,
            supportedFeatures=_FEATURES.values(),
        )

    def SupportsFeature(self, request: Any, context: grpc.ServicerContext) -> resource_pb2.SupportsFeatureResponse:
        """Whether a feature, by its old name, is there."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in _FEATURES)

    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.RegisterResourceResponse:
        """Carries out one registration."""
        settings = self._settings

        def register() -> Resource:
            return self._deployment.register(goals.decode(request, settings.stack, settings.project, settings.root))

        new = self._answered(context, register)
        return resource_pb2.RegisterResourceResponse(
            urn=new.urn,
            id="" if new.id == values.UNKNOWN else new.id,
            object=values.encode(
                new.outputs if new.custom else {}, secrets=request.acceptSecrets, resources=request.acceptResources
            ),
        )

    def RegisterResourceOutputs(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Records a component's outputs."""
        self._answered(context, lambda: self._deployment.register_outputs(request.urn, values.decode(request.outputs)))
        return empty_pb2.Empty()

    def ReadResource(
        self, request: resource_pb2.ReadResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.ReadResourceResponse:
        """Reads a resource that the stack does not own."""
        deployment, settings = self._deployment, self._settings

        def read() -> Resource:
            package = urns.package_of(request.type)
            wanted = Resource(
                urn=urns.make(settings.stack, settings.project, request.parent, request.type, request.name),
                type=request.type,
                custom=True,
                id="" if request.id == values.UNKNOWN else request.id,
                inputs=values.decode(request.properties),
                parent=request.parent,
                provider=request.provider or deployment.defaults.reference(package, request.version),
                dependencies=sorted(set(request.dependencies)),
                external=True,
                additional_secret_outputs=list(request.additionalSecretOutputs),
                source_position=goals.position(request.sourcePosition, settings.root),
            )
            return deployment.read(wanted)

        new = self._answered(context, read)
        return resource_pb2.ReadResourceResponse(
            urn=new.urn,
            id=new.id,
            properties=values.encode(new.outputs, secrets=request.acceptSecrets, resources=request.acceptResources),
        )

    def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: grpc.ServicerContext
    ) -> resource_pb2.ResourceInvokeResponse:
        """Calls a function of a provider."""

        def invoke() -> resource_pb2.ResourceInvokeResponse:
            arguments = values.decode(request.args)
            if values.contains_unknown(arguments):
                return resource_pb2.ResourceInvokeResponse(unknown=True)
            provider = self._deployment.provider_of(request.provider, urns.package_of(request.tok), request.version)
            answer = provider.invoke(request.tok, arguments, self._settings.preview)
            return resource_pb2.ResourceInvokeResponse(
                **{"return": getattr(answer, "return"), "failures": answer.failures}
            )

        return self._answered(context, invoke, fatal=False)

    def Call(
        self, request: resource_pb2.ResourceCallRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CallResponse:
        """Calls a method of a resource."""

        def call() -> provider_pb2.CallResponse:
            settings = self._settings
            provider = self._deployment.provider_of(request.provider, urns.package_of(request.tok), request.version)
            dependencies = {
                key: provider_pb2.CallRequest.ArgumentDependencies(urns=listed.urns)
                for key, listed in request.argDependencies.items()
            }
            return provider.call(
                provider_pb2.CallRequest(
                    tok=request.tok,
                    args=request.args,
                    argDependencies=dependencies,
                    project=settings.project,
                    stack=settings.stack,
                    config=settings.config,
                    configSecretKeys=settings.secret_keys,
                    dryRun=settings.preview,
                    parallel=settings.parallel,
                    organization=settings.organization,
                )
            )

        return self._answered(context, call, fatal=False)

    def SignalAndWaitForShutdown(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """The program has registered everything; without delete hooks there is nothing to wait for."""
        return empty_pb2.Empty()

    def _answered(self, context: grpc.ServicerContext, work: Callable[[], _T], *, fatal: bool = True) -> _T:
        """The result of `work`; an error ends the deployment, or only the call when it is not fatal."""
        try:
            return work()
        except Stopped:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the deployment has stopped")
        except StrongroomError as error:
            if not fatal:
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
            self._deployment.stop(error)
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except Exception as error:
            self._deployment.stop(StrongroomError(f"the engine failed: {type(error).__name__}: {error}"))
            context.abort(grpc.StatusCode.UNAVAILABLE, "the engine failed")
            raise
        raise AssertionError("abort raises")


@contextmanager
def served(folder: Path, recorder: Recorder, deployment: Deployment | None) -> Iterator[str]:
    """The services on a socket in a private folder; yields the address unix:<path>.

    A socket in a 0700 folder keeps other users of the machine away from the secrets in registrations, which a
    loopback port would not.
    """
    server = grpc.server(ThreadPoolExecutor(64, thread_name_prefix="monitor"), options=MESSAGE_LIMIT)
    engine_pb2_grpc.add_EngineServicer_to_server(EngineService(recorder), server)
    if deployment is not None:
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(deployment), server)
    address = f"unix:{folder / f'engine-{threading.get_native_id()}.sock'}"
    server.add_insecure_port(address)
    server.start()
    try:
        yield address
    finally:
        server.stop(0.2).wait()
