"""Recovery points: made by jobs from buckets and databases, copied between vaults, kept as long as a lock demands.

A recovery point is a record: it has creation, lifecycle and size, and no bytes that could be restored.
"""

from __future__ import annotations

import uuid
from typing import Any

from moto.rds.models import rds_backends
from moto.s3.models import s3_backends

from strongroom.authorization.documents import Named

from .access import Demand
from .backup import storage
from .backup_store import Point, Vault, check_lifecycle
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .identity import role_by_arn
from .service_calls import service_call, service_principal


class RecoveryPoints:
    """The rules of recovery points, backup jobs and copy jobs."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._store = cloud, cloud.backups

    def rules(self) -> list[Rule]:
        """One rule for each operation, named as its method."""
        named = {
            "StartBackupJob": self.start,
            "DescribeBackupJob": self.describe_job,
            "ListBackupJobs": self.list_jobs,
            "DescribeRecoveryPoint": self.describe,
            "ListRecoveryPointsByBackupVault": self.list_by_vault,
            "ListRecoveryPointsByResource": self.list_by_resource,
            "DeleteRecoveryPoint": self.delete,
            "UpdateRecoveryPointLifecycle": self.update,
            "StartCopyJob": self.copy,
            "DescribeCopyJob": self.describe_copy,
            "ListCopyJobs": self.list_copies,
        }
        return [Rule("backup", operation, replace=method) for operation, method in named.items()]

    def _vault(self, call: Call) -> Vault:
        return self._store.vault(call.account, call.region, call.params["BackupVaultName"])

    def _point(self, call: Call, vault: Vault) -> Point:
        vault.live(call.now)
        found = vault.points.get(call.params["RecoveryPointArn"])
        if found is None:
            raise Refuse("ResourceNotFoundException", f"{call.params['RecoveryPointArn']} is not in {vault.name}")
        return found

    # jobs

    def _resource(self, call: Call) -> tuple[str, int]:
        """(type, bytes) of the resource to back up. Raises Refuse for what does not exist or is not offered here."""
        arn = call.params["ResourceArn"]
        parts = arn.split(":")
        if arn.startswith("arn:aws:s3:::"):
            place = s3_backends.bucket_accounts.get(parts[5])
            if place is not None and place[1] == call.account:
                items = self._cloud.objects.current(parts[5], "", "", 100_000)
                return "S3", sum(item.size for item in items)
        elif ":rds:" in arn and parts[5] == "db" and parts[3:5] == [call.region, call.account]:
            instance = rds_backends[call.account][call.region].databases.get(parts[6])
            if instance is not None:
                return "RDS", int(instance.allocated_storage or 0) << 30
        raise Refuse("InvalidParameterValueException", f"{arn} is no bucket or database of this account and Region")

    def _role(self, call: Call, arn: str) -> None:
        role = role_by_arn(arn)
        asking = service_call(
            self._cloud,
            service_principal("backup.amazonaws.com"),
            "sts",
            "AssumeRole",
            {"RoleArn": arn},
            account=call.account,
            region=call.region,
            source_arn="",
        )
        trust = Named(f"trust policy of {arn}", role.assume_role_policy_document) if role is not None else None
        demand = Demand("sts:AssumeRole", arn, owner=call.account, policy=trust)
        if trust is None or not self._cloud.access.allowed(asking, demand):
            raise Refuse("InvalidParameterValueException", f"IAM Role {arn} cannot be assumed by AWS Backup")

    def _fault(self, vault: Vault, lifecycle: dict[str, Any]) -> str:
        """Why a vault takes no such recovery point; '' where it does."""
        if vault.lock is not None and (reason := vault.lock.fits(lifecycle)):
            return str(reason)
        key = self._cloud.keys.find(vault.key, vault.account, vault.region)
        return "" if key.state == "Enabled" else f"the vault's key {key.arn} is {key.state}"

    def start(self, call: Call) -> Response:
        """StartBackupJob: done at once; a retention outside the vault's lock fails the job, not the call."""
        vault, params = self._vault(call), call.params
        lifecycle = dict(params.get("Lifecycle") or {})
        check_lifecycle(lifecycle)
        kind, size = self._resource(call)
        self._role(call, params["IamRoleArn"])
        identity = str(uuid.uuid4())
        job: dict[str, Any] = {
            "AccountId": call.account,
            "BackupJobId": identity,
            "BackupVaultName": vault.name,
            "BackupVaultArn": vault.arn,
            "ResourceArn": params["ResourceArn"],
            "ResourceType": kind,
            "IamRoleArn": params["IamRoleArn"],
            "CreationDate": call.now,
            "CompletionDate": call.now,
            "BackupSizeInBytes": size,
            "EncryptionKeyArn": vault.key,
            "IsEncrypted": True,
            "RecoveryPointLifecycle": lifecycle,
            "PercentDone": "100.0",
        }
        with self._store.lock:
            fault = self._fault(vault, lifecycle)
            if fault:
                job |= {"State": "FAILED", "StatusMessage": fault}
            else:
                arn = _arn(kind, vault.region, vault.account, identity)
                point = Point(arn, params["ResourceArn"], kind, call.now, lifecycle, params["IamRoleArn"], size)
                vault.points[arn] = point
                job |= {"State": "COMPLETED", "RecoveryPointArn": arn}
            self._store.jobs[identity] = job
        answer = {"BackupJobId": identity, "CreationDate": call.now}
        return call.answer(answer | ({} if fault else {"RecoveryPointArn": job["RecoveryPointArn"]}))

    def _job(self, call: Call, jobs: dict[str, dict[str, Any]], member: str) -> dict[str, Any]:
        found = jobs.get(call.params[member])
        if found is None or found["AccountId"] != call.account:
            raise Refuse("ResourceNotFoundException", f"there is no job {call.params[member]}")
        return found

    def describe_job(self, call: Call) -> Response:
        """DescribeBackupJob."""
        return call.answer(self._job(call, self._store.jobs, "BackupJobId"))

    def list_jobs(self, call: Call) -> Response:
        """ListBackupJobs, by vault, resource and state where these are given."""
        wanted = {
            "BackupVaultName": call.params.get("ByBackupVaultName"),
            "ResourceArn": call.params.get("ByResourceArn"),
            "State": call.params.get("ByState"),
        }
        return call.answer({"BackupJobs": _matching(self._store.jobs, call.account, wanted)})

    def copy(self, call: Call) -> Response:
        """StartCopyJob: into a vault of this or another account and Region."""
        params = call.params
        source = self._store.vault(call.account, call.region, params["SourceBackupVaultName"])
        point = self._point(call, source)
        target = storage(self._store, call, params["DestinationBackupVaultArn"])
        lifecycle = dict(params.get("Lifecycle") or {})
        check_lifecycle(lifecycle)
        self._role(call, params["IamRoleArn"])
        identity = str(uuid.uuid4())
        job: dict[str, Any] = {
            "AccountId": call.account,
            "CopyJobId": identity,
            "SourceBackupVaultArn": source.arn,
            "SourceRecoveryPointArn": point.arn,
            "DestinationBackupVaultArn": target.arn,
            "DestinationRecoveryPointLifecycle": lifecycle,
            "ResourceArn": point.resource,
            "ResourceType": point.kind,
            "IamRoleArn": params["IamRoleArn"],
            "CreationDate": call.now,
            "CompletionDate": call.now,
            "BackupSizeInBytes": point.size,
        }
        with self._store.lock:
            fault = self._fault(target, lifecycle)
            if fault:
                job |= {"State": "FAILED", "StatusMessage": fault}
            else:
                arn = _arn(point.kind, target.region, target.account, identity)
                made = Point(arn, point.resource, point.kind, call.now, lifecycle, params["IamRoleArn"], point.size)
                made.source = source.arn
                target.points[arn] = made
                job |= {"State": "COMPLETED", "DestinationRecoveryPointArn": arn}
            self._store.copies[identity] = job
        return call.answer({"CopyJobId": identity, "CreationDate": call.now})

    def describe_copy(self, call: Call) -> Response:
        """DescribeCopyJob."""
        return call.answer({"CopyJob": self._job(call, self._store.copies, "CopyJobId")})

    def list_copies(self, call: Call) -> Response:
        """ListCopyJobs."""
        return call.answer({"CopyJobs": _matching(self._store.copies, call.account, {})})

    # recovery points

    def describe(self, call: Call) -> Response:
        """DescribeRecoveryPoint, with the dates that follow from its lifecycle."""
        vault = self._vault(call)
        return call.answer(_described(vault, self._point(call, vault)))

    def list_by_vault(self, call: Call) -> Response:
        """ListRecoveryPointsByBackupVault, of one resource or type where these are given."""
        vault, params = self._vault(call), call.params
        rows = [
            _described(vault, point)
            for point in vault.live(call.now)
            if params.get("ByResourceArn", point.resource) == point.resource
            and params.get("ByResourceType", point.kind) == point.kind
        ]
        return call.answer({"RecoveryPoints": rows})

    def list_by_resource(self, call: Call) -> Response:
        """ListRecoveryPointsByResource over all vaults of the account and Region."""
        rows = [
            {**_described(vault, point), "BackupSizeBytes": point.size}
            for vault in self._store.of(call.account, call.region)
            for point in vault.live(call.now)
            if point.resource == call.params["ResourceArn"]
        ]
        return call.answer({"RecoveryPoints": rows})

    def delete(self, call: Call) -> Response:
        """DeleteRecoveryPoint: never from a locked vault before its retention has ended."""
        vault = self._vault(call)
        with self._store.lock:
            point = self._point(call, vault)
            if vault.lock is not None:
                message = "Recovery point cannot be deleted: its vault is locked and its retention has not ended"
                raise Refuse("InvalidRequestException", message)
            del vault.points[point.arn]
        return call.answer()

    def update(self, call: Call) -> Response:
        """UpdateRecoveryPointLifecycle: in a locked vault within its limits and never shorter than it was."""
        vault, lifecycle = self._vault(call), dict(call.params.get("Lifecycle") or {})
        check_lifecycle(lifecycle)
        with self._store.lock:
            point = self._point(call, vault)
            if vault.lock is not None:
                if reason := vault.lock.fits(lifecycle):
                    raise Refuse("InvalidRequestException", f"the vault is locked: {reason}")
                changed = Point(point.arn, point.resource, point.kind, point.created, lifecycle, point.role, point.size)
                ends, ended = changed.deleted_at, point.deleted_at
                if ends is not None and (ended is None or ends < ended):
                    raise Refuse("InvalidRequestException", "the vault is locked: its retentions are not shortened")
            point.lifecycle = lifecycle
        calculated = _described(vault, point)["CalculatedLifecycle"]
        answer = {"BackupVaultArn": vault.arn, "RecoveryPointArn": point.arn, "Lifecycle": lifecycle}
        return call.answer({**answer, "CalculatedLifecycle": calculated})


def _arn(kind: str, region: str, account: str, identity: str) -> str:
    if kind == "RDS":
        return f"arn:aws:rds:{region}:{account}:snapshot:awsbackup:job-{identity}"
    return f"arn:aws:backup:{region}:{account}:recovery-point:{identity}"


def _matching(jobs: dict[str, dict[str, Any]], account: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        job
        for job in jobs.values()
        if job["AccountId"] == account and all(value in (None, job.get(name)) for name, value in wanted.items())
    ]


def _described(vault: Vault, point: Point) -> dict[str, Any]:
    dates = {"MoveToColdStorageAt": point.at("MoveToColdStorageAfterDays"), "DeleteAt": point.deleted_at}
    row = {
        "RecoveryPointArn": point.arn,
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "ResourceArn": point.resource,
        "ResourceType": point.kind,
        "IamRoleArn": point.role,
        "Status": "COMPLETED",
        "CreationDate": point.created,
        "CompletionDate": point.created,
        "BackupSizeInBytes": point.size,
        "EncryptionKeyArn": vault.key,
        "IsEncrypted": True,
        "StorageClass": "WARM",
        "Lifecycle": point.lifecycle,
        "CalculatedLifecycle": {name: date for name, date in dates.items() if date is not None},
    }
    return row | ({"SourceBackupVaultArn": point.source} if point.source else {})
