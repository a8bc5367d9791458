"""Duties as abilities, and the pairs of abilities that no human may hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ability:
    """To be able to do any one of these actions on one of these resources.

    resources: ARNs of keys or carriers of the facts; empty means every key.
    """

    name: str
    actions: Sequence[str]
    resources: Sequence[str] = ()


@dataclass(frozen=True)
class Pair:
    """Two abilities that nobody may hold together. same: only on one and the same resource.

    with one ability only (`second` None) the pair says: nobody but `holders` may come to hold it.
    """

    name: str
    first: Ability
    second: Ability | None = None
    same: bool = False
    holders: Sequence[str] = ()


DECRYPT = ("kms:Decrypt",)
ADMINISTER = ("kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:EnableKeyRotation", "kms:RotateKeyOnDemand")
OWN_POLICY = ("kms:PutKeyPolicy", "kms:CreateGrant")
