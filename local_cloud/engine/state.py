"""What is known of one resource after a deployment: Pulumi's ResourceV3 record.

Field names in the file are those of sdk/go/common/apitype/core.go; fields this engine does not know are kept as
they were read, so a state that another engine wrote loses nothing here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from local_cloud.engine.passphrase import Crypter
from local_cloud.engine.values import (
    COMPUTED,
    SECRET,
    SIGNATURE,
    Asset,
    Properties,
    Reference,
    Secret,
    marked,
    secret,
    special,
)
from strongroom.errors import UsageError


@dataclass(eq=False)
class Resource:
    """One resource of a stack; treated as immutable once it is recorded, changes make a new record."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    protect: bool = False
    external: bool = False
    delete: bool = False
    pending_replacement: bool = False
    retain_on_delete: bool = False
    deleted_with: str = ""
    import_id: str = ""
    init_errors: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    created: str = ""
    modified: str = ""
    source_position: str = ""
    unread: dict[str, Any] = field(default_factory=dict)

    def needs(self) -> set[str]:
        """The URNs that must exist as long as this resource does."""
        urns = set(self.dependencies)
        for listed in self.property_dependencies.values():
            urns.update(listed)
        urns.update(urn for urn in (self.parent, self.deleted_with, self.provider.rpartition("::")[0]) if urn)
        return urns


#: Field of the record -> field of the file. Empty values are left out, as Pulumi does, except urn, custom and type.
_NAMES = {
    "urn": "urn",
    "custom": "custom",
    "delete": "delete",
    "id": "id",
    "type": "type",
    "inputs": "inputs",
    "outputs": "outputs",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "init_errors": "initErrors",
    "provider": "provider",
    "property_dependencies": "propertyDependencies",
    "pending_replacement": "pendingReplacement",
    "additional_secret_outputs": "additionalSecretOutputs",
    "aliases": "aliases",
    "custom_timeouts": "customTimeouts",
    "import_id": "importID",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "created": "created",
    "modified": "modified",
    "source_position": "sourcePosition",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
}
_FIELDS = {name: attribute for attribute, name in _NAMES.items()}
_ALWAYS = {"urn", "custom", "type"}


def to_json(resource: Resource, crypter: Crypter) -> dict[str, Any]:
    """The record as the file holds it, secrets encrypted."""
    record: dict[str, Any] = {}
    for attribute, name in _NAMES.items():
        value = getattr(resource, attribute)
        if attribute in ("inputs", "outputs"):
            value = {key: _freeze(item, crypter) for key, item in value.items()}
        if value or name in _ALWAYS:
            record[name] = value
    return record | resource.unread


def from_json(record: dict[str, Any], crypter: Crypter) -> Resource:
    """The resource that a record of the file describes; KeyFailure if its secrets cannot be read."""
    known = {_FIELDS[name]: value for name, value in record.items() if name in _FIELDS and value is not None}
    for attribute in ("inputs", "outputs"):
        known[attribute] = {key: _thaw(item, crypter) for key, item in known.get(attribute, {}).items()}
    known["unread"] = {name: value for name, value in record.items() if name not in _FIELDS}
    return Resource(**known)


def _freeze(value: Any, crypter: Crypter) -> Any:
    if isinstance(value, Secret):
        text = json.dumps(_freeze(value.element, crypter), separators=(",", ":"))
        return {SIGNATURE: SECRET, "ciphertext": crypter.encrypt(text)}
    if isinstance(value, (Reference, Asset)):
        return marked(value)
    if isinstance(value, dict):
        return {key: _freeze(item, crypter) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_freeze(item, crypter) for item in value]
    if value is COMPUTED:
        raise UsageError("a value that is not known yet cannot be written to the state")
    return value


def _thaw(value: Any, crypter: Crypter) -> Any:
    if isinstance(value, list):
        return [_thaw(item, crypter) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get(SIGNATURE) == SECRET:
        text = value["plaintext"] if "ciphertext" not in value else crypter.decrypt(value["ciphertext"])
        return secret(_thaw(json.loads(text), crypter))
    rest = {key: _thaw(item, crypter) for key, item in value.items() if key != SIGNATURE}
    return special(value[SIGNATURE], rest) if SIGNATURE in value else rest
