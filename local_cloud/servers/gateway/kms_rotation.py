"""Rotation of KMS keys: every 90 to 2560 days, or on demand 25 times; of a multi-Region key by its primary."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_answers import key_of, moment, own_key, page, usable
from .kms_keys import ON_DEMAND_LIMIT, Key, Material


class Rotation:
    """The rules of everything that gives a key new material, or tells when it got it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._keys = cloud, cloud.keys

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        return [
            Rule("kms", "EnableKeyRotation", replace=self.enable),
            Rule("kms", "DisableKeyRotation", replace=self.disable),
            Rule("kms", "GetKeyRotationStatus", replace=self.status),
            Rule("kms", "RotateKeyOnDemand", replace=self.on_demand),
            Rule("kms", "ListKeyRotations", replace=self.list_rotations),
        ]

    def _rotatable(self, call: Call) -> Key:
        key = own_key(self._cloud, call)
        _symmetric(key)
        if key.manager == "AWS":
            raise Refuse("UnsupportedOperationException", "AWS rotates its own keys")
        if key.primary_region not in ("", key.region):
            raise Refuse("UnsupportedOperationException", "a replica is rotated with its primary key")
        usable(key)
        return key

    def enable(self, call: Call) -> Response:
        """EnableKeyRotation every 90 to 2560 days, 365 where nothing is said."""
        key, days = self._rotatable(call), call.params.get("RotationPeriodInDays", 365)
        if not 90 <= days <= 2560:
            raise Refuse("ValidationException", "RotationPeriodInDays must be between 90 and 2560")
        if key.rotation_days is None:
            key.rotation_since = call.now.timestamp()
        key.rotation_days = days
        self._keys.save(key)
        return call.answer()

    def disable(self, call: Call) -> Response:
        """DisableKeyRotation."""
        key = self._rotatable(call)
        key.rotation_days = None
        self._keys.save(key)
        return call.answer()

    def status(self, call: Call) -> Response:
        """GetKeyRotationStatus with period and next date, of a replica what its primary does."""
        key = key_of(self._cloud, call)
        _symmetric(key)
        leading = next((k for k in self._keys.replicas(key) if k.region == key.primary_region), key)
        status: dict[str, Any] = {"KeyRotationEnabled": leading.rotation_days is not None, "KeyId": key.arn}
        if leading.rotation_days is not None:
            status["RotationPeriodInDays"] = leading.rotation_days
            status["NextRotationDate"] = moment(leading.rotation_since) + timedelta(days=leading.rotation_days)
        return call.answer(status)

    def on_demand(self, call: Call) -> Response:
        """RotateKeyOnDemand: new material that encrypts from now on; at most 25 times in a key's life."""
        key = self._rotatable(call)
        with self._keys.lock:
            if sum(material.kind == "ON_DEMAND" for material in key.materials) >= ON_DEMAND_LIMIT:
                raise Refuse("LimitExceededException", f"a key has at most {ON_DEMAND_LIMIT} on-demand rotations")
            key.add_material(call.now, "ON_DEMAND")
            self._keys.save(key)
        return call.answer({"KeyId": key.arn})

    def list_rotations(self, call: Call) -> Response:
        """ListKeyRotations: finished rotations; with IncludeKeyMaterial=ALL_KEY_MATERIAL the first material too."""
        key = own_key(self._cloud, call)
        _symmetric(key)
        everything = call.params.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL"
        rows = [_rotation(key, material) for material in key.materials if material.kind or everything]
        return page(call, "Rotations", rows, 100)


def _symmetric(key: Key) -> None:
    if key.spec != "SYMMETRIC_DEFAULT":
        raise Refuse("UnsupportedOperationException", f"a key of spec {key.spec} cannot be rotated")


def _rotation(key: Key, material: Material) -> dict[str, Any]:
    row: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyMaterialId": material.id,
        "KeyMaterialState": "CURRENT" if material is key.current else "NON_CURRENT",
    }
    if material.kind:
        row |= {"RotationType": material.kind, "RotationDate": moment(material.created)}
    return row
