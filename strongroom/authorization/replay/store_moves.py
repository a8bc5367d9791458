"""Steps over buckets, queues, topics, secrets and repositories of images: their policies rewritten or removed."""

from __future__ import annotations

import json
from typing import Any

from strongroom.authorization.prover.derivation import Step
from strongroom.authorization.replay.identity_moves import Made, Maker
from strongroom.authorization.replay.moves import MARK, Answered, Move, NotReplayable, Request, Way
from strongroom.authorization.replay.scene import Scene, policy, text_of


def _region(arn: str) -> str:
    return arn.split(":")[3] or "us-east-1"


def _name(arn: str) -> str:
    return arn.rpartition(":")[2].rpartition("/")[2]


def _document(scene: Scene, arn: str) -> str | None:
    """The policy that was read, or None if the store has none."""
    found = next((store.policy for store in scene.facts.stores if store.arn == arn), None)
    return text_of(found) if found is not None else None


def _opened(scene: Scene, arn: str, service: str) -> str:
    """A policy that lets everybody in who acts in the derivation; of a bucket for its objects too."""
    resource = [arn, f"{arn}/*"] if service == "s3" else "*" if service in ("secretsmanager", "backup") else arn
    accounts = {f"arn:aws:iam::{who.split(':')[4]}:root" for who in scene.actors}
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": sorted({*scene.actors, *accounts})},
        "Action": f"{service}:*",
    }
    return policy(statement if service == "ecr" else {**statement, "Resource": resource})


def _at(service: str, arn: str) -> dict[str, Any]:
    """How a service names the store in a request."""
    named: dict[str, dict[str, Any]] = {
        "s3": {"Bucket": arn.removeprefix("arn:aws:s3:::")},
        "sqs": {"QueueUrl": Answered("before.QueueUrl")},
        "sns": {"TopicArn": arn},
        "secretsmanager": {"SecretId": arn},
        "ecr": {"repositoryName": arn.partition(":repository/")[2]},
        "backup": {"BackupVaultName": _name(arn)},
    }
    return named[service]


def _set(service: str, arn: str, text: str) -> Request:
    """The request that sets a store's policy."""
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "s3": ("put_bucket_policy", {"Policy": text}),
        "sqs": ("set_queue_attributes", {"Attributes": {"Policy": text}}),
        "sns": ("set_topic_attributes", {"AttributeName": "Policy", "AttributeValue": text}),
        "secretsmanager": ("put_resource_policy", {"ResourcePolicy": text}),
        "ecr": ("set_repository_policy", {"policyText": text}),
        "backup": ("put_backup_vault_access_policy", {"Policy": text}),
    }
    operation, given = made[service]
    return Request(service, operation, {**_at(service, arn), **given}, _region(arn))


def _unset(service: str, arn: str) -> Request:
    """The request that leaves a store without a policy."""
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "s3": ("delete_bucket_policy", {}),
        "sqs": ("set_queue_attributes", {"Attributes": {"Policy": ""}}),
        "sns": ("set_topic_attributes", {"AttributeName": "Policy", "AttributeValue": ""}),
        "secretsmanager": ("delete_resource_policy", {}),
        "ecr": ("delete_repository_policy", {}),
        "backup": ("delete_backup_vault_access_policy", {}),
    }
    operation, given = made[service]
    return Request(service, operation, {**_at(service, arn), **given}, _region(arn))


def _before(service: str, arn: str) -> Request | None:
    if service != "sqs":
        return None
    account, name = arn.split(":")[4:6]
    return Request("sqs", "get_queue_url", {"QueueName": name, "QueueOwnerAWSAccountId": account}, _region(arn))


def _back(scene: Scene, service: str, arn: str) -> Request:
    text = _document(scene, arn)
    return _unset(service, arn) if text is None else _set(service, arn, text)


def rewrite(service: str) -> Maker:
    """The store's policy replaced by one that lets everybody in who acts in the derivation."""

    def make(scene: Scene, step: Step, words: str) -> Made:
        arn = step.target
        put = _set(service, arn, _opened(scene, arn, service))
        mends = (_back(scene, service, arn),)
        return Move(words, step.actor, (Way((put,)),), before=_before(service, arn), mends=mends)

    return make


def remove(service: str) -> Maker:
    """The store's policy deleted, with what it denies."""

    def make(scene: Scene, step: Step, words: str) -> Made:
        arn = step.target
        mends = (_back(scene, service, arn),)
        return Move(words, step.actor, (Way((_unset(service, arn),)),), before=_before(service, arn), mends=mends)

    return make


def permit(service: str) -> Maker:
    """A permission added to the queue or topic for whoever needs it later."""

    def make(scene: Scene, step: Step, words: str) -> Made:
        arn, who = step.target, [held.identity for held in scene.counter.held if held.resource == step.target]
        accounts = sorted({name.split(":")[4] for name in who or scene.actors})
        actions = sorted({held.action.partition(":")[2] for held in scene.counter.held if held.resource == arn})
        names = "Actions" if service == "sqs" else "ActionName"
        ids = "AWSAccountIds" if service == "sqs" else "AWSAccountId"
        given = {**_at(service, arn), "Label": MARK}
        add = Request(service, "add_permission", {**given, ids: accounts, names: actions or ["*"]}, _region(arn))
        gone = Request(service, "remove_permission", given, _region(arn))
        return Move(words, step.actor, (Way((add,)),), before=_before(service, arn), mends=(gone,))

    return make


def forbid(service: str) -> Maker:
    """Every statement of the queue or topic that has a name removed."""

    def make(scene: Scene, step: Step, words: str) -> Made:
        arn, text = step.target, _document(scene, step.target)
        listed = json.loads(text)["Statement"] if text else []
        denies = [item["Sid"] for item in listed if item.get("Effect") == "Deny" and item.get("Sid")]
        if not denies:
            return NotReplayable(words, "no statement that denies has a name")
        gone = tuple(
            Request(service, "remove_permission", {**_at(service, arn), "Label": sid}, _region(arn)) for sid in denies
        )
        back = (_back(scene, service, arn),)
        return Move(words, step.actor, (Way(gone),), before=_before(service, arn), mends=back)

    return make
