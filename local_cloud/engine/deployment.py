"""One run of a program: each registration becomes a step, the rest of the old state is deleted at the end.

Registrations come from many threads. The program's own data flow orders them: a resource is registered when the
outputs it needs exist. A failed step stops the deployment: steps under way end, nothing new begins, deletions are
left out, and everything done so far is in the checkpoint.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from local_cloud.engine import steps, values
from local_cloud.engine import urn as urns
from local_cloud.engine.checkpoint import Checkpoint
from local_cloud.engine.deletion import Deletions
from local_cloud.engine.events import Message, Recorder, Step
from local_cloud.engine.execution import Execution
from local_cloud.engine.goal import Goal
from local_cloud.engine.ledger import Ledger, now, record_of
from local_cloud.engine.provider import Provider
from local_cloud.engine.registry import Defaults, Plugins, Registry, configuration_diff
from local_cloud.engine.state import Resource
from local_cloud.engine.steps import Action
from local_cloud.engine.values import Properties
from strongroom.errors import StrongroomError


class Stopped(Exception):
    """The deployment takes no more registrations."""


@dataclass(frozen=True)
class Settings:
    """What a program is told about its run."""

    project: str
    stack: str
    root: Path
    program: Path
    organization: str = "organization"
    config: Mapping[str, str] = field(default_factory=dict)
    secret_keys: tuple[str, ...] = ()
    preview: bool = False
    parallel: int = 16


class Guard(Protocol):
    """The policy pack: sees every resource before its step."""

    def analyze(self, goal: Goal, inputs: Properties, provider: Resource | None) -> None: ...


class Deployment:
    """The state of one run, shared by the threads that serve the program."""

    def __init__(
        self,
        settings: Settings,
        checkpoint: Checkpoint,
        plugins: Plugins,
        recorder: Recorder,
        guard: Guard | None = None,
    ) -> None:
        self.settings = settings
        self.ledger = Ledger(checkpoint, settings.preview)
        self.recorder = recorder
        self.guard = guard
        #: what a failed deployment died of, in the order of events
        self.failures: list[StrongroomError] = []
        self.root_urn = ""
        self._lock = threading.RLock()
        self._running = 0
        self._idle = threading.Condition(self._lock)
        self._stopped = False
        references = {f"{item.urn}::{item.id}": item for item in checkpoint.old if urns.is_provider(item.type)}
        self.registry = Registry(plugins, references, settings.preview)
        self._execution = Execution(self.ledger, self.registry, recorder)
        self.defaults = Defaults(settings.stack, settings.project, settings.config, self._register_default)

    # -- requests of the program ------------------------------------------------------------------------------

    def register(self, goal: Goal) -> Resource:
        """Carries out the step that a goal needs and returns the new record.

        Raises Stopped when the deployment has failed or this step fails; the reason is in `failures`.
        """
        with self._step(goal.urn):
            old = self.ledger.claim(goal.urn, tuple(goal.aliases))
            if goal.type == urns.ROOT_TYPE:
                self.root_urn = goal.urn
            if urns.is_provider(goal.type):
                return self._register_provider(goal, old)
            if not goal.custom:
                self._analyze(goal, goal.inputs)
                return self._execution.apply(goal, old, goal.inputs, steps.without_provider(goal, old), None)
            if not goal.provider:
                goal.provider = self.defaults.reference(urns.package_of(goal.type), goal.version)
            return self._register_custom(goal, old)

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Records the outputs of a component, of the stack above all."""
        self.ledger.set_outputs(urn, outputs)

    def read(self, resource: Resource) -> Resource:
        """Reads a resource that the stack does not own (Resource.get) and records it as external."""
        with self._step(resource.urn):
            old = self.ledger.claim(resource.urn)
            if resource.id == "" or resource.id is values.COMPUTED:
                new = replace(resource, id="")
            else:
                provider = self.registry.get(resource.provider)
                id_, _, outputs = provider.read(resource.urn, resource.id, resource.inputs, {})
                if not id_:
                    raise StrongroomError(f"{resource.urn}: there is no {resource.type} with id {resource.id}")
                secret_keys = tuple(resource.additional_secret_outputs)
                new = replace(resource, id=id_, outputs=values.keep_secrets(outputs, {}, secret_keys))
            self.ledger.record(new, old)
            self.recorder(Step("read", new.urn, new.parent))
            return new

    def provider_of(self, reference: str, package: str, version: str) -> Provider:
        """The provider that a function call names, else the package's default one."""
        return self.registry.get(reference or self.defaults.reference(package, version))

    # -- the end ----------------------------------------------------------------------------------------------

    def stop(self, reason: StrongroomError | None = None) -> None:
        """Refuses everything from now on."""
        with self._lock:
            self._stopped = True
            if reason is not None:
                self.failures.append(reason)

    def wait_idle(self, seconds: float) -> bool:
        """Waits until no step is under way; False if some still are after `seconds`."""
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, seconds)

    def finish(self) -> None:
        """Deletes what the program no longer registers; failures of deletions go to `failures`."""
        deletions = Deletions(self.ledger.checkpoint, self.registry, self.recorder, self.settings.preview)
        self.failures.extend(deletions.run(self.ledger.unclaimed()))

    # -- steps ------------------------------------------------------------------------------------------------

    @contextmanager
    def _step(self, urn: str) -> Iterator[None]:
        with self._lock:
            if self._stopped:
                raise Stopped
            self._running += 1
        try:
            yield
        except StrongroomError as error:
            self.stop(error)
            self.recorder(Message("error", str(error), urn))
            raise Stopped from error
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _register_default(self, goal: Goal) -> str:
        new = self._register_provider(goal, self.ledger.claim(goal.urn))
        return f"{new.urn}::{new.id or values.UNKNOWN}"

    def _register_provider(self, goal: Goal, old: Resource | None) -> Resource:
        provider, inputs = self.registry.check(goal, old)
        diff = None if old is None else configuration_diff(provider, goal.urn, old.id, old.inputs, inputs)
        decision = steps.decide(goal, old, inputs, diff, provider_changed=False)
        self._analyze(goal, inputs)
        keeps_id = old is not None and decision.action in (Action.SAME, Action.UPDATE)
        id_ = old.id if old is not None and keeps_id else self.registry.new_id()
        self.registry.install(goal.urn, id_, provider, inputs)
        new = record_of(goal, old, inputs)
        new = replace(new, id=id_, outputs=inputs, modified=old.modified if old and keeps_id else now())
        self.ledger.record(new, old, condemn=decision.action is Action.REPLACE)
        self._execution.report(decision.action.value, goal, old, inputs, decision.diff, 0.0)
        return new

    def _register_custom(self, goal: Goal, old: Resource | None) -> Resource:
        provider = self.registry.get(goal.provider)
        old_inputs = old.inputs if old else {}
        wanted = steps.ignore_changes(goal.inputs, old_inputs, goal.ignore_changes) if old else goal.inputs
        inputs = provider.check(goal.urn, old_inputs, wanted, self.settings.preview)
        self._analyze(goal, inputs)
        diff = None
        known = old is not None and not (old.pending_replacement or old.external)
        if old is not None and known:
            diff = provider.diff(goal.urn, old.id, old.inputs, old.outputs, inputs, goal.ignore_changes)
        base = old if known or (old is not None and old.pending_replacement) else None
        decision = steps.decide(goal, base, inputs, diff, known and self._provider_changed(goal, old))
        return self._execution.apply(goal, old, inputs, decision, provider)

    def _provider_changed(self, goal: Goal, old: Resource | None) -> bool:
        """Whether another provider serves the resource now and cannot simply take it over."""
        if old is None or old.provider == goal.provider:
            return False
        before, after = (urns.split_reference(item)[0] for item in (old.provider, goal.provider))
        if urns.name_of(before).startswith("default") and urns.name_of(after).startswith("default"):
            return False
        old_provider, new_provider = self.ledger.old.get(before), self.ledger.states.get(after)
        if old_provider is None or new_provider is None:
            return True
        provider = self.registry.get(goal.provider)
        answer = configuration_diff(provider, after, new_provider.id, old_provider.inputs, new_provider.inputs)
        return bool(answer.replaces)

    def _analyze(self, goal: Goal, inputs: Properties) -> None:
        if self.guard is not None:
            provider = self.ledger.states.get(urns.split_reference(goal.provider)[0]) if goal.provider else None
            self.guard.analyze(goal, inputs, provider)
