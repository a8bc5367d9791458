"""The users that the simulated workload account begins with: whoever acts on a laptop holds one of these keys.

An account on AWS has its identities before Strongroom comes: an administrator, a deployer, one identity for each duty
that a scheduler runs. Each user may assume the roles of its duty and nothing else; roles and trust policies are made by
the layers. The gateway makes these users, their inline policy, and the bootstrap role of every account, before it
takes a request.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from local_cloud.servers.layout import Layout, private_folder, write_private, write_private_json

SCHEMA = "strongroom.identities/1"
ENVIRONMENT = "dev"
#: The simulated accounts: workload, backup, audit. Users live in the first.
ACCOUNTS = ("210000000001", "210000000002", "210000000003")
BOOTSTRAP_ROLE = "OrganizationAccountAccessRole"
USER_PATH = "/strongroom/"
DEFAULT_REGION = "us-east-1"
#: Duties that run as jobs or by hand on the laptop, each by its own user `runner.<duty>`.
DUTIES = (
    "key-admin",
    "application",
    "rotator",
    "re-encryptor",
    "backup-writer",
    "copier",
    "restorer",
    "lock-keeper",
    "notary",
    "auditor",
)


@dataclass(frozen=True)
class User:
    """One user of the workload account and its access key; `may_assume` are role ARN patterns."""

    name: str
    path: str
    may_assume: tuple[str, ...]
    profile: str
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"User({self.name})"


def new_users() -> tuple[User, ...]:
    """`bootstrap-admin`, `deployer` and `runner.<duty>`, with fresh keys."""
    roles = f"arn:aws:iam::*:role/strongroom/{ENVIRONMENT}"
    wanted = [
        ("bootstrap-admin", "bootstrap-admin", f"arn:aws:iam::*:role/{BOOTSTRAP_ROLE}"),
        ("deployer", "deployer", f"{roles}/deployer.*"),
        *((f"runner.{duty}", duty, f"{roles}/{duty}") for duty in DUTIES),
    ]
    return tuple(
        User(
            name=name,
            path=USER_PATH,
            may_assume=(pattern,),
            profile=f"strongroom-{ENVIRONMENT}-{duty}",
            access_key_id="AKIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
            secret_access_key=secrets.token_urlsafe(30),
        )
        for name, duty, pattern in wanted
    )


def write(layout: Layout) -> None:
    """Writes `cloud/identities.json` for the gateway, `aws/credentials` and `aws/config` for clients; all 0600.

    The first holds {schema, account, accounts, bootstrap_role, users: [User]}. Keys are new in every generation.
    """
    users = new_users()
    private_folder(layout.aws)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "account": ACCOUNTS[0],
        "accounts": list(ACCOUNTS),
        "bootstrap_role": BOOTSTRAP_ROLE,
        "users": [asdict(user) for user in users],
    }
    write_private_json(layout.identities, document)
    write_private(layout.aws / "credentials", "\n".join(_credentials(user) for user in users))
    write_private(layout.aws / "config", "\n".join(_profile(user) for user in users))


def _credentials(user: User) -> str:
    return (
        f"[{user.profile}]\n"
        f"aws_access_key_id = {user.access_key_id}\n"
        f"aws_secret_access_key = {user.secret_access_key}\n"
    )


def _profile(user: User) -> str:
    return f"[profile {user.profile}]\nregion = {DEFAULT_REGION}\noutput = json\n"
