"""SQS queues and their policies; every attribute of a queue is text on the wire."""

from __future__ import annotations

from local_cloud.plugins.aws_tags import REGION, TAGS, retag, told, wanted
from local_cloud.plugins.documents import JSON, POLICY
from local_cloud.plugins.shapes import FLAG, NUMERAL
from local_cloud.plugins.table import Autoname, Gone, Operation, Prop, Properties, ResourceType

_ATTRIBUTES = {
    "contentBasedDeduplication": Prop("ContentBasedDeduplication", codec=FLAG),
    "deduplicationScope": Prop("DeduplicationScope", computed=True),
    "delaySeconds": Prop("DelaySeconds", codec=NUMERAL, default=0),
    "fifoQueue": Prop("FifoQueue", codec=FLAG, replaces=True),
    "fifoThroughputLimit": Prop("FifoThroughputLimit", computed=True),
    "kmsDataKeyReusePeriodSeconds": Prop("KmsDataKeyReusePeriodSeconds", codec=NUMERAL, computed=True),
    "kmsMasterKeyId": Prop("KmsMasterKeyId"),
    "maxMessageSize": Prop("MaximumMessageSize", codec=NUMERAL, computed=True),
    "messageRetentionSeconds": Prop("MessageRetentionPeriod", codec=NUMERAL, default=345600),
    "policy": Prop("Policy", codec=POLICY, computed=True),
    "receiveWaitTimeSeconds": Prop("ReceiveMessageWaitTimeSeconds", codec=NUMERAL, default=0),
    "redriveAllowPolicy": Prop("RedriveAllowPolicy", codec=JSON, computed=True),
    "redrivePolicy": Prop("RedrivePolicy", codec=JSON, computed=True),
    "sqsManagedSseEnabled": Prop("SqsManagedSseEnabled", codec=FLAG, computed=True),
    "visibilityTimeoutSeconds": Prop("VisibilityTimeout", codec=NUMERAL, default=30),
}


def _fifo(inputs: Properties) -> str:
    return ".fifo" if inputs.get("fifoQueue") else ""


def _create(op: Operation) -> str:
    # A standard queue refuses the attribute FifoQueue=false.
    attributes = {
        name: value for name, value in op.api(*_ATTRIBUTES).items() if (name, value) != ("FifoQueue", "false")
    }
    tags = wanted(op)
    made = op.client.create_queue(
        QueueName=op.inputs["name"], Attributes=attributes, **({"tags": tags} if tags else {})
    )
    return str(made["QueueUrl"])


def _read(op: Operation) -> Properties:
    attributes = op.client.get_queue_attributes(QueueUrl=op.id, AttributeNames=["All"])["Attributes"]
    found = dict.fromkeys(_ATTRIBUTES) | op.wire(attributes, *_ATTRIBUTES)
    arn = attributes["QueueArn"]
    found |= {"url": op.id, "arn": arn, "name": arn.rpartition(":")[2], "region": arn.split(":")[3]}
    return found | told(op, op.client.list_queue_tags(QueueUrl=op.id).get("Tags") or {})


def _update(op: Operation) -> None:
    changed = [name for name in _ATTRIBUTES if name in op.changed]
    attributes = {_ATTRIBUTES[name].api: "" for name in changed} | op.api(*changed)
    if changed:
        op.client.set_queue_attributes(QueueUrl=op.id, Attributes=attributes)
    retag(
        op,
        lambda tags: op.client.tag_queue(QueueUrl=op.id, Tags=tags),
        lambda names: op.client.untag_queue(QueueUrl=op.id, TagKeys=names),
    )


def _put_policy(op: Operation) -> str:
    url = str(op.inputs["queueUrl"])
    op.client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": op.inputs["policy"]})
    return url


def _read_policy(op: Operation) -> Properties:
    attributes = op.client.get_queue_attributes(QueueUrl=op.id, AttributeNames=["All"])["Attributes"]
    if not attributes.get("Policy"):
        raise Gone(f"queue {op.id} has no policy")
    return {"queueUrl": op.id, "policy": attributes["Policy"], "region": attributes["QueueArn"].split(":")[3]}


TYPES = (
    ResourceType(
        "aws:sqs/queue:Queue",
        "sqs",
        create=_create,
        read=_read,
        update=_update,
        delete=lambda op: op.client.delete_queue(QueueUrl=op.id),
        id="url",
        inputs={
            "name": Prop(replaces=True, autoname=Autoname(80, suffix=_fifo)),
            "namePrefix": Prop(replaces=True, kept=True),
            **_ATTRIBUTES,
            **REGION,
            **TAGS,
        },
        outputs=("arn", "url", "tagsAll"),
    ),
    ResourceType(
        "aws:sqs/queuePolicy:QueuePolicy",
        "sqs",
        create=_put_policy,
        read=_read_policy,
        update=_put_policy,
        delete=lambda op: op.client.set_queue_attributes(QueueUrl=op.id, Attributes={"Policy": ""}),
        id="queueUrl",
        inputs={
            "policy": Prop(codec=POLICY, required=True),
            "queueUrl": Prop(replaces=True, required=True),
            **REGION,
        },
    ),
)
