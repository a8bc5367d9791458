"""KMS read back: every customer key of an account and Region with its policy and its grants.

Keys of AWS (alias/aws/...) are left out: nobody changes their policies, which allow use through one service only
(KMS developer guide, "AWS managed keys"). The id of a multi-Region key begins with `mrk-`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from strongroom.authorization.documents import Named
from strongroom.authorization.grants import Grant
from strongroom.authorization.prover.facts import Key
from strongroom.errors import UnknownElement


def read_keys(client: Any, account: str) -> tuple[list[Key], dict[str, str]]:
    """The keys, and for each key that could not be read its ARN with the reason.

    Raises botocore's ClientError if keys or aliases cannot be listed.
    """
    of_aws = {
        alias["TargetKeyId"]
        for page in client.get_paginator("list_aliases").paginate()
        for alias in page["Aliases"]
        if alias["AliasName"].startswith("alias/aws/") and "TargetKeyId" in alias
    }
    found: list[Key] = []
    unread: dict[str, str] = {}
    for page in client.get_paginator("list_keys").paginate():
        for listed in page["Keys"]:
            if listed["KeyId"] in of_aws:
                continue
            try:
                found.append(_read(client, account, listed["KeyArn"]))
            except ClientError as error:
                unread[listed["KeyArn"]] = f"{error.operation_name} was refused: {error.response['Error']['Code']}"
            except UnknownElement as unknown:
                unread[listed["KeyArn"]] = unknown.message
    return found, unread


def _read(client: Any, account: str, arn: str) -> Key:
    policy = client.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    pages = client.get_paginator("list_grants").paginate(KeyId=arn)
    grants = tuple(_grant(arn, grant) for page in pages for grant in page["Grants"])
    multi_region = arn.rpartition("/")[2].startswith("mrk-")
    return Key(arn, account, Named(f"key policy of {arn}", policy), grants, multi_region)


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
