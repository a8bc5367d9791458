"""ECR: repository policies within and across accounts, and digests that are those of the manifests."""

from __future__ import annotations

import hashlib

from moto.ecr.models import Repository, ecr_backends

from strongroom.authorization.documents import Form, Named

from . import operations
from .access import Demand
from .call import Call, Refuse, Rule
from .cloud import Cloud
from .kms_policy import checked_policy

#: Operations on a repository, whose own policy decides with.
_ON_REPOSITORY = frozenset(
    """DeleteRepository PutImage PutImageTagMutability BatchDeleteImage ListImages DescribeImages BatchGetImage
    GetRepositoryPolicy SetRepositoryPolicy DeleteRepositoryPolicy InitiateLayerUpload UploadLayerPart
    CompleteLayerUpload BatchCheckLayerAvailability GetDownloadUrlForLayer PutLifecyclePolicy GetLifecyclePolicy
    DeleteLifecyclePolicy PutImageScanningConfiguration StartImageScan DescribeImageScanFindings""".split()
)


def repository_of(call: Call) -> Repository | None:
    """moto's repository of a call, in the registry it names; None where it does not exist."""
    account = call.params.get("registryId") or call.account
    if account not in ecr_backends:
        return None
    return ecr_backends[account][call.region].repositories.get(call.params.get("repositoryName", ""))


def demands(call: Call) -> list[Demand] | None:
    """The permissions an ECR call needs; None where the operation is not known here."""
    if call.operation not in _ON_REPOSITORY:
        return operations.demands(call)
    account = call.params.get("registryId") or call.account
    call.backend_account = account
    repository = repository_of(call)
    policy = None
    if repository is not None and repository.policy:
        policy = Named(f"policy of repository {repository.name}", repository.policy)
    arn = f"arn:aws:ecr:{call.region}:{account}:repository/{call.params['repositoryName']}"
    return [Demand(f"ecr:{call.operation}", arn, owner=account, policy=policy)]


class Images:
    """What moto does not check of repositories and images."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rules(self) -> list[Rule]:
        """Rules that refuse before moto."""
        return [
            Rule("ecr", "PutImage", before=self._put),
            Rule("ecr", "SetRepositoryPolicy", before=self._policy),
        ]

    def _put(self, call: Call) -> Refuse | None:
        """An image's digest is that of its manifest's bytes, where moto makes one up; an immutable tag stays."""
        digest = f"sha256:{hashlib.sha256(call.params['imageManifest'].encode()).hexdigest()}"
        if call.params.get("imageDigest", digest) != digest:
            message = f"The supplied digest does not match the digest of the manifest, {digest}"
            return Refuse("ImageDigestDoesNotMatchException", message)
        repository, tag = repository_of(call), call.params.get("imageTag")
        if repository is not None and tag and repository.image_tag_mutability == "IMMUTABLE":
            holder = next((image for image in repository.images if tag in image.image_tags), None)
            if holder is not None and holder.get_image_digest() != digest:
                message = f"The image tag '{tag}' already exists in '{repository.name}', whose tags are immutable."
                return Refuse("ImageTagAlreadyExistsException", message)
        call.sent = {**call.params, "imageDigest": digest}
        return None

    def _policy(self, call: Call) -> Refuse | None:
        text = call.params["policyText"]
        checked_policy(text, Form.RESOURCE, "repository policy", self._cloud.identities, "InvalidParameterException")
        return None
