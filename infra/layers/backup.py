"""The repository's S3 copies with their control buckets, and the recipients that live in the backup account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components.private_bucket import PrivateBucket, PrivateBucketArgs
from infra.deployment import Deployment
from infra.layers.keymaking import make_key
from infra.layers.manifest import key_fact, publish
from infra.policies import bucket_policies
from infra.policies.document import to_json
from strongroom.errors import UsageError
from strongroom.estate import names
from strongroom.estate.keyring import of_layer
from strongroom.estate.model import CopySpec, Repository

FORMAT = "strongroom.repository/1"
#: what a restore needs where nothing of Strongroom is installed: object name -> file of this project
READER: Mapping[str, str] = {"tools/restore.py": "tools/restore.py", "tools/SPEC.md": "docs/formats/repository.md"}


def deploy(deployment: Deployment) -> None:
    """Composes the layer."""
    estate = deployment.estate
    keys = [key_fact(deployment, spec.name, make_key(deployment, spec).arn) for spec in of_layer(estate, "backup")]
    made = [
        _copy(deployment, repo, repository, name, copy)
        for repo, repository in estate.repositories.items()
        for name, copy in repository.copies.items()
        if copy.backend == "s3"
    ]
    repositories = [_repository_fact(deployment, repo, r) for repo, r in estate.repositories.items()]
    publish(deployment, {"keys": keys, "repositories": repositories}, depends_on=made)


def format_json(repo: str) -> str:
    """The first object of a repository: its format, its id, and the features a reader must know."""
    return json.dumps({"format": FORMAT, "repo": repo, "features": []}, sort_keys=True, separators=(",", ":"))


def _copy(deployment: Deployment, repo: str, repository: Repository, name: str, copy: CopySpec) -> PrivateBucket:
    estate = deployment.estate
    data = PrivateBucket(
        f"{repo}-{name}",
        PrivateBucketArgs(
            bucket=names.copy_bucket(estate, name, copy),
            policy=to_json(bucket_policies.repository_bucket(estate, repo, name, copy)),
            tags=deployment.tags("backup", "backup-writer"),
            lock=copy.lock or repository.lock,
            protect=estate.protection.data,
        ),
        deployment.in_account(copy.account),
    )
    PrivateBucket(
        f"{repo}-{name}-control",
        PrivateBucketArgs(
            bucket=names.copy_control_bucket(estate, name, copy),
            policy=to_json(bucket_policies.control_bucket(estate, name, copy)),
            tags=deployment.tags("backup", "backup-writer"),
            protect=estate.protection.data,
        ),
        deployment.in_account(copy.account),
    )
    _fixed_objects(deployment, repo, name, data)
    return data


def _fixed_objects(deployment: Deployment, repo: str, name: str, bucket: PrivateBucket) -> None:
    # a locked version outlives its stack in any case
    options = pulumi.ResourceOptions(parent=bucket, retain_on_delete=True)
    aws.s3.BucketObjectv2(
        f"{repo}-{name}-format",
        bucket=bucket.bucket,
        key="format.json",
        content=format_json(repo),
        content_type="application/json",
        opts=options,
    )
    for key, source in READER.items():
        path = deployment.root / source
        if not path.is_file():
            raise UsageError(f"{source} is absent, but every copy must carry it", hint="restore it from the release")
        aws.s3.BucketObjectv2(
            f"{repo}-{name}-{path.name}",
            bucket=bucket.bucket,
            key=key,
            content=path.read_text(encoding="utf-8"),
            content_type="text/plain; charset=utf-8",
            opts=options,
        )


def _repository_fact(deployment: Deployment, repo: str, repository: Repository) -> dict[str, Any]:
    return {
        "id": repo,
        "id_key": "id",
        "lock_days": repository.lock.days,
        "lock_mode": repository.lock.mode,
        "copies": [_copy_fact(deployment, name, copy) for name, copy in repository.copies.items()],
    }


def _copy_fact(deployment: Deployment, name: str, copy: CopySpec) -> dict[str, Any]:
    """A copy's row; a local one is a file URL relative to STRONGROOM_HOME."""
    estate = deployment.estate
    if copy.backend == "local":
        return {"name": name, "backend": "local", "url": f"file:{copy.path}", "recipients": list(copy.recipients)}
    return {
        "name": name,
        "backend": "s3",
        "url": f"s3://{names.copy_bucket(estate, name, copy)}",
        "control_url": f"s3://{names.copy_control_bucket(estate, name, copy)}",
        "account": copy.account,
        "region": estate.accounts[copy.account].region,  # type: ignore[index]
        "recipients": list(copy.recipients),
    }
