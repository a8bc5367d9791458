"""Parameter Store: sizes by tier, and SecureString values that are really under their KMS key.

moto keeps names, versions, labels and history; of a SecureString it gets the ciphertext only. Source: Systems Manager
user guide, "Managing parameter tiers"; KMS developer guide, "How AWS Systems Manager Parameter Store uses AWS KMS".
"""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from moto.ssm.models import Parameter, ssm_backends

from .access import Demand
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_use import KeyUse
from .operations import tag_context

LIMITS = {"Standard": 4096, "Advanced": 8192}
_READING = ("GetParameter", "GetParameters", "GetParametersByPath", "GetParameterHistory")
_ON_NAME = frozenset(
    """PutParameter GetParameter GetParameterHistory DeleteParameter LabelParameterVersion
    UnlabelParameterVersion""".split()
)
_TAGGING = frozenset("AddTagsToResource RemoveTagsFromResource ListTagsForResource".split())
#: Begins a value of the advanced tier: length of the wrapped data key, the key, nonce and ciphertext follow.
_ENVELOPE = b"SSM2"


def arn_of(call: Call, name: str) -> str:
    """The ARN of a parameter, by its name (with or without a version or label) or its ARN."""
    if name.startswith("arn:"):
        return ":".join(name.split(":")[:6])
    return f"arn:aws:ssm:{call.region}:{call.account}:parameter/{name.split(':')[0].removeprefix('/')}"


def _existing(call: Call) -> Parameter | None:
    versions = ssm_backends[call.account][call.region]._parameters
    held = versions.get(call.params["Name"])
    return held[-1] if held else None


def demands(call: Call) -> list[Demand] | None:
    """The permissions a Parameter Store call needs; None where the operation is not known here."""
    action, params = f"ssm:{call.operation}", call.params
    context: dict[str, Any] = tag_context(call)
    if call.operation == "DescribeParameters":
        return [Demand(action)]
    if call.operation == "GetParametersByPath":
        context["ssm:Recursive"] = str(bool(params.get("Recursive"))).lower()
        return [Demand(action, arn_of(call, params["Path"].rstrip("/") or "/"), context)]
    if call.operation in ("GetParameters", "DeleteParameters"):
        return [_on(call, action, name, context) for name in params["Names"]]
    if call.operation in _TAGGING and params["ResourceType"] == "Parameter":
        return [_on(call, action, params["ResourceId"], context)]
    if call.operation not in _ON_NAME:
        return None
    if call.operation == "PutParameter":
        context["ssm:Overwrite"] = str(bool(params.get("Overwrite"))).lower()
    needed = [_on(call, action, params["Name"], context)]
    if params.get("Tags"):
        needed.append(_on(call, "ssm:AddTagsToResource", params["Name"], context))
    return needed


def _on(call: Call, action: str, name: str, context: dict[str, Any]) -> Demand:
    arn = arn_of(call, name)
    plain = name.split(":")[0] if not name.startswith("arn:") else arn.partition(":parameter")[2]
    tags = ssm_backends[call.account][call.region]._resource_tags["Parameter"]
    held = tags.get(plain, {})
    known = {f"{key}/{tag}": value for tag, value in held.items() for key in ("aws:ResourceTag", "ssm:resourceTag")}
    return Demand(action, arn, {**context, **known})


class Parameters:
    """What moto does not do with parameters."""

    def __init__(self, cloud: Cloud, use: KeyUse) -> None:
        self._cloud, self._use = cloud, use

    def rules(self) -> list[Rule]:
        """Sealing before moto stores, opening after it answers."""
        reading = (Rule("ssm", operation, after=self._read) for operation in _READING)
        return [Rule("ssm", "PutParameter", before=self._put), *reading]

    def _put(self, call: Call) -> Refuse | None:
        params, known = call.params, _existing(call)
        if known is not None and not params.get("Overwrite"):
            return None  # moto refuses it
        kind = params.get("Type") or (known.parameter_type if known else "")
        if known is not None and kind != known.parameter_type:
            return Refuse("HierarchyTypeMismatchException", f"a parameter's type stays {known.parameter_type}")
        value, pattern = params["Value"], params.get("AllowedPattern") or (known.allowed_pattern if known else None)
        tier = self._tier(params, known)
        if len(value) > LIMITS[tier]:
            upgrade = (
                " To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier."
                if tier == "Standard"
                else ""
            )
            message = f"{tier} tier parameters support a maximum parameter value of {LIMITS[tier]} characters.{upgrade}"
            return Refuse("ValidationException", message)
        if pattern and re.search(pattern, value) is None:
            return Refuse("ParameterPatternMismatchException", f"the value does not match the pattern {pattern}")
        sent = {**params, "Tier": tier}
        if kind == "SecureString":
            key = params.get("KeyId") or (known.keyid if known else None) or "alias/aws/ssm"
            sent |= {"KeyId": key, "Value": self._seal(call, arn_of(call, params["Name"]), key, value, tier)}
        call.sent = sent
        return None

    @staticmethod
    def _tier(params: dict[str, Any], known: Parameter | None) -> str:
        held = (known.tier if known else None) or "Standard"
        asked = params.get("Tier") or held
        if asked == "Intelligent-Tiering":
            large = len(params["Value"]) > LIMITS["Standard"] or params.get("Policies")
            asked = "Advanced" if large or held == "Advanced" else "Standard"
        if held == "Advanced" and asked == "Standard":
            raise Refuse(
                "ValidationException",
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the "
                "advanced-parameter tier to the standard-parameter tier.",
            )
        if params.get("Policies") and asked == "Standard":
            raise Refuse("ValidationException", "parameter policies need the advanced-parameter tier")
        return str(asked)

    def _via(self, call: Call) -> Call:
        return replace(call, via_service=f"ssm.{call.region}.amazonaws.com")

    def _seal(self, call: Call, arn: str, key: str, value: str, tier: str) -> str:
        context = {"PARAMETER_ARN": arn}
        try:
            if tier == "Standard":
                blob = self._use.encrypt_via(self._via(call), key, value.encode(), context)
            else:
                _, plain, wrapped = self._use.data_key_via(self._via(call), key, context)
                nonce = os.urandom(12)
                sealed = AESGCM(plain).encrypt(nonce, value.encode(), arn.encode())
                blob = _ENVELOPE + len(wrapped).to_bytes(2, "big") + wrapped + nonce + sealed
        except Refuse as refused:
            raise _of_parameters(refused) from refused
        return base64.b64encode(blob).decode()

    def _open(self, call: Call, arn: str, text: str) -> str:
        blob, context = base64.b64decode(text), {"PARAMETER_ARN": arn}
        try:
            if not blob.startswith(_ENVELOPE):
                return str(self._use.decrypt_via(self._via(call), blob, context).decode())
            size = int.from_bytes(blob[4:6], "big")
            wrapped, rest = blob[6 : 6 + size], blob[6 + size :]
            plain = self._use.decrypt_via(self._via(call), wrapped, context)
            return AESGCM(plain).decrypt(rest[:12], rest[12:], arn.encode()).decode()
        except Refuse as refused:
            raise _of_parameters(refused) from refused

    def _read(self, call: Call, response: Response) -> Response:
        """SecureString values: the ciphertext, or the plain value for who asks for it and may use the key."""
        if response.status != 200:
            return response
        assert isinstance(response.body, bytes), "moto answers whole bodies"
        document = json.loads(response.body)
        for row in document.get("Parameters", [document["Parameter"]] if "Parameter" in document else []):
            if row["Type"] == "SecureString":
                sealed = row["Value"].rsplit(":", 1)[-1]  # behind moto's own prefix
                plain = call.params.get("WithDecryption")
                row["Value"] = self._open(call, arn_of(call, row["Name"]), sealed) if plain else sealed
        return replace(response, body=json.dumps(document).encode())


def _of_parameters(refused: Refuse) -> Refuse:
    """The error of KMS as Parameter Store answers it."""
    if refused.code.startswith("KMS.") or refused.code in ("NotFoundException", "InvalidArnException"):
        return Refuse("InvalidKeyId", refused.message)
    return refused
