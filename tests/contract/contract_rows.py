"""The rows of the contract: a rule of AWS, the calls that show it, and what must come of them.

A row is a function `(cloud) -> None`; its last call must end with the expected error code, or the row must simply
return. `moto_differs` says that plain moto gets the row wrong: the negative control runs it there and must see it fail.
`laptop_only` says why a row is not run on AWS (a module's LAPTOP_ONLY says it for all of its rows).
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError
from gateway_process import MANAGEMENT, SEEDED_ACCOUNTS

#: On AWS the rows run in the accounts of three profiles, `PROFILE:ACCOUNT` each: workload, backup, audit.
ON_AWS = os.environ.get("STRONGROOM_AWS_CONTRACT") == "1"
_named = os.environ.get("STRONGROOM_AWS_CONTRACT_PROFILES", "")
PROFILES = [tuple(pair.split(":")) for pair in _named.split(",") if pair]
WORKLOAD, BACKUP, AUDIT = [account for _, account in PROFILES] if ON_AWS else SEEDED_ACCOUNTS
#: Path and first letters of everything that rows make.
PATH, PREFIX = ("/strongroom-contract/", "contract-") if ON_AWS else ("/strongroom/", "")
ALICE, NOBODY = (f"arn:aws:iam::{WORKLOAD}:user{PATH}{PREFIX}{who}" for who in ("alice", "nobody"))
ADMIN = f"admin@{WORKLOAD}"


class Cloud(Protocol):
    """What a row needs of the cloud it runs on."""

    def client(self, who: str, service: str, region: str = "us-east-1") -> Any: ...
    def session(self, who: str) -> Any: ...
    def assume(self, session: Any, role: str, **arguments: Any) -> Any: ...
    def make(self, session: Any, service: str, region: str = "us-east-1", **arguments: Any) -> Any: ...


@dataclass(frozen=True)
class Row:
    """One rule: what must come of `run` (an error code, or "" for success), and whether plain moto gets it wrong."""

    service: str
    rule: str
    expect: str
    run: Callable[[Any], None]
    moto_differs: bool
    laptop_only: str = ""

    def __str__(self) -> str:
        return f"{self.service}-{self.rule}"


ROWS: list[Row] = []


def row(
    expect: str = "", *, moto_differs: bool = True, laptop_only: str = ""
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Registers a row; the service is the last word of the module's name, the rule is the function's name."""

    def register(run: Callable[[Any], None]) -> Callable[[Any], None]:
        service = run.__module__.rpartition("_")[2]
        here = laptop_only or getattr(sys.modules[run.__module__], "LAPTOP_ONLY", "")
        ROWS.append(Row(service, run.__name__, expect, run, moto_differs, here))
        return run

    return register


def outcome(cloud: Any, row_: Row) -> str:
    """'' where the row came out as it must, else what came instead."""
    try:
        row_.run(cloud)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return "" if code == row_.expect else f"{code}: {error.response['Error'].get('Message')}"
    except Exception as other:
        # a parser or connection error, or an effect that is not there, is a wrong outcome too
        return f"{type(other).__name__}: {other}"
    return "" if not row_.expect else f"allowed, but {row_.expect} was due"


def name(prefix: str = "x") -> str:
    """A name nobody used."""
    return f"{PREFIX}{prefix}-{uuid.uuid4().hex[:12]}"


def document(*statements: dict[str, Any]) -> str:
    """A policy document of statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """An Allow statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """A Deny statement."""
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def root(account: str = WORKLOAD) -> dict[str, str]:
    """The account as principal."""
    return {"AWS": f"arn:aws:iam::{account}:root"}


def new_role(
    cloud: Any, *permissions: dict[str, Any], account: str = WORKLOAD, trust: dict[str, Any] | None = None, **more: Any
) -> str:
    """A role under PATH that alice may assume, with an inline policy; returns its ARN."""
    iam = cloud.client(f"admin@{account}", "iam")
    role = name("role")
    statement = {"Effect": "Allow", "Principal": {"AWS": ALICE}, "Action": "sts:AssumeRole", **(trust or {})}
    made = iam.create_role(RoleName=role, Path=PATH, AssumeRolePolicyDocument=document(statement), **more)
    if permissions:
        iam.put_role_policy(RoleName=role, PolicyName="inline", PolicyDocument=document(*permissions))
    return str(made["Role"]["Arn"])


def ghost(account: str = WORKLOAD) -> str:
    """The ARN of a role that does not exist."""
    return f"arn:aws:iam::{account}:role{PATH}ghost"


def admin_role(cloud: Any) -> str:
    """The role that the administrator of the workload account acts in."""
    acting = str(cloud.client(ADMIN, "sts").get_caller_identity()["Arn"]).split("/")[1]
    return str(cloud.client(ADMIN, "iam").get_role(RoleName=acting)["Role"]["Arn"])


def new_key(cloud: Any, *statements: dict[str, Any], account: str = WORKLOAD, **arguments: Any) -> str:
    """A key whose policy gives the account everything and adds statements; returns its ARN."""
    kms = cloud.client(f"admin@{account}", "kms")
    policy = document(allow("kms:*", Principal=root(account)), *statements)
    return str(kms.create_key(Policy=policy, **arguments)["KeyMetadata"]["Arn"])


def new_bucket(cloud: Any, *, lock: bool = False, versioned: bool = False, account: str = WORKLOAD) -> str:
    """A bucket of an account."""
    s3, bucket = cloud.client(f"admin@{account}", "s3"), name("bucket")
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=lock)
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


__all__ = [
    "ADMIN", "ALICE", "AUDIT", "BACKUP", "MANAGEMENT", "NOBODY", "ON_AWS", "PATH", "PROFILES", "ROWS", "WORKLOAD",
    "Cloud", "Row", "admin_role", "allow", "deny", "document", "ghost", "name", "new_bucket", "new_key", "new_role",
    "outcome", "root", "row",
]  # fmt: skip
