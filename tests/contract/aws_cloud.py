"""The rows' cloud on real accounts: three administrators' profiles, two users of its own, and a ledger of what is made.

The same code runs against whatever the AWS variables name, so the laptop cloud can stand in for AWS when the code
itself is tested (test_aws_contract_rehearsal.py).
"""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
from aws_removal import SERVICES, Ledger, Made
from botocore.config import Config
from botocore.exceptions import ClientError
from contract_rows import ALICE, AUDIT, BACKUP, NOBODY, PATH, PROFILES, WORKLOAD, Row, outcome

#: Seconds that identities and policies may take to be known everywhere in AWS.
SETTLING = (0.0, 5.0, 10.0, 20.0, 30.0)
ONCE = Config(retries={"total_max_attempts": 1})


class NotRemovable(Exception):
    """A row asks a service of which nothing could be taken away again: it is skipped on AWS."""


class AwsCloud:
    """`Cloud` for rows; `close` removes everything that was made and says what stayed."""

    def __init__(self, settling: tuple[float, ...] = SETTLING) -> None:
        """Reads who the profiles are and makes the users alice and nobody. Raises ValueError for a wrong account."""
        self._settling = settling
        self._sessions: dict[str, boto3.Session] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._accounts: dict[int, str] = {}
        for (profile, account), known in zip(PROFILES, (WORKLOAD, BACKUP, AUDIT), strict=True):
            session = self._known(boto3.Session(profile_name=profile, region_name="us-east-1"), account)
            actual = session.client("sts").get_caller_identity()["Account"]
            if actual != known:
                raise ValueError(
                    f"the profile {profile} is of account {actual}, STRONGROOM_AWS_CONTRACT_PROFILES says {known}"
                )
            self._sessions[f"admin@{account}"] = session
        self.ledger = Ledger(lambda account, service, region: self._plain(f"admin@{account}", service, region))
        for arn in (ALICE, NOBODY):
            self._sessions[arn.rpartition("/")[2].rpartition("-")[2]] = self._user(arn)

    def _known(self, session: boto3.Session, account: str) -> boto3.Session:
        self._accounts[id(session)] = account
        return session

    def _user(self, arn: str) -> boto3.Session:
        iam, name = self.client(f"admin@{WORKLOAD}", "iam"), arn.rsplit("/", 1)[-1]
        iam.create_user(UserName=name, Path=PATH)
        if arn == ALICE:
            assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::*:role{PATH}*"}
            text = json.dumps({"Version": "2012-10-17", "Statement": [assume]})
            iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=text)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        made = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
        return self._known(made, WORKLOAD)

    def session(self, who: str) -> boto3.Session:
        """`alice`, `nobody`, `admin@ACCOUNT` or the ARN of a role that alice assumes, as soon as AWS knows it."""
        if who not in self._sessions:
            self._sessions[who] = self._settled(lambda: self.assume(self.session("alice"), who))
        return self._sessions[who]

    def _settled(self, attempt: Any) -> Any:
        for wait in self._settling[1:]:
            try:
                return attempt()
            except ClientError as refused:
                if refused.response["Error"]["Code"] not in ("AccessDenied", "InvalidClientTokenId"):
                    raise
                time.sleep(wait)  # AWS tells nobody when a role is known everywhere
        return attempt()

    def assume(self, session: boto3.Session, role: str, **arguments: Any) -> boto3.Session:
        """A session of a role."""
        made = self.make(session, "sts").assume_role(RoleArn=role, RoleSessionName="tests", **arguments)["Credentials"]
        keys = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        return self._known(boto3.Session(*keys, region_name="us-east-1"), role.split(":")[4])

    def make(self, session: boto3.Session, service: str, region: str = "us-east-1", **arguments: Any) -> Any:
        """A client whose makings are recorded; it asks once. Raises NotRemovable for a service without removal."""
        if service not in SERVICES:
            raise NotRemovable(f"what is made of {service} stays: aws_removal.py does not know how to remove it")
        client = session.client(service, region_name=region, **{"config": ONCE, **arguments})
        self.ledger.watch(client, self._accounts.get(id(session), WORKLOAD))
        return client

    def _plain(self, who: str, service: str, region: str) -> Any:
        return self._sessions[who].client(service, region_name=region)

    def client(self, who: str, service: str, region: str = "us-east-1") -> Any:
        """A kept client of a principal, see `session`."""
        place = (who, service, region)
        if place not in self._clients:
            self._clients[place] = self.make(self.session(who), service, region)
        return self._clients[place]

    def outcome(self, row: Row) -> str:
        """What came of a row, run again while AWS may not yet know what it made."""
        came = ""
        for wait in self._settling:
            time.sleep(wait)
            came = outcome(self, row)
            if not came:
                break
        return came

    def made(self) -> list[Made]:
        """What is there that rows made."""
        return list(self.ledger.made)

    def close(self) -> list[str]:
        """Removes everything; what stayed and why."""
        return self.ledger.remove()
