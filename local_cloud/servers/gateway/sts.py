"""STS: roles become sessions only as their trust policies say; the gateway keeps the sessions."""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
import string
import struct
from datetime import timedelta
from typing import Any

from moto.iam.models import Role

from strongroom.authorization.documents import Form, Named, parse
from strongroom.errors import UsageError

from . import web_identity
from .access import Demand
from .call import Call, Principal, Refuse, Response, Rule, Session
from .cloud import Cloud
from .identity import iam_of, role_by_arn, session_principal, tags_of

_NAME = re.compile(r"[\w+=,.@-]{2,64}")


def _characters(count: int) -> str:
    alphabet = string.ascii_uppercase + "234567"
    return "".join(secrets.choice(alphabet) for _ in range(count))


def _tags(call: Call) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in call.params.get("Tags", ())}


def trust_demands(call: Call) -> list[Demand]:
    """What AssumeRole needs: the role's trust policy, and the caller's own policies as `evaluate` rules."""
    arn = call.params["RoleArn"]
    role = role_by_arn(arn)
    if role is None:
        # the same answer as for a role that exists and does not trust the caller
        return [
            Demand("sts:AssumeRole", arn, policy=Named(f"trust policy of {arn} (no such role)", '{"Statement": []}'))
        ]
    if call.principal.kind == "root":
        raise Refuse("AccessDenied", "Roles may not be assumed by root accounts.", 403)
    policy = Named(f"trust policy of role {role.name}", _document(role))
    context: dict[str, Any] = {"sts:RoleSessionName": call.params.get("RoleSessionName", "")}
    if call.params.get("ExternalId"):
        context["sts:ExternalId"] = call.params["ExternalId"]
    if call.params.get("SerialNumber") and call.params.get("TokenCode"):
        context["aws:MultiFactorAuthPresent"] = _mfa(call)
    if call.params.get("SourceIdentity"):
        context["sts:SourceIdentity"] = call.params["SourceIdentity"]
    for name, value in tags_of(role.tags).items():
        context[f"iam:ResourceTag/{name}"] = value
        context[f"aws:ResourceTag/{name}"] = value
    tags = _tags(call)
    if tags:
        context |= {f"aws:RequestTag/{name}": value for name, value in tags.items()}
        context["aws:TagKeys"] = tuple(tags)
    actions = ["sts:AssumeRole"]
    actions += ["sts:TagSession"] if tags else []
    actions += ["sts:SetSourceIdentity"] if call.params.get("SourceIdentity") else []
    return [Demand(action, role.arn, context, policy=policy) for action in actions]


def _document(role: Role) -> str:
    document = role.assume_role_policy_document
    return document if isinstance(document, str) else json.dumps(document)


def _mfa(call: Call) -> bool:
    """True if the code is what the caller's own device shows now, or showed or will show half a minute away.

    RFC 6238 with HMAC-SHA-1, 30 seconds and six digits, as IAM's virtual devices.
    """
    serial = str(call.params["SerialNumber"])
    device = iam_of(call.principal.account).virtual_mfa_devices.get(serial)
    user = iam_of(call.principal.account).users.get(call.principal.name)
    if device is None or user is None or serial not in user.mfa_devices:
        raise Refuse("AccessDenied", "MultiFactorAuthentication failed with invalid MFA device", 403)
    step = int(call.now.timestamp()) // 30
    shown = {totp(device.base32_string_seed, step + shift) for shift in (-1, 0, 1)}
    if str(call.params["TokenCode"]) not in shown:
        raise Refuse("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.", 403)
    return True


def totp(seed: str, step: int) -> str:
    """The six digits that a device with a base32 seed shows in a step of 30 seconds (RFC 6238)."""
    digest = hmac.new(base64.b32decode(seed), struct.pack(">Q", step), "sha1").digest()
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1000000:06d}"


class SecurityTokens:
    """The rules of STS."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        return [
            Rule("sts", "GetCallerIdentity", replace=self.get_caller_identity),
            Rule("sts", "AssumeRole", replace=self.assume_role),
            Rule("sts", "AssumeRoleWithWebIdentity", replace=self.assume_role_with_web_identity),
        ]

    def demands(self, call: Call) -> list[Demand] | None:
        """The permissions an STS call needs; None where the operation is not known here."""
        if call.operation == "GetCallerIdentity":
            return [Demand("sts:GetCallerIdentity")]
        if call.operation == "AssumeRole":
            return trust_demands(call)
        if call.operation == "AssumeRoleWithWebIdentity":
            return web_identity.demands(self._cloud.issuers, call)
        return None

    def get_caller_identity(self, call: Call) -> Response:
        """GetCallerIdentity needs no permission."""
        if call.principal.kind == "anonymous":
            raise Refuse("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        who = call.principal
        return call.answer({"UserId": who.user_id, "Account": who.account, "Arn": who.arn})

    def assume_role(self, call: Call) -> Response:
        """AssumeRole: a session within the role's longest duration (one hour when roles are chained)."""
        session = self._session(
            call,
            tags=_tags(call),
            source_identity=call.params.get("SourceIdentity", "") or _inherited(call.principal),
            mfa="TokenCode" in call.params and _mfa(call),
        )
        return call.answer(_assumed(session))

    def _session(self, call: Call, **claims: Any) -> Session:
        """New credentials of the role a call names."""
        params = call.params
        role = role_by_arn(params["RoleArn"])
        assert role is not None, "the demand refuses roles that do not exist"
        if not _NAME.fullmatch(params["RoleSessionName"]):
            raise Refuse("ValidationError", "RoleSessionName has 2 to 64 letters, digits and =,.@-_")
        seconds = int(params.get("DurationSeconds", 3600))
        longest = int(role.max_session_duration or 3600)
        if call.principal.session is not None:
            longest = min(longest, 3600)
        if not 900 <= seconds <= longest:
            raise Refuse(
                "ValidationError",
                f"The requested DurationSeconds is not between 900 and {longest} seconds, the longest for this role",
            )
        session = Session(
            access_key="ASIA" + _characters(16),
            secret=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(96),
            role_arn=role.arn,
            role_id=role.id,
            name=params["RoleSessionName"],
            expires=call.now.replace(microsecond=0) + timedelta(seconds=seconds),
            policies=self._session_policies(call, role.arn.split(":")[4]),
            issued=call.now,
            **claims,
        )
        self._cloud.identities.add(session)
        call.trail["resources"] = [role.arn]
        return session

    def _session_policies(self, call: Call, account: str) -> tuple[str, ...]:
        texts = [call.params["Policy"]] if call.params.get("Policy") else []
        for row in call.params.get("PolicyArns", ()):
            policy = iam_of(account).managed_policies.get(row["arn"])
            if policy is None:
                raise Refuse("MalformedPolicyDocument", f"the session policy {row['arn']} does not exist")
            version = next(v for v in policy.versions if v.version_id == policy.default_version_id)
            texts.append(version.document if isinstance(version.document, str) else json.dumps(version.document))
        for text in texts:
            try:
                parse(Named("session policy", text), Form.SESSION)
            except UsageError as unknown:
                raise Refuse(
                    "MalformedPolicyDocument", f"the session policy is not valid: {unknown.message}"
                ) from unknown
        if sum(len(text) for text in texts) > 2048 * 10:
            raise Refuse("PackedPolicyTooLarge", "the session policies are too large")
        return tuple(texts)

    def assume_role_with_web_identity(self, call: Call) -> Response:
        """AssumeRoleWithWebIdentity: a session of the role for whom the token speaks of."""
        account = call.params["RoleArn"].split(":")[4]
        who = web_identity.verify(self._cloud.issuers, account, call.params["WebIdentityToken"], call.now)
        session = self._session(call, tags=dict(who.tags), source_identity=who.source_identity, provider=who.provider)
        answer = _assumed(session)
        answer |= {"SubjectFromWebIdentityToken": who.subject, "Provider": who.provider, "Audience": who.audience}
        return call.answer(answer)


def _assumed(session: Session) -> dict[str, Any]:
    """Credentials and principal as every AssumeRole answers them."""
    who = session_principal(session)
    answer: dict[str, Any] = {
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": session.secret,
            "SessionToken": session.token,
            "Expiration": session.expires,
        },
        "AssumedRoleUser": {"AssumedRoleId": who.user_id, "Arn": who.arn},
        "PackedPolicySize": min(100, sum(len(text) for text in session.policies) // 41),
    }
    if session.source_identity:
        answer["SourceIdentity"] = session.source_identity
    return answer


def _inherited(principal: Principal) -> str:
    return principal.session.source_identity if principal.session is not None else ""
