"""Rules of topics, queues and image repositories: their own policies, their keys, and tags that do not move."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from botocore.exceptions import ClientError
from contract_rows import ADMIN, BACKUP, WORKLOAD, allow, deny, document, name, new_key, new_role, root, row
from rows_of_trail import delivered, lookup, new_trail

OTHER = f"admin@{BACKUP}"


def topic(cloud: Any, **attributes: str) -> str:
    return str(cloud.client(ADMIN, "sns").create_topic(Name=name("topic"), Attributes=attributes)["TopicArn"])


def set_policy(cloud: Any, arn: str, *statements: dict[str, Any]) -> None:
    cloud.client(ADMIN, "sns").set_topic_attributes(
        TopicArn=arn, AttributeName="Policy", AttributeValue=document(*statements)
    )


@row("AuthorizationError")
def a_topic_policy_denies_its_own_account(cloud: Any) -> None:
    arn = topic(cloud)
    cloud.client(ADMIN, "sns").publish(TopicArn=arn, Message="m")
    set_policy(cloud, arn, deny("sns:Publish", arn, Principal="*"))
    cloud.client(ADMIN, "sns").publish(TopicArn=arn, Message="m")


@row("AuthorizationError")
def a_topic_of_another_account_is_closed_by_default(cloud: Any) -> None:
    cloud.client(OTHER, "sns").publish(TopicArn=topic(cloud), Message="m")


@row("AuthorizationError")
def a_topic_policy_admits_another_account(cloud: Any) -> None:
    arn = topic(cloud)
    set_policy(cloud, arn, allow("sns:Publish", arn, Principal=root(BACKUP)))
    cloud.client(OTHER, "sns").publish(TopicArn=arn, Message="m")
    cloud.client(OTHER, "sns").delete_topic(TopicArn=arn)


@row("InvalidParameter")
def a_topic_policy_names_existing_principals(cloud: Any) -> None:
    arn = topic(cloud)
    set_policy(cloud, arn, allow("sns:Publish", arn, Principal={"AWS": f"arn:aws:iam::{WORKLOAD}:role/ghost"}))


@row("AuthorizationError")
def a_batch_needs_the_right_to_publish(cloud: Any) -> None:
    arn = topic(cloud)
    entries = [{"Id": "1", "Message": "m"}]
    cloud.client(new_role(cloud, allow("sns:Publish", arn)), "sns").publish_batch(
        TopicArn=arn, PublishBatchRequestEntries=entries
    )
    cloud.client(new_role(cloud, allow("sns:PublishBatch", arn)), "sns").publish_batch(
        TopicArn=arn, PublishBatchRequestEntries=entries
    )


@row("KMSDisabled")
def a_topic_with_a_disabled_key_takes_no_messages(cloud: Any) -> None:
    key = new_key(cloud)
    arn = topic(cloud, KmsMasterKeyId=key)
    cloud.client(ADMIN, "sns").publish(TopicArn=arn, Message="m")
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    cloud.client(ADMIN, "sns").publish(TopicArn=arn, Message="m")


@row("KMSAccessDenied")
def publishing_needs_the_topics_key(cloud: Any) -> None:
    arn = topic(cloud, KmsMasterKeyId=new_key(cloud))
    cloud.client(new_role(cloud, allow("sns:*")), "sns").publish(TopicArn=arn, Message="m")


@row("KmsDisabled")
def a_queue_with_a_disabled_key_gives_no_messages(cloud: Any) -> None:
    key, sqs = new_key(cloud), cloud.client(ADMIN, "sqs")
    url = sqs.create_queue(QueueName=name("queue"), Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="m")
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    sqs.receive_message(QueueUrl=url)


@row("KmsAccessDenied")
def a_queues_key_is_used_for_that_queue_through_the_service(cloud: Any) -> None:
    queue, key = name("queue"), new_key(cloud)
    arn = f"arn:aws:sqs:us-east-1:{WORKLOAD}:{queue}"
    condition = {
        "StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:sqs:arn": arn}
    }
    uses = allow(["kms:GenerateDataKey", "kms:Decrypt"], Condition=condition)
    sqs = cloud.client(new_role(cloud, allow("sqs:*"), uses), "sqs")
    for place in (queue, f"{queue}-other"):
        url = sqs.create_queue(QueueName=place, Attributes={"KmsMasterKeyId": key})["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="m")


@row(laptop_only="CloudTrail delivers minutes later")
def no_event_holds_a_message(cloud: Any) -> None:
    selector = {
        "Name": "all",
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": ["AWS::SNS::Topic", "AWS::SQS::Queue"]},
        ],
    }
    trail, bucket = new_trail(cloud, selectors={"AdvancedEventSelectors": [selector]})
    arn, sqs = topic(cloud), cloud.client(ADMIN, "sqs")
    url = sqs.create_queue(QueueName=name("queue"))["QueueUrl"]
    attributes = {"a": {"DataType": "String", "StringValue": "hidden-value"}}
    cloud.client(ADMIN, "sns").publish(
        TopicArn=arn, Message="hidden-value", Subject="hidden-value", MessageAttributes=attributes
    )
    sqs.send_message(QueueUrl=url, MessageBody="hidden-value", MessageAttributes=attributes)
    sqs.receive_message(QueueUrl=url)
    events = delivered(cloud, trail, bucket)
    assert {event["eventName"] for event in events} == {"Publish", "SendMessage", "ReceiveMessage"}
    assert "hidden-value" not in str(events)


MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": "sha256:00"},
        "layers": [],
    }
)


def repository(cloud: Any, **more: Any) -> str:
    made = name("images")
    cloud.client(ADMIN, "ecr").create_repository(repositoryName=made, **more)
    return made


@row("ImageTagAlreadyExistsException")
def an_immutable_tag_does_not_move(cloud: Any) -> None:
    images, ecr = repository(cloud, imageTagMutability="IMMUTABLE"), cloud.client(ADMIN, "ecr")
    put = ecr.put_image(repositoryName=images, imageManifest=MANIFEST, imageTag="v1")
    assert put["image"]["imageId"]["imageDigest"] == f"sha256:{hashlib.sha256(MANIFEST.encode()).hexdigest()}"
    ecr.put_image(repositoryName=images, imageManifest=MANIFEST.replace("sha256:00", "sha256:01"), imageTag="v1")


@row("ImageDigestDoesNotMatchException")
def an_image_has_the_digest_of_its_manifest(cloud: Any) -> None:
    cloud.client(ADMIN, "ecr").put_image(
        repositoryName=repository(cloud), imageManifest=MANIFEST, imageTag="v1", imageDigest=f"sha256:{'0' * 64}"
    )


@row("AccessDeniedException")
def a_repository_policy_denies_its_own_account(cloud: Any) -> None:
    images, ecr = repository(cloud), cloud.client(ADMIN, "ecr")
    statement = {"Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage"}
    ecr.set_repository_policy(repositoryName=images, policyText=document(statement))
    ecr.put_image(repositoryName=images, imageManifest=MANIFEST, imageTag="v1")


@row("AccessDeniedException")
def a_repository_policy_admits_another_account(cloud: Any) -> None:
    images, ecr = repository(cloud), cloud.client(ADMIN, "ecr")
    ecr.put_image(repositoryName=images, imageManifest=MANIFEST, imageTag="v1")
    asked: dict[str, Any] = {"registryId": WORKLOAD, "repositoryName": images, "imageIds": [{"imageTag": "v1"}]}
    other = cloud.client(OTHER, "ecr")
    try:
        other.batch_get_image(**asked)
    except ClientError as refused:
        assert refused.response["Error"]["Code"] == "AccessDeniedException"
    else:
        raise ValueError("a repository without a policy was open to another account")
    statement = {"Effect": "Allow", "Principal": root(BACKUP), "Action": "ecr:BatchGetImage"}
    ecr.set_repository_policy(repositoryName=images, policyText=document(statement))
    assert other.batch_get_image(**asked)["images"][0]["imageManifest"] == MANIFEST
    other.batch_delete_image(**asked)


@row(laptop_only="CloudTrail delivers minutes later")
def an_images_event_names_the_repository(cloud: Any) -> None:
    images, ecr = repository(cloud), cloud.client(ADMIN, "ecr")
    ecr.put_image(repositoryName=images, imageManifest=MANIFEST, imageTag="v1")
    arn = f"arn:aws:ecr:us-east-1:{WORKLOAD}:repository/{images}"
    assert {event["eventName"] for event in lookup(cloud, "ResourceName", arn)} == {"CreateRepository", "PutImage"}
