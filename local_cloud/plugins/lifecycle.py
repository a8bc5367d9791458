"""What a resource goes through: inputs are checked, outcomes foreseen, and state is what the service tells."""

from __future__ import annotations

import threading
from typing import Any

from local_cloud.plugins.shapes import ABSENT, Failure
from local_cloud.plugins.table import Operation, Prop, Properties, ResourceType
from local_cloud.plugins.wire import UNKNOWN, Asset, Secret, Unknown, has_secret, has_unknown, reveal

Cancellation = threading.Event


class PartlyMade(Exception):
    """A resource exists, yet not as asked for; the engine must know of it."""

    def __init__(self, id_: str, properties: Properties, cause: Exception) -> None:
        super().__init__(id_)
        self.id = id_
        self.properties = properties
        self.cause = cause


def check(
    row: ResourceType, name: str, olds: Properties, news: Properties, seed: bytes
) -> tuple[Properties, list[Failure]]:
    """Inputs with defaults and physical name filled in, and what is wrong with them: (property, reason)."""
    failures: list[Failure] = []
    inputs: Properties = {}
    for key, value in news.items():
        prop = row.inputs.get(key)
        if prop is None:
            known = ", ".join(sorted(row.inputs))
            failures.append((key, f"{row.token} {name}: property {key} is not supported here; known are {known}"))
        elif value is not None:
            value = value.hashed() if isinstance(value, Asset) else value
            plain = reveal(value)
            if not isinstance(plain, Unknown):
                wrong = prop.codec.failures(key, plain)
                failures += [(where, f"{row.token} {name}: property {where}: {why}") for where, why in wrong]
            inputs[key] = Secret(value) if prop.secret and not isinstance(value, Secret) else value
    plain_inputs = reveal(inputs)
    for key, prop in row.inputs.items():
        if key in inputs:
            continue
        try:
            value = _filled_in(prop, key, name, reveal(olds), plain_inputs, seed)
        except ValueError as problem:
            failures.append((key, f"{row.token} {name}: property {key}: {problem}"))
            continue
        if value is not None:
            inputs[key] = Secret(value) if prop.secret else value
        elif prop.required:
            failures.append((key, f"{row.token} {name}: property {key} is required"))
    return inputs, failures


def _filled_in(prop: Prop, key: str, name: str, olds: Properties, inputs: Properties, seed: bytes) -> Any:
    if prop.autoname is None:
        return prop.default(inputs) if callable(prop.default) else prop.default
    before = olds.get(key)
    chosen = inputs.get(prop.autoname.prefix)
    if isinstance(before, str) and (before.startswith(str(chosen)) if chosen else prop.autoname.made(name, before)):
        return before
    return UNKNOWN if has_unknown(chosen) else prop.autoname.make(name, inputs, seed)


def foreseen(row: ResourceType, inputs: Properties, derived: Properties, olds: Properties | None = None) -> Properties:
    """Outputs that a preview shows: what is asked for, what follows from it, and unknown for what the service says."""
    outputs: Properties = {}
    for name in (*row.inputs, *row.outputs):
        prop = row.inputs.get(name)
        if name in inputs:
            outputs[name] = inputs[name]
        elif name in derived:
            outputs[name] = derived[name]
        elif olds is not None and name not in row.volatile:
            outputs[name] = olds.get(name) if prop is None or prop.computed else None
        elif prop is None or prop.computed:
            outputs[name] = UNKNOWN
    return {name: value for name, value in outputs.items() if value is not None}


def create(operation: Operation, inputs: Properties) -> Properties:
    """Makes the resource and returns its outputs; PartlyMade once it exists but is not as asked for."""
    row = operation.resource
    operation.id = row.create(operation)
    try:
        for hook in row.hooks:
            hook(operation)
        if row.wait:
            row.wait(operation)
        told = row.read(operation)
    except Exception as problem:
        raise PartlyMade(operation.id, _as_far_as_made(operation, inputs), problem) from problem
    return _covered(row, _settled(row, told, reveal(inputs)), inputs)


def _as_far_as_made(operation: Operation, inputs: Properties) -> Properties:
    """What the service tells of a half-made resource, so that the next run finishes it; the inputs if it tells none."""
    row = operation.resource
    try:
        told = row.read(operation)
    except Exception:  # the failure that left it half made is the one to report
        return inputs
    return _covered(row, _settled(row, told, reveal(inputs)), inputs)


def update(operation: Operation, news: Properties, olds: Properties) -> Properties:
    """Changes the resource and returns its outputs."""
    row = operation.resource
    if row.update:
        row.update(operation)
    if row.wait:
        row.wait(operation)
    computed = {name for name, prop in row.inputs.items() if prop.computed} | set(row.outputs)
    known = {name: value for name, value in operation.olds.items() if name in computed}
    return _covered(row, _settled(row, row.read(operation), {**known, **operation.inputs}), {**olds, **news})


def refresh(operation: Operation, known: Properties, old_inputs: Properties) -> tuple[Properties, Properties]:
    """Outputs and inputs as the service tells them now; Gone (or the service's own error) if there is nothing."""
    row = operation.resource
    state = _settled(row, row.read(operation), operation.olds)
    inputs = {}
    for name, prop in row.inputs.items():
        value = state.get(name)
        meaning = prop.codec.canonical(value)
        unasked = not prop.computed and meaning is not ABSENT and meaning != prop.codec.canonical(_plain_default(prop))
        if value is not None and (name in old_inputs or unasked):
            inputs[name] = value
    return _covered(row, state, known), _covered(row, inputs, known)


def _plain_default(prop: Prop) -> Any:
    return None if callable(prop.default) else prop.default


def _settled(row: ResourceType, told: Properties, known: Properties) -> Properties:
    """State: what the service tells, in the program's spelling where that means the same.

    A property the service does not tell (not in `told`) keeps its last known value; one it tells as empty is dropped.
    """
    state: Properties = {}
    for name, prop in row.inputs.items():
        value = known.get(name)
        same = name in told and prop.codec.canonical(value) == prop.codec.canonical(told[name])
        if not prop.kept and name in told and not (same and value is not None):
            value = told[name]
        if value is not None:
            state[name] = value
    for name in row.outputs:
        value = told.get(name, known.get(name))
        if value is not None:
            state[name] = value
    return state


def _covered(row: ResourceType, state: Properties, given: Properties) -> Properties:
    """The state with every property covered that is secret by nature or was given as one."""
    secret = {name for name, value in given.items() if has_secret(value)} | set(row.secrets)
    secret |= {name for name, prop in row.inputs.items() if prop.secret}
    return {
        name: Secret(value) if name in secret and not isinstance(value, Secret) else value
        for name, value in state.items()
    }
