"""Transit keys: named keys with versions that never leave OpenBao unless the program says so."""

from __future__ import annotations

from typing import Any

from local_cloud.plugins.shapes import BOOLEAN, INTEGER, Suffix
from local_cloud.plugins.table import Autoname, Operation, Prop, Properties, ResourceType
from local_cloud.plugins.vault_rows import body, parts_of, path_of

_PATH = "{backend}/keys/{name}"
#: What can be changed after the key was made; kept at a path of its own.
_CONFIGURATION = (
    "allowPlaintextBackup",
    "autoRotatePeriod",
    "deletionAllowed",
    "exportable",
    "minDecryptionVersion",
    "minEncryptionVersion",
)
_BIRTH = (
    "allowPlaintextBackup",
    "autoRotatePeriod",
    "convergentEncryption",
    "derived",
    "exportable",
    "keySize",
    "type",
)
_TOLD = {
    "latestVersion": "latest_version",
    "minAvailableVersion": "min_available_version",
    "supportsDecryption": "supports_decryption",
    "supportsDerivation": "supports_derivation",
    "supportsEncryption": "supports_encryption",
    "supportsSigning": "supports_signing",
}


def _create(op: Operation) -> str:
    path = path_of(_PATH, op.inputs)
    op.client.write(path, op.api(*_BIRTH))
    return path


def _configure(op: Operation) -> None:
    names = [name for name in _CONFIGURATION if name in (op.changed or op.inputs)]
    if names:
        op.client.write(f"{op.id}/config", body(op, names))


def _read(op: Operation) -> Properties:
    key = op.client.read(op.id)
    found = op.wire(key) | {name: key.get(api) for name, api in _TOLD.items()} | parts_of(_PATH, op.id)
    return found | {"keys": [_version(number, about) for number, about in sorted(key["keys"].items(), key=_number)]}


def _number(item: tuple[str, Any]) -> int:
    return int(item[0])


def _version(number: str, about: Any) -> Properties:
    """One version: of an asymmetric key its public half, of a symmetric one when it was made."""
    public = about if isinstance(about, dict) else {"creation_time": about}
    return {"id": number, **{name: str(value) for name, value in public.items()}}


TYPES = (
    ResourceType(
        "vault:transit/secretBackendKey:SecretBackendKey",
        "vault",
        create=_create,
        read=_read,
        update=_configure,
        delete=lambda op: op.client.delete(op.id),
        id=_PATH,
        hooks=(_configure,),
        inputs={
            "allowPlaintextBackup": Prop("allow_plaintext_backup", codec=BOOLEAN),
            "autoRotatePeriod": Prop("auto_rotate_period", codec=INTEGER, computed=True),
            "backend": Prop(codec=Suffix(r"^/|/$"), replaces=True, required=True),
            "convergentEncryption": Prop("convergent_encryption", codec=BOOLEAN, replaces=True, kept=True),
            "deletionAllowed": Prop("deletion_allowed", codec=BOOLEAN),
            "derived": Prop("derived", codec=BOOLEAN, replaces=True),
            "exportable": Prop("exportable", codec=BOOLEAN),
            "keySize": Prop("key_size", codec=INTEGER, replaces=True, kept=True),
            "minDecryptionVersion": Prop("min_decryption_version", codec=INTEGER, default=1),
            "minEncryptionVersion": Prop("min_encryption_version", codec=INTEGER, default=0),
            "name": Prop(replaces=True, autoname=Autoname(255)),
            "type": Prop("type", replaces=True, default="aes256-gcm96"),
        },
        outputs=("keys", *_TOLD),
    ),
)
