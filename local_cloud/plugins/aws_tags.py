"""Tags: what a program and the configuration ask for, written to a service and read back as `tags` and `tagsAll`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local_cloud.plugins.shapes import TEXTS
from local_cloud.plugins.table import Operation, Prop, Properties

TAGS = {"tags": Prop(codec=TEXTS)}
#: Of every resource that lives in a Region: where it is, by default where the provider is.
REGION = {"region": Prop(replaces=True, computed=True)}


def pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags as most services write them: [{Key, Value}]."""
    return [{key: name, value: text} for name, text in tags.items()]


def from_pairs(tags: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Tags from [{Key, Value}]."""
    return {tag[key]: tag[value] for tag in tags or ()}


def wanted(operation: Operation) -> dict[str, str]:
    """All tags the resource gets."""
    tags: dict[str, str] = operation.provider.tags(operation)
    return tags


def told(operation: Operation, actual: Mapping[str, str]) -> Properties:
    """`tags` and `tagsAll` from all tags a service shows; its own (aws:...) are not the program's."""
    every = {name: text for name, text in actual.items() if not name.startswith("aws:")}
    own = operation.get("tags") or {}
    default = operation.provider.default_tags
    tags = {name: text for name, text in every.items() if name in own or default.get(name) != text}
    return {"tags": tags, "tagsAll": every}


def retag(operation: Operation, add: Callable[[dict[str, str]], Any], remove: Callable[[list[str]], Any]) -> None:
    """Brings the tags of an existing resource to what is wanted; asks the service only if something changes."""
    before, after = operation.olds.get("tagsAll") or {}, wanted(operation)
    gone = [name for name in before if name not in after]
    changed = {name: text for name, text in after.items() if before.get(name) != text}
    if gone:
        remove(gone)
    if changed:
        add(changed)
