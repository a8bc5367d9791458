"""Secrets and parameters that hold credentials: whoever may read one acts as whom the credentials are of.

Values are never read, so a secret or a parameter says by the tag `strongroom:login` whose credentials it holds: the ARN
of a user or role, or a login of OpenBao such as `bao:auth/approle/role/restorer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strongroom.authorization.deployed.asking import one_by_one
from strongroom.authorization.prover.facts import Carrier

TAG = "strongroom:login"


def read_login_secrets(client: Any, account: str) -> tuple[list[Carrier], dict[str, str]]:
    """The secrets of an account and Region that hold credentials; their policies are read as those of stores."""
    pages = client.get_paginator("list_secrets").paginate()
    listed = [secret for page in pages for secret in page["SecretList"]]
    return [
        Carrier(secret["ARN"], account, "secret", who, key=secret.get("KmsKeyId", ""))
        for secret in listed
        if (who := _login(secret.get("Tags", ())))
    ], {}


def read_login_parameters(client: Any, account: str) -> tuple[list[Carrier], dict[str, str]]:
    """The encrypted parameters of an account and Region that hold credentials."""
    prefix = f"arn:aws:ssm:{client.meta.region_name}:{account}:parameter/"
    only = [{"Key": "Type", "Values": ["SecureString"]}]
    pages = client.get_paginator("describe_parameters").paginate(ParameterFilters=only)
    listed = {prefix + found["Name"].removeprefix("/"): found for page in pages for found in page["Parameters"]}

    def read(arn: str) -> Carrier | None:
        found = listed[arn]
        tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=found["Name"])["TagList"]
        who = _login(tags)
        return Carrier(arn, account, "parameter", who, key=found.get("KeyId", "")) if who else None

    found, unread = one_by_one(listed, read)
    return [carrier for carrier in found if carrier is not None], unread


def _login(tags: Sequence[Mapping[str, str]]) -> str:
    return next((tag["Value"] for tag in tags if tag["Key"] == TAG), "")
