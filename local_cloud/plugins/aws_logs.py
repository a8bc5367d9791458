"""CloudWatch log groups."""

from __future__ import annotations

from local_cloud.plugins.aws_tags import REGION, TAGS, retag, told, wanted
from local_cloud.plugins.shapes import BOOLEAN, INTEGER, KEY
from local_cloud.plugins.table import Autoname, Gone, Operation, Prop, Properties, ResourceType


def _create(op: Operation) -> str:
    tags = wanted(op)
    op.client.create_log_group(**op.api("name", "kmsKeyId", "logGroupClass"), **({"tags": tags} if tags else {}))
    return str(op.inputs["name"])


def _retain(op: Operation) -> None:
    if days := op.inputs.get("retentionInDays"):
        op.client.put_retention_policy(logGroupName=op.id, retentionInDays=int(days))
    elif op.olds.get("retentionInDays"):
        op.client.delete_retention_policy(logGroupName=op.id)


def _read(op: Operation) -> Properties:
    pages = op.client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=op.id)
    group = next((group for page in pages for group in page["logGroups"] if group["logGroupName"] == op.id), None)
    if group is None:
        raise Gone(f"log group {op.id}")
    arn = group["arn"].removesuffix(":*")
    found = {
        "name": op.id,
        "arn": arn,
        "kmsKeyId": group.get("kmsKeyId"),
        "retentionInDays": group.get("retentionInDays", 0),
        "logGroupClass": group.get("logGroupClass", "STANDARD"),
        "region": arn.split(":")[3],
    }
    return found | told(op, op.client.list_tags_for_resource(resourceArn=arn).get("tags") or {})


def _update(op: Operation) -> None:
    if "retentionInDays" in op.changed:
        _retain(op)
    if "kmsKeyId" in op.changed:
        if op.inputs.get("kmsKeyId"):
            op.client.associate_kms_key(logGroupName=op.id, **op.api("kmsKeyId"))
        else:
            op.client.disassociate_kms_key(logGroupName=op.id)
    arn = op.olds["arn"]
    retag(
        op,
        lambda tags: op.client.tag_resource(resourceArn=arn, tags=tags),
        lambda names: op.client.untag_resource(resourceArn=arn, tagKeys=names),
    )


def _delete(op: Operation) -> None:
    if not op.get("skipDestroy"):
        op.client.delete_log_group(logGroupName=op.id)


TYPES = (
    ResourceType(
        "aws:cloudwatch/logGroup:LogGroup",
        "logs",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        id="name",
        hooks=(_retain,),
        inputs={
            "kmsKeyId": Prop("kmsKeyId", codec=KEY),
            "logGroupClass": Prop("logGroupClass", replaces=True, computed=True),
            "name": Prop("logGroupName", replaces=True, autoname=Autoname(512)),
            "namePrefix": Prop(replaces=True, kept=True),
            "retentionInDays": Prop(codec=INTEGER, default=0),
            "skipDestroy": Prop(codec=BOOLEAN, default=False, kept=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "tagsAll"),
    ),
)
