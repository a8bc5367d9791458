"""What a rule sees of a request, and what it may answer: the hook contract of the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Literal

from moto.core.model import OperationModel
from moto.core.serialize import SerializationContext, get_serializer_class


@dataclass(frozen=True)
class Session:
    """What AssumeRole fixed for the life of temporary credentials."""

    access_key: str
    secret: str
    token: str
    role_arn: str
    role_id: str
    name: str
    expires: datetime
    policies: tuple[str, ...] = ()  # session policies, JSON
    tags: Mapping[str, str] = field(default_factory=dict)
    source_identity: str = ""
    mfa: bool = False
    issued: datetime | None = None
    provider: str = ""  # ARN of the identity provider that vouched for a web identity

    def __repr__(self) -> str:
        return f"Session({self.role_arn}, {self.name}, until {self.expires:%H:%M:%S})"


@dataclass(frozen=True)
class Principal:
    """Who calls. `arn` is what GetCallerIdentity answers; `entity_arn` is the IAM user or role behind it."""

    kind: Literal["user", "role", "root", "service", "anonymous"]
    arn: str
    entity_arn: str
    account: str
    user_id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    session: Session | None = None
    access_key: str = ""


ANONYMOUS = Principal("anonymous", "anonymous", "", "", "", "")


class Refuse(Exception):
    """An error answer in the service's own shape; rules return or raise it."""

    def __init__(self, code: str, message: str, status: int = 400, **fields: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.fields = code, message, status, fields


@dataclass
class Response:
    """An HTTP answer; `body` is bytes or an iterable of bytes (then `headers` must say its length)."""

    status: int
    headers: dict[str, str]
    body: bytes | Iterable[bytes] = b""


@dataclass
class Call:
    """One API call, its parameters parsed by the service's model (member names as in botocore)."""

    service: str
    operation: str
    params: dict[str, Any]
    principal: Principal
    account: str
    region: str
    tls: bool
    now: datetime
    model: OperationModel
    protocol: str
    headers: Mapping[str, str]  # lower-case names
    body: BinaryIO
    source_ip: str = "127.0.0.1"
    user_agent: str = ""
    request_id: str = ""
    via_service: str = ""  # the service that makes this call for the principal, e.g. s3.us-east-1.amazonaws.com
    source_arn: str = ""  # the resource for which a service calls by itself, e.g. the trail it delivers
    presigned: bool = False
    backend_account: str = ""  # the account whose moto backend answers, where the resource is another account's
    trail: dict[str, Any] = field(default_factory=dict)  # what events may record besides the parameters
    sent: dict[str, Any] | None = None  # parameters that moto gets instead of the caller's (JSON services)
    afterwards: list[Callable[[], None]] = field(default_factory=list)  # done when the call's event is in the trail

    def answer(self, result: Mapping[str, Any] | None = None) -> Response:
        """The answer in the service's wire format, shaped by its model."""
        serializer = get_serializer_class(self.service, self.protocol)(
            self.model, SerializationContext(request_id=self.request_id)
        )
        wire = serializer.serialize(dict(result or {}))
        body = wire["body"]
        return Response(
            wire["status_code"],
            {str(k): str(v) for k, v in wire["headers"].items()},
            body.encode() if isinstance(body, str) else body or b"",
        )


Before = Callable[[Call], Refuse | None]
Replace = Callable[[Call], Response | None]
After = Callable[[Call, Response], Response]


@dataclass(frozen=True)
class Rule:
    """What the gateway does for one operation: refuse before, answer instead of moto, or change moto's answer."""

    service: str
    operation: str
    before: Before | None = None
    replace: Replace | None = None
    after: After | None = None
