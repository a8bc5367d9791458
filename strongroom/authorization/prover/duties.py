"""Duties as abilities, and the pairs of abilities that no human may hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ability:
    """To be able to do any one of these actions on one of these resources.

    resources: ARNs of keys, stores, carriers or roles of the facts, of objects of buckets, patterns of these, paths of
    OpenBao; empty means every key. through: use of a key through a service counts as well as direct use.
    """

    name: str
    actions: Sequence[str]
    resources: Sequence[str] = ()
    through: bool = False


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
