"""Preview, up, refresh, destroy and outputs of one layer: what the command line and the demo call.

On AWS the genuine Pulumi CLI runs the same files (`pulumi up -s <layer>.<env>`); this engine is for machines that
have none.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cloud.engine import program, values
from local_cloud.engine import urn as urns
from local_cloud.engine.analyzer import Analyzer, guarded
from local_cloud.engine.checkpoint import Checkpoint, load, opened
from local_cloud.engine.deployment import Deployment, Settings
from local_cloud.engine.destruction import destroy_all
from local_cloud.engine.events import Event, Message, Recorder, Step
from local_cloud.engine.launch import HostClient, Outcome, host
from local_cloud.engine.monitor import served
from local_cloud.engine.plugins import FOLDER, POOLED, PluginSource
from local_cloud.engine.project import settings as project_settings
from local_cloud.engine.refreshing import refresh_all
from local_cloud.engine.registry import Registry
from strongroom.errors import StrongroomError
from strongroom.progress import Progress, Silent, step

#: How long steps under way may take to end after a failure or an interrupt.
DRAIN_SECONDS = 120.0
Listener = Callable[[Event], None]


@dataclass(frozen=True)
class UpResult:
    """What an operation did: operation -> resources, the stack's outputs (secrets hidden), seconds."""

    changes: dict[str, int]
    outputs: dict[str, Any]
    duration: float
    steps: list[Step] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    #: URNs that destroy left because they, or something that needs them, are protected
    kept: list[str] = field(default_factory=list)

    @property
    def unchanged(self) -> bool:
        """Whether nothing was or would be done."""
        return not self.changes.keys() - {"same", "read"}


class DeploymentFailed(StrongroomError):
    """A deployment stopped; message and exit code are those of the first cause, `result` is what was done before."""

    def __init__(self, message: str, exit_code: int, result: UpResult, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.result = result


@dataclass(frozen=True)
class Engine:
    """Where deployments run: the home folder, and the plugins that are known."""

    home: Path
    pooled: dict[str, str] = field(default_factory=lambda: dict(POOLED))
    plugin_folders: tuple[Path, ...] = (FOLDER,)

    def preview(
        self, root: Path, layer: str, env: str, progress: Progress, listener: Listener | None = None
    ) -> UpResult:
        """The steps that `up` would do; changes nothing, the state included."""
        settings = project_settings(root, layer, env, preview=True)
        return self._run(settings, load(self.home, settings.stack), progress, listener)

    def up(self, root: Path, layer: str, env: str, progress: Progress, listener: Listener | None = None) -> UpResult:
        """Makes the stack what its program says.

        Raises DeploymentFailed; everything that was done before the failure is in the state.
        """
        settings = project_settings(root, layer, env)
        with opened(self.home, settings.stack) as checkpoint:
            return self._run(settings, checkpoint, progress, listener)

    def refresh(
        self, root: Path, layer: str, env: str, progress: Progress, listener: Listener | None = None
    ) -> UpResult:
        """Makes the state what is really there; the program does not run."""
        settings = project_settings(root, layer, env)
        return self._without_program(settings, "refresh", progress, listener)

    def destroy(
        self, root: Path, layer: str, env: str, progress: Progress, listener: Listener | None = None
    ) -> UpResult:
        """Deletes the stack's resources except the protected ones and what these need (`kept`)."""
        settings = project_settings(root, layer, env)
        return self._without_program(settings, "destroy", progress, listener)

    def _without_program(
        self, settings: Settings, verb: str, progress: Progress, listener: Listener | None
    ) -> UpResult:
        started = time.monotonic()
        recorder = Recorder(_advancing(progress, listener))
        with opened(self.home, settings.stack) as checkpoint, ExitStack() as stack:
            folder = stack.enter_context(_private_folder())
            client = stack.enter_context(host(self.home))
            address = stack.enter_context(served(folder, recorder, None))
            plugins = PluginSource(client, lambda: address, pooled=self.pooled, folders=self.plugin_folders)
            references = {f"{item.urn}::{item.id}": item for item in checkpoint.old if urns.is_provider(item.type)}
            registry = Registry(plugins, references, preview=False)
            stack.callback(registry.close)
            stack.enter_context(step(progress, f"{verb} {settings.stack}", len(checkpoint.old)))
            work = refresh_all if verb == "refresh" else destroy_all
            kept, failures = work(checkpoint, registry, recorder)
            if not failures:
                checkpoint.settle()
            result = _result(checkpoint, recorder, started, kept)
        return _raised(failures, result)

    def _run(
        self, settings: Settings, checkpoint: Checkpoint, progress: Progress, listener: Listener | None
    ) -> UpResult:
        started = time.monotonic()
        recorder = Recorder(_advancing(progress, listener))
        for operation in checkpoint.interrupted:
            urn = operation["resource"]["urn"]
            recorder(Message("warning", f"an earlier run was interrupted while {operation['type']} this resource", urn))
        with ExitStack() as stack:
            folder = stack.enter_context(_private_folder())
            client = stack.enter_context(host(self.home))
            address = ""
            plugins = PluginSource(client, lambda: address, pooled=self.pooled, folders=self.plugin_folders)
            deployment = Deployment(settings, checkpoint, plugins, recorder)
            stack.callback(deployment.registry.close)
            address = stack.enter_context(served(folder, recorder, deployment))
            verb = "preview" if settings.preview else "up"
            guard = stack.enter_context(guarded(client, settings, address, recorder))
            deployment.guard = guard
            stack.enter_context(step(progress, f"{verb} {settings.stack}", len(checkpoint.old) or None))
            _drive(client, settings, address, deployment)
            if guard is not None and not deployment.failures:
                _judge_stack(guard, deployment)
            if not deployment.failures:
                deployment.finish()
            if not deployment.failures and not settings.preview:
                checkpoint.settle()
            result = _result(checkpoint, recorder, started, [], deployment)
        return _raised(deployment.failures, result)


def up(root: Path, layer: str, env: str, home: Path, progress: Progress | None = None) -> UpResult:
    """Makes a layer what its program says; see Engine.up."""
    return Engine(home).up(root, layer, env, progress or Silent())


def preview(root: Path, layer: str, env: str, home: Path, progress: Progress | None = None) -> UpResult:
    """The steps that `up` would do; see Engine.preview."""
    return Engine(home).preview(root, layer, env, progress or Silent())


def refresh(root: Path, layer: str, env: str, home: Path, progress: Progress | None = None) -> UpResult:
    """Makes the state what is really there; see Engine.refresh."""
    return Engine(home).refresh(root, layer, env, progress or Silent())


def destroy(root: Path, layer: str, env: str, home: Path, progress: Progress | None = None) -> UpResult:
    """Deletes what is not protected; see Engine.destroy."""
    return Engine(home).destroy(root, layer, env, progress or Silent())


def outputs(root: Path, layer: str, env: str, home: Path, *, show_secrets: bool = False) -> dict[str, Any]:
    """The outputs of a layer as the state holds them; secrets as [secret] unless asked for."""
    settings = project_settings(root, layer, env)
    return stack_outputs(load(home, settings.stack), show_secrets=show_secrets)


def stack_outputs(checkpoint: Checkpoint, *, show_secrets: bool = False) -> dict[str, Any]:
    """The outputs of the root resource, {} for a stack that has none."""
    root = next((item for item in checkpoint.resources() if item.type == urns.ROOT_TYPE), None)
    if root is None:
        return {}
    return dict(values.mask(values.reveal(root.outputs) if show_secrets else root.outputs))


def _drive(client: HostClient, settings: Settings, address: str, deployment: Deployment) -> None:
    """Runs the program against the deployment and adds what it died of to the failures."""

    def printed(stream: str, line: str) -> None:
        deployment.recorder(Message("info" if stream == "stdout" else "warning", line))

    try:
        with _terminable():
            outcome = client.run_program(program.request(settings, address, dict(os.environ)), printed)
    except KeyboardInterrupt:
        deployment.stop(StrongroomError("interrupted", hint="what was done is in the state; run it again"))
    else:
        if not outcome.succeeded and not deployment.failures:
            deployment.stop(_program_error(outcome))
    if not deployment.wait_idle(DRAIN_SECONDS):
        deployment.stop(StrongroomError("steps did not end in time; the state lists them as pending operations"))


def _judge_stack(guard: Analyzer, deployment: Deployment) -> None:
    """Adds the violations of the whole stack, and those that a preview collected, to the failures."""
    try:
        guard.analyze_stack(deployment.ledger.states.values())
    except StrongroomError as error:
        deployment.failures.append(error)
    deployment.failures.extend(guard.violations)


def _program_error(outcome: Outcome) -> StrongroomError:
    report = outcome.report
    where = f"{report['file']}:{report['line']}: " if report.get("file") else ""
    kind = "" if report.get("stopped") else f"{report.get('type')}: "
    error = StrongroomError(f"{where}{kind}{report.get('error', '')}".strip(), hint=report.get("code") or "")
    error.exit_code = report.get("exit_code", 1)
    return error


@contextmanager
def _terminable() -> Iterator[None]:
    """Makes SIGTERM end a deployment as an interrupt does, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _private_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="strongroom-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _advancing(progress: Progress, listener: Listener | None) -> Listener:
    def report(event: Event) -> None:
        if isinstance(event, Step):
            progress.advance()
        if listener is not None:
            listener(event)

    return report


def _result(
    checkpoint: Checkpoint, recorder: Recorder, started: float, kept: list[str], deployment: Deployment | None = None
) -> UpResult:
    if deployment is not None and deployment.settings.preview:
        root = deployment.ledger.states.get(deployment.root_urn)
        shown = values.mask(root.outputs) if root else {}
    else:
        shown = stack_outputs(checkpoint)
    return UpResult(recorder.changes(), shown, time.monotonic() - started, recorder.steps(), recorder.messages(), kept)


def _raised(failures: list[StrongroomError], result: UpResult) -> UpResult:
    if not failures:
        return result
    first = failures[0]
    message = "\n".join(dict.fromkeys(failure.message for failure in failures))
    raise DeploymentFailed(message, first.exit_code, result, first.hint) from first
