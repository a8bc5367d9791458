"""Facts from Pulumi's resources: names become those of the AWS API, a bucket and what configures it become one fact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.controls.facts import UNKNOWN, Fact, Source

#: reads one input; raises or answers UNKNOWN when its value is not known yet
Reader = Callable[[str], Any]


@dataclass(frozen=True)
class Declared:
    """A resource of a program or preview: type token, name, and how to read its inputs by Pulumi's names."""

    type: str
    name: str
    read: Reader


def facts(resources: Iterable[Declared], source: Source) -> list[Fact]:
    """The facts of all keys and buckets among the resources."""
    found: list[Fact] = []
    buckets: dict[str, dict[str, Any]] = {}
    for resource in resources:
        if resource.type == "aws:kms/key:Key":
            found.append(Fact("kms:key", resource.name, _renamed(resource, _KEY), source=source))
        elif resource.type in _BUCKET:
            properties = buckets.setdefault(str(resource.read("bucket")), {})
            properties |= _BUCKET[resource.type](resource)
    found += [Fact("s3:bucket", name, properties, source=source) for name, properties in buckets.items()]
    return found


_KEY = {
    "KeySpec": "customerMasterKeySpec",
    "KeyRotationEnabled": "enableKeyRotation",
    "RotationPeriodInDays": "rotationPeriodInDays",
    "PendingWindowInDays": "deletionWindowInDays",
    "Policy": "policy",
}


def _renamed(resource: Declared, names: Mapping[str, str]) -> dict[str, Any]:
    return {api: resource.read(pulumi) for api, pulumi in names.items()}


def _blocks(resource: Declared) -> dict[str, Any]:
    names = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    return {"PublicAccessBlockConfiguration": {name[0].upper() + name[1:]: resource.read(name) for name in names}}


def _versioning(resource: Declared) -> dict[str, Any]:
    configuration = resource.read("versioningConfiguration")
    return {"VersioningStatus": UNKNOWN if configuration is UNKNOWN else configuration["status"]}


_BUCKET: dict[str, Callable[[Declared], dict[str, Any]]] = {
    "aws:s3/bucket:Bucket": lambda r: {"ObjectLockEnabled": r.read("objectLockEnabled")},
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _blocks,
    "aws:s3/bucketPolicy:BucketPolicy": lambda r: {"Policy": r.read("policy")},
    "aws:s3/bucketVersioning:BucketVersioning": _versioning,
}
