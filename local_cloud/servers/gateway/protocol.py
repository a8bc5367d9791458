"""Which operation an HTTP request asks for, and its parameters, by the service models of botocore.

Routing and parsing are moto's own (`moto.core.routing`, `moto.core.parse`), so that the gateway and moto never
understand the same bytes differently.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from .call import Refuse

#: The services whose operations the gateway understands; any other is refused.
SERVICES = frozenset(
    """kms s3 sts sqs secretsmanager iam rds ec2 logs ecs scheduler sns dynamodb cloudtrail
    organizations""".split()
)
#: Services that few calls go to; their models are loaded when first asked.
SELDOM = frozenset("ssm ecr backup events lambda codebuild cloudformation states".split())
#: Where botocore's name of a service is not the one that calls are signed with.
_MODELS = {"states": "stepfunctions"}
#: Operations a caller may make without credentials, by their Action parameter.
UNSIGNED = {"AssumeRoleWithWebIdentity": "sts", "AssumeRoleWithSAML": "sts"}


@functools.cache
def _subresources() -> frozenset[str]:
    """The query keys that choose an S3 operation, such as `policy` in PUT /bucket?policy."""
    model = get_service_model("s3")
    keys = {key for name in model.operation_names for key in model.operation_model(name).http_trait.query_args}
    return frozenset(keys - {"list-type", "select-type", "x-id"})


def refuse_ambiguity(service: str, environ: dict[str, Any], body: bytes) -> None:
    """Raises Refuse for a request that moto might understand as another operation than the gateway does.

    moto takes the operation from any `Action` it finds: in a form, in the URL's query, even in a JSON body that looks
    like a form, and only then from X-Amz-Target or the path. What is decided must be what is done.
    """
    query = environ.get("QUERY_STRING", "")
    names = [unquote(part.partition("=")[0]) for part in query.split("&") if part]
    if service == "s3":
        chosen = [name for name in names if name in _subresources()]
        if len(chosen) > 1:
            raise Refuse("InvalidArgument", f"a request has one subresource, not {len(chosen)}")
        ambiguous = "Action" in names
    else:
        plain = [name for name in names if not name.startswith("X-Amz-")]
        rest = protocol_of(service) == "rest-json"  # there parameters do stand in the query
        ambiguous = bool(plain and body) if not rest else "Action" in names
        ambiguous |= protocol_of(service) == "json" and bool(plain)
        ambiguous |= environ.get("CONTENT_TYPE", "").startswith("multipart/")
    if ambiguous:
        raise Refuse("InvalidRequest", "the request names its operation in more than one way, so it is refused")


def for_moto(protocol: str, body: bytes) -> bytes:
    """The body as moto gets it: in JSON `&` and `=` are escaped, since moto would read them as a form."""
    if protocol in ("json", "rest-json"):
        return body.replace(b"&", b"\\u0026").replace(b"=", b"\\u003d")
    return body


@dataclass(frozen=True)
class Wire:
    """A request matched to an operation; parameters are parsed when the body is there."""

    service: str
    model: OperationModel
    protocol: str
    url_params: dict[str, Any]
    request: Request

    @property
    def streams(self) -> bool:
        """True where the body is an object's bytes, to be read piece by piece."""
        return bool(self.model.has_streaming_input)


def protocol_of(service: str) -> str:
    """The wire protocol of a service, for an error before any operation is known."""
    known = service in SERVICES | SELDOM
    return str(get_service_model(_MODELS.get(service, service)).protocol) if known else "json"


def unsigned_service(query: str, body: bytes) -> str:
    """The service of a request without credentials; S3 where nothing says otherwise (anonymous GET)."""
    fields = parse_qs(query) or parse_qs(body[:8192].decode("latin-1"))
    return UNSIGNED.get(fields.get("Action", [""])[0], "s3")


def match(service: str, environ: dict[str, Any]) -> Wire:
    """The operation that a request asks for. Raises Refuse for an unknown service or operation."""
    if service not in SERVICES | SELDOM:
        raise Refuse(
            "UnknownService", f"this cloud has no rules for the service '{service}', so the call is refused", 403
        )
    if service == "s3" and environ["PATH_INFO"].startswith("/v20180820/"):
        raise Refuse("NotImplemented", "this cloud has no rules for S3 Control, so the call is refused", 403)
    request = Request(environ)
    try:
        model, url_params = get_service_router(_MODELS.get(service, service)).match(request)
    except (NotFound, NotImplementedError) as unknown:
        raise Refuse("UnknownOperationException", f"{service} has no such operation", 404) from unknown
    protocol = determine_request_protocol(model.service_model, request.content_type)
    return Wire(service, model, protocol, url_params, request)


def parse(wire: Wire, body: bytes) -> dict[str, Any]:
    """The parameters by the operation's model. Raises Refuse when they cannot be read."""
    try:
        parsed = PROTOCOL_PARSERS[wire.protocol](wire.model).parse(
            {
                "method": wire.request.method,
                "values": wire.request.values,
                "headers": wire.request.headers,
                "body": body,
                "url_path": wire.request.path,
                "url_params": wire.url_params,
            }
        )
    except Exception as unreadable:  # the parsers raise whatever the malformed value makes them raise
        code = "MalformedXML" if wire.service == "s3" else "SerializationException"
        raise Refuse(code, f"the request's parameters cannot be read: {type(unreadable).__name__}") from unreadable
    return dict(parsed or {})
