"""Abilities over buckets, queues, topics, secrets and OpenBao, shown by a call that loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from strongroom.authorization.prover.holdings import Held
from strongroom.authorization.replay.moves import MARK, Answered, Move, NotReplayable, Request, Way

#: Codes that only somebody gets who may do it: there is nothing to do it with.
NOTHING_THERE = frozenset({"NoSuchKey", "404", "NoSuchVersion", "ResourceNotFoundException", "NoSuchBucketPolicy"})
_BODY = b"shown by strongroom duty replay"


def show_store(held: Held, words: str) -> Move | NotReplayable:
    """The call that shows an ability over a store."""
    maker = _ACTIONS.get(held.action)
    if maker is None:
        return NotReplayable(words, f"{held.action} has no call that loses nothing")
    return maker(held, words)


def _object(arn: str) -> dict[str, str]:
    bucket, _, key = arn.removeprefix("arn:aws:s3:::").replace("*", MARK).partition("/")
    return {"Bucket": bucket, **({"Key": key} if key else {})}


def _s3(operation: str, **more: Any) -> Callable[[Held, str], Move]:
    def make(held: Held, words: str) -> Move:
        request = Request("s3", operation, {**_object(held.resource), **more})
        return Move(words, held.identity, (Way((request,)),), answers=NOTHING_THERE)

    return make


def _put_object(held: Held, words: str) -> Move:
    """A new version, deleted afterwards if no lock holds it."""
    at = _object(held.resource)
    version = {**at, "VersionId": Answered("answer.VersionId")}
    ways = tuple(
        Way((Request("s3", "put_object", {**at, "Body": _BODY, **more}),)) for more in ({}, {"IfNoneMatch": "*"})
    )
    gone = Request("s3", "delete_object", {**version, "BypassGovernanceRetention": True})
    return Move(words, held.identity, ways, mends=(gone,))


def _delete_object(held: Held, words: str) -> Move:
    """A delete marker, removed afterwards: it hides what is there and loses nothing in a versioned bucket."""
    at = _object(held.resource)
    gone = Request("s3", "delete_object", {**at, "VersionId": Answered("answer.VersionId")})
    return Move(words, held.identity, (Way((Request("s3", "delete_object", at),)),), mends=(gone,))


def _delete_version(held: Held, words: str) -> Move:
    """A version put by whoever may, deleted by the actor: what was there stays."""
    at = _object(held.resource)
    put = Request("s3", "put_object", {**at, "Body": _BODY})
    gone = {**at, "VersionId": Answered("prepared.VersionId")}
    ways = (
        Way((Request("s3", "delete_object", gone),), put),
        Way((Request("s3", "delete_object", {**gone, "BypassGovernanceRetention": True}),), put),
    )
    return Move(words, held.identity, ways)


def _same(operation: str, read: str = "", **arguments: Any) -> Callable[[Held, str], Move]:
    """A setting of a bucket put as it is."""

    def make(held: Held, words: str) -> Move:
        at = {"Bucket": _object(held.resource)["Bucket"]}
        before = Request("s3", read, at) if read else None
        return Move(words, held.identity, (Way((Request("s3", operation, {**at, **arguments}),)),), before=before)

    return make


def _lifecycle(held: Held, words: str) -> Move:
    """A rule that is switched off, and what was there put back."""
    at = {"Bucket": _object(held.resource)["Bucket"]}
    rule = {"ID": MARK, "Status": "Disabled", "Filter": {"Prefix": MARK}, "Expiration": {"Days": 1}}
    operation, argument = "put_bucket_lifecycle_configuration", "LifecycleConfiguration"
    put = Request("s3", operation, {**at, argument: {"Rules": [rule]}})
    gone = Request("s3", "delete_bucket_lifecycle", at)
    back = Request("s3", operation, {**at, argument: {"Rules": Answered("before.Rules")}}, instead=gone)
    before = Request("s3", "get_bucket_lifecycle_configuration", at)
    return Move(words, held.identity, (Way((put,)),), before=before, mends=(back,))


def _queue(operation: str, **more: Any) -> Callable[[Held, str], Move]:
    def make(held: Held, words: str) -> Move:
        region, account, name = held.resource.split(":")[3:6]
        where = Request("sqs", "get_queue_url", {"QueueName": name, "QueueOwnerAWSAccountId": account}, region)
        request = Request("sqs", operation, {"QueueUrl": Answered("before.QueueUrl"), **more}, region)
        return Move(words, held.identity, (Way((request,)),), before=where)

    return make


def _secret(operation: str, **more: Any) -> Callable[[Held, str], Move]:
    def make(held: Held, words: str) -> Move:
        request = Request("secretsmanager", operation, {"SecretId": held.resource, **more}, held.resource.split(":")[3])
        return Move(words, held.identity, (Way((request,)),))

    return make


def _topic(held: Held, words: str) -> Move:
    given = {"TopicArn": held.resource, "Message": MARK}
    return Move(words, held.identity, (Way((Request("sns", "publish", given, held.resource.split(":")[3]),)),))


_ACTIONS: Mapping[str, Callable[[Held, str], Move]] = {
    "s3:GetObject": _s3("get_object"),
    "s3:ListBucket": _s3("list_objects_v2", MaxKeys=1),
    "s3:GetBucketPolicy": _s3("get_bucket_policy"),
    "s3:PutObject": _put_object,
    "s3:DeleteObject": _delete_object,
    "s3:DeleteObjectVersion": _delete_version,
    "s3:PutLifecycleConfiguration": _lifecycle,
    "s3:PutBucketVersioning": _same("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"}),
    "s3:PutBucketPolicy": _same("put_bucket_policy", "get_bucket_policy", Policy=Answered("before.Policy")),
    "s3:PutBucketObjectLockConfiguration": _same(
        "put_object_lock_configuration",
        "get_object_lock_configuration",
        ObjectLockConfiguration=Answered("before.ObjectLockConfiguration"),
    ),
    "sqs:SendMessage": _queue("send_message", MessageBody=MARK),
    "sqs:ReceiveMessage": _queue("receive_message", VisibilityTimeout=0),
    "secretsmanager:GetSecretValue": _secret("get_secret_value"),
    "secretsmanager:DescribeSecret": _secret("describe_secret"),
    "sns:Publish": _topic,
}
