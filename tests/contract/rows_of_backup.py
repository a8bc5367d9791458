"""Rules of AWS Backup: vaults, their locks and access policies, recovery points and copies."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from contract_rows import ADMIN, BACKUP, WORKLOAD, allow, deny, document, name, new_bucket, new_key, new_role, root, row
from rows_of_trail import lookup

LAPTOP_ONLY = "AWS takes minutes to hours for a backup"


def backup(cloud: Any, who: str = ADMIN) -> Any:
    return cloud.client(who, "backup")


def new_vault(cloud: Any, account: str = WORKLOAD, **more: Any) -> str:
    vault = name("vault")
    backup(cloud, f"admin@{account}").create_backup_vault(BackupVaultName=vault, **more)
    return vault


def backup_role(cloud: Any, account: str = WORKLOAD) -> str:
    return new_role(cloud, account=account, trust={"Principal": {"Service": "backup.amazonaws.com"}})


def back_up(cloud: Any, vault: str, days: int | None = None, who: str = ADMIN) -> dict[str, Any]:
    """The job of a new bucket's backup into a vault."""
    lifecycle = {"Lifecycle": {"DeleteAfterDays": days}} if days else {}
    started = backup(cloud, who).start_backup_job(
        BackupVaultName=vault,
        ResourceArn=f"arn:aws:s3:::{new_bucket(cloud)}",
        IamRoleArn=backup_role(cloud),
        **lifecycle,
    )
    return dict(backup(cloud).describe_backup_job(BackupJobId=started["BackupJobId"]))


def locked(cloud: Any, vault: str, **more: Any) -> str:
    backup(cloud).put_backup_vault_lock_configuration(BackupVaultName=vault, **more)
    return vault


def code(ask: Any, **arguments: Any) -> str:
    try:
        ask(**arguments)
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return ""


@row()
def a_recovery_point_has_the_dates_of_its_lifecycle(cloud: Any) -> None:
    vault = new_vault(cloud)
    job = back_up(cloud, vault, 40)
    assert job["State"] == "COMPLETED" and job["ResourceType"] == "S3"
    point = backup(cloud).describe_recovery_point(BackupVaultName=vault, RecoveryPointArn=job["RecoveryPointArn"])
    assert (point["CalculatedLifecycle"]["DeleteAt"] - point["CreationDate"]).days == 40
    assert point["Lifecycle"] == {"DeleteAfterDays": 40} and point["EncryptionKeyArn"].startswith("arn:aws:kms:")
    listed = backup(cloud).list_recovery_points_by_backup_vault(BackupVaultName=vault)["RecoveryPoints"]
    assert [row["RecoveryPointArn"] for row in listed] == [job["RecoveryPointArn"]]
    assert backup(cloud).describe_backup_vault(BackupVaultName=vault)["NumberOfRecoveryPoints"] == 1
    backup(cloud).delete_recovery_point(BackupVaultName=vault, RecoveryPointArn=job["RecoveryPointArn"])
    backup(cloud).delete_backup_vault(BackupVaultName=vault)


@row("InvalidRequestException")
def a_vault_with_recovery_points_is_not_deleted(cloud: Any) -> None:
    vault = new_vault(cloud)
    back_up(cloud, vault)
    backup(cloud).delete_backup_vault(BackupVaultName=vault)


@row("InvalidParameterValueException", moto_differs=False)
def a_lock_can_be_changed_for_three_days_at_least(cloud: Any) -> None:
    locked(cloud, new_vault(cloud), ChangeableForDays=2)


@row("InvalidParameterValueException", moto_differs=False)
def a_locks_minimum_is_not_above_its_maximum(cloud: Any) -> None:
    locked(cloud, new_vault(cloud), MinRetentionDays=10, MaxRetentionDays=5)


@row("InvalidRequestException")
def a_locked_vault_gives_no_recovery_point_up(cloud: Any) -> None:
    vault = new_vault(cloud)
    job = back_up(cloud, locked(cloud, vault, MinRetentionDays=7), 30)
    backup(cloud).delete_recovery_point(BackupVaultName=vault, RecoveryPointArn=job["RecoveryPointArn"])


@row()
def a_governance_lock_is_removed_by_who_may(cloud: Any) -> None:
    vault = new_vault(cloud)
    job = back_up(cloud, locked(cloud, vault, MinRetentionDays=7), 30)
    described = backup(cloud).describe_backup_vault(BackupVaultName=vault)
    assert described["Locked"] and described["MinRetentionDays"] == 7 and "LockDate" not in described
    other = new_role(cloud, allow("backup:*"), deny("backup:DeleteBackupVaultLockConfiguration"))
    refused = code(backup(cloud, other).delete_backup_vault_lock_configuration, BackupVaultName=vault)
    assert refused == "AccessDeniedException"
    backup(cloud).delete_backup_vault_lock_configuration(BackupVaultName=vault)
    backup(cloud).delete_recovery_point(BackupVaultName=vault, RecoveryPointArn=job["RecoveryPointArn"])


@row()
def a_lock_fails_jobs_of_other_retention(cloud: Any) -> None:
    vault = locked(cloud, new_vault(cloud), MinRetentionDays=7, MaxRetentionDays=100)
    found = [back_up(cloud, vault, days) for days in (6, 101, None, 7, 100)]
    assert [job["State"] for job in found] == ["FAILED", "FAILED", "FAILED", "COMPLETED", "COMPLETED"]
    assert "minimum of 7" in found[0]["StatusMessage"] and "RecoveryPointArn" not in found[0]


@row("InvalidRequestException")
def a_locked_vault_does_not_shorten_a_retention(cloud: Any) -> None:
    vault = locked(cloud, new_vault(cloud), MinRetentionDays=7)
    point = back_up(cloud, vault, 30)["RecoveryPointArn"]
    update = backup(cloud).update_recovery_point_lifecycle
    longer = update(BackupVaultName=vault, RecoveryPointArn=point, Lifecycle={"DeleteAfterDays": 60})
    assert longer["Lifecycle"]["DeleteAfterDays"] == 60
    update(BackupVaultName=vault, RecoveryPointArn=point, Lifecycle={"DeleteAfterDays": 30})


@row("InvalidParameterValueException")
def cold_storage_is_kept_for_ninety_days(cloud: Any) -> None:
    backup(cloud).start_backup_job(
        BackupVaultName=new_vault(cloud),
        ResourceArn=f"arn:aws:s3:::{new_bucket(cloud)}",
        IamRoleArn=backup_role(cloud),
        Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 100},
    )


@row("InvalidParameterValueException")
def a_job_needs_a_role_that_trusts_the_service(cloud: Any) -> None:
    backup(cloud).start_backup_job(
        BackupVaultName=new_vault(cloud),
        ResourceArn=f"arn:aws:s3:::{new_bucket(cloud)}",
        IamRoleArn=new_role(cloud),
    )


@row("AccessDeniedException")
def a_job_needs_the_right_to_pass_its_role(cloud: Any) -> None:
    back_up(cloud, new_vault(cloud), who=new_role(cloud, allow("backup:*")))


@row()
def a_disabled_key_fails_the_job(cloud: Any) -> None:
    key = new_key(cloud)
    vault = new_vault(cloud, EncryptionKeyArn=key)
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    assert back_up(cloud, vault)["State"] == "FAILED"


@row("AccessDeniedException")
def a_vault_under_a_key_needs_the_right_to_let_it_be_used(cloud: Any) -> None:
    maker = new_role(cloud, allow(["backup:*", "backup-storage:*"]))
    backup(cloud, maker).create_backup_vault(BackupVaultName=name("plain"))
    backup(cloud, maker).create_backup_vault(BackupVaultName=name("vault"), EncryptionKeyArn=new_key(cloud))


@row("AccessDeniedException")
def a_vaults_policy_denies_deletion_to_its_own_account(cloud: Any) -> None:
    vault = new_vault(cloud)
    point = back_up(cloud, vault, 30)["RecoveryPointArn"]
    policy = document(deny("backup:DeleteRecoveryPoint", Principal="*"))
    backup(cloud).put_backup_vault_access_policy(BackupVaultName=vault, Policy=policy)
    assert backup(cloud).get_backup_vault_access_policy(BackupVaultName=vault)["Policy"] == policy
    backup(cloud).delete_recovery_point(BackupVaultName=vault, RecoveryPointArn=point)


@row("ResourceNotFoundException")
def a_vault_without_a_policy_says_so(cloud: Any) -> None:
    vault = new_vault(cloud)
    backup(cloud).describe_backup_vault(BackupVaultName=vault)
    backup(cloud).get_backup_vault_access_policy(BackupVaultName=vault)


@row("InvalidParameterValueException")
def a_vaults_policy_names_existing_principals(cloud: Any) -> None:
    ghost = {"AWS": f"arn:aws:iam::{WORKLOAD}:role/ghost"}
    policy = document(allow("backup:CopyIntoBackupVault", Principal=ghost))
    backup(cloud).put_backup_vault_access_policy(BackupVaultName=new_vault(cloud), Policy=policy)


def copy(cloud: Any, target: str, days: int) -> dict[str, Any]:
    """The job of a copy into the backup account."""
    vault = new_vault(cloud)
    started = backup(cloud).start_copy_job(
        RecoveryPointArn=back_up(cloud, vault, 30)["RecoveryPointArn"],
        SourceBackupVaultName=vault,
        DestinationBackupVaultArn=f"arn:aws:backup:us-east-1:{BACKUP}:backup-vault:{target}",
        IamRoleArn=backup_role(cloud),
        Lifecycle={"DeleteAfterDays": days},
    )
    return dict(backup(cloud).describe_copy_job(CopyJobId=started["CopyJobId"])["CopyJob"])


@row("AccessDeniedException")
def a_copy_into_another_account_needs_its_vaults_policy(cloud: Any) -> None:
    copy(cloud, new_vault(cloud, BACKUP), 30)


@row()
def a_copy_into_another_account_is_locked_there(cloud: Any) -> None:
    target, other = new_vault(cloud, BACKUP), backup(cloud, f"admin@{BACKUP}")
    policy = document(allow("backup:CopyIntoBackupVault", Principal=root()))
    other.put_backup_vault_access_policy(BackupVaultName=target, Policy=policy)
    other.put_backup_vault_lock_configuration(BackupVaultName=target, MinRetentionDays=20)
    assert copy(cloud, target, 10)["State"] == "FAILED"
    made = copy(cloud, target, 30)
    arn = made["DestinationRecoveryPointArn"]
    point = other.describe_recovery_point(BackupVaultName=target, RecoveryPointArn=arn)
    assert point["SourceBackupVaultArn"].startswith(f"arn:aws:backup:us-east-1:{WORKLOAD}:")
    assert code(other.delete_recovery_point, BackupVaultName=target, RecoveryPointArn=arn) == "InvalidRequestException"


@row()
def a_vaults_events_name_the_vault(cloud: Any) -> None:
    vault = locked(cloud, new_vault(cloud), MinRetentionDays=7)
    arn = f"arn:aws:backup:us-east-1:{WORKLOAD}:backup-vault:{vault}"
    names = {event["eventName"] for event in lookup(cloud, "ResourceName", arn)}
    assert names == {"CreateBackupVault", "PutBackupVaultLockConfiguration"}
