"""Pulumi's property values travel as protobuf structures in which signatures mark secrets, assets and references.

`decode` turns a structure into plain Python values in which `Secret`, `Asset` and `UNKNOWN` stand for what JSON
cannot say; `encode` is its inverse. Source: sdk/go/common/resource/properties.go and plugin/rpc.go of Pulumi.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker of the protocol
_ASSET = "c44067f5952c0a294b673a41bacd8c17"
_RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# Every kind of value has its own marker; the Python SDK sends the first only, other languages send all.
_UNKNOWNS = frozenset(
    {
        _UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Unknown:
    """A value that only exists once another resource was made."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that state must encrypt and messages must not show."""

    value: Any = field(repr=False)


@dataclass(frozen=True)
class Asset:
    """A file or a text handed over by reference; `hash` is the SHA-256 of its bytes in hex, "" if not yet known."""

    text: str | None = None
    path: str | None = None
    uri: str | None = None
    hash: str = ""

    def read(self) -> bytes:
        """The asset's bytes; ValueError for an asset at an address, which a local plugin does not fetch."""
        if self.path is not None:
            return Path(self.path).read_bytes()
        if self.text is not None:
            return self.text.encode()
        raise ValueError(f"asset {self.uri}: only files and texts are supported here")

    def hashed(self) -> Asset:
        """The same asset with its hash filled in, so that a change of the file's bytes is a difference."""
        return self if self.hash else replace(self, hash=hashlib.sha256(self.read()).hexdigest())


def decode(struct: struct_pb2.Struct) -> dict[str, Any]:
    """The properties of a structure; `__defaults`, which only Terraform's bridge needs, is left out."""
    return {name: _decode(value) for name, value in struct.fields.items() if name != "__defaults"}


def _decode(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _decode_map(value.struct_value)
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
    return value.bool_value if kind == "bool_value" else None


def _decode_map(struct: struct_pb2.Struct) -> Any:
    signature = struct.fields[SIGNATURE].string_value if SIGNATURE in struct.fields else ""
    members = {name: _decode(item) for name, item in struct.fields.items() if name not in (SIGNATURE, "__defaults")}
    if not signature:
        return members
    if signature == _SECRET:
        return Secret(members.get("value"))
    if signature == _OUTPUT:
        known = members.get("value", UNKNOWN)
        return Secret(known) if members.get("secret") else known
    if signature == _ASSET:
        return Asset(members.get("text"), members.get("path"), members.get("uri"), members.get("hash", ""))
    if signature == _RESOURCE:
        # A resource given where a property is expected means its id; a component has none and means its name.
        return (members["id"] or UNKNOWN) if "id" in members else members["urn"]
    raise ValueError(f"property signature {signature} is not supported")


def encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """The structure of properties; None members are left out."""
    struct = struct_pb2.Struct()
    for name, value in properties.items():
        if value is not None:
            _encode(value, struct.fields[name])
    return struct


def _encode(value: Any, into: struct_pb2.Value) -> None:
    if isinstance(value, Unknown):
        into.string_value = _UNKNOWN_TEXT
    elif isinstance(value, Secret):
        into.struct_value.fields[SIGNATURE].string_value = _SECRET
        _encode(value.value, into.struct_value.fields["value"])
    elif isinstance(value, Asset):
        members = {"text": value.text, "path": value.path, "uri": value.uri, "hash": value.hash or None}
        into.struct_value.CopyFrom(encode({SIGNATURE: _ASSET, **members}))
    elif isinstance(value, Mapping):
        into.struct_value.CopyFrom(encode(value))
    elif isinstance(value, (list, tuple)):
        into.list_value.SetInParent()
        for item in value:
            _encode(item, into.list_value.values.add())
    elif value is None:
        into.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, (int, float)):
        into.number_value = value
    else:
        into.string_value = str(value)


def reveal(value: Any) -> Any:
    """The value with every secret's cover taken off."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {name: reveal(item) for name, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def _walk(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Secret):
        yield from _walk(value.value)
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _walk(item)


def has_secret(value: Any) -> bool:
    """True if the value is secret or contains a secret."""
    return any(isinstance(item, Secret) for item in _walk(value))


def has_unknown(value: Any) -> bool:
    """True if the value is unknown or contains something unknown."""
    return any(isinstance(item, Unknown) for item in _walk(value))


def secret_texts(value: Any) -> set[str]:
    """Every text inside a secret, for taking it out of messages."""
    covered = (item.value for item in _walk(value) if isinstance(item, Secret))
    return {text for inside in covered for text in _walk(inside) if isinstance(text, str) and len(text) > 3}
