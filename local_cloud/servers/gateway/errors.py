"""Error answers in each service's own wire shape and with its own code."""

from __future__ import annotations

import json
import re
from xml.sax.saxutils import escape

from .call import Refuse, Response

#: How a service names "the policies do not allow it", and with which HTTP status.
DENIED = {
    "s3": ("AccessDenied", 403),
    "iam": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
    "rds": ("AccessDenied", 403),
    "sqs": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
    "ec2": ("UnauthorizedOperation", 403),
    "scheduler": ("AccessDeniedException", 403),
}
#: Error names whose status is not 400.
_STATUS = {"InternalFailure": 500, "ServiceUnavailable": 503}
_CODE = re.compile(rb'(?:<Code>|"__type":\s*")([A-Za-z0-9.#_-]+)')


def denied(service: str, message: str) -> Refuse:
    """The service's own "access denied"."""
    code, status = DENIED.get(service, ("AccessDeniedException", 400))
    return Refuse(code, message, status)


def error_code(response: Response) -> str:
    """The error that an answer of moto names; '' for a success."""
    if response.status < 400 or not isinstance(response.body, bytes):
        return ""
    named = response.headers.get("x-amzn-errortype") or response.headers.get("X-Amzn-ErrorType") or ""
    found = _CODE.search(response.body[:4096])
    return named or (found[1].decode("latin-1").rsplit("#", 1)[-1] if found else str(response.status))


def render(refusal: Refuse, service: str, protocol: str, request_id: str) -> Response:
    """The refusal as HTTP: JSON, query, EC2, S3 or REST-JSON, as the service speaks."""
    code, message = refusal.code, refusal.message
    status = _STATUS.get(code, refusal.status)
    headers = {"x-amzn-requestid": request_id}
    if service in ("s3", "s3control"):
        headers |= {"Content-Type": "application/xml", "x-amz-request-id": request_id}
        fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in refusal.fields.items())
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(message)}</Message>'
            f"{fields}<RequestId>{request_id}</RequestId></Error>"
        )
    elif protocol == "ec2":
        headers["Content-Type"] = "text/xml"
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{code}</Code>'
            f"<Message>{escape(message)}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
    elif protocol in ("query", "rest-xml"):
        headers["Content-Type"] = "text/xml"
        body = (
            f"<ErrorResponse><Error><Type>{'Receiver' if status >= 500 else 'Sender'}</Type><Code>{code}</Code>"
            f"<Message>{escape(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    else:
        headers |= {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}
        if service == "sqs":
            headers["x-amzn-query-error"] = f"{code};Sender"
        body = json.dumps({"__type": code, "message": message, **refusal.fields})
    return Response(status, headers, body.encode())
