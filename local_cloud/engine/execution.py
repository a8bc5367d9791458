"""Carries decisions out: create, update, replace, import; the ledger shows what is under way."""

from __future__ import annotations

import time
from dataclasses import replace

from local_cloud.engine import steps, values
from local_cloud.engine import urn as urns
from local_cloud.engine.deletion import Deletions
from local_cloud.engine.events import Recorder, Step
from local_cloud.engine.goal import Goal
from local_cloud.engine.ledger import Ledger, now, record_of
from local_cloud.engine.provider import Diff, Provider
from local_cloud.engine.registry import Registry
from local_cloud.engine.state import Resource
from local_cloud.engine.steps import Action, Decision
from local_cloud.engine.values import Properties
from strongroom.errors import Refused, UsageError


class Execution:
    """Does steps against providers; one for a deployment, used from many threads."""

    def __init__(self, ledger: Ledger, registry: Registry, recorder: Recorder) -> None:
        self._ledger, self._registry, self._recorder = ledger, registry, recorder

    def apply(
        self, goal: Goal, old: Resource | None, inputs: Properties, decision: Decision, provider: Provider | None
    ) -> Resource:
        """Does what was decided and returns the new record; raises the StrongroomError of what failed."""
        started = time.monotonic()
        planned = record_of(goal, old, inputs)
        match decision.action:
            case Action.SAME:
                new = planned if old is None else replace(planned, id=old.id, outputs=old.outputs)
                self._ledger.record(new, old)
            case Action.UPDATE:
                assert old is not None
                new = self._update(goal, old, planned, provider)
            case Action.IMPORT:
                assert provider is not None
                new = self._import(goal, planned, provider)
                self._ledger.record(new, old)
            case Action.REPLACE:
                assert old is not None
                new = self._replace(goal, old, planned, provider, decision.delete_first)
            case Action.CREATE:
                new = self._create(goal, planned, provider, old)
        operation = "replace" if old is not None and old.pending_replacement else decision.action.value
        self.report(operation, goal, old, inputs, decision.diff, time.monotonic() - started)
        return new

    def _create(
        self, goal: Goal, planned: Resource, provider: Provider | None, old: Resource | None, condemn: bool = False
    ) -> Resource:
        """Makes the resource in place of the record `old`, which is dropped or, to be deleted later, condemned."""
        planned = replace(planned, created=now(), modified=now())
        if provider is None:
            self._ledger.record(planned, old, condemn)
            return planned
        timeout = goal.custom_timeouts.get("create", 0.0)
        if self._ledger.preview:
            id_, outputs = provider.create(goal.urn, planned.inputs, timeout, preview=True)
            new = replace(planned, id=id_, outputs=_secret_outputs(goal, outputs))
            self._ledger.record(new, old, condemn)
            return new
        with self._ledger.pending("creating", planned, old, condemn) as finish:
            id_, outputs = provider.create(goal.urn, planned.inputs, timeout, preview=False)
            return finish(replace(planned, id=id_, outputs=_secret_outputs(goal, outputs)))

    def _update(self, goal: Goal, old: Resource, planned: Resource, provider: Provider | None) -> Resource:
        planned = replace(planned, id=old.id, outputs=old.outputs, modified=now())
        if provider is None:
            self._ledger.record(planned, old)
            return planned

        def send(preview: bool) -> Resource:
            timeout = goal.custom_timeouts.get("update", 0.0)
            outputs = provider.update(
                goal.urn, old.id, old.inputs, old.outputs, planned.inputs, goal.ignore_changes, timeout, preview
            )
            return replace(planned, outputs=_secret_outputs(goal, outputs))

        if self._ledger.preview:
            new = send(preview=True)
            self._ledger.record(new, old)
            return new
        with self._ledger.pending("updating", planned, old) as finish:
            return finish(send(preview=False))

    def _replace(
        self, goal: Goal, old: Resource, planned: Resource, provider: Provider | None, delete_first: bool
    ) -> Resource:
        if not delete_first:
            return self._create(goal, planned, provider, old, condemn=True)
        if self._ledger.preview:
            return self._create(goal, planned, provider, old)
        deletions = Deletions(self._ledger.checkpoint, self._registry, self._recorder, preview=False)
        doomed = self._must_go_before(old)
        emptied = deletions.delete_for_replacement([*doomed, old])
        self._ledger.emptied(emptied)
        return self._create(goal, planned, provider, self._ledger.old[old.urn])

    def _must_go_before(self, old: Resource) -> list[Resource]:
        """Old resources that cannot survive the deletion of `old`: those a change of its outputs would replace."""
        doomed: list[Resource] = []
        urns_gone = {old.urn}
        for item in self._ledger.checkpoint.old:
            if item is old or item.delete or not item.custom or self._ledger.claimed(item.urn) or item.external:
                continue
            keys = [key for key, listed in item.property_dependencies.items() if urns_gone & set(listed)]
            depends = urns_gone & item.needs()
            if not depends or urns.is_provider(item.type):
                continue
            unknown = {key: values.COMPUTED if key in keys else value for key, value in item.inputs.items()}
            provider = self._registry.get(item.provider)
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
        outputs, time_ = _secret_outputs(goal, outputs), now()
        return replace(planned, id=id_, import_id=goal.import_id, outputs=outputs, created=time_, modified=time_)

    def report(
        self, operation: str, goal: Goal, old: Resource | None, inputs: Properties, diff: Diff, seconds: float
    ) -> None:
        """Tells of a step that is done."""
        self._recorder(
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


def _secret_outputs(goal: Goal, outputs: Properties) -> Properties:
    return values.keep_secrets(outputs, {}, tuple(goal.additional_secret_outputs))
