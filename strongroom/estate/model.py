"""The declared estate: what stacks/estate.<env>.yaml may say (docs/formats/estate.md).

Frozen shapes with defaults; what the parts say about each other is checked in `consistency.py`. Read a file with
`strongroom.estate.loader.load`, which names file, line and key of a mistake.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from strongroom.estate.quantities import Duration

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
AccountName = Literal["management", "workload", "backup", "audit"]
Kind = Literal["postgres", "bucket", "queue", "topic", "table", "filesystem", "search", "folder", "vault"]
LockMode = Literal["COMPLIANCE", "GOVERNANCE"]
#: One action of AWS or OpenBao, never a pattern: `kms:PutKeyPolicy`, `bao:update`.
Action = Annotated[str, StringConstraints(pattern=r"^(bao:[a-z]+|[a-z0-9-]+:[A-Z][A-Za-z0-9]+)$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Account(_Declared):
    """An account; its first Region is where its resources go unless they say otherwise."""

    id: str = Field(pattern=r"^\d{12}$")
    regions: tuple[str, ...] = Field(min_length=1)

    @property
    def region(self) -> str:
        """The account's first Region."""
        return self.regions[0]


class Person(_Declared):
    """Somebody or something that holds duties.

    `human` and `service` identities exist already; for a `task` the access layer makes the job's task role.
    """

    kind: Literal["human", "service", "task"] = "human"
    iam: str = Field(default="", pattern=r"^(arn:aws[a-z-]*:iam::\d{12}:(user|role)/.+)?$")
    sso: str = ""
    openbao_entity: str = ""
    signing_key: str = ""


class DataClass(_Declared):
    """Data of one sensitivity: it never shares a key with another class."""

    cryptoperiod: Duration
    field_root: Literal["", "aws-kms", "transit"] = ""
    description: str = ""


class Objective(_Declared):
    """How much may be lost, how long a restore may take, how long backups are kept."""

    rpo: Duration
    rto: Duration
    retention: Duration


class FieldSpec(_Declared):
    """A column sealed by the application; `field_id` is part of every ciphertext's binding and never changes."""

    field_id: Name
    table: str
    column: str
    data_class: str = Field(alias="class")
    row_key: str = "id"


class Instance(_Declared):
    """The size of a created database."""

    instance_class: str = "db.m7g.large"
    storage_gb: int = Field(default=100, ge=20)
    multi_az: bool = True
    engine_version: str = "17"
    backup_days: int = Field(default=35, ge=1, le=35)


class Store(_Declared):
    """A place where data of one class lives. `external` stores are named by `arn` or `path` and never written."""

    kind: Kind
    data_class: str = Field(alias="class")
    objective: Objective | None = None
    ownership: Literal["created", "adopted", "external"] = "created"
    account: AccountName = "workload"
    region: str = ""
    arn: str = ""
    path: str = ""
    endpoint: str = ""
    secret_ref: str = ""
    fields: tuple[FieldSpec, ...] = ()
    instance: Instance = Instance()


class Recipient(_Declared):
    """A key that backups are wrapped for; the offline one is `rsa-oaep-sha256` and has holders."""

    provider: Literal["aws-kms", "transit", "rsa-oaep-sha256"]
    account: AccountName = "workload"
    holders: tuple[str, ...] = ()


class Lock(_Declared):
    """Object lock: nobody deletes a version sooner; under COMPLIANCE not even root."""

    mode: LockMode
    days: int = Field(ge=1, le=36500)


class CopySpec(_Declared):
    """One copy of a repository; a local one is a folder relative to STRONGROOM_HOME."""

    backend: Literal["s3", "local"]
    recipients: tuple[str, ...] = Field(min_length=1)
    account: AccountName | Literal[""] = ""
    bucket: str = ""
    control_bucket: str = ""
    path: str = ""
    lock: Lock | None = None


class Repository(_Declared):
    """A backup repository: what is backed up and where its copies are."""

    lock: Lock
    sources: tuple[str, ...] = Field(min_length=1)
    copies: dict[Name, CopySpec] = Field(min_length=1)


class Vendor(_Declared):
    """A business associate. Without a valid agreement its access cannot be approved."""

    baa_signed: date
    baa_expires: date
    contact: str = ""
    windows: tuple[str, ...] = ()


class Evidence(_Declared):
    """The evidence bucket; statements are kept six years (45 CFR 164.316(b)(2))."""

    bucket: str = ""
    lock: Lock
    keys_valid_from: AwareDatetime


class Vault(_Declared):
    """The Vault or OpenBao server: which engines Strongroom mounts."""

    transit: str = "transit"
    database: str = "database"
    pki_common_name: str = ""


class Bootstrap(_Declared):
    """How an empty account is entered, and what continuous integration may assume."""

    role: str = "OrganizationAccountAccessRole"
    state_bucket: bool = False
    oidc_issuer: str = ""
    oidc_subjects: dict[str, str] = {}


class Protection(_Declared):
    """Whether Pulumi refuses to delete keys and data, and keeps them when their stack is destroyed."""

    keys: bool = True
    data: bool = True


class JobSpec(_Declared):
    """When a job starts: an EventBridge Scheduler expression, in UTC."""

    schedule: str = Field(pattern=r"^(cron|rate)\(.+\)$")


class Runtime(_Declared):
    """The image that runs jobs (by digest where it matters); their logs lie under the storage key of `log_class`.

    `subnets` are private ones from which AWS's endpoints and the databases are reached.
    """

    image: str = "strongroom:latest"
    cpu: int = 1024
    memory: int = 2048
    log_class: str = "clinical"
    subnets: tuple[str, ...] = ()


class Quorum(_Declared):
    """An action that takes several people, by a mechanism that a proof of duties cannot read and takes for granted.

    `resource` is a duty or `bootstrap` (its role in every account), a KMS key's name, an ARN, or `bao:` and a path.
    """

    action: Action
    resource: Text
    people: int = Field(ge=2)
    mechanism: Text


class Doing(_Declared):
    """To be able to do any one of these actions on one of these resources.

    A resource is a KMS key, store, repository or copy (`<repository>.<copy>`) by name, an object in one of them
    (`<name>/<object>`), an ARN, or `bao:` and a path.
    """

    actions: tuple[Action, ...] = Field(min_length=1)
    resources: tuple[Text, ...] = Field(min_length=1)


class NeverTogether(_Declared):
    """What nobody may come to hold together (`second`), or nobody but the holders of some duties at all (`only`)."""

    name: Text
    first: Doing
    second: Doing | None = None
    only: tuple[str, ...] | None = None
    same: bool = False


class Estate(_Declared):
    """An environment: accounts, people, duties, classes, stores, repositories, evidence, jobs."""

    env: Name
    environment_kind: Literal["sandbox", "production"]
    generation: int = Field(default=1, ge=1)
    accounts: dict[AccountName, Account]
    people: dict[str, Person]
    duties: dict[str, tuple[str, ...]]
    classes: dict[Name, DataClass]
    stores: dict[Name, Store] = {}
    recipients: dict[Name, Recipient] = {}
    repositories: dict[Name, Repository] = {}
    vendors: dict[Name, Vendor] = {}
    evidence: Evidence
    vault: Vault | None = None
    bootstrap: Bootstrap = Bootstrap()
    protection: Protection = Protection()
    jobs: dict[Name, JobSpec] = {}
    runtime: Runtime = Runtime()
    manifest_bucket: str = ""
    quorums: tuple[Quorum, ...] = ()
    never_together: tuple[NeverTogether, ...] = ()

    def region_of(self, store: Store) -> str:
        """The Region a store lives in."""
        return store.region or self.accounts[store.account].region

    def created(self, *kinds: str) -> dict[str, Store]:
        """The stores of these kinds that Strongroom provisions, by name."""
        return {n: s for n, s in self.stores.items() if s.kind in kinds and s.ownership == "created"}
