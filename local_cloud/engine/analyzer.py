"""The policy pack of infra/guardrails sees every resource before its step and the whole stack at the end.

It runs as Pulumi runs it (python -u -m pulumi.policy <engine> . in the pack's folder, with PULUMI_* in its
environment), forked from the warm process. A mandatory violation stops an update at the resource; a preview goes on,
so that it lists all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2 as pb
from pulumi.runtime.proto import analyzer_pb2_grpc

from local_cloud.engine import program, values
from local_cloud.engine import urn as urns
from local_cloud.engine.deployment import Settings
from local_cloud.engine.events import Message, Recorder
from local_cloud.engine.goal import Goal
from local_cloud.engine.launch import HostClient
from local_cloud.engine.provider import MESSAGE_LIMIT
from local_cloud.engine.state import Resource
from local_cloud.engine.values import Properties
from strongroom.errors import Refused, StrongroomError

PACK_FOLDER = "guardrails"


def pack_of(settings: Settings) -> Path | None:
    """The project's policy pack beside its program, if there is one."""
    pack = settings.program / PACK_FOLDER
    return pack if (pack / "PulumiPolicy.yaml").is_file() else None


class Analyzer:
    """A running policy pack; implements Guard."""

    def __init__(self, address: str, settings: Settings, recorder: Recorder) -> None:
        self._settings = settings
        self._recorder = recorder
        self._lock = threading.Lock()
        self._channel = grpc.insecure_channel(address, options=MESSAGE_LIMIT)
        self._stub = analyzer_pb2_grpc.AnalyzerStub(self._channel)
        #: mandatory violations that a preview found and went on from
        self.violations: list[StrongroomError] = []

    def configure(self) -> str:
        """Gives the pack its own initial configuration; returns the pack's name."""
        info = self._stub.GetAnalyzerInfo(empty_pb2.Empty())
        self._stub.Configure(pb.ConfigureAnalyzerRequest(policyConfig=info.initialConfig))
        settings = self._settings
        request = pb.AnalyzerStackConfigureRequest(
            stack=settings.stack,
            project=settings.project,
            organization=settings.organization,
            dry_run=settings.preview,
            config=settings.config,
            config_secret_keys=settings.secret_keys,
        )
        try:
            self._stub.ConfigureStack(request)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise
        return str(info.displayName or info.name)

    def analyze(self, goal: Goal, inputs: Properties, provider: Resource | None) -> None:
        """Checks one resource; Refused when a mandatory policy forbids it and this is no preview."""
        request = pb.AnalyzeRequest(
            type=goal.type,
            urn=goal.urn,
            name=goal.name,
            properties=values.encode(inputs),
            options=_options(goal),
            provider=None if provider is None else _provider(provider),
        )
        self._judge(self._answer(self._stub.Analyze, request, goal.urn).diagnostics, goal.urn)

    def analyze_stack(self, resources: Iterable[Resource]) -> None:
        """Checks the stack as it is after the run; Refused as in `analyze`."""
        known = {item.urn: item for item in resources}
        request = pb.AnalyzeStackRequest(resources=[_resource(item, known) for item in known.values()])
        self._judge(self._answer(self._stub.AnalyzeStack, request, self._settings.stack).diagnostics, "")

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def _answer(self, method: Any, request: Any, subject: str) -> pb.AnalyzeResponse:
        try:
            return method(request)
        except grpc.RpcError as error:
            raise StrongroomError(f"{subject}: the policy pack failed: {error.details()}") from error

    def _judge(self, diagnostics: Iterable[pb.AnalyzeDiagnostic], subject: str) -> None:
        refused = []
        for found in diagnostics:
            urn = found.urn or subject
            text = " ".join(found.message.split())
            if found.enforcementLevel in (pb.MANDATORY, pb.REMEDIATE):
                where = urn or self._settings.stack
                refused.append(Refused(f"{where}: control {found.policyName}: {text}"))
            elif found.enforcementLevel == pb.ADVISORY:
                self._recorder(Message("warning", f"control {found.policyName} (advisory): {text}", urn))
        if not refused:
            return
        if not self._settings.preview:
            raise Refused("\n".join(item.message for item in refused))
        with self._lock:
            self.violations.extend(refused)


@contextmanager
def guarded(
    client: HostClient, settings: Settings, engine_address: str, recorder: Recorder
) -> Iterator[Analyzer | None]:
    """The project's policy pack, running and configured; None where the project has none."""
    pack = pack_of(settings)
    if pack is None:
        yield None
        return
    environment = program.policy_environment(settings)
    job = program.policy_request(settings, pack, engine_address, environment)
    with client.serving(job, lambda _, line: recorder(Message("warning", line))) as port:
        analyzer = Analyzer(f"127.0.0.1:{port}", settings, recorder)
        try:
            analyzer.configure()
            yield analyzer
        finally:
            analyzer.close()


def _options(goal: Goal) -> pb.AnalyzerResourceOptions:
    return pb.AnalyzerResourceOptions(
        protect=goal.protect,
        ignoreChanges=goal.ignore_changes,
        deleteBeforeReplace=bool(goal.delete_before_replace),
        deleteBeforeReplaceDefined=goal.delete_before_replace is not None,
        additionalSecretOutputs=goal.additional_secret_outputs,
        aliases=goal.aliases,
        customTimeouts=pb.AnalyzerResourceOptions.CustomTimeouts(**goal.custom_timeouts),
        parent=goal.parent,
    )


def _provider(provider: Resource) -> pb.AnalyzerProviderResource:
    return pb.AnalyzerProviderResource(
        type=provider.type,
        urn=provider.urn,
        name=urns.name_of(provider.urn),
        properties=values.encode(provider.inputs),
    )


def _resource(item: Resource, known: dict[str, Resource]) -> pb.AnalyzerResource:
    provider = known.get(urns.split_reference(item.provider)[0])
    return pb.AnalyzerResource(
        type=item.type,
        urn=item.urn,
        name=urns.name_of(item.urn),
        properties=values.encode(item.outputs),
        options=pb.AnalyzerResourceOptions(
            protect=item.protect,
            ignoreChanges=item.ignore_changes,
            additionalSecretOutputs=item.additional_secret_outputs,
            aliases=item.aliases,
            customTimeouts=pb.AnalyzerResourceOptions.CustomTimeouts(**item.custom_timeouts),
            parent=item.parent,
        ),
        provider=None if provider is None else _provider(provider),
        parent=item.parent,
        dependencies=item.dependencies,
        propertyDependencies={
            key: pb.AnalyzerPropertyDependencies(urns=listed) for key, listed in item.property_dependencies.items()
        },
    )
