"""A deployment drawn for people: one line a change with its properties, then counts and duration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from local_cloud.engine import urn as urns
from local_cloud.engine import values
from local_cloud.engine.events import Message, Step, is_default_provider
from local_cloud.engine.run import UpResult

_SIGNS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "replace": ("+-", "magenta"),
    "delete": ("-", "red"),
    "import": ("=", "cyan"),
    "read": (">", "cyan"),
    "forget": ("x", "red"),
}
_DONE = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "import": "imported",
    "read": "read",
    "forget": "left in the cloud, forgotten here",
    "same": "unchanged",
}
_LONGEST = 60


def draw(console: Console, stack: str, result: UpResult, *, planned: bool, announced: UpResult | None = None) -> None:
    """Prints the tree of changes, the messages and the counts; `planned` says nothing was done yet.

    A tree that the preview `announced` was shown already and is left out.
    """
    for message in result.messages:
        if message.severity != "debug":
            draw_message(console, message)
    changed = _changed(result)
    if changed and not (announced and _done(changed) <= _done(_changed(announced))):
        console.print(_tree(stack, changed), crop=False, no_wrap=True, overflow="ignore")
    if result.kept:
        console.print(f"  {len(result.kept)} stay because they are protected, or needed by what is:")
        for urn in result.kept:
            console.print(f"    {urns.type_of(urn)} {urns.name_of(urn)}", style="dim", markup=False)
    console.print(summary(stack, result, planned=planned), markup=False)


def _changed(result: UpResult) -> list[Step]:
    return [step for step in result.steps if step.operation in _SIGNS and not is_default_provider(step.urn)]


def _done(changed: Iterable[Step]) -> set[tuple[str, str]]:
    return {(step.operation, step.urn) for step in changed}


def draw_message(console: Console, message: Message) -> None:
    """Prints one message of the program, a plugin or the engine."""
    style = {"error": "red", "warning": "yellow"}.get(message.severity, "")
    console.print(Text(f"  {message.text}", style=style))


def summary(stack: str, result: UpResult, *, planned: bool) -> str:
    """One line: the stack, what changed, how long it took."""
    counts = [f"{count} {'to ' + name if planned else _DONE[name]}" for name, count in _counted(result.changes)]
    same = result.changes.get("same", 0)
    what = ", ".join(counts) if counts else "no change"
    return f"{stack}: {what}" + (f", {same} unchanged" if same else "") + f" ({result.duration:.1f} s)"


def document(stack: str, result: UpResult) -> dict[str, Any]:
    """The result for machines: no secrets, steps without their property values."""
    return {
        "stack": stack,
        "changes": result.changes,
        "outputs": result.outputs,
        "duration": round(result.duration, 3),
        "steps": [
            {"operation": step.operation, "urn": step.urn, "keys": list(step.keys)}
            for step in result.steps
            if step.operation != "same" and not is_default_provider(step.urn)
        ],
        "messages": [{"severity": item.severity, "text": item.text, "urn": item.urn} for item in result.messages],
        "kept": result.kept,
    }


def _counted(changes: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    return ((name, changes[name]) for name in _SIGNS if changes.get(name))


def _tree(stack: str, changed: list[Step]) -> Tree:
    """Changes below their parents; a parent that does not change itself is shown plain."""
    tree = Tree(Text(stack, style="bold"), guide_style="dim")
    nodes: dict[str, Tree] = {}
    labels = {step.urn: step for step in changed}

    def node(urn: str) -> Tree:
        if not urn or urns.type_of(urn) == urns.ROOT_TYPE:
            return tree
        if urn not in nodes:
            step = labels.get(urn)
            nodes[urn] = node(step.parent if step else "").add(_label(urn, step))
        return nodes[urn]

    for step in changed:
        place = node(step.urn)
        if step.operation in ("update", "replace") and place is not tree:
            for key in step.keys:
                place.add(_difference(key, step))
    return tree


def _label(urn: str, step: Step | None) -> Text:
    type_, name = urns.type_of(urn), urns.name_of(urn)
    if step is None:
        return Text(f"  {type_} {name}", style="dim")
    sign, style = _SIGNS[step.operation]
    return Text.assemble((f"{sign} ", f"bold {style}"), (type_, "dim"), " ", (name, style))


def _difference(key: str, step: Step) -> Text:
    head = key.split(".")[0].split("[")[0]
    before, after = (_short(side.get(head)) for side in (step.old, step.new))
    return Text.assemble((f"{key}: ", "bold"), (before, "red"), " -> ", (after, "green"))


def _short(value: Any) -> str:
    text = json.dumps(values.mask(value), default=str)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
