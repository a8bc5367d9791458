"""What all rules share: where the cloud lives on disk, its clock, identities, keys, objects and the decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .access import Access
from .backup_store import BackupStore
from .clock import Clock, OffsetClock
from .identity import Identities
from .issuers import Issuers
from .kms_keys import KeyStore
from .last_use import LastUses
from .private_files import private_folder
from .s3_index import ObjectIndex


@dataclass
class Cloud:
    """One laptop cloud under `home`/cloud."""

    home: Path
    clock: Clock
    identities: Identities
    access: Access
    keys: KeyStore
    objects: ObjectIndex
    issuers: Issuers
    kms_up: bool = True  # false while the operator has stopped KMS
    last_uses: LastUses = field(default_factory=LastUses)
    backups: BackupStore = field(default_factory=BackupStore)
    roots: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the cloud's own files."""
        return self.home / "cloud"


def open_cloud(home: Path, clock: Clock | None = None) -> Cloud:
    """A cloud over the files under `home`/cloud."""
    folder = private_folder(home / "cloud")
    identities = Identities()
    return Cloud(
        home=home,
        clock=clock or OffsetClock(folder / "clock_offset"),
        identities=identities,
        access=Access(identities),
        keys=KeyStore(folder / "kms"),
        objects=ObjectIndex(folder / "s3"),
        issuers=Issuers(folder / "issuers"),
    )
