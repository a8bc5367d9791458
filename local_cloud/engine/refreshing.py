"""Refresh reads every resource and makes its record what is really there."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from local_cloud.engine import urn as urns
from local_cloud.engine import values
from local_cloud.engine.checkpoint import Checkpoint
from local_cloud.engine.deletion import PARALLEL
from local_cloud.engine.events import Message, Recorder, Step
from local_cloud.engine.registry import Registry
from local_cloud.engine.state import Resource
from local_cloud.engine.steps import changed
from strongroom.errors import StrongroomError


def refresh_all(
    checkpoint: Checkpoint, registry: Registry, recorder: Recorder
) -> tuple[list[str], list[StrongroomError]]:
    """Reads all resources in parallel; returns no kept URNs and the failures. Resources that are gone are dropped.

    A creation that was interrupted is forgotten: whatever it made has no id to read it by.
    """
    readable = [item for item in checkpoint.old if item.custom and item.id and not urns.is_provider(item.type)]

    def attempt(item: Resource) -> StrongroomError | None:
        try:
            _refresh(item, checkpoint, registry, recorder)
        except StrongroomError as error:
            recorder(Message("error", str(error), item.urn))
            return error
        return None

    with ThreadPoolExecutor(PARALLEL) as pool:
        failures = [failure for failure in pool.map(attempt, readable) if failure is not None]
    return [], failures


def _refresh(item: Resource, checkpoint: Checkpoint, registry: Registry, recorder: Recorder) -> None:
    started = time.monotonic()
    provider = registry.get(item.provider)
    id_, inputs, outputs = provider.read(item.urn, item.id, item.inputs, item.outputs)
    if not id_:
        checkpoint.drop(item)
        recorder(Step("delete", item.urn, item.parent, old=item.inputs, seconds=time.monotonic() - started))
        return
    outputs = values.keep_secrets(outputs, inputs, tuple(item.additional_secret_outputs))
    keys = changed(item.outputs, outputs)
    if not keys and not changed(item.inputs, inputs) and id_ == item.id:
        recorder(Step("same", item.urn, item.parent))
        return
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    new = replace(item, id=id_, inputs=inputs, outputs=outputs, modified=now, init_errors=[])
    checkpoint.condemn(item, new)
    recorder(Step("update", item.urn, item.parent, keys=keys, old=item.outputs, new=outputs))
