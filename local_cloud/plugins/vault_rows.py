"""Most of OpenBao's resources are a path that takes and gives the same fields: their operations are made here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local_cloud.plugins.shapes import BOOLEAN, INTEGER, Listing
from local_cloud.plugins.table import Operation, Prop, Properties, ResourceType


def bare(path: Any) -> str:
    """A path without slashes at its ends."""
    return str(path).strip("/")


def path_of(template: str, properties: Mapping[str, Any]) -> str:
    """The path of a resource, which is its id: "{backend}/roles/{name}" with the inputs put in."""
    return template.format_map({name: bare(value) for name, value in properties.items()})


def parts_of(template: str, path: str) -> Properties:
    """The inputs that a path consists of; the inverse of path_of."""
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(template))
    found = re.fullmatch(pattern, path)
    return dict(found.groupdict()) if found else {}


def body(op: Operation, names: Iterable[str]) -> Properties:
    """Fields as OpenBao takes them; one that the program has taken away is sent empty, since silence keeps it."""
    rows = op.resource.inputs
    names = [name for name in names if rows[name].api]
    emptied = [name for name in names if op.inputs.get(name) is None and op.olds.get(name) is not None]
    emptied = [name for name in emptied if not rows[name].computed and not rows[name].replaces]
    return {rows[name].api: _empty(rows[name]) for name in emptied} | op.api(*names)


def _empty(prop: Prop) -> Any:
    if isinstance(prop.codec, Listing):
        return []
    return 0 if prop.codec is INTEGER else False if prop.codec is BOOLEAN else ""


def plain_row(
    token: str,
    template: str,
    inputs: Mapping[str, Prop],
    *,
    outputs: tuple[str, ...] = (),
    more: Callable[[Operation], Properties] | None = None,
) -> ResourceType:
    """A type whose path takes and gives its inputs; `more` reads what other paths tell."""

    def write(op: Operation) -> str:
        path = path_of(template, op.inputs)
        op.client.write(path, body(op, inputs))
        return path

    def update(op: Operation) -> None:
        op.client.write(op.id, body(op, inputs))

    def read(op: Operation) -> Properties:
        data = op.client.read(op.id)
        told = {name: None for name, prop in inputs.items() if prop.api and not prop.kept}
        return told | op.wire(data) | parts_of(template, op.id) | (more(op) if more else {})

    return ResourceType(
        token, "vault", write, read, update, lambda op: op.client.delete(op.id), template, inputs, outputs
    )
