"""RDS: databases with their subnet and parameter groups. Behind an instance's endpoint runs a real PostgreSQL."""

from __future__ import annotations

from local_cloud.plugins.aws_tags import REGION, TAGS, from_pairs, pairs, retag, told, wanted
from local_cloud.plugins.shapes import BOOLEAN, INTEGER, KEY, SET, Field, Listing, Record, Shape
from local_cloud.plugins.table import Autoname, Gone, Invalid, Operation, Prop, Properties, ResourceType


def _tagged(op: Operation) -> Properties:
    tags = pairs(wanted(op))
    return {"Tags": tags} if tags else {}


def _retag(op: Operation) -> None:
    arn = op.olds["arn"]
    retag(
        op,
        lambda tags: op.client.add_tags_to_resource(ResourceName=arn, Tags=pairs(tags)),
        lambda names: op.client.remove_tags_from_resource(ResourceName=arn, TagKeys=names),
    )


def _tags(op: Operation, arn: str) -> Properties:
    return told(op, from_pairs(op.client.list_tags_for_resource(ResourceName=arn).get("TagList")))


# subnet groups


def _create_subnet_group(op: Operation) -> str:
    op.client.create_db_subnet_group(**op.api(), **_tagged(op))
    return str(op.inputs["name"])


def _read_subnet_group(op: Operation) -> Properties:
    group = op.client.describe_db_subnet_groups(DBSubnetGroupName=op.id)["DBSubnetGroups"][0]
    found = {
        "name": group["DBSubnetGroupName"],
        "description": group["DBSubnetGroupDescription"],
        "subnetIds": [subnet["SubnetIdentifier"] for subnet in group["Subnets"]],
        "vpcId": group.get("VpcId"),
        "supportedNetworkTypes": group.get("SupportedNetworkTypes", ["IPV4"]),
        "arn": group["DBSubnetGroupArn"],
        "region": op.client.meta.region_name,
    }
    return found | _tags(op, found["arn"])


def _update_subnet_group(op: Operation) -> None:
    if op.changed & {"description", "subnetIds"}:
        op.client.modify_db_subnet_group(DBSubnetGroupName=op.id, **op.api("description", "subnetIds"))
    _retag(op)


# parameter groups

_PARAMETERS = Listing(
    Record(
        {
            "name": Field("ParameterName"),
            "value": Field("ParameterValue"),
            "applyMethod": Field("ApplyMethod", absent="immediate"),
        }
    ),
    ordered=False,
)
_A_CALL = 20


def _create_parameter_group(op: Operation) -> str:
    op.client.create_db_parameter_group(**op.api("name", "family", "description"), **_tagged(op))
    return str(op.inputs["name"])


def _set_parameters(op: Operation) -> None:
    wanted_parameters = [{"applyMethod": "immediate", **item} for item in op.inputs.get("parameters") or []]
    names = {item["name"] for item in wanted_parameters}
    gone = [item for item in op.olds.get("parameters") or [] if item["name"] not in names]
    for items, call in (
        (wanted_parameters, op.client.modify_db_parameter_group),
        ([{**item, "applyMethod": "immediate"} for item in gone], op.client.reset_db_parameter_group),
    ):
        for start in range(0, len(items), _A_CALL):
            chunk = _PARAMETERS.to_api(items[start : start + _A_CALL])
            call(DBParameterGroupName=op.id, Parameters=chunk)


def _read_parameter_group(op: Operation) -> Properties:
    groups = op.client.describe_db_parameter_groups(DBParameterGroupName=op.id)["DBParameterGroups"]
    if not groups:
        raise Gone(f"parameter group {op.id}")
    group = groups[0]
    pages = op.client.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=op.id, Source="user")
    parameters = [item for page in pages for item in page["Parameters"] if item.get("ParameterValue") is not None]
    found = {
        "name": group["DBParameterGroupName"],
        "family": group["DBParameterGroupFamily"],
        "description": group["Description"],
        "arn": group["DBParameterGroupArn"],
        "parameters": _PARAMETERS.from_api(parameters),
        "region": op.client.meta.region_name,
    }
    return found | _tags(op, found["arn"])


def _update_parameter_group(op: Operation) -> None:
    if "parameters" in op.changed:
        _set_parameters(op)
    _retag(op)


def _delete_parameter_group(op: Operation) -> None:
    if not op.get("skipDestroy"):
        op.client.delete_db_parameter_group(DBParameterGroupName=op.id)


# instances


class _Release(Shape):
    """A version of a database: 17 asks for any 17.x."""

    def canonical(self, value: str | None) -> str | None:
        return str(value).split(".")[0] if value else None


#: Inputs that ModifyDBInstance takes under the same name as CreateDBInstance.
_MODIFIABLE = {
    "allocatedStorage": Prop("AllocatedStorage", codec=INTEGER, computed=True),
    "autoMinorVersionUpgrade": Prop("AutoMinorVersionUpgrade", codec=BOOLEAN, default=True),
    "backupRetentionPeriod": Prop("BackupRetentionPeriod", codec=INTEGER, computed=True),
    "backupWindow": Prop("PreferredBackupWindow", computed=True),
    "caCertIdentifier": Prop("CACertificateIdentifier", computed=True),
    "copyTagsToSnapshot": Prop("CopyTagsToSnapshot", codec=BOOLEAN, default=False),
    "databaseInsightsMode": Prop("DatabaseInsightsMode", computed=True),
    "deletionProtection": Prop("DeletionProtection", codec=BOOLEAN, default=False),
    "engineVersion": Prop("EngineVersion", codec=_Release(), computed=True),
    "iamDatabaseAuthenticationEnabled": Prop("EnableIAMDatabaseAuthentication", codec=BOOLEAN, default=False),
    "instanceClass": Prop("DBInstanceClass", required=True),
    "iops": Prop("Iops", codec=INTEGER, computed=True),
    "maintenanceWindow": Prop("PreferredMaintenanceWindow", computed=True),
    "manageMasterUserPassword": Prop("ManageMasterUserPassword", codec=BOOLEAN),
    "masterUserSecretKmsKeyId": Prop("MasterUserSecretKmsKeyId", codec=KEY, computed=True),
    "maxAllocatedStorage": Prop("MaxAllocatedStorage", codec=INTEGER),
    "monitoringInterval": Prop("MonitoringInterval", codec=INTEGER, default=0),
    "monitoringRoleArn": Prop("MonitoringRoleArn", computed=True),
    "multiAz": Prop("MultiAZ", codec=BOOLEAN, computed=True),
    "networkType": Prop("NetworkType", computed=True),
    "optionGroupName": Prop("OptionGroupName", computed=True),
    "parameterGroupName": Prop("DBParameterGroupName", computed=True),
    "password": Prop("MasterUserPassword", secret=True, kept=True),
    "performanceInsightsEnabled": Prop("EnablePerformanceInsights", codec=BOOLEAN, default=False),
    "performanceInsightsKmsKeyId": Prop("PerformanceInsightsKMSKeyId", codec=KEY, computed=True),
    "performanceInsightsRetentionPeriod": Prop("PerformanceInsightsRetentionPeriod", codec=INTEGER, computed=True),
    "publiclyAccessible": Prop("PubliclyAccessible", codec=BOOLEAN, default=False),
    "storageThroughput": Prop("StorageThroughput", codec=INTEGER, computed=True),
    "storageType": Prop("StorageType", computed=True),
    "vpcSecurityGroupIds": Prop("VpcSecurityGroupIds", codec=SET, computed=True),
}
_FIXED = {
    "availabilityZone": Prop("AvailabilityZone", replaces=True, computed=True),
    "dbName": Prop("DBName", replaces=True, computed=True),
    "dbSubnetGroupName": Prop("DBSubnetGroupName", replaces=True, computed=True),
    "engine": Prop("Engine", replaces=True, required=True),
    "kmsKeyId": Prop("KmsKeyId", codec=KEY, replaces=True, computed=True),
    "licenseModel": Prop("LicenseModel", replaces=True, computed=True),
    "port": Prop("Port", codec=INTEGER, replaces=True, computed=True),
    "storageEncrypted": Prop("StorageEncrypted", codec=BOOLEAN, replaces=True, default=False),
    "username": Prop("MasterUsername", replaces=True, computed=True),
}


def _create_instance(op: Operation) -> str:
    request = {name: value for name, value in op.api().items() if (name, value) != ("ManageMasterUserPassword", False)}
    logs = op.inputs.get("enabledCloudwatchLogsExports")
    request |= {"EnableCloudwatchLogsExports": logs} if logs else {}
    return str(op.client.create_db_instance(**request, **_tagged(op))["DBInstance"]["DbiResourceId"])


def _instance(op: Operation) -> Properties:
    """The instance by its resource id, which stays when the identifier changes; Gone if there is none."""
    if not op.id.startswith("db-"):
        instances = op.client.describe_db_instances(DBInstanceIdentifier=op.id)["DBInstances"]
    else:
        by_id = [{"Name": "dbi-resource-id", "Values": [op.id]}]
        instances = op.client.describe_db_instances(Filters=by_id)["DBInstances"]
    if not instances:
        raise Gone(f"database instance {op.id}")
    return dict(instances[0])


def _await_available(op: Operation) -> None:
    def reached() -> bool:
        status = _instance(op)["DBInstanceStatus"]
        if status in ("failed", "incompatible-parameters", "storage-full", "inaccessible-encryption-credentials"):
            raise Invalid(f"database instance {op.get('identifier')} is {status}")
        return status == "available"

    op.poll(reached, f"database instance {op.get('identifier')} is available")


def _read_instance(op: Operation) -> Properties:
    found_instance = _instance(op)
    op.id = found_instance["DbiResourceId"]
    found = op.wire(_flattened(found_instance))
    endpoint, secret = found_instance.get("Endpoint") or {}, found_instance.get("MasterUserSecret")
    if endpoint:
        address, port = endpoint.get("Address"), endpoint.get("Port")
        found |= {"address": address, "port": port, "endpoint": f"{address}:{port}"}
    found |= {
        "identifier": found_instance["DBInstanceIdentifier"],
        "arn": found_instance["DBInstanceArn"],
        "resourceId": found_instance["DbiResourceId"],
        "status": found_instance["DBInstanceStatus"],
        "hostedZoneId": endpoint.get("HostedZoneId"),
        "engineVersionActual": found_instance.get("EngineVersion"),
        "replicas": found_instance.get("ReadReplicaDBInstanceIdentifiers", []),
        "manageMasterUserPassword": bool(secret),
        "masterUserSecrets": [_secret(secret)] if secret else [],
        "enabledCloudwatchLogsExports": found_instance.get("EnabledCloudwatchLogsExports", []),
        "region": op.client.meta.region_name,
    }
    return found | told(op, from_pairs(found_instance.get("TagList")))


def _flattened(instance: Properties) -> Properties:
    """DescribeDBInstances under the names of CreateDBInstance."""
    groups = instance.get("DBParameterGroups") or [{}]
    options = instance.get("OptionGroupMemberships") or [{}]
    secret = instance.get("MasterUserSecret") or {}
    return instance | {
        "DBSubnetGroupName": (instance.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
        "DBParameterGroupName": groups[0].get("DBParameterGroupName"),
        "OptionGroupName": options[0].get("OptionGroupName"),
        "VpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in instance.get("VpcSecurityGroups", [])],
        "EnableIAMDatabaseAuthentication": instance.get("IAMDatabaseAuthenticationEnabled"),
        "EnablePerformanceInsights": instance.get("PerformanceInsightsEnabled"),
        "MasterUserSecretKmsKeyId": secret.get("KmsKeyId"),
        "Port": (instance.get("Endpoint") or {}).get("Port"),
    }


def _secret(secret: Properties) -> Properties:
    names = {"SecretArn": "secretArn", "SecretStatus": "secretStatus", "KmsKeyId": "kmsKeyId"}
    return {wire: secret[api] for api, wire in names.items() if secret.get(api)}


def _update_instance(op: Operation) -> None:
    changed = [name for name in _MODIFIABLE if name in op.changed]
    request = op.api(*changed)
    if "identifier" in op.changed:
        request["NewDBInstanceIdentifier"] = op.inputs["identifier"]
    if "enabledCloudwatchLogsExports" in op.changed:
        before = set(op.olds.get("enabledCloudwatchLogsExports") or [])
        after = set(op.inputs.get("enabledCloudwatchLogsExports") or [])
        request["CloudwatchLogsExportConfiguration"] = {
            "EnableLogTypes": sorted(after - before),
            "DisableLogTypes": sorted(before - after),
        }
    if request:
        request["ApplyImmediately"] = bool(op.inputs.get("applyImmediately"))
        request["AllowMajorVersionUpgrade"] = bool(op.inputs.get("allowMajorVersionUpgrade"))
        op.client.modify_db_instance(DBInstanceIdentifier=op.olds["identifier"], **request)
    _retag(op)


def _delete_instance(op: Operation) -> None:
    name = op.get("identifier") or _instance(op)["DBInstanceIdentifier"]
    request: Properties = {"DBInstanceIdentifier": name}
    if op.get("skipFinalSnapshot"):
        request["SkipFinalSnapshot"] = True
    elif op.get("finalSnapshotIdentifier"):
        request |= {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": op.get("finalSnapshotIdentifier")}
    else:
        raise Invalid(f"database instance {name}: finalSnapshotIdentifier is required when skipFinalSnapshot is false")
    op.client.delete_db_instance(**request, DeleteAutomatedBackups=bool(op.get("deleteAutomatedBackups", True)))

    def gone() -> bool:
        try:
            _instance(op)
        except Exception as problem:
            if isinstance(problem, Gone) or op.provider.missing(problem):
                return True
            raise
        return False

    op.poll(gone, f"database instance {name} is deleted")


TYPES = (
    ResourceType(
        "aws:rds/subnetGroup:SubnetGroup",
        "rds",
        create=_create_subnet_group,
        read=_read_subnet_group,
        update=_update_subnet_group,
        delete=lambda op: op.client.delete_db_subnet_group(DBSubnetGroupName=op.id),
        id="name",
        inputs={
            "description": Prop("DBSubnetGroupDescription", default="Managed by Pulumi"),
            "name": Prop("DBSubnetGroupName", replaces=True, autoname=Autoname(255, lower=True)),
            "namePrefix": Prop(replaces=True, kept=True),
            "subnetIds": Prop("SubnetIds", codec=SET, required=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "supportedNetworkTypes", "vpcId", "tagsAll"),
    ),
    ResourceType(
        "aws:rds/parameterGroup:ParameterGroup",
        "rds",
        create=_create_parameter_group,
        read=_read_parameter_group,
        update=_update_parameter_group,
        delete=_delete_parameter_group,
        id="name",
        hooks=(_set_parameters,),
        inputs={
            "description": Prop("Description", replaces=True, default="Managed by Pulumi"),
            "family": Prop("DBParameterGroupFamily", replaces=True, required=True),
            "name": Prop("DBParameterGroupName", replaces=True, autoname=Autoname(255, lower=True)),
            "namePrefix": Prop(replaces=True, kept=True),
            "parameters": Prop(codec=_PARAMETERS),
            "skipDestroy": Prop(codec=BOOLEAN, default=False, kept=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "tagsAll"),
    ),
    ResourceType(
        "aws:rds/instance:Instance",
        "rds",
        create=_create_instance,
        read=_read_instance,
        update=_update_instance,
        delete=_delete_instance,
        id="resourceId",
        wait=_await_available,
        inputs={
            **_MODIFIABLE,
            **_FIXED,
            "allowMajorVersionUpgrade": Prop(codec=BOOLEAN, kept=True),
            "applyImmediately": Prop(codec=BOOLEAN, kept=True),
            "deleteAutomatedBackups": Prop(codec=BOOLEAN, default=True, kept=True),
            "enabledCloudwatchLogsExports": Prop(codec=SET),
            "finalSnapshotIdentifier": Prop(kept=True),
            "identifier": Prop("DBInstanceIdentifier", autoname=Autoname(63, lower=True, prefix="identifierPrefix")),
            "identifierPrefix": Prop(replaces=True, kept=True),
            "skipFinalSnapshot": Prop(codec=BOOLEAN, default=False, kept=True),
            **REGION,
            **TAGS,
        },
        outputs=(
            "address",
            "arn",
            "endpoint",
            "engineVersionActual",
            "hostedZoneId",
            "masterUserSecrets",
            "replicas",
            "resourceId",
            "status",
            "tagsAll",
        ),
    ),
)
