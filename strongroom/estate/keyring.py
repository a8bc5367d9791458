"""The keys an estate needs, derived from its classes, recipients, repositories and signing duties.

One storage key a class and account, one field root a class that seals fields, the recipients of backups, one HMAC key
for blob ids, one signing key a signing duty, one key for the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from strongroom.estate import duties
from strongroom.estate.model import Estate

Purpose = Literal["storage", "field-root", "recipient", "id", "signing", "state"]
#: KMS rotates no faster than this and no slower than that (EnableKeyRotation, RotationPeriodInDays)
ROTATION_DAYS = (90, 2560)
BACKUP_CLASS, EVIDENCE_CLASS = "backup", "evidence"


@dataclass(frozen=True)
class KeySpec:
    """A key to make: who wraps what, where, and how often it rotates (None: it cannot)."""

    name: str
    data_class: str
    purpose: Purpose
    provider: Literal["aws-kms", "transit"]
    layer: str
    account: str
    rotation_days: int | None
    kms_spec: Literal["SYMMETRIC_DEFAULT", "HMAC_256", "ECC_NIST_P256"] = "SYMMETRIC_DEFAULT"
    duty: str = ""


_MANIFEST = KeySpec("storage-manifest", "", "state", "aws-kms", "bootstrap", "workload", 365)


def rotation_days(cryptoperiod: timedelta) -> int:
    """A cryptoperiod as a rotation period that KMS accepts."""
    low, high = ROTATION_DAYS
    return min(max(cryptoperiod.days, low), high)


def storage_key(data_class: str) -> str:
    """The name of a class's storage key."""
    return f"storage-{data_class}"


def field_key(data_class: str) -> str:
    """The name of a class's field root."""
    return f"fields-{data_class}"


def signing_key(duty: str) -> str:
    """The name of a duty's signing key."""
    return f"signing-{duty}"


def keyring(estate: Estate) -> tuple[KeySpec, ...]:
    """Every key of the estate, in the order of the layers that make them."""
    return (_MANIFEST, *_state(estate), *_evidence(estate), *_classes(estate), *_recipients(estate))


def of_layer(estate: Estate, layer: str) -> tuple[KeySpec, ...]:
    """The keys one layer makes."""
    return tuple(spec for spec in keyring(estate) if spec.layer == layer)


def find(estate: Estate, name: str) -> KeySpec:
    """The key called `name`; KeyError when the estate needs none of that name."""
    for spec in keyring(estate):
        if spec.name == name:
            return spec
    raise KeyError(name)


def _days(estate: Estate, data_class: str) -> int:
    declared = estate.classes.get(data_class)
    return rotation_days(declared.cryptoperiod) if declared else 365


def state_key(layer: str) -> str:
    """The name of the key that seals the secrets in a layer's Pulumi state."""
    return f"state-{layer}"


def _state(estate: Estate) -> tuple[KeySpec, ...]:
    if not estate.bootstrap.state_bucket:
        return ()
    return tuple(
        KeySpec(state_key(layer), "", "state", "aws-kms", "bootstrap", "workload", 365, duty=duties.deployer(layer))
        for layer in duties.DEPLOYERS
    )


def _evidence(estate: Estate) -> tuple[KeySpec, ...]:
    days = _days(estate, EVIDENCE_CLASS)
    storage = KeySpec(storage_key(EVIDENCE_CLASS), EVIDENCE_CLASS, "storage", "aws-kms", "audit", "audit", days)
    signing = (
        KeySpec(signing_key(d), EVIDENCE_CLASS, "signing", "aws-kms", "audit", "audit", None, "ECC_NIST_P256", d)
        for d in duties.SIGNS
    )
    return (storage, *signing)


def _classes(estate: Estate) -> tuple[KeySpec, ...]:
    stored = {s.data_class for s in estate.created("postgres", "bucket", "queue", "topic", "table").values()}
    found = [
        KeySpec(storage_key(name), name, "storage", "aws-kms", "keys", "workload", _days(estate, name))
        for name in estate.classes
        if name in stored
    ]
    found += [
        KeySpec(field_key(name), name, "field-root", declared.field_root, "keys", "workload", _days(estate, name))
        for name, declared in estate.classes.items()
        if declared.field_root
    ]
    return tuple(found)


def _recipients(estate: Estate) -> tuple[KeySpec, ...]:
    days = _days(estate, BACKUP_CLASS)
    found = [
        KeySpec(
            name,
            BACKUP_CLASS,
            "recipient",
            declared.provider,
            "backup" if declared.account == "backup" else "keys",
            declared.account,
            days,
        )
        for name, declared in estate.recipients.items()
        if declared.provider != "rsa-oaep-sha256"
    ]
    if estate.repositories:
        found.append(KeySpec("id", BACKUP_CLASS, "id", "aws-kms", "keys", "workload", None, "HMAC_256"))
    return tuple(found)
