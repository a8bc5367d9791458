"""The gateway as WSGI middleware around moto: one request through authentication, decision, rules, moto and trail."""

from __future__ import annotations

import contextlib
import http
import io
import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from . import protocol
from .authentication import Signed, authenticate, claimed, headers_of
from .call import ANONYMOUS, Call, Principal, Refuse, Response, Rule
from .clock import wall_clock
from .cloud import Cloud
from .errors import denied, error_code, render
from .events import Trail
from .moto_apps import SERVICE
from .payload import CHUNKED, UNSIGNED, ChunkSigner, Payload
from .permissions import authorise
from .s3_checksums import Checksums

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
LARGEST_BODY = 16 << 20
_SAFE_AGENT = re.compile(r"[^ -~]")
_log = logging.getLogger("gateway")


class Gateway:
    """Serves the API of all services, or of one (`only`) on a port of its own."""

    def __init__(self, cloud: Cloud, moto: Wsgi, rules: list[Rule], trail: Trail, only: str = "") -> None:
        self._cloud, self._moto, self._trail, self._only = cloud, moto, trail, only
        self._rules: dict[tuple[str, str], list[Rule]] = {}
        for rule in rules:
            self._rules.setdefault((rule.service, rule.operation), []).append(rule)
        self._moto_lock = threading.RLock()  # moto's backends are plain objects without locks

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers one HTTP request."""
        request_id = str(uuid.uuid4())
        headers = headers_of(environ)
        length = int(headers["content-length"]) if headers.get("content-length", "").isdigit() else None
        if length is None and headers.get("transfer-encoding", "").lower() != "chunked":
            length = 0
        payload = Payload(environ["wsgi.input"], length, UNSIGNED, None)
        service, wire_protocol = "s3", "rest-xml"
        call: Call | None = None
        refusal: Refuse | None = None
        try:
            signed = claimed(headers, environ.get("QUERY_STRING", ""))
            body = b""
            if signed is None or signed.service != "s3":
                body = _whole(payload, length)
            service = signed.service if signed else protocol.unsigned_service(environ.get("QUERY_STRING", ""), body)
            wire_protocol = protocol.protocol_of(service)
            if environ["PATH_INFO"].startswith("/moto-api") or (self._only and service != self._only):
                raise Refuse("UnknownOperationException", "this endpoint does not serve that", 404)
            call, payload = self._call(environ, headers, signed, service, body, payload, length, request_id)
            response = self._answer(call, environ)
        except Refuse as refused:
            refusal = refused
            response = render(refused, service, call.protocol if call else wire_protocol, request_id)
        except Exception:
            _log.exception("request %s failed inside the gateway", request_id)
            refusal = Refuse("InternalFailure", f"the gateway failed; its log has request {request_id}", 500)
            response = render(refusal, service, call.protocol if call else wire_protocol, request_id)
        if call is not None:
            self._trail.record(call, refusal, "" if refusal else error_code(response))
            for act in call.afterwards if refusal is None else ():
                act()
        payload.drain()
        return self._respond(environ, start_response, response, request_id)

    def _call(
        self,
        environ: dict[str, Any],
        headers: dict[str, str],
        signed: Signed | None,
        service: str,
        body: bytes,
        payload: Payload,
        length: int | None,
        request_id: str,
    ) -> tuple[Call, Payload]:
        now, wall = self._cloud.clock(), wall_clock()
        principal, key = authenticate(environ, headers, signed, body, self._cloud.identities, now, wall)
        environ["RAW_URI"] = environ.get("REQUEST_URI", environ["PATH_INFO"])
        if service == "s3":
            kind = signed.payload if signed else UNSIGNED
            signer = None
            if signed is not None and kind in CHUNKED and "UNSIGNED" not in kind:
                signer = ChunkSigner(key, signed.timestamp, signed.scope, signed.signature)
            payload = Payload(environ["wsgi.input"], length, kind, signer)
        else:
            environ["wsgi.input"] = io.BytesIO(body)
        protocol.refuse_ambiguity(service, environ, body)
        # path-style for the gateway and for moto, whatever host was signed
        environ["HTTP_HOST"] = f"127.0.0.1:{environ['SERVER_PORT']}"
        wire = protocol.match(service, environ)
        if service == "s3" and not wire.streams:
            body = _whole(payload, length)
            checksums = Checksums(headers)
            checksums.seen(body)
            checksums.finish(payload.trailers)
            environ["wsgi.input"] = io.BytesIO(body)
        environ["gateway.body"] = body
        call = Call(
            service=service,
            operation=str(wire.model.name),
            params=protocol.parse(wire, body),
            principal=principal,
            account=principal.account,
            region=signed.region if signed else "us-east-1",
            tls=environ["wsgi.url_scheme"] == "https",
            now=now,
            model=wire.model,
            protocol=wire.protocol,
            headers=headers,
            body=payload,  # type: ignore[arg-type]
            source_ip=environ.get("REMOTE_ADDR", ""),
            user_agent=_SAFE_AGENT.sub("?", headers.get("user-agent", ""))[:256],
            request_id=request_id,
            presigned=signed is not None and signed.expires is not None,
        )
        return call, payload

    def _answer(self, call: Call, environ: dict[str, Any]) -> Response:
        if call.service == "kms" and not self._cloud.kms_up:
            raise Refuse("KeyUnavailableException", "KMS is stopped", 503)
        if call.principal is ANONYMOUS and call.service not in ("s3", "sts"):
            raise Refuse("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        missing = [name for name in _required(call) if name not in call.params]
        if missing:
            code = "ValidationError" if call.protocol in ("query", "ec2") else "ValidationException"
            raise Refuse(code, f"{call.operation} needs {', '.join(missing)}")
        authorise(self._cloud, call)
        rules = self._rules.get((call.service, call.operation), [])
        for rule in rules:
            refused = rule.before(call) if rule.before else None
            if refused is not None:
                raise refused
        response = next((made for rule in rules if rule.replace and (made := rule.replace(call)) is not None), None)
        if response is None:
            if call.service == "kms":
                raise Refuse("UnsupportedOperationException", f"this cloud's KMS does not do {call.operation}")
            response = self._by_moto(call, environ)
        for rule in rules:
            if rule.after:
                response = rule.after(call, response)
        return response

    def _by_moto(self, call: Call, environ: dict[str, Any]) -> Response:
        account = call.backend_account or call.account
        # of the headers only AWS's own: moto reads an operation even from a header named Action
        clean = {
            name: value
            for name, value in environ.items()
            if not name.startswith(("HTTP_", "gateway.", "werkzeug."))
            or name.startswith(("HTTP_X_AMZ_", "HTTP_HOST", "HTTP_CONTENT_MD5"))
        }
        body = environ["gateway.body"] if call.sent is None else json.dumps(call.sent).encode()
        body = protocol.for_moto(call.protocol, body)
        scope = f"{call.now:%Y%m%d}/{call.region}/{call.service}/aws4_request"
        clean |= {
            "HTTP_X_MOTO_ACCOUNT_ID": account,
            "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={_key_of(call.principal)}/{scope}, "
            "SignedHeaders=host, Signature=checked-by-the-gateway",
            "HTTP_USER_AGENT": "gateway",
            SERVICE: call.service,
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
        }
        status, sent = 500, {}

        def start(line: str, pairs: list[tuple[str, str]], _: Any = None) -> None:
            nonlocal status, sent
            status, sent = int(line.split(" ", 1)[0]), dict(pairs)

        # a long poll must not stop everybody else; moto's queues have a lock of their own
        waits = (call.service, call.operation) == ("sqs", "ReceiveMessage")
        with contextlib.nullcontext() if waits else self._moto_lock:
            try:
                answer = b"".join(self._moto(clean, start))
            except NotImplementedError as missing:
                raise denied(call.service, f"this cloud does not offer {call.service}:{call.operation}") from missing
        if status >= 500:
            _log.error("moto answered %s to %s:%s", status, call.service, call.operation)
        keep = {
            name: value for name, value in sent.items() if name.lower() not in ("content-length", "connection", "date")
        }
        return Response(status, keep, answer)

    @staticmethod
    def _respond(
        environ: dict[str, Any], start_response: Callable[..., Any], response: Response, request_id: str
    ) -> Iterable[bytes]:
        headers = dict(response.headers)
        headers.setdefault("x-amzn-requestid", request_id)
        headers.setdefault("x-amz-request-id", request_id)
        body = response.body
        if environ["REQUEST_METHOD"] == "HEAD" or response.status in (204, 304):
            body = b""
        if isinstance(body, bytes) and environ["REQUEST_METHOD"] != "HEAD" and response.status not in (204, 304):
            headers["Content-Length"] = str(len(body))
        phrase = http.HTTPStatus(response.status).phrase
        start_response(f"{response.status} {phrase}", list(headers.items()))
        return [body] if isinstance(body, bytes) else body


def _whole(payload: Payload, length: int | None) -> bytes:
    if length is not None and length > LARGEST_BODY:
        raise Refuse("RequestEntityTooLarge", f"the request's body is larger than {LARGEST_BODY} bytes", 413)
    pieces, size = [], 0
    while piece := payload.read(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_BODY:
            raise Refuse("RequestEntityTooLarge", f"the request's body is larger than {LARGEST_BODY} bytes", 413)
    return b"".join(pieces)


def _required(call: Call) -> list[str]:
    shape = call.model.input_shape
    # the object's bytes are no parameter, and an empty payload is left out by the parser
    payload = shape.serialization.get("payload") if shape is not None else None
    return [name for name in getattr(shape, "required_members", []) if name != payload]


def _key_of(principal: Principal) -> str:
    return principal.access_key if len(principal.access_key) == 20 else "AKIAANONYMOUSCALLER0"
