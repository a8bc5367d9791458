"""The dev estate as it is deployed, with every identity a thief might hold: clients for duties, users, administrators.

The environment of the test process is left as it was: clients carry their endpoint and certificate themselves.
"""

from __future__ import annotations

import configparser
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import hvac
from botocore.config import Config
from botocore.exceptions import ClientError

from strongroom.estate import duties, names
from strongroom.estate.loader import load

ROOT = Path(__file__).resolve().parents[2]
ENV = "dev"
REGIONS = {"workload": "us-east-1", "backup": "us-west-2", "audit": "us-east-1"}
ONCE = Config(retries={"total_max_attempts": 1}, max_pool_connections=2, s3={"addressing_style": "path"})
#: what an environment of the user must not lend to a deployment under test
FOREIGN = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "VAULT_TOKEN")
_IMPORTED_SECONDS = 90.0


@contextmanager
def environment_of(changes: dict[str, str]) -> Iterator[None]:
    """The process environment with changes and without foreign credentials, restored afterwards."""
    before = dict(os.environ)
    for name in (*FOREIGN, "STRONGROOM_MANIFEST", "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(name, None)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class AttackedEstate:
    """A deployed estate. `who` of a client is a duty (at home), `account/duty`, `user:name` or `admin@account`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.estate = load(ROOT / "stacks" / f"estate.{ENV}.yaml")
        self._sessions: dict[str, boto3.Session] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._vaults: dict[str, hvac.Client] = {}
        self._deploy()

    def _deploy(self) -> None:
        from local_cloud.servers import lifecycle, status
        from local_cloud.servers.layout import write_private_json

        with environment_of({}):
            lifecycle.start(self.home)
            self.variables = status.environment(self.home)
        self._root_token = str(json.loads((self.home / "vault" / "root.json").read_text())["token"])
        self._deployer_token()
        with environment_of(self.variables):
            self._up()
        for duty in duties.VAULT:
            role = self.vault("root").auth.approle.read_role_id(duty)["data"]["role_id"]
            secret = self.vault("deployer").auth.approle.generate_secret_id(duty)["data"]["secret_id"]
            self._vaults[duty] = self._hvac("")
            self._vaults[duty].auth.approle.login(role, secret)
            write_private_json(self.home / "vault" / f"{duty}.json", {"role_id": role, "secret_id": secret})
        self.keys = self._keys()

    def _deployer_token(self) -> None:
        """The layers run with the deployer's policy; the root token stays in this process, for wrong variants."""
        from infra.policies.vault_policies import deployer_policy
        from local_cloud.servers.layout import write_private_json

        root = self.vault("root")
        root.sys.create_or_update_policy("deployer", deployer_policy(self.estate))
        made = root.auth.token.create(policies=["deployer"], no_default_policy=True, no_parent=True, period="24h")
        token = made["auth"]["client_token"]
        write_private_json(self.home / "vault" / "deployer.json", {"token": token})
        (self.home / "vault" / "root.json").unlink()
        self._vaults["deployer"] = self._hvac(token)

    def _up(self) -> None:
        from local_cloud.engine.launch import HostClient, host
        from local_cloud.engine.project import LAYERS
        from local_cloud.engine.run import Engine
        from strongroom.cli.laptop import deployer
        from strongroom.progress import Silent

        client, deadline = HostClient(self.home), time.monotonic() + _IMPORTED_SECONDS
        while not client.reachable() and time.monotonic() < deadline:
            time.sleep(0.05)  # until the fork server has imported the SDKs
        engine = Engine(self.home)
        with host(self.home):
            for layer in LAYERS:
                with deployer(layer, ENV, self.home):
                    engine.up(ROOT, layer, ENV, Silent())

    def close(self) -> None:
        """Closes every connection, stops the servers by their recorded processes and removes the home folder."""
        from local_cloud.servers import lifecycle

        for client in self._clients.values():
            client.close()
        for vault in self._vaults.values():
            vault.adapter.session.close()
        lifecycle.reset(self.home)

    def account(self, name: str) -> str:
        """The twelve digits of an account."""
        return names.account_id(self.estate, name)

    def role_arn(self, who: str) -> str:
        """The role behind `who`."""
        if who.startswith("admin@"):
            return names.bootstrap_role_arn(self.estate, who.removeprefix("admin@"))
        account, _, duty = who.rpartition("/")
        return names.role_arn(self.estate, account or duties.accounts_of(duty)[0], duty)

    def user(self, name: str) -> boto3.Session:
        """The long-lived access key of a user: `deployer`, `bootstrap-admin` or `runner.<duty>`."""
        if name not in self._sessions:
            keys = configparser.ConfigParser(interpolation=None)
            keys.read(self.home / "aws" / "credentials")
            duty = name.removeprefix("runner.")
            section = f"strongroom-{ENV}-{duty}" + ("-runner" if name.startswith("runner.") else "")
            self._sessions[name] = boto3.Session(
                keys[section]["aws_access_key_id"], keys[section]["aws_secret_access_key"], region_name="us-east-1"
            )
        return self._sessions[name]

    def holder(self, who: str) -> str:
        """The user that may become `who`."""
        if who.startswith("admin@"):
            return "bootstrap-admin"
        duty = who.rpartition("/")[2]
        return "deployer" if duty.startswith("deployer.") else f"runner.{duty}"

    def session(self, who: str) -> boto3.Session:
        """Credentials of `who`, made by AssumeRole with the real key of its holder."""
        if who.startswith("user:"):
            return self.user(who.removeprefix("user:"))
        if who not in self._sessions:
            self._sessions[who] = self.assume(self.user(self.holder(who)), self.role_arn(who))
        return self._sessions[who]

    def assume(self, session: boto3.Session, role: str, **arguments: Any) -> boto3.Session:
        """A session of a role, asked for with other credentials."""
        sts = self.make(session, "sts")
        try:
            made = sts.assume_role(RoleArn=role, RoleSessionName="attack", **arguments)["Credentials"]
        finally:
            sts.close()
        return boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    def make(self, session: boto3.Session, service: str, region: str = "us-east-1", **arguments: Any) -> Any:
        """A client that asks once; the caller closes it."""
        if service == "s3":  # presigned addresses would else be signed by version 2
            arguments.setdefault("config", ONCE.merge(Config(signature_version="s3v4")))
        url = self.variables["AWS_ENDPOINT_URL_KMS" if service == "kms" else "AWS_ENDPOINT_URL"]
        given = {"config": ONCE, "endpoint_url": url, "verify": self.variables["AWS_CA_BUNDLE"], **arguments}
        return session.client(service, region_name=region, **given)

    def client(self, who: str, service: str, region: str = "us-east-1") -> Any:
        """A kept client of `who`."""
        place = (who, service, region)
        if place not in self._clients:
            self._clients[place] = self.make(self.session(who), service, region)
        return self._clients[place]

    def key_client(self, who: str, name: str) -> Any:
        """A KMS client of `who` in the Region of a key of the estate."""
        return self.client(who, "kms", self.keys[name].split(":")[3])

    def vault(self, who: str) -> hvac.Client:
        """OpenBao as a duty, as `deployer`, or as `root` (for wrong variants only)."""
        if who == "root" and who not in self._vaults:
            self._vaults[who] = self._hvac(self._root_token)
        return self._vaults[who]

    def vault_token(self, token: str) -> hvac.Client:
        """OpenBao with some token; the caller closes it."""
        return self._hvac(token)

    def _hvac(self, token: str) -> hvac.Client:
        where = self.variables["VAULT_ADDR"]
        return hvac.Client(where, token or None, verify=self.variables["VAULT_CACERT"])

    def _keys(self) -> dict[str, str]:
        """Key name -> ARN, read from the deployed manifest as any job reads it."""
        s3, found = self.client("restorer", "s3"), {}
        for layer in ("bootstrap", "audit", "keys", "backup"):
            body = s3.get_object(
                Bucket=names.manifest_bucket(self.estate), Key=names.manifest_object(self.estate, layer)
            )
            part = json.loads(body["Body"].read())
            found |= {key["name"]: key["ref"] for key in part["keys"] if key["ref"].startswith("arn:aws:kms:")}
        return found


def refused(act: Callable[[], Any], *codes: str, saying: str = "") -> ClientError:
    """The error of an attempt that must be refused: with one of `codes` and, if given, `saying` in its message.

    AssertionError if the attempt succeeds, ends with another code, or says neither what decided nor `saying`.
    """
    try:
        answer = act()
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] in (codes or DENIED), f"{found['Code']}: {found['Message']}"
        message = str(found["Message"])
        if found["Code"] in DENIED and not saying:
            assert "decided by: " in message or "object lock" in message, f"no deciding statement in: {message}"
        assert saying in message, f"{saying!r} did not decide: {message}"
        return error
    raise AssertionError(f"the attempt was not refused: {sorted(answer) if isinstance(answer, dict) else answer!r}")


#: the two spellings of AWS: S3, STS and IAM; KMS
DENIED = ("AccessDenied", "AccessDeniedException")
