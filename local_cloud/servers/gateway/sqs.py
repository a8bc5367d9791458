"""SQS: queue policies across accounts, and the queue's KMS key needed to send and to receive."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from moto.sqs.models import Queue, sqs_backends

from strongroom.authorization.documents import Form, Named

from .access import Demand
from .call import Call, Refuse, Rule
from .cloud import Cloud
from .kms_policy import checked_policy
from .kms_use import KeyUse
from .operations import tag_context

_ON_QUEUE = """AddPermission ChangeMessageVisibility DeleteMessage DeleteQueue GetQueueAttributes GetQueueUrl
    ListDeadLetterSourceQueues ListQueueTags PurgeQueue ReceiveMessage RemovePermission SendMessage SetQueueAttributes
    TagQueue UntagQueue""".split()
#: Batches need the permission of the single operation.
_BATCH = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}


def _place(call: Call) -> tuple[str, str]:
    """(account, name) of the queue a call names by URL, or by name and owner."""
    url = call.params.get("QueueUrl")
    if url:
        parts = urlsplit(url).path.strip("/").split("/")
        return (parts[-2], parts[-1]) if len(parts) >= 2 else (call.account, parts[-1])
    return call.params.get("QueueOwnerAWSAccountId") or call.account, call.params["QueueName"]


def queue_of(call: Call) -> Queue | None:
    """moto's queue of a call; None where it does not exist."""
    account, name = _place(call)
    return sqs_backends[account][call.region].queues.get(name)


def demands(call: Call) -> list[Demand] | None:
    """The permissions an SQS call needs; None where the operation is not known here."""
    if call.operation == "ListQueues":
        return [Demand("sqs:ListQueues")]
    action = _BATCH.get(call.operation, call.operation)
    if action not in _ON_QUEUE and action != "CreateQueue":
        return None
    account, name = _place(call)
    queue = queue_of(call)
    call.backend_account = account
    arn = f"arn:aws:sqs:{call.region}:{account}:{name}"
    policy = Named(f"queue policy of {name}", queue.policy) if queue is not None and queue.policy else None
    return [Demand(f"sqs:{action}", arn, tag_context(call), account, policy)]


class Queues:
    """What moto does not check of queues."""

    def __init__(self, cloud: Cloud, use: KeyUse) -> None:
        self._cloud, self._use = cloud, use

    def rules(self) -> list[Rule]:
        """Rules that refuse before moto."""
        sending = ("SendMessage", "SendMessageBatch")
        return [
            *(Rule("sqs", operation, before=self._send) for operation in sending),
            Rule("sqs", "ReceiveMessage", before=self._receive),
            Rule("sqs", "CreateQueue", before=self._attributes),
            Rule("sqs", "SetQueueAttributes", before=self._attributes),
        ]

    def _key(self, call: Call, actions: tuple[str, ...]) -> Refuse | None:
        queue = queue_of(call)
        reference = queue.kms_master_key_id if queue is not None else None  # type: ignore[attr-defined]
        if queue is None or not reference:
            return None
        via = replace(call, via_service=f"sqs.{call.region}.amazonaws.com")
        context = {"aws:sqs:arn": queue.queue_arn}
        try:
            for action in actions:
                self._use.check_via(via, reference, action, context)
        except Refuse as refusal:
            codes = {"KMS.DisabledException": "KmsDisabled", "KMS.KMSInvalidStateException": "KmsInvalidState"}
            code = codes.get(refusal.code, "KmsAccessDenied" if refusal.status == 403 else "KmsNotFound")
            return Refuse(code, refusal.message, 400)
        return None

    def _send(self, call: Call) -> Refuse | None:
        return self._key(call, ("GenerateDataKey", "Decrypt"))

    def _receive(self, call: Call) -> Refuse | None:
        return self._key(call, ("Decrypt",))

    def _attributes(self, call: Call) -> Refuse | None:
        text = call.params.get("Attributes", {}).get("Policy")
        if text:
            checked_policy(text, Form.RESOURCE, "queue policy", self._cloud.identities, "InvalidAttributeValue")
        return None
