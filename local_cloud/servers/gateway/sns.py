"""SNS: topic policies within and across accounts, and the topic's KMS key needed to publish."""

from __future__ import annotations

from dataclasses import replace

from moto.sns.models import Topic, sns_backends

from strongroom.authorization.documents import Form, Named

from . import operations
from .access import Demand
from .call import Call, Refuse, Rule
from .cloud import Cloud
from .kms_policy import checked_policy
from .kms_use import KeyUse
from .operations import tag_context

_ON_TOPIC = frozenset(
    """DeleteTopic GetTopicAttributes SetTopicAttributes Publish Subscribe ListSubscriptionsByTopic AddPermission
    RemovePermission ConfirmSubscription ListTagsForResource TagResource UntagResource""".split()
)
#: Batches need the permission of the single operation.
_BATCH = {"PublishBatch": "Publish"}
_KMS_CODES = {"KMS.DisabledException": "KMSDisabled", "KMS.KMSInvalidStateException": "KMSInvalidState"}


def topic_of(call: Call) -> Topic | None:
    """moto's topic of a call, in whichever account; None where it does not exist."""
    arn = call.params.get("TopicArn") or call.params.get("TargetArn") or call.params.get("ResourceArn") or ""
    parts = arn.split(":")
    if len(parts) != 6 or parts[4] not in sns_backends:
        return None
    return sns_backends[parts[4]][parts[3]].topics.get(arn)


def demands(call: Call) -> list[Demand] | None:
    """The permissions an SNS call needs; None where the operation is not known here."""
    action = _BATCH.get(call.operation, call.operation)
    topic = topic_of(call)
    if topic is None or action not in _ON_TOPIC:
        return operations.demands(call)
    call.backend_account = topic.account_id
    # aws:SourceOwner, on which a topic's default policy stands, is set for calls of services only
    context = tag_context(call)
    for name in ("Endpoint", "Protocol"):
        if call.operation == "Subscribe" and call.params.get(name):
            context[f"sns:{name}"] = call.params[name]
    policy = Named(f"topic policy of {topic.name}", topic.policy)
    return [Demand(f"sns:{action}", topic.arn, context, topic.account_id, policy)]


class Topics:
    """What moto does not check of topics."""

    def __init__(self, cloud: Cloud, use: KeyUse) -> None:
        self._cloud, self._use = cloud, use

    def rules(self) -> list[Rule]:
        """Rules that refuse before moto."""
        return [
            *(Rule("sns", operation, before=self._publish) for operation in ("Publish", "PublishBatch")),
            Rule("sns", "SetTopicAttributes", before=self._attribute),
            Rule("sns", "CreateTopic", before=self._attributes),
        ]

    def _publish(self, call: Call) -> Refuse | None:
        topic = topic_of(call)
        if topic is None or not topic.kms_master_key_id:
            return None
        via = replace(call, via_service=f"sns.{call.region}.amazonaws.com", account=topic.account_id)
        try:
            for action in ("GenerateDataKey", "Decrypt"):
                self._use.check_via(via, topic.kms_master_key_id, action, {"aws:sns:topicArn": topic.arn})
        except Refuse as refusal:
            missing = "KMSNotFound" if refusal.code == "NotFoundException" else "KMSAccessDenied"
            return Refuse(_KMS_CODES.get(refusal.code, missing), refusal.message, 400)
        return None

    def _checked(self, text: str) -> None:
        checked_policy(text, Form.RESOURCE, "topic policy", self._cloud.identities, "InvalidParameter")

    def _attribute(self, call: Call) -> Refuse | None:
        if call.params.get("AttributeName") == "Policy":
            self._checked(call.params.get("AttributeValue", ""))
        return None

    def _attributes(self, call: Call) -> Refuse | None:
        text = (call.params.get("Attributes") or {}).get("Policy")
        if text:
            self._checked(text)
        return None
