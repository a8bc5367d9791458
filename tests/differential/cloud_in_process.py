"""The gateway without its sockets: the WSGI application that the process serves, asked with signed requests.

Passed by: TCP, TLS and cheroot. Not passed by: signature, routing, parsing, decision, rules, moto, errors, trail.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import boto3
from botocore.awsrequest import AWSResponse
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.kms.utils import generate_private_key

from local_cloud.servers.gateway.authentication import signing_key
from local_cloud.servers.gateway.call import Session
from local_cloud.servers.gateway.identity import iam_of, role_by_arn
from local_cloud.servers.gateway.seeding import seed
from local_cloud.servers.gateway.serve import Config, Server, preload
from strongroom.authorization import Named, Policies, Principal, Request, evaluate

HOST, REGION = "127.0.0.1", "us-east-1"
OUTSIDE = "000000000000"
_VERSIONS = {"iam": "2010-05-08", "sts": "2011-06-15"}
_TARGETS = {"kms": "TrentService", "secretsmanager": "secretsmanager", "ecs": "AmazonEC2ContainerServiceV20141113"}
_CODE = re.compile(rb"<Code>([^<]+)</Code>|\"__type\"\s*:\s*\"([^\"]+)\"")
EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


@dataclass(frozen=True)
class Credential:
    """An access key and whose it is: a user's ARN, or the ARN of a role whose session it belongs to."""

    who: str
    key: str
    secret: str
    token: str = ""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `code` is the error's, '' for success."""

    status: int
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error."""
        if self.status < 300:
            return ""
        found = _CODE.search(self.body)
        return (found[1] or found[2]).decode().rpartition("#")[2] if found else str(self.status)

    def text(self, element: str) -> str:
        """The text of the first element of an XML answer."""
        found = re.search(rf"<{element}>([^<]*)</{element}>".encode(), self.body)
        assert found is not None, self.body
        return found[1].decode()


class InProcess:
    """One cloud for many configurations, each in an account of its own."""

    def __init__(self, home: Path) -> None:
        self.server = Server(Config(home, certificate=home, private_key=home))
        self._app = self.server._apps[""]
        self._clients: list[Any] = []
        spare = generate_private_key("RSA_2048")
        # moto makes every key an RSA key that nobody uses, which takes longer than a whole configuration
        self._spared = mock.patch("moto.kms.models.generate_private_key", lambda _spec: spare)
        self._spared.start()
        preload(self.server._moto)
        seed(self.server.cloud, None, (OUTSIDE,), None)
        self._models = boto3.Session(region_name=REGION)
        self.requests = 0
        self.outsider = self.new_user(OUTSIDE, "outsider", EVERYTHING)

    def close(self) -> None:
        """Closes the clients and what the server holds open."""
        for client in self._clients:
            client.close()
        self._spared.stop()
        self.server.stop()

    def new_user(self, account: str, name: str, policy: str) -> Credential:
        """A user as the cloud's own seeding makes it, without asking anybody: how an account begins."""
        backend = iam_of(account)
        if name not in backend.users:
            backend.create_user("us-east-1", user_name=name, path="/")
            backend.put_user_policy(name, "own", policy)
        made = backend.create_access_key(name)
        return Credential(f"arn:aws:iam::{account}:user/{name}", made.access_key_id, made.secret_access_key)

    def forget(self, account: str) -> None:
        """Drops an account with its identities, sessions and keys, so that the next call need not look at them."""
        cloud = self.server.cloud
        iam_backends.pop(account, None)
        kms_backends.pop(account, None)
        for place in [place for place, key in cloud.keys._keys.items() if key.account == account]:
            del cloud.keys._keys[place]
        cloud.identities._sessions.clear()
        cloud.identities.user_boundaries.clear()

    def mend(self, key_arn: str) -> None:
        """Takes the deletion of a key back, whatever its policy says by now, so that the rest can still be tried."""
        key = self.server.cloud.keys.find(key_arn, key_arn.split(":")[4], key_arn.split(":")[3])
        key.deletion, key.enabled = None, True

    def call(self, who: Credential, service: str, operation: str, *, region: str = REGION, **params: Any) -> Answer:
        """One signed request of a service that speaks the query protocol or JSON."""
        if service in _VERSIONS:
            form = {"Action": operation, "Version": _VERSIONS[service], **params}
            headers, body = {"content-type": "application/x-www-form-urlencoded"}, urlencode(form).encode()
        else:
            target = f"{_TARGETS[service]}.{operation}"
            headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
            body = json.dumps(params).encode()
        return self.send(who, service, "POST", "/", headers, body, region)

    def send(
        self,
        who: Credential,
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        region: str = REGION,
    ) -> Answer:
        """Signs a request (Signature Version 4) and hands it to the application."""
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        digest = hashlib.sha256(body).hexdigest()
        signed = {**headers, "host": HOST, "x-amz-date": stamp}
        if who.token:
            signed["x-amz-security-token"] = who.token
        if service == "s3":
            signed["x-amz-content-sha256"] = digest
        names = ";".join(sorted(signed))
        plain, _, query = path.partition("?")
        canonical = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        asked = f"{method}\n{plain}\n{query}\n{canonical}\n{names}\n{digest}"
        scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
        key = signing_key(who.secret, stamp[:8], region, service)
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={who.key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return self.ask(method, path, signed, body)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request through the application, headers as they are."""
        plain, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": plain,
            "REQUEST_URI": path,
            "QUERY_STRING": query,
            "SERVER_NAME": HOST,
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": HOST,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "https",
            "wsgi.version": (1, 0),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in headers.items():
            place = name.upper().replace("-", "_")
            environ[place if place == "CONTENT_TYPE" else f"HTTP_{place}"] = value
        status = 0

        def start(line: str, _headers: list[tuple[str, str]], _info: Any = None) -> None:
            nonlocal status
            status = int(line.split(" ", 1)[0])

        self.requests += 1
        answer = b"".join(self._app(environ, start))
        return Answer(status, answer)

    def client(self, who: Credential, service: str) -> Any:
        """A boto3 client whose requests go through the application too; for the readers, which take clients."""
        made = self._models.client(
            service,
            endpoint_url=f"https://{HOST}",
            aws_access_key_id=who.key,
            aws_secret_access_key=who.secret,
            aws_session_token=who.token or None,
        )

        def through(request: Any, **_: Any) -> AWSResponse:
            body = request.body or b""
            headers = {name.lower(): _text(value) for name, value in request.headers.items()}
            path = request.url.removeprefix(f"https://{HOST}") or "/"
            answer = self.ask(
                request.method, path, {**headers, "host": HOST}, body if isinstance(body, bytes) else body.encode()
            )
            return AWSResponse(request.url, answer.status, {}, _Raw(answer.body))

        self._clients.append(made)
        made.meta.events.register(f"before-send.{service}", through)
        return made

    def session_of_service(self, role: str, service: str) -> Credential | None:
        """A session of a role as a service makes it that the role trusts; None where it does not trust it."""
        found = role_by_arn(role)
        assert found is not None
        asking = Request(Principal(service, "", "service"), "sts:AssumeRole", role, {}, role.split(":")[4])
        if not evaluate(asking, Policies(resource=Named("trust", found.assume_role_policy_document))).allowed:
            return None
        made = Session(
            access_key=f"ASIA{uuid.uuid4().hex[:16].upper()}",
            secret=uuid.uuid4().hex,
            token=uuid.uuid4().hex,
            role_arn=role,
            role_id=found.id,
            name="service",
            expires=datetime.now(UTC) + timedelta(hours=1),
        )
        self.server.cloud.identities.add(made)
        return Credential(role, made.access_key, made.secret, made.token)

    @staticmethod
    def unused_account() -> str:
        """Twelve digits that nobody had."""
        return f"4{uuid.uuid4().int % 10**11:011d}"


class _Raw(io.BytesIO):
    """What botocore expects below a response."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
