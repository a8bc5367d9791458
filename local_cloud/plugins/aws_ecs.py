"""ECS clusters and task definitions: where the jobs run on AWS; the laptop keeps them as records."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from local_cloud.plugins.aws_tags import REGION, TAGS, from_pairs, pairs, retag, told, wanted
from local_cloud.plugins.documents import Json
from local_cloud.plugins.shapes import BOOLEAN, INTEGER, KEY, NUMERAL, SET, Field, Listing, Record
from local_cloud.plugins.table import Autoname, Gone, Operation, Prop, Properties, ResourceType

_LOGS = Record(
    {
        "cloudWatchEncryptionEnabled": Field("cloudWatchEncryptionEnabled", BOOLEAN),
        "cloudWatchLogGroupName": Field("cloudWatchLogGroupName"),
        "s3BucketEncryptionEnabled": Field("s3EncryptionEnabled", BOOLEAN),
        "s3BucketName": Field("s3BucketName"),
        "s3KeyPrefix": Field("s3KeyPrefix"),
    }
)
_COMMANDS = Record(
    {
        "kmsKeyId": Field("kmsKeyId", KEY),
        "logConfiguration": Field("logConfiguration", _LOGS),
        "logging": Field("logging", absent="DEFAULT"),
    }
)
_STORAGE = Record(
    {
        "fargateEphemeralStorageKmsKeyId": Field("fargateEphemeralStorageKmsKeyId", KEY),
        "kmsKeyId": Field("kmsKeyId", KEY),
    }
)
_CONFIGURATION = Record(
    {
        "executeCommandConfiguration": Field("executeCommandConfiguration", _COMMANDS),
        "managedStorageConfiguration": Field("managedStorageConfiguration", _STORAGE),
    }
)
_SETTINGS = Listing(Record({"name": Field("name"), "value": Field("value")}), ordered=False)
_PLATFORM = Record(
    {"cpuArchitecture": Field("cpuArchitecture"), "operatingSystemFamily": Field("operatingSystemFamily")}
)
_EFS = Record(
    {
        "fileSystemId": Field("fileSystemId"),
        "rootDirectory": Field("rootDirectory"),
        "transitEncryption": Field("transitEncryption"),
        "transitEncryptionPort": Field("transitEncryptionPort", INTEGER),
        "authorizationConfig": Field(
            "authorizationConfig", Record({"accessPointId": Field("accessPointId"), "iam": Field("iam")})
        ),
    }
)


class _Volume(Record):
    """A volume; the API keeps the path on the host in an object of its own."""

    def to_api(self, value: Properties) -> Properties:
        found = super().to_api(value)
        path = found.pop("hostPath", None)
        return found | ({"host": {"sourcePath": path}} if path else {})

    def from_api(self, value: Properties) -> Properties:
        path = (value.get("host") or {}).get("sourcePath")
        return super().from_api(value) | ({"hostPath": path} if path else {})


_VOLUMES = Listing(
    _Volume(
        {
            "name": Field("name"),
            "hostPath": Field("hostPath"),
            "efsVolumeConfiguration": Field("efsVolumeConfiguration", _EFS),
        }
    ),
    ordered=False,
)


_FILLED_IN = {"cpu": 0, "essential": True}


class _Containers(Json):
    """Container definitions; what ECS fills in by itself is not a difference."""

    def meaning(self, document: Any) -> Any:
        return [self._container(container) for container in document]

    def _container(self, container: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in container.items() if value not in (None, [], {}, "")}
        kept = {name: value for name, value in kept.items() if _FILLED_IN.get(name) != value}
        for name, key in (("environment", "name"), ("secrets", "name")):
            if name in kept:
                kept[name] = sorted(kept[name], key=lambda item: item[key])
        return kept


CONTAINERS = _Containers()


def _tagged(op: Operation) -> Properties:
    tags = pairs(wanted(op), "key", "value")
    return {"tags": tags} if tags else {}


def _retag(op: Operation, arn: str) -> None:
    retag(
        op,
        lambda tags: op.client.tag_resource(resourceArn=arn, tags=pairs(tags, "key", "value")),
        lambda names: op.client.untag_resource(resourceArn=arn, tagKeys=names),
    )


def _create_cluster(op: Operation) -> str:
    return str(op.client.create_cluster(**op.api(), **_tagged(op))["cluster"]["clusterArn"])


def _read_cluster(op: Operation) -> Properties:
    include = ["SETTINGS", "CONFIGURATIONS", "TAGS"]
    clusters = op.client.describe_clusters(clusters=[op.id], include=include)["clusters"]
    if not clusters or clusters[0].get("status") == "INACTIVE":
        raise Gone(f"cluster {op.id}")
    cluster = clusters[0]
    found = {"configuration": None, "settings": None} | op.wire(cluster)
    found |= {"name": cluster["clusterName"], "arn": cluster["clusterArn"], "region": op.client.meta.region_name}
    return found | told(op, from_pairs(cluster.get("tags"), "key", "value"))


def _update_cluster(op: Operation) -> None:
    if op.changed & {"configuration", "settings"}:
        op.client.update_cluster(cluster=op.id, **op.api("configuration", "settings"))
    _retag(op, op.id)


def _register(op: Operation) -> str:
    containers = json.loads(op.inputs["containerDefinitions"])
    response = op.client.register_task_definition(**op.api(), containerDefinitions=containers, **_tagged(op))
    # A family's name is the id, as in the real provider; the revision just made is what `read` must look at.
    op.olds["arn"] = response["taskDefinition"]["taskDefinitionArn"]
    return str(op.inputs["family"])


def _read_task(op: Operation) -> Properties:
    try:
        response = op.client.describe_task_definition(taskDefinition=op.olds.get("arn") or op.id, include=["TAGS"])
    except ClientError as problem:
        if "Unable to describe" in str(problem):
            raise Gone(f"task definition {op.id}") from problem
        raise
    task = response["taskDefinition"]
    if task.get("status") == "INACTIVE":
        raise Gone(f"task definition {op.id}")
    arn = task["taskDefinitionArn"]
    found = (
        dict.fromkeys(_OPTIONAL)
        | op.wire(task)
        | {
            "arn": arn,
            "arnWithoutRevision": arn.rpartition(":")[0],
            "revision": task["revision"],
            "containerDefinitions": json.dumps(task["containerDefinitions"]),
            "region": arn.split(":")[3],
        }
    )
    return found | told(op, from_pairs(response.get("tags"), "key", "value"))


def _deregister(op: Operation) -> None:
    if not op.get("skipDestroy"):
        op.client.deregister_task_definition(taskDefinition=op.get("arn"))


_OPTIONAL = {
    "cpu": Prop("cpu", codec=NUMERAL, replaces=True),
    "ephemeralStorage": Prop(
        "ephemeralStorage", codec=Record({"sizeInGib": Field("sizeInGiB", INTEGER)}), replaces=True
    ),
    "executionRoleArn": Prop("executionRoleArn", replaces=True),
    "ipcMode": Prop("ipcMode", replaces=True),
    "memory": Prop("memory", codec=NUMERAL, replaces=True),
    "pidMode": Prop("pidMode", replaces=True),
    "requiresCompatibilities": Prop("requiresCompatibilities", codec=SET, replaces=True),
    "runtimePlatform": Prop("runtimePlatform", codec=_PLATFORM, replaces=True),
    "taskRoleArn": Prop("taskRoleArn", replaces=True),
    "volumes": Prop("volumes", codec=_VOLUMES, replaces=True),
}

TYPES = (
    ResourceType(
        "aws:ecs/cluster:Cluster",
        "ecs",
        create=_create_cluster,
        read=_read_cluster,
        update=_update_cluster,
        delete=lambda op: op.client.delete_cluster(cluster=op.id),
        id="arn",
        inputs={
            "configuration": Prop("configuration", codec=_CONFIGURATION),
            "name": Prop("clusterName", replaces=True, autoname=Autoname(255)),
            "settings": Prop("settings", codec=_SETTINGS, computed=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "tagsAll"),
    ),
    ResourceType(
        "aws:ecs/taskDefinition:TaskDefinition",
        "ecs",
        create=_register,
        read=_read_task,
        update=lambda op: _retag(op, op.olds["arn"]),
        delete=_deregister,
        id="family",
        inputs={
            "containerDefinitions": Prop(codec=CONTAINERS, replaces=True, required=True),
            "family": Prop("family", replaces=True, required=True),
            "networkMode": Prop("networkMode", replaces=True, computed=True),
            "skipDestroy": Prop(codec=BOOLEAN, default=False, kept=True),
            **_OPTIONAL,
            **REGION,
            **TAGS,
        },
        outputs=("arn", "arnWithoutRevision", "revision", "tagsAll"),
    ),
)
