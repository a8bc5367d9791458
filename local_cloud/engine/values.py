"""Property values travel as protobuf Structs whose special kinds are objects marked by a signature key.

In this engine a property value is a JSON value, or one of: `Secret` (a value that must not be shown), `COMPUTED`
(not known before the deployment, preview only), `Reference` (another resource), `Asset` (a file or a text).
The signatures are Pulumi's (sdk/go/common/resource/properties.go) and are the same on the wire and in the state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 a public marker, no secret
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
#: The string that stands for a value which is not known yet.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Properties = dict[str, Any]


@dataclass(frozen=True)
class Secret:
    """A value that is encrypted at rest and never displayed; `repr` hides it."""

    element: Any = field(repr=False)


class _Computed:
    """The type of COMPUTED, a single value."""

    def __repr__(self) -> str:
        return "COMPUTED"


COMPUTED = _Computed()


@dataclass(frozen=True)
class Reference:
    """A resource used as a value; `id` is None for a component and COMPUTED while it is not known."""

    urn: str
    id: Any = None


@dataclass(frozen=True)
class Asset:
    """A file, text or address given as a property; `hash` is the SHA-256 of its bytes."""

    kind: str
    content: str = field(repr=False)
    hash: str = ""


def decode(struct: struct_pb2.Struct) -> Properties:
    """The properties in a Struct; output values collapse to what they hold.

    Raises ValueError for archives: no resource type of this estate takes one.
    """
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return COMPUTED if value.string_value == UNKNOWN else value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "struct_value":
            fields = value.struct_value.fields
            if SIGNATURE in fields:
                return _decode_special(value.struct_value)
            return {key: _decode(item) for key, item in fields.items()}
        case _:
            return None


def _decode_special(struct: struct_pb2.Struct) -> Any:
    signature = struct.fields[SIGNATURE].string_value
    rest = {key: _decode(item) for key, item in struct.fields.items() if key != SIGNATURE}
    return special(signature, rest)


def special(signature: str, rest: Properties) -> Any:
    """The value that a signature and its companions stand for.

    Raises ValueError for a signature this engine does not know.
    """
    if signature == SECRET:
        return secret(rest.get("value"))
    if signature == OUTPUT:
        element = rest.get("value", COMPUTED)
        return secret(element) if rest.get("secret") else element
    if signature == RESOURCE:
        return Reference(rest["urn"], rest.get("id"))
    if signature == ASSET:
        kind = next((kind for kind in ("text", "path", "uri") if rest.get(kind) is not None), "text")
        content = rest.get(kind) or ""
        return Asset(kind, content, rest.get("hash") or _hash(kind, content))
    raise ValueError("archives are not supported as property values" if signature == ARCHIVE else "unknown signature")


def _hash(kind: str, content: str) -> str:
    if kind == "uri":
        return ""
    data = content.encode() if kind == "text" else Path(content).read_bytes()
    return hashlib.sha256(data).hexdigest()


def secret(element: Any) -> Secret:
    """A secret that holds `element`; a secret of a secret is one secret."""
    return element if isinstance(element, Secret) else Secret(element)


def encode(properties: Mapping[str, Any], *, secrets: bool = True, resources: bool = True) -> struct_pb2.Struct:
    """A Struct of the properties, for a peer that accepts secrets and references or gets the plain values."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _encode(value, struct.fields[key], secrets, resources)
    return struct


def _encode(value: Any, target: struct_pb2.Value, secrets: bool, resources: bool) -> None:
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, (int, float)):
        target.number_value = value
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _encode(item, target.struct_value.fields[key], secrets, resources)
    elif isinstance(value, (list, tuple)):
        target.list_value.SetInParent()
        for item in value:
            _encode(item, target.list_value.values.add(), secrets, resources)
    elif value is COMPUTED:
        target.string_value = UNKNOWN
    elif isinstance(value, Secret) and not secrets:
        _encode(value.element, target, secrets, resources)
    elif isinstance(value, Reference) and not resources:
        _encode(value.urn if value.id is None else value.id, target, secrets, resources)
    elif isinstance(value, (Secret, Reference, Asset)):
        _encode(marked(value), target, secrets, resources)
    else:
        target.null_value = struct_pb2.NULL_VALUE


def marked(value: Secret | Reference | Asset) -> Properties:
    """The signed object that stands for a special value on the wire."""
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET, "value": value.element}
    if isinstance(value, Reference):
        return {SIGNATURE: RESOURCE, "urn": value.urn} | ({} if value.id is None else {"id": value.id})
    return {SIGNATURE: ASSET, value.kind: value.content} | ({"hash": value.hash} if value.hash else {})


def children(value: Any) -> Iterator[Any]:
    """The values directly inside a value."""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value
    elif isinstance(value, Secret):
        yield value.element
    elif isinstance(value, Reference):
        yield value.id


def contains_unknown(value: Any) -> bool:
    """Whether something inside is not known yet."""
    return value is COMPUTED or any(contains_unknown(item) for item in children(value))


def contains_secret(value: Any) -> bool:
    """Whether something inside is secret."""
    return isinstance(value, Secret) or any(contains_secret(item) for item in children(value))


def reveal(value: Any) -> Any:
    """The value without its secret wrappers, for a peer or comparison that works on plain values."""
    if isinstance(value, Secret):
        return reveal(value.element)
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [reveal(item) for item in value]
    return value


def mask(value: Any) -> Any:
    """The value for people: secrets as [secret], unknowns as [unknown]."""
    if isinstance(value, Secret):
        return "[secret]"
    if value is COMPUTED:
        return "[unknown]"
    if isinstance(value, Reference):
        return value.urn
    if isinstance(value, Asset):
        return f"[asset {value.hash[:12]}]"
    if isinstance(value, dict):
        return {key: mask(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(item) for item in value]
    return value


def keep_secrets(outputs: Properties, inputs: Properties, additional: tuple[str, ...] = ()) -> Properties:
    """Outputs in which a property is secret when its input was, or when the program asked for it.

    Raises nothing; the rule is `annotateSecrets` of Pulumi's provider client, applied to top-level properties.
    """
    return {
        key: secret(value)
        if not isinstance(value, Secret)
        and (key in additional or (contains_secret(inputs.get(key)) and not contains_secret(value)))
        else value
        for key, value in outputs.items()
    }
