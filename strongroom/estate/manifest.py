"""The manifest: what is deployed, one part a layer, schema `strongroom.manifest/1` (docs/formats/manifest.md).

Each layer exports its part as the stack output `manifest` and writes it as the object `<env>/<layer>.json` of the
manifest bucket. Jobs read the parts (from the bucket or a local folder named by STRONGROOM_MANIFEST) and merge them.
No secrets: only names, ARNs, addresses and public keys.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from strongroom.errors import ManifestError

SCHEMA = "strongroom.manifest/1"
LAYERS = ("bootstrap", "access", "audit", "keys", "data", "backup", "jobs")
Layer = Literal["bootstrap", "access", "audit", "keys", "data", "backup", "jobs"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(_Part):
    """An account with its Regions and the ARN of each duty's role in it."""

    id: str = Field(pattern=r"^\d{12}$")
    regions: tuple[str, ...] = ()
    roles: dict[str, str] = {}


class Key(_Part):
    """A deployed key. `ref` is a KMS key ARN, or `<mount>/<name>` for transit."""

    name: str
    data_class: str = Field(alias="class", default="")
    purpose: Literal["storage", "field-root", "recipient", "id", "signing", "state"]
    provider: Literal["aws-kms", "transit"]
    ref: str
    account: str = ""
    region: str = ""
    rotation_days: int | None = None
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class EncryptedField(_Part):
    """A column sealed by `strongroom.fields`; `field_id` never changes."""

    field_id: str
    table: str
    column: str
    row_key: str
    data_class: str = Field(alias="class")
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Objective(_Part):
    """Recovery objectives in seconds, retention in days."""

    rpo_seconds: int
    rto_seconds: int
    retention_days: int


class Store(_Part):
    """A deployed store and how to reach it; `secret_ref` names a secret, it never holds one."""

    name: str
    kind: Literal["postgres", "bucket", "queue", "topic", "table", "filesystem", "search", "folder", "vault"]
    data_class: str = Field(alias="class")
    objective: Objective | None = None
    key: str = ""
    arn: str = ""
    endpoint: str = ""
    database: str = ""
    secret_ref: str = ""
    account: str = ""
    region: str = ""
    fields: tuple[EncryptedField, ...] = ()
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Copy(_Part):
    """One copy of a repository: where it is and whose keys open it (names of keys, `escrow` for the offline key)."""

    name: str
    backend: Literal["s3", "local"]
    url: str
    account: str = ""
    region: str = ""
    recipients: tuple[str, ...]
    control_url: str = ""


class Repository(_Part):
    """A backup repository; copies share `id`. `id_key` is the name of the HMAC key behind blob ids."""

    id: str
    id_key: str
    copies: tuple[Copy, ...]
    lock_days: int
    lock_mode: Literal["COMPLIANCE", "GOVERNANCE"]


class EvidenceKey(_Part):
    """A pinned verification key and the predicate types it may sign."""

    keyid: str
    duty: str
    key_ref: str
    spki_pem: str
    alg: Literal["ecdsa-p256-sha256", "ecdsa-p384-sha384"]
    predicate_types: tuple[str, ...]
    env: str
    not_before: datetime
    not_after: datetime | None = None


class Evidence(_Part):
    """Where evidence lies and the keys that may sign it."""

    bucket: str
    region: str
    head_bucket: str = ""
    keys: tuple[EvidenceKey, ...]


class ManifestPart(_Part):
    """What one layer deployed."""

    schema_: Literal["strongroom.manifest/1"] = Field(alias="schema", default="strongroom.manifest/1")
    env: str
    layer: Layer
    generation: int
    environment_kind: Literal["sandbox", "production"]
    accounts: dict[str, Account] = {}
    keys: tuple[Key, ...] = ()
    stores: tuple[Store, ...] = ()
    repositories: tuple[Repository, ...] = ()
    evidence: Evidence | None = None
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no insignificant space, so that an unchanged layer writes unchanged bytes."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True, separators=(",", ":"))


_Named = TypeVar("_Named", Key, Store)


class Manifest(_Part):
    """All parts of one environment, merged; `digests` names the exact bytes of every part used."""

    env: str
    environment_kind: Literal["sandbox", "production"]
    accounts: dict[str, Account]
    keys: tuple[Key, ...]
    stores: tuple[Store, ...]
    repositories: tuple[Repository, ...]
    evidence: Evidence | None
    digests: dict[str, str]

    def key(self, name: str) -> Key:
        """The key called `name`; ManifestError if there is none."""
        return self._one(self.keys, name, "key")

    def store(self, name: str) -> Store:
        """The store called `name`; ManifestError if there is none."""
        return self._one(self.stores, name, "store")

    def role(self, account: str, duty: str) -> str:
        """The ARN of a duty's role in an account; ManifestError if it is not deployed."""
        try:
            return self.accounts[account].roles[duty]
        except KeyError:
            raise ManifestError(
                f"no role for duty {duty!r} in account {account!r}",
                hint=f"run: strongroom stack up access -e {self.env}",
            ) from None

    def digest(self) -> str:
        """One SHA-256 over the digests of all parts."""
        return hashlib.sha256(json.dumps(self.digests, sort_keys=True).encode()).hexdigest()

    def repository(self, repo_id: str = "") -> Repository:
        """The repository with this id, or the only one when no id is given."""
        found = [r for r in self.repositories if r.id == repo_id or not repo_id]
        if len(found) != 1:
            raise ManifestError(f"{len(found)} repositories match {repo_id or 'the environment'!r}, one is needed")
        return found[0]

    def _one(self, items: tuple[_Named, ...], name: str, what: str) -> _Named:
        found = [item for item in items if item.name == name]
        if not found:
            known = ", ".join(sorted(item.name for item in items)) or "none"
            raise ManifestError(f"no {what} called {name!r} in the manifest of {self.env!r} (known: {known})")
        return found[0]


def parse_part(data: bytes, origin: str) -> ManifestPart:
    """Reads one part; ManifestError names `origin` and the first wrong key."""
    try:
        return ManifestPart.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "document"
        raise ManifestError(
            f"{origin}: {where}: {first['msg']}", hint="deploy the layer again: strongroom stack up"
        ) from None


def merge(parts: dict[str, bytes]) -> Manifest:
    """Merges the parts' bytes (name -> bytes) into one manifest; ManifestError on contradiction."""
    read = {name: parse_part(data, name) for name, data in sorted(parts.items())}
    if not read:
        raise ManifestError("no manifest part was found", hint="run: strongroom stack up -e ENV")
    envs = {part.env for part in read.values()}
    kinds = {part.environment_kind for part in read.values()}
    if len(envs) > 1 or len(kinds) > 1:
        raise ManifestError(f"manifest parts of several environments: {', '.join(sorted(envs | kinds))}")
    accounts: dict[str, Account] = {}
    for part in read.values():
        for name, account in part.accounts.items():
            known = accounts.get(name)
            if known and known.id != account.id:
                raise ManifestError(f"account {name!r} has two ids: {known.id} and {account.id}")
            roles = {**(known.roles if known else {}), **account.roles}
            regions = tuple(dict.fromkeys((known.regions if known else ()) + account.regions))
            accounts[name] = Account(id=account.id, regions=regions, roles=roles)
    evidences = [part.evidence for part in read.values() if part.evidence]
    if len(evidences) > 1:
        raise ManifestError("two layers declare evidence; only the audit layer may")
    for what in ("keys", "stores"):
        names = [item.name for part in read.values() for item in getattr(part, what)]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ManifestError(f"{what} declared twice: {', '.join(sorted(twice))}")
    return Manifest(
        env=envs.pop(),
        environment_kind=next(iter(kinds)),
        accounts=accounts,
        keys=tuple(key for part in read.values() for key in part.keys),
        stores=tuple(store for part in read.values() for store in part.stores),
        repositories=tuple(repo for part in read.values() for repo in part.repositories),
        evidence=evidences[0] if evidences else None,
        digests={name: hashlib.sha256(data).hexdigest() for name, data in sorted(parts.items())},
    )
