"""KMS read back: every customer key of an account and Region with its policy and its grants.

Keys of AWS (alias/aws/...) are left out: nobody changes their policies, which allow use through one service only
(KMS developer guide, "AWS managed keys"). The id of a multi-Region key begins with `mrk-`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from strongroom.authorization.deployed.asking import one_by_one
from strongroom.authorization.documents import Named
from strongroom.authorization.grants import Grant
from strongroom.authorization.prover.facts import Key


def read_keys(client: Any, account: str) -> tuple[list[Key], dict[str, str]]:
    """The keys, and for each key that could not be read its ARN with the reason.

    Among the latter are the same keys in other Regions, which another reading may have read: each has its own policy.
    Raises botocore's ClientError if keys or aliases cannot be listed.
    """
    aliases: dict[str, list[str]] = defaultdict(list)
    for page in client.get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            aliases[alias.get("TargetKeyId", "")].append(alias["AliasName"])
    arns = {
        listed["KeyArn"]: tuple(aliases[listed["KeyId"]])
        for page in client.get_paginator("list_keys").paginate()
        for listed in page["Keys"]
    }
    customers = [arn for arn, named in arns.items() if not any(name.startswith("alias/aws/") for name in named)]
    found, unread = one_by_one(customers, lambda arn: _read(client, account, arn, arns[arn]))
    elsewhere = {arn: "it is the same key in a Region that was not read" for _, related in found for arn in related}
    return [key for key, _ in found], elsewhere | unread


def _read(client: Any, account: str, arn: str, aliases: tuple[str, ...]) -> tuple[Key, set[str]]:
    """A key; and the ARNs of its primary and replicas elsewhere if it is a multi-Region key."""
    policy = client.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    pages = client.get_paginator("list_grants").paginate(KeyId=arn)
    grants = tuple(_grant(arn, grant) for page in pages for grant in page["Grants"])
    multi_region = arn.rpartition("/")[2].startswith("mrk-")
    key = Key(arn, account, Named(f"key policy of {arn}", policy), grants, multi_region, aliases)
    if not multi_region:
        return key, set()
    has = client.describe_key(KeyId=arn)["KeyMetadata"].get("MultiRegionConfiguration", {})
    return key, {other["Arn"] for other in (has.get("PrimaryKey", {"Arn": arn}), *has.get("ReplicaKeys", ()))} - {arn}


def _grant(arn: str, grant: Mapping[str, Any]) -> Grant:
    return Grant(
        id=grant["GrantId"],
        key=arn,
        grantee=grant["GranteePrincipal"],
        operations=frozenset(grant["Operations"]),
        constraints=grant.get("Constraints") or {},
        retiring=grant.get("RetiringPrincipal", ""),
        name=grant.get("Name", ""),
    )
