"""The laptop's `aws` provider carries Pulumi's AWS resources out against the local cloud, and only there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import botocore.exceptions as boto
import grpc
from botocore.parsers import ResponseParserError

from local_cloud.plugins import (
    aws_buckets,
    aws_ec2,
    aws_ecs,
    aws_iam,
    aws_invokes,
    aws_kms,
    aws_logs,
    aws_rds,
    aws_s3,
    aws_s3_objects,
    aws_scheduler,
    aws_secretsmanager,
    aws_sqs,
)
from local_cloud.plugins.aws_session import SETTINGS, AwsSession
from local_cloud.plugins.base import ProviderServicer, Status, run
from local_cloud.plugins.table import Operation, Properties, ResourceType
from local_cloud.plugins.wire import has_unknown

_MODULES: tuple[Any, ...] = (
    aws_buckets,
    aws_ec2,
    aws_ecs,
    aws_iam,
    aws_kms,
    aws_logs,
    aws_rds,
    aws_s3,
    aws_s3_objects,
    aws_scheduler,
    aws_secretsmanager,
    aws_sqs,
)
#: What the services, and moto in their place, answer for something that is not there.
_MISSING = frozenset(
    {
        "404",
        "NoSuchEntity",
        "NoSuchEntityException",
        "NotFoundException",
        "ResourceNotFoundException",
        "NoSuchBucket",
        "NoSuchKey",
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "NotFound",
        "ServerSideEncryptionConfigurationNotFoundError",
        "ObjectLockConfigurationNotFoundError",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "InvalidVpcID.NotFound",
        "InvalidSubnetID.NotFound",
        "InvalidGroup.NotFound",
        "DBSubnetGroupNotFoundFault",
        "DBSubnetGroupNotFound",
        "DBParameterGroupNotFound",
        "DBParameterGroupNotFoundFault",
        "DBInstanceNotFound",
        "DBInstanceNotFoundFault",
        "ClusterNotFoundException",
    }
)
_KINDS: tuple[tuple[tuple[str, ...], grpc.StatusCode], ...] = (
    (("AccessDenied", "UnauthorizedOperation", "Forbidden", "403"), grpc.StatusCode.PERMISSION_DENIED),
    (("InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClient"), grpc.StatusCode.UNAUTHENTICATED),
    (("AlreadyExists", "AlreadyOwnedByYou", "Duplicate", "Conflict"), grpc.StatusCode.ALREADY_EXISTS),
    (("Throttl", "LimitExceeded", "SlowDown"), grpc.StatusCode.RESOURCE_EXHAUSTED),
    (("Validation", "Malformed", "Invalid", "MissingParameter"), grpc.StatusCode.INVALID_ARGUMENT),
)
_NOT_THERE = "the local cloud failed inside, or does not know this operation"


class AwsProvider(ProviderServicer):
    """Pulumi's `aws` provider over boto3; refuses every endpoint that is not on this machine."""

    package = "aws"
    version = "7.51.1"
    table: ClassVar[Mapping[str, ResourceType]] = {row.token: row for module in _MODULES for row in module.TYPES}
    settings = SETTINGS

    def configure(self, settings: Properties) -> None:
        self._session = AwsSession(settings)

    def client(self, operation: Operation) -> Any:
        region = str(operation.get("region") or self._session.region)
        return self._session.client(operation.resource.service, region)

    def service(self, name: str, region: str = "") -> Any:
        """The client of any service, for operations that touch more than their own."""
        return self._session.client(name, region)

    @property
    def region(self) -> str:
        """The Region of the configuration."""
        return self._session.region

    def tags(self, operation: Operation) -> dict[str, str]:
        """All tags a resource gets: the configuration's and its own, which win."""
        own = operation.inputs.get("tags") or {}
        return self._session.tags | {name: str(value) for name, value in own.items()}

    @property
    def default_tags(self) -> dict[str, str]:
        """The tags that the configuration gives to every resource."""
        return self._session.tags

    def derived(self, resource: ResourceType, inputs: Properties) -> Properties:
        found: Properties = {}
        if "tagsAll" in resource.outputs and not has_unknown(inputs.get("tags")):
            own = inputs.get("tags") or {}
            found["tagsAll"] = self._session.tags | {name: str(value) for name, value in own.items()}
        if "region" in resource.inputs:
            found["region"] = inputs.get("region") or self._session.region
        return found

    def missing(self, problem: Exception) -> bool:
        return isinstance(problem, boto.ClientError) and problem.response["Error"]["Code"] in _MISSING

    def explain(self, problem: Exception) -> Status | None:
        if isinstance(problem, boto.ClientError):
            error = problem.response["Error"]
            code, what = error["Code"], error.get("Message", "")
            kind = grpc.StatusCode.NOT_FOUND if code in _MISSING else _kind(code)
            what = _NOT_THERE if "<html" in what else what
            return kind, f"{problem.operation_name}: {code}: {what}"
        if isinstance(problem, ResponseParserError):
            return grpc.StatusCode.UNKNOWN, _NOT_THERE
        if isinstance(problem, (boto.EndpointConnectionError, boto.ConnectionError, boto.HTTPClientError)):
            return grpc.StatusCode.UNAVAILABLE, f"the local cloud does not answer: {problem}"
        if isinstance(problem, (boto.NoCredentialsError, boto.ProfileNotFound, boto.CredentialRetrievalError)):
            return grpc.StatusCode.UNAUTHENTICATED, str(problem)
        if isinstance(problem, boto.ParamValidationError):
            return grpc.StatusCode.INVALID_ARGUMENT, " ".join(str(problem).split())
        return (grpc.StatusCode.UNKNOWN, str(problem)) if isinstance(problem, boto.BotoCoreError) else None

    def invoke(self, token: str, args: Properties) -> Properties:
        function: Callable[[AwsSession, Properties], Properties] | None = aws_invokes.FUNCTIONS.get(token)
        return function(self._session, args) if function else super().invoke(token, args)


def _kind(code: str) -> grpc.StatusCode:
    return next((kind for parts, kind in _KINDS if any(part in code for part in parts)), grpc.StatusCode.UNKNOWN)


if __name__ == "__main__":
    run(AwsProvider())
