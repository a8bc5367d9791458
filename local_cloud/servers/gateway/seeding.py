"""The identities a cloud begins with: each account's access role, and users with access keys; nobody runs as root.

The identities file is JSON: `[{"user": name, "path": "/strongroom/", "account": id, "assume": [role ARN patterns],
"profile": name}]`; with `"root": true` a user is its account's root user. Credentials go to home/aws/credentials and
home/aws/config (0600), a profile a user.
"""

from __future__ import annotations

import json
from configparser import ConfigParser
from io import StringIO
from pathlib import Path
from typing import Any

from .cloud import Cloud
from .identity import iam_of
from .private_files import private_folder, write_private

ACCESS_ROLE = "OrganizationAccountAccessRole"
BOOTSTRAP_USER = "bootstrap-admin"


def _allow(action: str, resource: list[str] | str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def seed(cloud: Cloud, identities: Path | None, accounts: tuple[str, ...], ca: Path | None) -> None:
    """Makes users, keys and access roles once; a cloud that has them already is left as it is.

    Raises ValueError with the file's name where the identities cannot be read.
    """
    users = _read(identities) if identities is not None else []
    every = sorted({*accounts, *(str(user["account"]) for user in users)})
    credentials, settings = ConfigParser(interpolation=None), ConfigParser(interpolation=None)
    for user in users:
        profile = str(user.get("profile", user["user"]))
        key_id, secret = cloud.identities.make_root_key(str(user["account"])) if user.get("root") else _make_user(user)
        credentials[profile] = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}
        section = {"region": str(user.get("region", "us-east-1"))}
        if ca is not None:
            section["ca_bundle"] = str(ca)
        settings[f"profile {profile}"] = section
        if role := user.get("role"):
            # the usual form of the AWS configuration: the duty's profile assumes its role with the user's key
            source = f"{profile}-{user['user'].partition('.')[0]}"
            credentials[source] = credentials[profile]
            del credentials[profile]
            settings[f"profile {source}"] = dict(section)
            section |= {"role_arn": str(role), "source_profile": source, "role_session_name": str(user["user"])}
            settings[f"profile {profile}"] = section
    boot = next((user for user in users if user["user"] == BOOTSTRAP_USER), None)
    if boot is not None:
        path = boot.get("path", "/")
        for account in every:
            make_access_role(account, f"arn:aws:iam::{boot['account']}:user{path}{BOOTSTRAP_USER}")
    if users:
        folder = private_folder(cloud.home / "aws")
        write_private(folder / "credentials", _text(credentials))
        write_private(folder / "config", _text(settings))


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        users = json.loads(path.read_bytes())
    except ValueError as broken:
        raise ValueError(f"{path} is not JSON") from broken
    for user in users:
        if not {"user", "account"} <= set(user):
            raise ValueError(f"{path}: every user needs 'user' and 'account'")
    return list(users)


def _make_user(user: dict[str, Any]) -> tuple[str, str]:
    backend = iam_of(str(user["account"]))
    name = user["user"]
    if name not in backend.users:
        backend.create_user("us-east-1", user_name=name, path=user.get("path", "/"))
    patterns = list(user.get("assume", ()))
    if patterns:
        backend.put_user_policy(name, "assume-roles", _allow("sts:AssumeRole", patterns))
    key = backend.create_access_key(name)
    return key.access_key_id, key.secret_access_key


def make_access_role(account: str, trusted: str, name: str = ACCESS_ROLE) -> None:
    """The role of full power by which an organisation enters an account; one that exists is left as it is."""
    backend = iam_of(account)
    if any(role.name == name for role in backend.roles.values()):
        return
    statement = {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    backend.create_role(
        role_name=name,
        assume_role_policy_document=trust,
        path="/",
        permissions_boundary=None,
        description="",
        tags=[],
        max_session_duration="3600",
    )
    backend.put_role_policy(name, "AdministratorAccess", _allow("*", "*"))


def _text(parser: ConfigParser) -> bytes:
    buffer = StringIO()
    parser.write(buffer)
    return buffer.getvalue().encode()
