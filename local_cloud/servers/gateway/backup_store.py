"""Vaults, recovery points and jobs of AWS Backup, in memory as long as moto's own state.

Source: AWS Backup developer guide, "AWS Backup Vault Lock"; API reference, PutBackupVaultLockConfiguration.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .call import Refuse

#: Cold storage is paid for 90 days at least (API reference, Lifecycle).
COLD_DAYS = 90


@dataclass(frozen=True)
class Lock:
    """A vault's lock; on `date` it becomes immutable (compliance), without one whoever may removes it (governance)."""

    least: int | None
    most: int | None
    date: datetime | None

    def immutable(self, now: datetime) -> bool:
        """True on and after the lock date."""
        return self.date is not None and now >= self.date

    def fits(self, lifecycle: dict[str, Any]) -> str:
        """'' where a lifecycle is within the lock's retention, else why it is not."""
        days = lifecycle.get("DeleteAfterDays")
        kept = None if days in (None, -1) else int(days)
        if self.least is not None and kept is not None and kept < self.least:
            return f"retention of {kept} days is shorter than the vault's minimum of {self.least}"
        if self.most is not None and (kept is None or kept > self.most):
            return f"retention of {kept or 'unlimited'} days is longer than the vault's maximum of {self.most}"
        return ""


@dataclass
class Point:
    """One recovery point."""

    arn: str
    resource: str
    kind: str
    created: datetime
    lifecycle: dict[str, Any]
    role: str
    size: int
    source: str = ""  # ARN of the vault it was copied from

    def at(self, name: str) -> datetime | None:
        """When a day count of the lifecycle ends; None where it has none."""
        days = self.lifecycle.get(name)
        return None if days in (None, -1) else self.created + timedelta(days=int(days))

    @property
    def deleted_at(self) -> datetime | None:
        """When its retention ends."""
        return self.at("DeleteAfterDays")


@dataclass
class Vault:
    """One backup vault."""

    name: str
    account: str
    region: str
    key: str
    created: datetime
    request: str = ""
    policy: str = ""
    lock: Lock | None = None
    points: dict[str, Point] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The vault's ARN."""
        return f"arn:aws:backup:{self.region}:{self.account}:backup-vault:{self.name}"

    def live(self, now: datetime) -> list[Point]:
        """The recovery points whose retention has not ended; AWS Backup itself removes the others."""
        ended = [arn for arn, point in self.points.items() if point.deleted_at is not None and now >= point.deleted_at]
        for arn in ended:
            del self.points[arn]
        return list(self.points.values())


class BackupStore:
    """All vaults and jobs; one change at a time."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._vaults: dict[str, Vault] = {}
        self.jobs: dict[str, dict[str, Any]] = {}  # backup jobs as DescribeBackupJob answers them
        self.copies: dict[str, dict[str, Any]] = {}

    def find(self, account: str, region: str, name: str) -> Vault | None:
        """A vault of an account and Region; None where there is none."""
        return self._vaults.get(f"arn:aws:backup:{region}:{account}:backup-vault:{name}")

    def by_arn(self, arn: str) -> Vault | None:
        """A vault of any account; None where there is none."""
        return self._vaults.get(arn)

    def vault(self, account: str, region: str, name: str) -> Vault:
        """A vault. Raises Refuse (ResourceNotFoundException)."""
        found = self.find(account, region, name)
        if found is None:
            raise Refuse("ResourceNotFoundException", f"Backup vault {name} was not found")
        return found

    def of(self, account: str, region: str) -> Iterator[Vault]:
        """The vaults of an account and Region, by name."""
        with self.lock:
            every = sorted(self._vaults.values(), key=lambda vault: vault.name)
        yield from [vault for vault in every if (vault.account, vault.region) == (account, region)]

    def add(self, vault: Vault) -> None:
        """Stores a new vault. Raises Refuse (AlreadyExistsException)."""
        with self.lock:
            if vault.arn in self._vaults:
                raise Refuse("AlreadyExistsException", "Backup vault with the same name already exists", Arn=vault.arn)
            self._vaults[vault.arn] = vault

    def remove(self, vault: Vault) -> None:
        """Forgets a vault."""
        with self.lock:
            del self._vaults[vault.arn]


def check_lifecycle(lifecycle: dict[str, Any]) -> None:
    """Raises Refuse (InvalidParameterValueException) for a lifecycle that no vault takes."""
    cold, kept = lifecycle.get("MoveToColdStorageAfterDays"), lifecycle.get("DeleteAfterDays")
    for days in (cold, kept):
        if days is not None and days != -1 and not 1 <= days <= 36500:
            raise Refuse("InvalidParameterValueException", "a lifecycle counts 1 to 36500 days, or -1 for ever")
    if cold not in (None, -1) and kept not in (None, -1) and int(kept) < int(cold) + COLD_DAYS:
        message = f"DeleteAfterDays must be at least {COLD_DAYS} days after MoveToColdStorageAfterDays"
        raise Refuse("InvalidParameterValueException", message)
