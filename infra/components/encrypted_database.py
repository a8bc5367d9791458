"""A PostgreSQL instance on RDS: encrypted under its class's key, TLS forced, private, protected from deletion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.retention import kept
from strongroom.estate.model import Instance

#: settings the server starts with; `rds.force_ssl` refuses plain text before authentication
PARAMETERS = {
    "rds.force_ssl": "1",
    "ssl_min_protocol_version": "TLSv1.2",
    "log_connections": "1",
    "log_disconnections": "1",
    "password_encryption": "scram-sha-256",
}


@dataclass(frozen=True, kw_only=True)
class EncryptedDatabaseArgs:
    """What a database needs; `key_arn` encrypts storage, snapshots, insights and the master secret."""

    identifier: str
    database: str
    key_arn: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    instance: Instance
    tags: Mapping[str, str]
    protect: bool = True


class EncryptedDatabase(pulumi.ComponentResource):
    """An RDS instance whose master password only RDS and Secrets Manager know."""

    arn: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    master_secret_arn: pulumi.Output[str]

    def __init__(self, name: str, args: EncryptedDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:rds:EncryptedDatabase", name, None, opts)
        options, tags = kept(self, args.protect), dict(args.tags)
        subnets = aws.rds.SubnetGroup(
            name,
            name=args.identifier,
            description=f"private subnets of {args.identifier}",
            subnet_ids=list(args.subnet_ids),
            tags=tags,
            opts=options,
        )
        major = args.instance.engine_version.partition(".")[0]
        settings = [
            aws.rds.ParameterGroupParameterArgs(name=key, value=value, apply_method="immediate")
            for key, value in PARAMETERS.items()
        ]
        parameters = aws.rds.ParameterGroup(
            name,
            name=args.identifier,
            family=f"postgres{major}",
            description=f"TLS forced for {args.identifier}",
            parameters=settings,
            tags=tags,
            opts=options,
        )
        instance = aws.rds.Instance(
            name,
            identifier=args.identifier,
            engine="postgres",
            engine_version=args.instance.engine_version,
            instance_class=args.instance.instance_class,
            allocated_storage=args.instance.storage_gb,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=args.key_arn,
            db_name=args.database,
            username="strongroom_owner",
            manage_master_user_password=True,
            master_user_secret_kms_key_id=args.key_arn,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=list(args.security_group_ids),
            parameter_group_name=parameters.name,
            publicly_accessible=False,
            multi_az=args.instance.multi_az,
            backup_retention_period=args.instance.backup_days,
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            deletion_protection=args.protect,
            skip_final_snapshot=False,
            final_snapshot_identifier=f"{args.identifier}-final",
            auto_minor_version_upgrade=True,
            iam_database_authentication_enabled=True,
            enabled_cloudwatch_logs_exports=["postgresql", "upgrade"],
            performance_insights_enabled=True,
            performance_insights_kms_key_id=args.key_arn,
            apply_immediately=True,
            tags=tags,
            opts=options,
        )
        self.arn, self.endpoint = instance.arn, instance.endpoint
        self.master_secret_arn = instance.master_user_secrets.apply(lambda secrets: secrets[0]["secret_arn"])
        self.register_outputs({"arn": self.arn, "endpoint": self.endpoint, "master_secret_arn": self.master_secret_arn})
