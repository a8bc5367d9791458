"""Resources with a policy of their own, read back: buckets, queues, topics, secrets, repositories of images, vaults.

Each reader takes a client of its own service and the account (twelve digits), and gives what it read and, for each
thing that could not be read, its ARN with the reason; it raises botocore's ClientError if the things cannot be listed.
A store's key is as the service named it: an ARN, the id or the alias of a key, or '' for a key of the service.

Not read: a bucket's public access block (it only takes away), access points (they give nothing that the bucket's
policy does not), what a function, a table or a file system allows by a policy of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from strongroom.authorization.deployed.asking import one_by_one, unless
from strongroom.authorization.documents import Named
from strongroom.authorization.prover.facts import Carrier, Key, Store
from strongroom.estate import names
from strongroom.estate.manifest import Manifest
from strongroom.estate.model import Estate

Stores = tuple[list[Store], dict[str, str]]
Kept = TypeVar("Kept", Store, Carrier)
#: The services, as ARNs name them, whose data AWS alone decides on.
_DECIDED = (["s3"], ["sqs"], ["sns"], ["secretsmanager"])


def read_buckets(client: Any, account: str) -> Stores:
    """The buckets of an account, in whatever Region each lies.

    A bucket whose access control lists are in force is given and named as unread: each object has one of its own.
    """
    listed = [bucket["Name"] for page in client.get_paginator("list_buckets").paginate() for bucket in page["Buckets"]]

    def read(arn: str) -> Store:
        name = arn.rpartition(":")[2]
        text = unless("NoSuchBucketPolicy", client.get_bucket_policy, Bucket=name).get("Policy")
        owned = unless("OwnershipControlsNotFoundError", client.get_bucket_ownership_controls, Bucket=name)
        sealed = unless("ServerSideEncryptionConfigurationNotFoundError", client.get_bucket_encryption, Bucket=name)
        policy = _named(f"bucket policy of {name}", text)
        return Store(arn, account, "bucket", policy, _key_of_bucket(sealed), acls=not _without_lists(owned))

    found, unread = one_by_one((names.bucket_arn(name) for name in listed), read)
    unread |= {
        store.arn: "access control lists are in force, and those of its objects are not read: set BucketOwnerEnforced"
        for store in found
        if store.acls
    }
    return found, unread


def _without_lists(answer: Mapping[str, Any]) -> bool:
    """Whether access control lists decide nothing (S3 user guide, "Controlling ownership of objects")."""
    rules = answer.get("OwnershipControls", {}).get("Rules", [])
    return [rule["ObjectOwnership"] for rule in rules] == ["BucketOwnerEnforced"]


def _key_of_bucket(answer: Mapping[str, Any]) -> str:
    for rule in answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", []):
        return str(rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", ""))
    return ""


def read_queues(client: Any, account: str) -> Stores:
    """The queues of an account and Region."""
    urls = {
        _arn_of_queue(client, account, url): url
        for page in client.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1000})
        for url in page.get("QueueUrls", ())
    }

    def read(arn: str) -> Store:
        asked = {"QueueUrl": urls[arn], "AttributeNames": ["Policy", "KmsMasterKeyId"]}
        has = client.get_queue_attributes(**asked).get("Attributes", {})
        return Store(
            arn, account, "queue", _named(f"queue policy of {arn}", has.get("Policy")), has.get("KmsMasterKeyId", "")
        )

    return one_by_one(urls, read)


def _arn_of_queue(client: Any, account: str, url: str) -> str:
    return f"arn:aws:sqs:{client.meta.region_name}:{account}:{url.rpartition('/')[2]}"


def read_topics(client: Any, account: str) -> Stores:
    """The topics of an account and Region."""

    def read(arn: str) -> Store:
        has = client.get_topic_attributes(TopicArn=arn)["Attributes"]
        policy = _named(f"topic policy of {arn}", has.get("Policy"))
        return Store(arn, account, "topic", policy, has.get("KmsMasterKeyId", ""))

    pages = client.get_paginator("list_topics").paginate()
    return one_by_one([topic["TopicArn"] for page in pages for topic in page["Topics"]], read)


def read_secrets(client: Any, account: str) -> Stores:
    """The secrets of an account and Region but those marked for deletion; no secret's value is asked for."""
    pages = client.get_paginator("list_secrets").paginate()
    listed = {secret["ARN"]: secret for page in pages for secret in page["SecretList"]}

    def read(arn: str) -> Store:
        text = client.get_resource_policy(SecretId=arn).get("ResourcePolicy")
        key = listed[arn].get("KmsKeyId", "")
        return Store(arn, account, "secret", _named(f"resource policy of secret {listed[arn]['Name']}", text), key)

    return one_by_one(listed, read)


def read_images(client: Any, account: str) -> Stores:
    """The repositories of images of an account and Region; a policy of the whole registry is not understood."""
    pages = client.get_paginator("describe_repositories").paginate()
    listed = {repository["repositoryArn"]: repository for page in pages for repository in page["repositories"]}

    def read(arn: str) -> Store:
        name = listed[arn]["repositoryName"]
        text = unless("RepositoryPolicyNotFoundException", client.get_repository_policy, repositoryName=name)
        key = listed[arn].get("encryptionConfiguration", {}).get("kmsKey", "")
        return Store(arn, account, "images", _named(f"policy of repository {name}", text.get("policyText")), key)

    found, unread = one_by_one(listed, read)
    registry = unless("RegistryPolicyNotFoundException", client.get_registry_policy)
    if registry.get("policyText"):
        place = f"arn:aws:ecr:{client.meta.region_name}:{account}:*"
        unread[place] = "the registry has a policy, by which other registries may replace images: it is not decided"
    return found, unread


def read_vaults(client: Any, account: str) -> Stores:
    """The vaults of AWS Backup in an account and Region."""
    pages = client.get_paginator("list_backup_vaults").paginate()
    listed = {vault["BackupVaultArn"]: vault for page in pages for vault in page["BackupVaultList"]}

    def read(arn: str) -> Store:
        name = listed[arn]["BackupVaultName"]
        text = unless("ResourceNotFoundException", client.get_backup_vault_access_policy, BackupVaultName=name)
        key = listed[arn].get("EncryptionKeyArn", "")
        return Store(arn, account, "vault", _named(f"access policy of vault {name}", text.get("Policy")), key)

    return one_by_one(listed, read)


def _named(name: str, text: str | None) -> Named | None:
    return Named(name, text) if text else None


def with_keys(kept: Sequence[Kept], keys: Sequence[Key]) -> list[Kept]:
    """The same stores or carriers with their keys by ARN: services name a key by its id or alias too.

    A key that was not read is '', as if it were the service's own: then whoever reads what it seals needs none.
    """
    arns = {name: key.arn for key in keys for name in _names_of(key)}
    arns |= {key.arn: key.arn for key in keys}

    def resolved(thing: Kept) -> str:
        # the ARN of a bucket has no Region
        return arns.get(thing.key) or arns.get(f"{thing.account}:{thing.arn.split(':')[3]}:{thing.key}", "")

    return [replace(thing, key=resolved(thing)) for thing in kept]


def _names_of(key: Key) -> Iterator[str]:
    region = key.arn.split(":")[3]
    for name in (key.arn.rpartition("/")[2], *key.aliases):
        yield f"{key.account}:{region}:{name}"
        yield f"{key.account}::{name}"
    for name in key.aliases:
        yield f"arn:aws:kms:{region}:{key.account}:{name}"


def stores_by_purpose(manifest: Manifest, estate: Estate) -> dict[str, tuple[str, str]]:
    """The estate's stores, name -> purpose and ARN, by which pairs say what nobody may do together.

    Purposes: `data` (a store of a class), `repository` and `control` (of one copy), `evidence`, `manifest`, `state`.
    A database, whose own logins decide who reads it, is none of them.
    """
    found = {store.name: ("data", store.arn) for store in manifest.stores if store.arn.split(":")[2:3] in _DECIDED}
    for repository in manifest.repositories:
        for copy in repository.copies:
            for purpose, url in (("repository", copy.url), ("control", copy.control_url)):
                if url.startswith("s3://"):
                    bucket = url.removeprefix("s3://").partition("/")[0]
                    found[f"{repository.id}.{copy.name} {purpose}"] = (purpose, names.bucket_arn(bucket))
    if manifest.evidence is not None:
        found["evidence"] = ("evidence", names.bucket_arn(manifest.evidence.bucket))
    found["manifest"] = ("manifest", names.bucket_arn(names.manifest_bucket(estate)))
    if estate.bootstrap.state_bucket:
        found["state"] = ("state", names.bucket_arn(names.state_bucket(estate)))
    return found
