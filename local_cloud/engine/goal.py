"""A goal is what the program asks for: one RegisterResource request, decoded.

Options that this engine does not carry out are refused by name rather than dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from pulumi.runtime.proto import alias_pb2, resource_pb2, source_pb2

from local_cloud.engine import urn as urns
from local_cloud.engine import values
from local_cloud.engine.values import Properties
from strongroom.errors import UsageError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


@dataclass
class Goal:
    """A resource as the program wants it."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: Properties
    parent: str = ""
    provider: str = ""
    providers: dict[str, str] = field(default_factory=dict)
    version: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool | None = None
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    deleted_with: str = ""
    import_id: str = ""
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    source_position: str = ""


def decode(request: resource_pb2.RegisterResourceRequest, stack: str, project: str, root: Path) -> Goal:
    """The goal in a request; UsageError for an option or a type that this engine refuses."""
    urn = urns.make(stack, project, request.parent, request.type, request.name)
    _refuse(request, urn)
    timeouts = {
        verb: seconds(getattr(request.customTimeouts, verb))
        for verb in ("create", "update", "delete", "read")
        if getattr(request.customTimeouts, verb)
    }
    return Goal(
        urn=urn,
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=values.decode(request.object),
        parent=request.parent,
        provider=request.provider,
        providers=dict(request.providers),
        version=request.version,
        dependencies=sorted(set(request.dependencies)),
        property_dependencies={
            key: sorted(set(listed.urns)) for key, listed in request.propertyDependencies.items() if listed.urns
        },
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        aliases=[*request.aliasURNs, *(_alias(alias, urn, request.parent) for alias in request.aliases)],
        deleted_with=request.deletedWith,
        import_id=request.importId,
        custom_timeouts=timeouts,
        source_position=position(request.sourcePosition, root),
    )


def _refuse(request: resource_pb2.RegisterResourceRequest, urn: str) -> None:
    refused = {
        "remote components": request.remote,
        "transforms": bool(request.transforms),
        "parameterized packages": bool(request.packageRef),
        "state migrations": bool(request.state_migrations),
        "replace_with": bool(request.replace_with),
        "replacement_trigger": request.HasField("replacement_trigger"),
    }
    if named := [name for name, used in refused.items() if used]:
        raise UsageError(f"{urn}: the local engine does not do {', '.join(named)}", hint="use the Pulumi CLI")
    if request.custom and request.type.startswith("pulumi:pulumi:"):
        raise UsageError(
            f"{urn}: {request.type} is not offered by the local engine",
            hint="layers read each other's manifest objects, not stack references",
        )


def _alias(alias: alias_pb2.Alias, urn: str, parent: str) -> str:
    if alias.WhichOneof("alias") == "urn":
        return alias.urn
    spec = alias.spec
    which = spec.WhichOneof("parent")
    above = spec.parentUrn if which == "parentUrn" else "" if which == "noParent" else parent
    return urns.rename(urn, parent=above, type_=spec.type, name=spec.name, stack=spec.stack, project=spec.project)


def seconds(text: str) -> float:
    """The seconds of a Go duration such as 1h30m; UsageError if it is none."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"custom timeout {text!r} is not a duration", hint="write it like 10m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def position(source: source_pb2.SourcePosition, root: Path) -> str:
    """Where the program registered a resource, as project:///<file>#<line>; empty outside the project."""
    prefix = f"file://{root}/"
    if not source.uri.startswith(prefix):
        return ""
    return f"project:///{source.uri.removeprefix(prefix)}#{source.line}"
