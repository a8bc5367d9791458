"""Secrets Manager secrets: the container and its policy. Values never pass through a Pulumi program here."""

from __future__ import annotations

from local_cloud.plugins.aws_tags import REGION, TAGS, from_pairs, pairs, retag, told, wanted
from local_cloud.plugins.documents import POLICY
from local_cloud.plugins.shapes import INTEGER, KEY
from local_cloud.plugins.table import Autoname, Gone, Operation, Prop, Properties, ResourceType


def _create(op: Operation) -> str:
    tags = pairs(wanted(op))
    return str(op.client.create_secret(**op.api(), **({"Tags": tags} if tags else {}))["ARN"])


def _put_policy(op: Operation) -> None:
    if policy := op.inputs.get("policy"):
        op.client.put_resource_policy(SecretId=op.id, ResourcePolicy=policy, BlockPublicPolicy=True)


def _read(op: Operation) -> Properties:
    secret = op.client.describe_secret(SecretId=op.id)
    if secret.get("DeletedDate"):
        raise Gone(f"secret {op.id} is scheduled for deletion")
    found: Properties = {
        "arn": secret["ARN"],
        "name": secret["Name"],
        "description": secret.get("Description", ""),
        "kmsKeyId": secret.get("KmsKeyId"),
        "policy": op.client.get_resource_policy(SecretId=op.id).get("ResourcePolicy"),
        "region": secret["ARN"].split(":")[3],
    }
    return found | told(op, from_pairs(secret.get("Tags")))


def _update(op: Operation) -> None:
    if op.changed & {"description", "kmsKeyId"}:
        request = {"Description": "", **op.api("description", "kmsKeyId")}
        op.client.update_secret(SecretId=op.id, **request)
    if "policy" in op.changed:
        if op.inputs.get("policy"):
            _put_policy(op)
        else:
            op.client.delete_resource_policy(SecretId=op.id)
    retag(
        op,
        lambda tags: op.client.tag_resource(SecretId=op.id, Tags=pairs(tags)),
        lambda names: op.client.untag_resource(SecretId=op.id, TagKeys=names),
    )


def _delete(op: Operation) -> None:
    days = int(op.get("recoveryWindowInDays", 30))
    window = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
    op.client.delete_secret(SecretId=op.id, **window)


TYPES = (
    ResourceType(
        "aws:secretsmanager/secret:Secret",
        "secretsmanager",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        id="arn",
        hooks=(_put_policy,),
        inputs={
            "description": Prop("Description"),
            "kmsKeyId": Prop("KmsKeyId", codec=KEY),
            "name": Prop("Name", replaces=True, autoname=Autoname(512)),
            "namePrefix": Prop(replaces=True, kept=True),
            "policy": Prop(codec=POLICY, computed=True),
            "recoveryWindowInDays": Prop(codec=INTEGER, default=30, kept=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "tagsAll"),
    ),
)
