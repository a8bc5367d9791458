"""The users that the simulated workload account begins with: whoever acts on a laptop is one of these.

An account on AWS has its identities before Strongroom comes: an administrator, a deployer, one identity for each duty
that a scheduler runs. Each user may assume the roles of its duty and nothing else; roles and trust policies are made by
the layers. The gateway makes these users with fresh access keys, and the bootstrap role of every account, before it
takes a request.
"""

from __future__ import annotations

from typing import Any

ENVIRONMENT = "dev"
#: The simulated accounts: workload, backup, audit. Users live in the first.
ACCOUNTS = ("210000000001", "210000000002", "210000000003")
BOOTSTRAP_ROLE = "OrganizationAccountAccessRole"
USER_PATH = "/strongroom/"
DEFAULT_REGION = "us-east-1"
#: Everybody can open an account of their own; a replay of a broken duty may need one outside all others.
OUTSIDE = "000000000000"
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
#: duty -> the account its role is at home in
HOMES = {duty: ACCOUNTS[{"copier": 1, "lock-keeper": 1, "notary": 2}.get(duty, 0)] for duty in DUTIES}


def users() -> list[dict[str, Any]]:
    """`bootstrap-admin`, `deployer` and `runner.<duty>`, as the gateway reads them.

    Each is {user, path, account, assume: [role ARN patterns], profile, region}, and for a duty `role`: its profile then
    assumes that role with the user's key, which lies under `<profile>-runner`.
    """
    roles = f"arn:aws:iam::*:role/strongroom/{ENVIRONMENT}"
    wanted = [
        ("bootstrap-admin", "bootstrap-admin", f"arn:aws:iam::*:role/{BOOTSTRAP_ROLE}"),
        ("deployer", "deployer", f"{roles}/deployer.*"),
        *((f"runner.{duty}", duty, f"{roles}/{duty}") for duty in DUTIES),
    ]
    return [
        {
            "user": name,
            "path": USER_PATH,
            "account": ACCOUNTS[0],
            "assume": [pattern],
            "profile": f"strongroom-{ENVIRONMENT}-{duty}",
            "region": DEFAULT_REGION,
            **({"role": _home_role(duty)} if duty in HOMES else {}),
        }
        for name, duty, pattern in wanted
    ]


def outsider() -> dict[str, Any]:
    """A user in an account that has nothing to do with the others, and begins with no permission there either."""
    profile = f"strongroom-{ENVIRONMENT}-outsider"
    return {"user": "outsider", "path": "/", "account": OUTSIDE, "profile": profile, "region": DEFAULT_REGION}


def _home_role(duty: str) -> str:
    """The role that a duty's profile assumes: the one in its home account."""
    return f"arn:aws:iam::{HOMES[duty]}:role/strongroom/{ENVIRONMENT}/{duty}"
