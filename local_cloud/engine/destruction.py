"""Destroy is Pulumi's `destroy --exclude-protected`: what is protected stays, and so does everything it needs."""

from __future__ import annotations

from local_cloud.engine import urn as urns
from local_cloud.engine.checkpoint import Checkpoint
from local_cloud.engine.deletion import Deletions
from local_cloud.engine.events import Recorder
from local_cloud.engine.registry import Registry
from local_cloud.engine.state import Resource
from strongroom.errors import StrongroomError


def destroy_all(
    checkpoint: Checkpoint, registry: Registry, recorder: Recorder
) -> tuple[list[str], list[StrongroomError]]:
    """Deletes every resource that may go; returns the URNs that stay and the failures."""
    kept = staying(checkpoint.old)
    going = [item for item in checkpoint.old if item.delete or item.urn not in kept]
    failures = Deletions(checkpoint, registry, recorder, preview=False).run(going)
    return [item.urn for item in checkpoint.old if item.urn in kept and not item.delete and _shown(item)], failures


def staying(resources: list[Resource]) -> set[str]:
    """The URNs of protected resources and, transitively, of all that they need."""
    by_urn = {item.urn: item for item in resources if not item.delete}
    kept: set[str] = set()
    open_ = [item.urn for item in by_urn.values() if item.protect]
    while open_:
        urn = open_.pop()
        if urn not in kept and urn in by_urn:
            kept.add(urn)
            open_.extend(by_urn[urn].needs())
    return kept


def _shown(item: Resource) -> bool:
    return item.custom and not urns.is_provider(item.type)
