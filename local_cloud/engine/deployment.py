"""One run of a program: each registration becomes a step, the rest of the old state is deleted at the end.

Registrations come from many threads. The program's own data flow orders them: a resource is registered when the
outputs it needs exist. A failed step stops the deployment: steps under way end, nothing new begins, deletions are
left out, and everything done so far is in the checkpoint.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from local_cloud.engine import steps, values
from local_cloud.engine import urn as urns
from local_cloud.engine.checkpoint import Checkpoint
from local_cloud.engine.deletion import Deletions
from local_cloud.engine.events import Message, Recorder, Step
from local_cloud.engine.goal import Goal
from local_cloud.engine.provider import Diff, HalfMade, Provider
from local_cloud.engine.registry import Defaults, Plugins, Registry, configuration_diff
from local_cloud.engine.state import Resource
from local_cloud.engine.steps import Action, Decision
from local_cloud.engine.values import Properties
from strongroom.errors import Refused, StrongroomError, UsageError


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
        self.checkpoint = checkpoint
        self.recorder = recorder
        self.guard = guard
        #: what a failed deployment died of, in the order of events
        self.failures: list[StrongroomError] = []
        #: new records by URN, of this run
        self.states: dict[str, Resource] = {}
        self.root_urn = ""
        self._seen: set[str] = set()
        self._lock = threading.RLock()
        self._running = 0
        self._idle = threading.Condition(self._lock)
        self._stopped = False
        self._old = {item.urn: item for item in checkpoint.old if not item.delete}
        references = {f"{item.urn}::{item.id}": item for item in checkpoint.old if urns.is_provider(item.type)}
        self.registry = Registry(plugins, references, settings.preview)
        self.defaults = Defaults(settings.stack, settings.project, settings.config, self._register_default)

    # -- requests of the program ------------------------------------------------------------------------------

    def register(self, goal: Goal) -> Resource:
        """Carries out the step that a goal needs and returns the new record.

        Raises Stopped when the deployment has failed or this step fails; the reason is in `failures`.
        """
        with self._step(goal.urn):
            with self._lock:
                if goal.urn in self._seen:
                    raise UsageError(f"{goal.urn}: the program registers this name twice")
                self._seen.add(goal.urn)
                old = self._find_old(goal)
                if goal.type == urns.ROOT_TYPE:
                    self.root_urn = goal.urn
            if urns.is_provider(goal.type):
                return self._register_provider(goal, old)
            if not goal.custom:
                self._analyze(goal, goal.inputs)
                return self._apply(goal, old, goal.inputs, steps.without_provider(goal, old), None)
            if not goal.provider:
                goal.provider = self._provider_for(goal)
            return self._register_custom(goal, old)

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Records the outputs of a component, of the stack above all."""
        with self._lock:
            old = self.states.get(urn)
            if old is None:
                raise UsageError(f"{urn}: outputs of a resource that was never registered")
            new = replace(old, outputs=outputs)
            self.states[urn] = new
            if not self.settings.preview:
                self.checkpoint.record(new, replaces=old)

    def read(self, resource: Resource) -> Resource:
        """Reads a resource that the stack does not own (Resource.get) and records it as external."""
        with self._step(resource.urn):
            with self._lock:
                self._seen.add(resource.urn)
                old = self._old.get(resource.urn)
            if resource.id == "" or resource.id is values.COMPUTED:
                new = replace(resource, id="")
            else:
                provider = self.registry.get(resource.provider)
                id_, _, outputs = provider.read(resource.urn, resource.id, resource.inputs, {})
                if not id_:
                    raise StrongroomError(f"{resource.urn}: there is no {resource.type} with id {resource.id}")
                secret_keys = tuple(resource.additional_secret_outputs)
                new = replace(resource, id=id_, outputs=values.keep_secrets(outputs, {}, secret_keys))
            self._record(new, old)
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
        kept = set(self.checkpoint.resources())
        left = [item for item in self.checkpoint.old if item in kept and (item.delete or item.urn not in self._seen)]
        deletions = Deletions(self.checkpoint, self.registry, self.recorder, self.settings.preview)
        self.failures.extend(deletions.run(left))

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

    def _find_old(self, goal: Goal) -> Resource | None:
        """The old record under the goal's URN or the first alias that has one."""
        for urn in (goal.urn, *goal.aliases):
            if (old := self._old.get(urn)) is not None:
                self._seen.add(urn)
                return old
        return None

    def _provider_for(self, goal: Goal) -> str:
        return self.defaults.reference(urns.package_of(goal.type), goal.version)

    def _register_default(self, goal: Goal) -> str:
        with self._lock:
            self._seen.add(goal.urn)
            old = self._old.get(goal.urn)
        new = self._register_provider(goal, old)
        return f"{new.urn}::{new.id or values.UNKNOWN}"

    def _register_provider(self, goal: Goal, old: Resource | None) -> Resource:
        provider, inputs = self.registry.check(goal, old)
        diff = None if old is None else configuration_diff(provider, goal.urn, old.id, old.inputs, inputs)
        decision = steps.decide(goal, old, inputs, diff, provider_changed=False)
        self._analyze(goal, inputs)
        keeps_id = old is not None and decision.action in (Action.SAME, Action.UPDATE)
        id_ = old.id if old is not None and keeps_id else self.registry.new_id()
        self.registry.install(goal.urn, id_, provider, inputs)
        new = self._record_of(goal, old, inputs)
        new = replace(new, id=id_, outputs=inputs, modified=old.modified if old and keeps_id else _now())
        self._record(new, old, condemn=decision.action is Action.REPLACE)
        self._report(decision.action.value, goal, old, inputs, decision.diff, 0.0)
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
        return self._apply(goal, old, inputs, decision, provider)

    def _provider_changed(self, goal: Goal, old: Resource | None) -> bool:
        """Whether another provider serves the resource now and cannot simply take it over."""
        if old is None or old.provider == goal.provider:
            return False
        before, after = (urns.split_reference(item)[0] for item in (old.provider, goal.provider))
        if urns.name_of(before).startswith("default") and urns.name_of(after).startswith("default"):
            return False
        old_provider, new_provider = self._old.get(before), self.states.get(after)
        if old_provider is None or new_provider is None:
            return True
        provider = self.registry.get(goal.provider)
        answer = configuration_diff(provider, after, new_provider.id, old_provider.inputs, new_provider.inputs)
        return bool(answer.replaces)

    def _apply(
        self, goal: Goal, old: Resource | None, inputs: Properties, decision: Decision, provider: Provider | None
    ) -> Resource:
        started = time.monotonic()
        planned = self._record_of(goal, old, inputs)
        match decision.action:
            case Action.SAME:
                new = planned if old is None else replace(planned, id=old.id, outputs=old.outputs)
                self._record(new, old)
            case Action.UPDATE:
                assert old is not None
                new = self._update(goal, old, planned, provider)
            case Action.IMPORT:
                assert provider is not None
                new = self._import(goal, planned, provider)
                self._record(new, old)
            case Action.REPLACE:
                assert old is not None
                new = self._replace(goal, old, planned, provider, decision.delete_first)
            case Action.CREATE:
                new = self._create(goal, planned, provider, old)
        operation = "replace" if old is not None and old.pending_replacement else decision.action.value
        self._report(operation, goal, old, inputs, decision.diff, time.monotonic() - started)
        return new

    def _create(
        self, goal: Goal, planned: Resource, provider: Provider | None, old: Resource | None, condemn: bool = False
    ) -> Resource:
        """Makes the resource in place of the record `old`, which is dropped or, to be deleted later, condemned."""
        planned = replace(planned, created=_now(), modified=_now())
        if provider is None:
            self._record(planned, old, condemn)
            return planned
        timeout = goal.custom_timeouts.get("create", 0.0)
        if self.settings.preview:
            id_, outputs = provider.create(goal.urn, planned.inputs, timeout, preview=True)
            new = replace(planned, id=id_, outputs=self._secret_outputs(goal, outputs))
            self._record(new, old, condemn)
            return new
        with self._pending("creating", planned, old, condemn) as finish:
            id_, outputs = provider.create(goal.urn, planned.inputs, timeout, preview=False)
            return finish(replace(planned, id=id_, outputs=self._secret_outputs(goal, outputs)))

    def _update(self, goal: Goal, old: Resource, planned: Resource, provider: Provider | None) -> Resource:
        planned = replace(planned, id=old.id, outputs=old.outputs, modified=_now())
        if provider is None:
            self._record(planned, old)
            return planned

        def send(preview: bool) -> Resource:
            timeout = goal.custom_timeouts.get("update", 0.0)
            outputs = provider.update(
                goal.urn, old.id, old.inputs, old.outputs, planned.inputs, goal.ignore_changes, timeout, preview
            )
            return replace(planned, outputs=self._secret_outputs(goal, outputs))

        if self.settings.preview:
            new = send(preview=True)
            self._record(new, old)
            return new
        with self._pending("updating", planned, old) as finish:
            return finish(send(preview=False))

    def _replace(
        self, goal: Goal, old: Resource, planned: Resource, provider: Provider | None, delete_first: bool
    ) -> Resource:
        if not delete_first:
            return self._create(goal, planned, provider, old, condemn=True)
        if self.settings.preview:
            return self._create(goal, planned, provider, old)
        deletions = Deletions(self.checkpoint, self.registry, self.recorder, preview=False)
        doomed = self._must_go_before(old)
        emptied = deletions.delete_for_replacement([*doomed, old])
        with self._lock:
            self._old.update({item.urn: item for item in emptied})
        return self._create(goal, planned, provider, self._old[old.urn])

    def _must_go_before(self, old: Resource) -> list[Resource]:
        """Old resources that cannot survive the deletion of `old`: those a change of its outputs would replace."""
        doomed: list[Resource] = []
        urns_gone = {old.urn}
        for item in self.checkpoint.old:
            if item is old or item.delete or not item.custom or item.urn in self._seen or item.external:
                continue
            keys = [key for key, listed in item.property_dependencies.items() if urns_gone & set(listed)]
            depends = urns_gone & item.needs()
            if not depends or urns.is_provider(item.type):
                continue
            unknown = {key: values.COMPUTED if key in keys else value for key, value in item.inputs.items()}
            provider = self.registry.get(item.provider)
            diff = provider.diff(item.urn, item.id, item.inputs, item.outputs, unknown, [])
            if diff.replaces:
                if item.protect:
                    raise Refused(f"{item.urn}: is protected and would have to go with {old.urn}")
                doomed.append(item)
                urns_gone.add(item.urn)
        return doomed

    def _import(self, goal: Goal, planned: Resource, provider: Provider) -> Resource:
        """Takes over a resource that exists; UsageError if the program describes it otherwise than it is."""
        id_, live_inputs, outputs = provider.read(goal.urn, goal.import_id, {}, {})
        if not id_:
            raise UsageError(f"{goal.urn}: there is no {goal.type} with id {goal.import_id} to import")
        diff = provider.diff(goal.urn, id_, live_inputs, outputs, planned.inputs, goal.ignore_changes)
        if diff.changes:
            keys = ", ".join(diff.keys or steps.changed(live_inputs, planned.inputs))
            raise UsageError(f"{goal.urn}: the program differs from the live resource in {keys}")
        now = _now()
        outputs = self._secret_outputs(goal, outputs)
        return replace(planned, id=id_, import_id=goal.import_id, outputs=outputs, created=now, modified=now)

    # -- records ----------------------------------------------------------------------------------------------

    @contextmanager
    def _pending(self, kind: str, planned: Resource, old: Resource | None, condemn: bool = False) -> Iterator[Any]:
        """A step that the checkpoint shows as under way; `finish` records its result."""
        self.checkpoint.begin(kind, planned)

        def finish(new: Resource) -> Resource:
            self.checkpoint.end(planned)
            self._record(new, old, condemn)
            return new

        try:
            yield finish
        except HalfMade as half:
            self.checkpoint.end(planned)
            made = replace(planned, id=half.id, outputs=half.outputs, init_errors=half.reasons)
            self._record(made, old, condemn)
            raise StrongroomError(f"{planned.urn}: exists but is not ready: {half}") from half
        except StrongroomError:
            self.checkpoint.end(planned)
            self.checkpoint.write()
            raise

    def _record(self, new: Resource, old: Resource | None, condemn: bool = False) -> None:
        with self._lock:
            self.states[new.urn] = new
            if self.settings.preview:
                return
            if condemn and old is not None:
                self.checkpoint.condemn(old, replace(old, delete=True), instead=new)
            else:
                self.checkpoint.record(new, replaces=old)

    def _record_of(self, goal: Goal, old: Resource | None, inputs: Properties) -> Resource:
        return Resource(
            urn=goal.urn,
            type=goal.type,
            custom=goal.custom,
            inputs=inputs,
            parent=goal.parent,
            provider="" if urns.is_provider(goal.type) or not goal.custom else goal.provider,
            dependencies=goal.dependencies,
            property_dependencies=goal.property_dependencies,
            protect=goal.protect,
            retain_on_delete=goal.retain_on_delete,
            deleted_with=goal.deleted_with,
            import_id=old.import_id if old else "",
            additional_secret_outputs=goal.additional_secret_outputs,
            ignore_changes=goal.ignore_changes,
            replace_on_changes=goal.replace_on_changes,
            custom_timeouts=goal.custom_timeouts,
            aliases=[alias for alias in goal.aliases if alias != goal.urn],
            created=old.created if old else _now(),
            modified=old.modified if old else _now(),
            source_position=goal.source_position,
        )

    def _secret_outputs(self, goal: Goal, outputs: Properties) -> Properties:
        return values.keep_secrets(outputs, {}, tuple(goal.additional_secret_outputs))

    def _analyze(self, goal: Goal, inputs: Properties) -> None:
        if self.guard is not None:
            provider = self.states.get(urns.split_reference(goal.provider)[0]) if goal.provider else None
            self.guard.analyze(goal, inputs, provider)

    def _report(
        self, operation: str, goal: Goal, old: Resource | None, inputs: Properties, diff: Diff, seconds: float
    ) -> None:
        self.recorder(
            Step(
                operation,
                goal.urn,
                goal.parent,
                keys=diff.replaces or diff.keys,
                detailed=diff.detailed,
                old=old.inputs if old else {},
                new=inputs,
                seconds=seconds,
            )
        )


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
