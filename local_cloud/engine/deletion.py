"""Deletions run in reverse dependency order, each layer of independent resources in parallel."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from local_cloud.engine import urn as urns
from local_cloud.engine.checkpoint import Checkpoint, topological
from local_cloud.engine.events import Message, Recorder, Step
from local_cloud.engine.registry import Registry
from local_cloud.engine.state import Resource
from strongroom.errors import Refused, StrongroomError

PARALLEL = 16


class Deletions:
    """Removes resources from the cloud and from the checkpoint; a preview only reports them."""

    def __init__(self, checkpoint: Checkpoint, registry: Registry, recorder: Recorder, preview: bool) -> None:
        self._checkpoint = checkpoint
        self._registry = registry
        self._recorder = recorder
        self._preview = preview

    def run(self, resources: list[Resource]) -> list[StrongroomError]:
        """Deletes the resources; returns what failed, after which nothing that others need was touched.

        Nothing at all is deleted if one of them is protected.
        """
        protected = [item for item in resources if item.protect and not item.delete]
        if protected:
            return [_protected(item) for item in protected]
        going = {item.urn for item in resources}
        for layer in topological(resources):
            with ThreadPoolExecutor(PARALLEL) as pool:
                failures = [failure for failure in pool.map(lambda item: self._attempt(item, going), layer) if failure]
            if failures:
                return failures
        return []

    def delete_for_replacement(self, resources: list[Resource]) -> list[Resource]:
        """Deletes resources that will be made again; their records stay, marked pendingReplacement, and are returned.

        Raises the error of the first deletion that fails.
        """
        emptied = []
        for layer in topological(resources):
            for item in layer:
                marked = replace(item, pending_replacement=True)
                self._delete(item, {resource.urn for resource in resources})
                self._checkpoint.condemn(item, marked)
                emptied.append(marked)
        return emptied

    def _attempt(self, item: Resource, going: set[str]) -> StrongroomError | None:
        started = time.monotonic()
        try:
            if not self._preview:
                self._delete(item, going)
                self._checkpoint.drop(item)
        except StrongroomError as error:
            self._recorder(Message("error", str(error), item.urn))
            return error
        if not (item.delete or item.pending_replacement):
            operation = "forget" if item.external or item.retain_on_delete else "delete"
            self._recorder(Step(operation, item.urn, item.parent, old=item.inputs, seconds=time.monotonic() - started))
        return None

    def _delete(self, item: Resource, going: set[str]) -> None:
        untouched = item.external or item.retain_on_delete or item.pending_replacement or item.deleted_with in going
        if not item.custom or urns.is_provider(item.type) or untouched:
            return
        provider = self._registry.get(item.provider)
        self._checkpoint.begin("deleting", item)
        try:
            timeout = item.custom_timeouts.get("delete", 0.0)
            provider.delete(item.urn, item.id, item.inputs, item.outputs, timeout)
        finally:
            self._checkpoint.end(item)


def _protected(item: Resource) -> Refused:
    return Refused(
        f"{item.urn}: is protected and the program no longer registers it",
        hint="register it without protect once, then remove it",
    )
