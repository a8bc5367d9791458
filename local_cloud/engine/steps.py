"""What must be done with one resource: a pure decision over its old record and the program's goal.

The rules are those of Pulumi's step generator; the provider's own opinion comes in as a `Diff`.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from local_cloud.engine import values
from local_cloud.engine.goal import Goal
from local_cloud.engine.provider import Diff
from local_cloud.engine.state import Resource
from local_cloud.engine.values import Properties
from strongroom.errors import Refused

#: What a decision without a provider's opinion says.
UNCHANGED = Diff(changes=False)
_PART = re.compile(r"""([^.\[\]]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]""")


class Action(Enum):
    """The kinds of step a registration can lead to."""

    CREATE = "create"
    SAME = "same"
    UPDATE = "update"
    REPLACE = "replace"
    IMPORT = "import"


@dataclass(frozen=True)
class Decision:
    """An action, the property keys that led to it, and whether the old resource goes first."""

    action: Action
    diff: Diff = UNCHANGED
    delete_first: bool = False


def without_provider(goal: Goal, old: Resource | None) -> Decision:
    """The decision for a component: its record changes, nothing else."""
    if old is None:
        return Decision(Action.CREATE)
    keys = changed(old.inputs, goal.inputs)
    return Decision(Action.UPDATE, Diff(changes=True, keys=keys)) if keys else Decision(Action.SAME)


def decide(goal: Goal, old: Resource | None, inputs: Properties, diff: Diff | None, provider_changed: bool) -> Decision:
    """The decision for a resource of a provider.

    `inputs` are the checked ones; `diff` is None when there was nothing to ask the provider.
    Raises Refused when a protected resource would have to be replaced.
    """
    if old is None or old.pending_replacement:
        imported = goal.import_id and old is None
        return Decision(Action.IMPORT if imported else Action.CREATE)
    if goal.import_id and goal.import_id not in (old.id, old.import_id):
        return Decision(Action.IMPORT)
    if provider_changed:
        diff = Diff(changes=True, replaces=("provider",), keys=("provider",))
    diff = _completed(diff or Diff(), goal, old, inputs)
    if diff.replaces:
        if old.protect:
            raise Refused(
                f"{goal.urn}: is protected and would have to be replaced because of {', '.join(diff.replaces)}",
                hint="remove protect from it in the program, apply that, then change it",
            )
        first = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        return Decision(Action.REPLACE, diff, first)
    return Decision(Action.UPDATE if diff.changes or old.init_errors else Action.SAME, diff)


def _completed(diff: Diff, goal: Goal, old: Resource, inputs: Properties) -> Diff:
    """The provider's diff with what it left open: unknown changes and the program's replaceOnChanges."""
    keys = diff.keys or changed(old.inputs, inputs)
    changes = bool(keys) if diff.changes is None else diff.changes
    replaces = diff.replaces
    if changes and not replaces and goal.replace_on_changes:
        replaces = tuple(key for key in keys if any(_covers(path, key) for path in goal.replace_on_changes))
    return Diff(changes, replaces, keys if changes else (), diff.delete_before_replace, diff.detailed)


def _covers(path: str, key: str) -> bool:
    return path == "*" or _parts(path)[:1] == _parts(key)[:1]


def changed(old: Properties, new: Properties) -> tuple[str, ...]:
    """The top-level properties that differ, secrets compared by content."""
    return tuple(
        sorted(
            key
            for key in old.keys() | new.keys()
            if not key.startswith("__") and values.reveal(old.get(key)) != values.reveal(new.get(key))
        )
    )


def ignore_changes(inputs: Properties, old: Properties, paths: list[str]) -> Properties:
    """The program's inputs with the old values at every path of ignoreChanges."""
    result = copy.deepcopy(inputs) if paths else inputs
    for path in paths:
        _restore(result, old, _parts(path))
    return result


def _restore(target: Any, source: Any, parts: list[str]) -> None:
    head, rest = parts[0], parts[1:]
    if isinstance(target, dict):
        keys = list(target.keys() | (source.keys() if isinstance(source, dict) else set())) if head == "*" else [head]
        for key in keys:
            before = source.get(key) if isinstance(source, dict) else None
            if rest and isinstance(target.get(key), (dict, list)):
                _restore(target[key], before, rest)
            elif before is not None:
                target[key] = copy.deepcopy(before)
            else:
                target.pop(key, None)
    elif isinstance(target, list) and isinstance(source, list):
        for index in range(len(target)) if head == "*" else [int(head)] if head.isdigit() else []:
            if index < len(target) and index < len(source):
                if rest:
                    _restore(target[index], source[index], rest)
                else:
                    target[index] = copy.deepcopy(source[index])


def _parts(path: str) -> list[str]:
    return [plain or quoted.replace('\\"', '"') or index for plain, quoted, index in _PART.findall(path)]
