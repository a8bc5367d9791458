"""The identities of the laptop's cloud as a replay needs them: users' own keys, an account outside, who may mend.

The keys are those that the cloud wrote to its AWS configuration when it started; nothing is made up here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strongroom.estate.manifest import Manifest
    from strongroom.estate.model import Estate

SESSION = "prover"
REGION = "us-east-1"


class LaptopCredentials:
    """Everybody on the laptop; sessions are boto3's and go where the environment points."""

    def __init__(self, env: str, manifest: Manifest, estate: Estate) -> None:
        self.env, self.manifest, self.estate = env, manifest, estate
        self._mending: dict[str, list[Any]] = {}

    def begins_with(self, identity: str) -> Any | None:
        """A user's own session; of a role one that some user of the laptop may assume without a step."""
        if ":user/" in identity:
            return self._users.get(identity)
        return next((made for user in self._users.values() if (made := _assumed(user, identity)) is not None), None)

    def has_outsider(self) -> bool:
        """Whether the cloud has an account outside."""
        return f"strongroom-{self.env}-outsider" in self._profiles

    def outsider(self) -> Any | None:
        """A user in an account outside, who may do there what it likes."""
        import boto3

        from strongroom.authorization.prover.facts import ANYTHING, OUTSIDER

        if not self.has_outsider():
            return None
        session = boto3.Session(profile_name=f"strongroom-{self.env}-outsider", region_name=REGION)
        for owner in self.menders(OUTSIDER.account):  # whose account it is decides what its user may do there
            owner.client("iam").put_user_policy(
                UserName=OUTSIDER.arn.rpartition("/")[2], PolicyName="own", PolicyDocument=ANYTHING
            )
            break
        return session

    def session(self, access_key: str, secret: str, token: str | None) -> Any:
        """A session of credentials that a move made."""
        import boto3

        return boto3.Session(access_key, secret, token, region_name=REGION)

    def menders(self, account: str) -> Iterator[Any]:
        """The administrator of an account, then every duty that somebody on the laptop may take in it."""
        for role in (f"arn:aws:iam::{account}:role/{self.estate.bootstrap.role}", *self._duties(account)):
            if role not in self._mending:
                found = (_assumed(user, role) for user in self._users.values())
                self._mending[role] = [made for made in found if made is not None][:1]
            yield from self._mending[role]

    def openbao(self, login: str) -> Any | None:
        """The client of an AppRole whose login lies here, or of the deployer's token."""
        from strongroom.jobs.credentials import home, vault_client

        folder, name = home() / "vault", login.rpartition("/")[2]
        if login.startswith("bao:auth/approle/role/") and (folder / f"{name}.json").is_file():
            return vault_client(name)
        return _deployer(folder) if not login or login.startswith("bao:token/") else None

    def _duties(self, account: str) -> list[str]:
        return [
            role for found in self.manifest.accounts.values() if found.id == account for role in found.roles.values()
        ]

    @cached_property
    def _profiles(self) -> Mapping[str, Mapping[str, str]]:
        import botocore.session

        found: Mapping[str, Mapping[str, str]] = botocore.session.Session().full_config.get("profiles", {})
        return {name: profile for name, profile in found.items() if name.startswith(f"strongroom-{self.env}-")}

    @cached_property
    def _users(self) -> Mapping[str, Any]:
        """The users of the laptop by ARN; the profiles that assume a role are their duties."""
        import boto3

        from strongroom.jobs.credentials import identity

        plain = [name for name, profile in self._profiles.items() if "role_arn" not in profile]
        sessions = [boto3.Session(profile_name=name, region_name=REGION) for name in plain]
        return {identity(session): session for session in sessions}


def _assumed(session: Any, role: str) -> Any | None:
    """A session of a role, or None if these credentials may not assume it."""
    import boto3
    from botocore.exceptions import ClientError

    try:
        made = session.client("sts").assume_role(RoleArn=role, RoleSessionName=SESSION)["Credentials"]
    except ClientError:
        return None
    return boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name=REGION)


def _deployer(folder: Any) -> Any | None:
    """A client with the deployer's token of OpenBao."""
    import hvac

    path = folder / "deployer.json"
    if not path.is_file():
        return None
    token = json.loads(path.read_text())["token"]
    return hvac.Client(os.environ["VAULT_ADDR"], token, verify=os.environ.get("VAULT_CACERT", True))
