"""KMS keys on disk: one file a key (0600) with its policy, grants and every version of its material."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from moto.kms.models import Key as MotoKey
from moto.kms.models import kms_backends

from . import kms_material
from .call import Refuse
from .private_files import private_folder, write_private

ON_DEMAND_LIMIT = 25
_ARN = re.compile(r"arn:aws:kms:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<kind>key|alias)/(?P<name>.+)")


@dataclass
class Material:
    """One version of a key's material; `secret` is base64."""

    version: int
    id: str
    secret: str
    created: float
    kind: str = ""  # "", AUTOMATIC or ON_DEMAND

    def __repr__(self) -> str:
        return f"Material({self.version}, {self.id[:8]})"

    @property
    def bytes(self) -> bytes:
        """The secret material."""
        return base64.b64decode(self.secret)


@dataclass
class Key:
    """A key with everything that belongs to it; times are seconds since 1970, UTC."""

    id: str
    account: str
    region: str
    spec: str
    usage: str
    policy: str
    created: float
    description: str = ""
    manager: str = "CUSTOMER"
    origin: str = "AWS_KMS"
    enabled: bool = True
    deletion: float | None = None
    multi_region: bool = False
    primary_region: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    rotation_days: int | None = None
    rotation_since: float = 0.0
    materials: list[Material] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Key({self.arn})"

    @property
    def arn(self) -> str:
        """The key's ARN."""
        return f"arn:aws:kms:{self.region}:{self.account}:key/{self.id}"

    @property
    def state(self) -> str:
        """Enabled, Disabled or PendingDeletion."""
        if self.deletion is not None:
            return "PendingDeletion"
        return "Enabled" if self.enabled else "Disabled"

    @property
    def current(self) -> Material:
        """The version that encrypts."""
        return self.materials[-1]

    def version(self, number: int) -> Material:
        """One version. Raises Refuse where the key never had it."""
        found = next((material for material in self.materials if material.version == number), None)
        if found is None:
            raise Refuse("InvalidCiphertextException", "the ciphertext names a key version that never was")
        return found

    def add_material(self, now: datetime, kind: str = "") -> Material:
        """A new version that encrypts from now on; the old ones keep opening."""
        secret = base64.b64encode(kms_material.generate(self.spec)).decode()
        made = Material(len(self.materials) + 1, os.urandom(32).hex(), secret, now.timestamp(), kind)
        self.materials.append(made)
        return made

    def rotate_if_due(self, now: datetime) -> bool:
        """Automatic rotation, done at the first use after its date; True if material was added."""
        if self.rotation_days is None or self.state != "Enabled" or self.primary_region not in ("", self.region):
            return False
        due = datetime.fromtimestamp(self.rotation_since, UTC) + timedelta(days=self.rotation_days)
        if now < due:
            return False
        self.add_material(now, "AUTOMATIC")
        self.rotation_since = now.timestamp()
        return True


class KeyStore:
    """All keys and aliases of all accounts and Regions; every change is on disk before it is answered."""

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder)
        self.lock = threading.RLock()
        self._keys: dict[tuple[str, str], Key] = {}  # (region, id): ids are unique across accounts
        self.aliases: dict[tuple[str, str, str], tuple[str, float]] = {}  # (account, region, name) -> (id, created)

    def add(self, key: Key) -> None:
        """Stores a new key; moto learns of it, because its other services look keys up there."""
        with self.lock:
            self._keys[key.region, key.id] = key
            self.save(key)
            shadow = MotoKey(
                policy=None,
                key_usage=key.usage,
                key_spec="SYMMETRIC_DEFAULT",
                description=key.description,
                account_id=key.account,
                region=key.region,
                multi_region=False,
            )
            shadow.id, shadow.arn = key.id, key.arn
            kms_backends[key.account][key.region].keys[key.id] = shadow

    def save(self, key: Key) -> None:
        """Writes the key's file; a replica shares its primary's material."""
        with self.lock:
            path = self._folder / key.account / key.region / f"{key.id}.json"
            write_private(path, json.dumps(asdict(key), indent=1).encode())
            if key.multi_region and key.primary_region == key.region:
                for replica in self.replicas(key):
                    if replica is not key and len(replica.materials) != len(key.materials):
                        replica.materials = list(key.materials)
                        self.save(replica)

    def replicas(self, key: Key) -> list[Key]:
        """The primary and its replicas, by Region; the key alone where it is of one Region."""
        return [other for other in self._keys.values() if other.id == key.id]

    def set_alias(self, account: str, region: str, name: str, key_id: str | None, now: datetime) -> None:
        """Points an alias to a key; None removes it."""
        with self.lock:
            if key_id is None:
                self.aliases.pop((account, region, name), None)
            else:
                self.aliases[account, region, name] = (key_id, now.timestamp())
            rows = [[*place, *value] for place, value in self.aliases.items()]
            write_private(self._folder / "aliases.json", json.dumps(rows).encode())

    def of(self, account: str, region: str) -> Iterator[Key]:
        """The keys of an account in a Region."""
        yield from [key for key in list(self._keys.values()) if (key.account, key.region) == (account, region)]

    def in_region(self, region: str) -> list[Key]:
        """The keys of a Region, of all accounts."""
        return [key for key in list(self._keys.values()) if key.region == region]

    def with_id(self, key_id: str, region: str) -> Key | None:
        """The key of an id in a Region, whichever account owns it."""
        return self._keys.get((region, key_id))

    def find(self, reference: str, account: str, region: str) -> Key:
        """The key of an id, ARN, alias name or alias ARN. Raises Refuse (NotFoundException, InvalidArnException)."""
        match = _ARN.fullmatch(reference)
        if reference.startswith("arn:"):
            if match is None:
                raise Refuse("InvalidArnException", f"{reference} is not the ARN of a key or an alias")
            if match["region"] != region:
                raise Refuse("NotFoundException", f"{reference} is of another Region than this endpoint ({region})")
            account = match["account"]
            reference = f"alias/{match['name']}" if match["kind"] == "alias" else match["name"]
        key_id: str | None = reference
        if reference.startswith("alias/"):
            key_id = self.aliases.get((account, region, reference), (None, 0.0))[0]
            if key_id is None and reference.startswith("alias/aws/"):
                key_id = self._aws_managed(account, region, reference).id
        key = self._keys.get((region, key_id)) if key_id else None
        if key is None or key.account != account:
            raise Refuse("NotFoundException", f"Key '{reference}' does not exist in {region} of account {account}")
        return key

    def _aws_managed(self, account: str, region: str, alias: str) -> Key:
        """The key that a service makes for itself at first use; only that service may use it."""
        with self.lock:
            if (account, region, alias) in self.aliases:
                return self.find(alias, account, region)
            service = alias.removeprefix("alias/aws/")
            statement = {
                "Sid": "ThroughTheService",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {
                        "kms:CallerAccount": account,
                        "kms:ViaService": f"{service}.{region}.amazonaws.com",
                    }
                },
            }
            read = {
                "Sid": "OwnersMayLook",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
                "Resource": "*",
            }
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement, read]})
            now = datetime.now(UTC)
            key = Key(
                str(uuid.uuid4()),
                account,
                region,
                "SYMMETRIC_DEFAULT",
                "ENCRYPT_DECRYPT",
                policy,
                now.timestamp(),
                f"Default key of {service}",
                manager="AWS",
            )
            key.add_material(now)
            self.add(key)
            self.set_alias(account, region, alias, key.id, now)
            return key

    def withheld(self, key: Key, version: int) -> bool:
        """True if the operator withholds this version (`withheld.json`: [{"key": id or ARN, "version": n}])."""
        try:
            listed = json.loads((self._folder / "withheld.json").read_bytes())
        except FileNotFoundError:
            return False
        except ValueError as broken:
            raise Refuse("KMSInternalException", "home/cloud/kms/withheld.json is not JSON", 500) from broken
        return any(item["key"] in (key.id, key.arn) and item["version"] == version for item in listed)
