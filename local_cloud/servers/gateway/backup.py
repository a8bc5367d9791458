"""AWS Backup: vaults with lock and access policy, answered by the gateway; plans stay moto's records."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from moto.backup.models import backup_backends

from strongroom.authorization.documents import Form, Named

from .access import Demand
from .backup_store import BackupStore, Lock, Vault
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_demands import key_demand
from .kms_policy import checked_policy
from .operations import tag_context

_NAME = re.compile(r"[A-Za-z0-9_-]{2,50}")
#: A lock can be changed for at least this many days (72 hours) after it was set.
LEAST_CHANGEABLE_DAYS = 3
_ON_VAULT = frozenset(
    """DeleteBackupVault DescribeBackupVault PutBackupVaultLockConfiguration DeleteBackupVaultLockConfiguration
    PutBackupVaultAccessPolicy GetBackupVaultAccessPolicy DeleteBackupVaultAccessPolicy ListRecoveryPointsByBackupVault
    StartBackupJob""".split()
)
_ON_POINT = frozenset("DescribeRecoveryPoint DeleteRecoveryPoint UpdateRecoveryPointLifecycle".split())
_ON_NOTHING = frozenset(
    """ListBackupVaults ListBackupJobs ListCopyJobs DescribeBackupJob DescribeCopyJob ListBackupPlans
    ListRecoveryPointsByResource""".split()
)
_ON_PLAN = frozenset("GetBackupPlan DeleteBackupPlan".split())
_ON_ARN = frozenset("ListTags TagResource UntagResource".split())


def policy_of(vault: Vault | None) -> Named | None:
    """The vault's access policy; None where it has none."""
    return Named(f"access policy of vault {vault.name}", vault.policy) if vault is not None and vault.policy else None


def demands(cloud: Cloud, call: Call) -> list[Demand] | None:
    """The permissions a call of AWS Backup needs; None where the operation is not known here."""
    action, params, context = f"backup:{call.operation}", call.params, tag_context(call)
    prefix = f"arn:aws:backup:{call.region}:{call.account}"
    if call.operation in _ON_NOTHING:
        return [Demand(action)]
    if call.operation in _ON_PLAN:
        return [Demand(action, f"{prefix}:backup-plan:{params['BackupPlanId']}")]
    if call.operation == "CreateBackupPlan":
        return [Demand(action, f"{prefix}:backup-plan:*", context)]
    if call.operation in _ON_ARN:
        vault = cloud.backups.by_arn(params["ResourceArn"])
        return [Demand(action, params["ResourceArn"], context, policy=policy_of(vault))]
    if call.operation == "StartCopyJob":
        return _copy_demands(cloud, call)
    name = params.get("BackupVaultName", "")
    vault, arn = cloud.backups.find(call.account, call.region, name), f"{prefix}:backup-vault:{name}"
    if call.operation == "CreateBackupVault":
        return [Demand(action, arn, context), Demand("backup-storage:MountCapsule", "*"), *_key_demands(cloud, call)]
    if call.operation in _ON_POINT:
        return [Demand(action, params["RecoveryPointArn"], context, call.account, policy_of(vault))]
    if call.operation not in _ON_VAULT:
        return None
    needed = [Demand(action, arn, context, policy=policy_of(vault))]
    return needed + (_passed(params["IamRoleArn"]) if call.operation == "StartBackupJob" else [])


def _passed(role: str) -> list[Demand]:
    owner = (role.split(":") + [""] * 5)[4]
    return [Demand("iam:PassRole", role, {"iam:PassedToService": "backup.amazonaws.com"}, owner)]


def _copy_demands(cloud: Cloud, call: Call) -> list[Demand]:
    """A copy is asked of both vaults: of the other account's by its access policy (CopyIntoBackupVault)."""
    params = call.params
    source = cloud.backups.find(call.account, call.region, params["SourceBackupVaultName"])
    target = cloud.backups.by_arn(params["DestinationBackupVaultArn"])
    context = {"backup:CopyTargets": (params["DestinationBackupVaultArn"],)}
    return [
        Demand("backup:StartCopyJob", params["RecoveryPointArn"], context, call.account, policy_of(source)),
        Demand("backup:CopyIntoBackupVault", params["DestinationBackupVaultArn"], policy=policy_of(target)),
        *_passed(params["IamRoleArn"]),
    ]


def _key_demands(cloud: Cloud, call: Call) -> list[Demand]:
    """The caller lets the vault use the key: it describes it and creates a grant for AWS Backup."""
    reference = call.params.get("EncryptionKeyArn")
    if not reference:
        return []
    via = replace(call, via_service=f"backup.{call.region}.amazonaws.com")
    found = []
    for action in ("DescribeKey", "CreateGrant"):
        try:
            demand = key_demand(cloud, via, action, cloud.keys.find(reference, call.account, call.region))
        except Refuse as missing:
            raise Refuse("InvalidParameterValueException", missing.message) from missing
        context = {**demand.context, "kms:GrantIsForAWSResource": True, "kms:ViaService": via.via_service}
        found.append(replace(demand, context=context))
    return found


class Vaults:
    """The rules of vaults."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._store = cloud, cloud.backups

    def rules(self) -> list[Rule]:
        """One rule for each operation, named as its method."""
        named = {
            "CreateBackupVault": self.create,
            "DeleteBackupVault": self.delete,
            "DescribeBackupVault": self.describe,
            "ListBackupVaults": self.listed,
            "PutBackupVaultLockConfiguration": self.put_lock,
            "DeleteBackupVaultLockConfiguration": self.delete_lock,
            "PutBackupVaultAccessPolicy": self.put_policy,
            "GetBackupVaultAccessPolicy": self.get_policy,
            "DeleteBackupVaultAccessPolicy": self.delete_policy,
        }
        return [Rule("backup", operation, replace=method) for operation, method in named.items()]

    def _vault(self, call: Call) -> Vault:
        return self._store.vault(call.account, call.region, call.params["BackupVaultName"])

    def create(self, call: Call) -> Response:
        """CreateBackupVault under a KMS key, the account's own backup key where none is named."""
        params = call.params
        if _NAME.fullmatch(params["BackupVaultName"]) is None:
            raise Refuse("InvalidParameterValueException", "a vault's name has 2 to 50 letters, digits, - and _")
        key = self._cloud.keys.find(params.get("EncryptionKeyArn") or "alias/aws/backup", call.account, call.region)
        if key.state != "Enabled":
            raise Refuse("InvalidParameterValueException", f"{key.arn} is not enabled")
        vault = Vault(
            params["BackupVaultName"],
            call.account,
            call.region,
            key.arn,
            call.now,
            params.get("CreatorRequestId", ""),
        )
        self._store.add(vault)
        if params.get("BackupVaultTags"):
            backup_backends[call.account][call.region].tag_resource(vault.arn, params["BackupVaultTags"])
        return call.answer(_named(vault))

    def delete(self, call: Call) -> Response:
        """DeleteBackupVault: an empty one, and none whose lock has become immutable."""
        vault = self._vault(call)
        with self._store.lock:
            if vault.live(call.now):
                raise Refuse("InvalidRequestException", "Backup vault cannot be deleted: it contains recovery points")
            if vault.lock is not None and vault.lock.immutable(call.now):
                raise Refuse("InvalidRequestException", "Backup vault cannot be deleted: its lock is immutable")
            self._store.remove(vault)
        return call.answer()

    def describe(self, call: Call) -> Response:
        """DescribeBackupVault."""
        return call.answer(_described(self._vault(call), call.now))

    def listed(self, call: Call) -> Response:
        """ListBackupVaults of the account and Region."""
        rows = [_described(vault, call.now) for vault in self._store.of(call.account, call.region)]
        return call.answer({"BackupVaultList": rows})

    def put_lock(self, call: Call) -> Response:
        """PutBackupVaultLockConfiguration: with ChangeableForDays it becomes immutable on that date."""
        vault, params = self._vault(call), call.params
        least, most = params.get("MinRetentionDays"), params.get("MaxRetentionDays")
        days = params.get("ChangeableForDays")
        if days is not None and not LEAST_CHANGEABLE_DAYS <= days <= 36500:
            message = f"ChangeableForDays must be {LEAST_CHANGEABLE_DAYS} or greater"
            raise Refuse("InvalidParameterValueException", message)
        if any(value is not None and not 1 <= value <= 36500 for value in (least, most)):
            raise Refuse("InvalidParameterValueException", "retention is 1 to 36500 days")
        if least is not None and most is not None and least > most:
            raise Refuse("InvalidParameterValueException", "MinRetentionDays is greater than MaxRetentionDays")
        with self._store.lock:
            self._changeable(vault, call.now)
            vault.lock = Lock(least, most, call.now + timedelta(days=days) if days is not None else None)
        return call.answer()

    def delete_lock(self, call: Call) -> Response:
        """DeleteBackupVaultLockConfiguration, before the lock date only."""
        vault = self._vault(call)
        with self._store.lock:
            self._changeable(vault, call.now)
            vault.lock = None
        return call.answer()

    @staticmethod
    def _changeable(vault: Vault, now: datetime) -> None:
        if vault.lock is not None and vault.lock.immutable(now):
            raise Refuse("InvalidRequestException", "Vault Lock configuration is immutable and cannot be changed")

    def put_policy(self, call: Call) -> Response:
        """PutBackupVaultAccessPolicy."""
        vault, text = self._vault(call), call.params.get("Policy", "")
        identities = self._cloud.identities
        checked_policy(text, Form.RESOURCE, "vault access policy", identities, "InvalidParameterValueException")
        vault.policy = text
        return call.answer()

    def get_policy(self, call: Call) -> Response:
        """GetBackupVaultAccessPolicy; a vault without one is ResourceNotFoundException."""
        vault = self._vault(call)
        if not vault.policy:
            raise Refuse("ResourceNotFoundException", f"Backup vault {vault.name} has no access policy")
        return call.answer({**_named(vault), "Policy": vault.policy})

    def delete_policy(self, call: Call) -> Response:
        """DeleteBackupVaultAccessPolicy."""
        self._vault(call).policy = ""
        return call.answer()


def _named(vault: Vault) -> dict[str, Any]:
    return {"BackupVaultName": vault.name, "BackupVaultArn": vault.arn, "CreationDate": vault.created}


def _described(vault: Vault, now: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {
        **_named(vault),
        "VaultType": "BACKUP_VAULT",
        "VaultState": "AVAILABLE",
        "EncryptionKeyArn": vault.key,
        "CreatorRequestId": vault.request,
        "NumberOfRecoveryPoints": len(vault.live(now)),
        "Locked": vault.lock is not None,
    }
    if vault.lock is not None:
        lock = {
            "MinRetentionDays": vault.lock.least,
            "MaxRetentionDays": vault.lock.most,
            "LockDate": vault.lock.date,
        }
        row |= {name: value for name, value in lock.items() if value is not None}
    return row


def storage(store: BackupStore, call: Call, vault_arn: str) -> Vault:
    """A vault of any account by its ARN. Raises Refuse (ResourceNotFoundException)."""
    found = store.by_arn(vault_arn)
    if found is None:
        raise Refuse("ResourceNotFoundException", f"{call.operation} names {vault_arn}, which does not exist")
    return found
