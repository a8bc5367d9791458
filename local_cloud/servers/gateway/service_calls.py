"""Calls that an AWS service makes by itself: decided by the resource's own policy, answered by the same rules."""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from typing import Any

from moto.core.utils import get_service_model

from .call import Call, Principal, Refuse, Response, Rule
from .cloud import Cloud
from .events import Trail
from .permissions import authorise


def service_principal(name: str) -> Principal:
    """A service, e.g. cloudtrail.amazonaws.com."""
    return Principal("service", name, "", "", "", name)


def service_call(
    cloud: Cloud,
    principal: Principal,
    service: str,
    operation: str,
    params: Mapping[str, Any],
    *,
    account: str,
    region: str,
    source_arn: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Call:
    """A call of a service for a resource of `account`: `source_arn` is what it works for (aws:SourceArn)."""
    model = get_service_model(service)
    return Call(
        service=service,
        operation=operation,
        params=dict(params),
        principal=principal,
        account=account,
        region=region,
        tls=True,
        now=cloud.clock(),
        model=model.operation_model(operation),
        protocol=str(model.protocol),
        headers=dict(headers or {}),
        body=io.BytesIO(body),
        source_ip=principal.arn,
        user_agent=principal.arn,
        request_id=str(uuid.uuid4()),
        source_arn=source_arn,
    )


class ServiceCalls:
    """Makes such calls; each is authorised, answered by a rule of the gateway and recorded in the trail."""

    def __init__(self, cloud: Cloud, rules: list[Rule], trail: Trail) -> None:
        self._cloud, self._trail = cloud, trail
        self._replace = {(rule.service, rule.operation): rule.replace for rule in rules if rule.replace}

    def make(self, call: Call) -> Response:
        """The answer of an operation that the gateway itself does. Raises Refuse as the operation does."""
        refusal: Refuse | None = None
        try:
            authorise(self._cloud, call)
            answer = self._replace[call.service, call.operation](call)
            assert answer is not None, f"the rule of {call.service}:{call.operation} answers every call"
            return answer
        except Refuse as refused:
            refusal = refused
            raise
        finally:
            self._trail.record(call, refusal)
