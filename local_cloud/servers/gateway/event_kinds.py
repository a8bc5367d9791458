"""How CloudTrail sorts events: management or data, reading or writing, and the type of each resource.

Source: CloudTrail user guide, "Logging data events"; S3 user guide, "Amazon S3 CloudTrail events".
"""

from __future__ import annotations

import re
from typing import Any

#: Operations on what a resource holds, by service; everything else is a management event.
_DATA = {
    "s3": frozenset(
        """AbortMultipartUpload CompleteMultipartUpload CopyObject CreateMultipartUpload DeleteObject
        DeleteObjectTagging DeleteObjects GetObject GetObjectLegalHold GetObjectRetention GetObjectTagging HeadBucket
        HeadObject ListMultipartUploads ListObjectVersions ListObjects ListObjectsV2 ListParts PutObject
        PutObjectLegalHold PutObjectRetention PutObjectTagging UploadPart UploadPartCopy""".split()
    ),
    "dynamodb": frozenset("PutItem GetItem UpdateItem DeleteItem Query Scan".split()),
    "sns": frozenset("Publish PublishBatch".split()),
    "sqs": frozenset(
        """SendMessage SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch ChangeMessageVisibility
        ChangeMessageVisibilityBatch""".split()
    ),
    "logs": frozenset("PutLogEvents GetLogEvents FilterLogEvents".split()),
}
_READING = re.compile(r"(Get|List|Describe|Head|Lookup|Verify|Decrypt|Batch(Get|Check)|Query|Scan|FilterLog)")
#: A data key or a signature is read from KMS: CloudTrail marks these uses as reading, as it does Decrypt.
_KMS_READING = frozenset(
    "Encrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom Sign".split()
)
_TYPES = (
    (r"arn:aws:s3:::[^/]+", "AWS::S3::Bucket"),
    (r"arn:aws:s3:::.+/.*", "AWS::S3::Object"),
    (r"arn:aws:kms:.*:key/.+", "AWS::KMS::Key"),
    (r"arn:aws:kms:.*:alias/.+", "AWS::KMS::Alias"),
    (r"arn:aws:iam::\d+:role/.+", "AWS::IAM::Role"),
    (r"arn:aws:iam::\d+:user/.+", "AWS::IAM::User"),
    (r"arn:aws:iam::\d+:policy/.+", "AWS::IAM::Policy"),
    (r"arn:aws:iam::\d+:group/.+", "AWS::IAM::Group"),
    (r"arn:aws:secretsmanager:.+", "AWS::SecretsManager::Secret"),
    (r"arn:aws:sqs:.+", "AWS::SQS::Queue"),
    (r"arn:aws:sns:.+", "AWS::SNS::Topic"),
    (r"arn:aws:ssm:.*:parameter/.+", "AWS::SSM::Parameter"),
    (r"arn:aws:ecr:.*:repository/.+", "AWS::ECR::Repository"),
    (r"arn:aws:rds:.*:db:.+", "AWS::RDS::DBInstance"),
    (r"arn:aws:rds:.*:snapshot:.+", "AWS::RDS::DBSnapshot"),
    (r"arn:aws:backup:.*:backup-vault:.+", "AWS::Backup::BackupVault"),
    (r"arn:aws:backup:.*:recovery-point:.+", "AWS::Backup::RecoveryPoint"),
    (r"arn:aws:cloudtrail:.*:trail/.+", "AWS::CloudTrail::Trail"),
    (r"arn:aws:dynamodb:.*:table/.+", "AWS::DynamoDB::Table"),
    (r"arn:aws:logs:.+", "AWS::Logs::LogGroup"),
    (r"arn:aws:ecs:.*:cluster/.+", "AWS::ECS::Cluster"),
    (r"arn:aws:ecs:.*:task-definition/.+", "AWS::ECS::TaskDefinition"),
)
_TYPED = [(re.compile(pattern), name) for pattern, name in _TYPES]


def is_data(service: str, operation: str) -> bool:
    """True for a data event, which event history does not hold and trails record only where asked to."""
    return operation in _DATA.get(service, ())


def is_read_only(service: str, operation: str) -> bool:
    """True for an operation that changes nothing; the uses of KMS keys count as reading."""
    return bool(_READING.match(operation)) or (service == "kms" and operation in _KMS_READING)


def resource_type(arn: str) -> str:
    """The type of a resource by its ARN; '' where it has none here."""
    return next((name for pattern, name in _TYPED if pattern.fullmatch(arn)), "")


def resources(arns: list[str], account: str) -> list[dict[str, Any]]:
    """The `resources` of an event: each ARN once, with its type and the account that owns it."""
    rows = []
    for arn in dict.fromkeys(arns):
        row: dict[str, Any] = {"ARN": arn}
        kind = resource_type(arn)
        if kind != "AWS::S3::Object":
            row["accountId"] = (arn.split(":") + [""] * 5)[4] or account
        if kind:
            row["type"] = kind
        rows.append(row)
    return rows


def is_global(event: dict[str, Any]) -> bool:
    """True for an event of a global service, which every trail that includes such events gets."""
    return event["eventSource"] in ("iam.amazonaws.com", "organizations.amazonaws.com", "cloudfront.amazonaws.com")
