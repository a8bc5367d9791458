"""What separates a resource's last known state from what a program now asks for, property by property."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local_cloud.plugins.shapes import ABSENT, Listing, Record, Shape, Texts
from local_cloud.plugins.table import Properties, ResourceType
from local_cloud.plugins.wire import has_unknown

ADD, DELETE, CHANGE = "ADD", "DELETE", "UPDATE"


@dataclass(frozen=True)
class Difference:
    """One differing property: `name` is the top-level one, `path` the exact place."""

    name: str
    path: str
    kind: str
    replaces: bool


def compare(
    resource: ResourceType, olds: Properties, old_inputs: Properties, news: Properties, derived: Properties
) -> list[Difference]:
    """The differences between state and program.

    `derived` holds outputs that follow from configuration alone (all tags, Region). State counts before old inputs,
    so that drift which a refresh has seen is a difference. A property the service chooses, which the program does not
    name, never is.
    """
    found: list[Difference] = []
    for name, prop in resource.inputs.items():
        old = olds[name] if name in olds else old_inputs.get(name)
        new = news.get(name)
        if new is None and prop.computed:
            continue
        # What cannot be read back and the program never gave is not a difference either way.
        if prop.kept and name not in olds and name not in old_inputs and new == prop.default:
            continue
        found += [Difference(name, path, kind, prop.replaces) for path, kind in _places(name, prop.codec, old, new)]
    for name, new in derived.items():
        if name in olds and olds[name] != new and name not in {difference.name for difference in found}:
            replaces = name in resource.inputs and resource.inputs[name].replaces
            found.append(Difference(name, name, CHANGE, replaces))
    return found


def delete_first(resource: ResourceType, name: str, differences: list[Difference], news: Properties) -> bool:
    """True if a replacement would collide with the old resource: its physical name is fixed and stays the same."""
    key = resource.name_input
    if not key or not any(difference.replaces for difference in differences):
        return False
    prop, physical = resource.inputs[key], news.get(key)
    if any(difference.name == key for difference in differences):
        return False
    return isinstance(physical, str) and not (prop.autoname and prop.autoname.made(name, physical))


def _places(path: str, shape: Shape, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    if has_unknown(new):
        yield path, CHANGE if shape.canonical(old) is not ABSENT else ADD
        return
    before, after = shape.canonical(old), shape.canonical(new)
    if before == after:
        return
    if before is ABSENT or after is ABSENT:
        yield path, ADD if before is ABSENT else DELETE
    elif isinstance(shape, Texts):
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield f"{path}.{name}", ADD if name not in before else DELETE if name not in after else CHANGE
    elif isinstance(shape, Record):
        for name, member in shape.fields.items():
            one, other = old.get(name, member.absent), new.get(name, member.absent)
            yield from _places(f"{path}.{name}", member.shape, one, other)
    elif isinstance(shape, Listing) and shape.ordered and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _places(f"{path}[{index}]", shape.item, one, other)
    else:
        yield path, CHANGE
