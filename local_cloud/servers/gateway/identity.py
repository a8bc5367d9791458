"""Who an access key is, over all accounts: IAM users of moto's backends and the sessions made by STS."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from moto.iam.models import IAMBackend, Role, User, iam_backends

from .call import Principal, Refuse, Session

_ARN = re.compile(r"arn:aws:(?P<service>iam|sts)::(?P<account>\d{12}):(?P<rest>.+)")


def iam_of(account: str) -> IAMBackend:
    """moto's IAM of an account; made empty where the account was never seen."""
    return iam_backends[account]["aws"]


def tags_of(tags: Any) -> dict[str, str]:
    """IAM tags, from either of moto's two shapes, as a mapping."""
    if isinstance(tags, dict):
        return {key: value["Value"] if isinstance(value, dict) else value for key, value in tags.items()}
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def role_by_arn(arn: str) -> Role | None:
    """The role of an ARN, in whichever account; None where it does not exist."""
    match = _ARN.fullmatch(arn)
    if match is None or match["account"] not in iam_backends:
        return None
    return next((role for role in list(iam_of(match["account"]).roles.values()) if role.arn == arn), None)


def user_by_arn(arn: str) -> User | None:
    """The user of an ARN, in whichever account; None where it does not exist."""
    match = _ARN.fullmatch(arn)
    if match is None or match["account"] not in iam_backends:
        return None
    return next((user for user in list(iam_of(match["account"]).users.values()) if user.arn == arn), None)


class Identities:
    """Access keys of all accounts and the live sessions; sessions end with the process."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        #: Permission boundaries of users, which moto does not keep: user ARN -> policy ARN.
        self.user_boundaries: dict[str, str] = {}
        self._roots: dict[str, tuple[str, str]] = {}  # access key -> (account, secret)

    def make_root_key(self, account: str) -> tuple[str, str]:
        """An access key of an account's root user: (key id, secret)."""
        made = "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))
        self._roots[made] = (account, secrets.token_urlsafe(30))
        return made, self._roots[made][1]

    def add(self, session: Session) -> None:
        """Makes temporary credentials valid."""
        with self._lock:
            self._sessions[session.access_key] = session

    def sessions(self) -> Iterator[Session]:
        """The sessions that were made, expired ones included."""
        with self._lock:
            yield from list(self._sessions.values())

    def resolve(self, access_key: str, token: str, now: datetime, *, s3: bool) -> tuple[str, Principal]:
        """The secret and the principal of an access key. Raises Refuse as AWS does for unknown and inactive keys."""
        unknown = Refuse(
            "InvalidAccessKeyId" if s3 else "InvalidClientTokenId",
            "the access key does not exist or is not active",
            403,
        )
        session = self._sessions.get(access_key)
        if session is not None:
            if token != session.token:
                raise Refuse("InvalidToken" if s3 else "InvalidClientTokenId", "the session token is not valid", 403)
            if now >= session.expires:
                raise Refuse(
                    "ExpiredToken", "the security token included in the request is expired", 400 if s3 else 403
                )
            return session.secret, session_principal(session)
        if access_key in self._roots and not token:
            account, secret = self._roots[access_key]
            return secret, root_principal(account, access_key)
        for account in list(iam_backends):
            key = iam_of(account).access_keys.get(access_key)
            if key is not None and key.user_name is not None:
                user = iam_of(account).users.get(key.user_name)
                if user is None or key.status != "Active" or token:
                    raise unknown
                return key.secret_access_key, user_principal(user, access_key)
        raise unknown

    def exists(self, arn: str) -> bool:
        """True where a principal of a policy names something that exists (accounts always do)."""
        if arn == "*" or re.fullmatch(r"\d{12}", arn):
            return True
        match = _ARN.fullmatch(arn)
        if match is None:
            return False
        rest = match["rest"]
        if rest == "root":
            return True
        if rest.startswith("assumed-role/"):
            name = rest.split("/")[1]
            return match["account"] in iam_backends and any(
                role.name == name for role in list(iam_of(match["account"]).roles.values())
            )
        if rest.startswith("role/"):
            return role_by_arn(arn) is not None
        return rest.startswith("user/") and user_by_arn(arn) is not None


def user_principal(user: User, access_key: str = "") -> Principal:
    """The principal of an IAM user."""
    tags = iam_of(user.account_id).tagger.get_tag_dict_for_resource(user.arn)
    return Principal("user", user.arn, user.arn, user.account_id, user.id, user.name, tags, None, access_key)


def root_principal(account: str, access_key: str = "") -> Principal:
    """The principal of an account's root user."""
    arn = f"arn:aws:iam::{account}:root"
    return Principal("root", arn, arn, account, account, "root", access_key=access_key)


def session_principal(session: Session) -> Principal:
    """The principal of temporary credentials: the assumed role, with the role's and the session's tags."""
    match = _ARN.fullmatch(session.role_arn)
    assert match is not None
    name = session.role_arn.rsplit("/", 1)[-1]
    role = role_by_arn(session.role_arn)
    if role is None:
        raise Refuse("InvalidClientTokenId", "the role of this session no longer exists", 403)
    return Principal(
        "role",
        f"arn:aws:sts::{match['account']}:assumed-role/{name}/{session.name}",
        session.role_arn,
        match["account"],
        f"{session.role_id}:{session.name}",
        name,
        {**tags_of(role.tags), **session.tags},
        session,
        session.access_key,
    )
