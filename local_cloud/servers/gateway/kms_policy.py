"""Key policies as AWS accepts them: well-formed, naming principals that exist, not locking their writer out."""

from __future__ import annotations

import json
from typing import Any

from strongroom.authorization.documents import Form, Named, parse
from strongroom.errors import UsageError

from .access import Demand
from .call import Call, Refuse
from .cloud import Cloud
from .identity import Identities
from .kms_keys import Key


def default_policy(account: str) -> str:
    """The policy of a key that was created without one: the account's IAM policies decide."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]})


def listed_principals(document: dict[str, Any]) -> list[str]:
    """The AWS principals a policy document names, in the order of its statements."""
    statements = document.get("Statement", [])
    found: list[str] = []
    for statement in [statements] if isinstance(statements, dict) else statements:
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element, {})
            values = named.get("AWS", []) if isinstance(named, dict) else []
            found += [values] if isinstance(values, str) else list(values)
    return found


def checked_policy(text: str, form: Form, name: str, identities: Identities, code: str) -> None:
    """Raises Refuse(`code`) where a resource policy is malformed or names a principal that does not exist."""
    try:
        parse(Named(name, text), form)
        document = json.loads(text)
    except UsageError as unknown:
        raise Refuse(code, f"the policy is not valid: {unknown.message}") from unknown
    for principal in listed_principals(document):
        if not identities.exists(principal):
            raise Refuse(code, f"Policy contains a statement with one or more invalid principals: {principal}")


def check_key_policy(cloud: Cloud, call: Call, key: Key, text: str, *, bypass: bool) -> None:
    """What AWS checks of a key policy before it keeps it. Raises Refuse (MalformedPolicyDocumentException).

    The lockout check: the caller must be able to change the policy again (`kms:PutKeyPolicy` under the new policy),
    unless BypassPolicyLockoutSafetyCheck is set.
    """
    if len(text) > 32768:
        raise Refuse("LimitExceededException", "a key policy has at most 32768 characters")
    name = f"key policy of {key.arn}"
    checked_policy(text, Form.KEY, name, cloud.identities, "MalformedPolicyDocumentException")
    if bypass:
        return
    demand = Demand("kms:PutKeyPolicy", key.arn, key_context(call, key), policy=Named(name, text))
    if not cloud.access.decide(call, demand).allowed:
        raise Refuse(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        )


def key_context(call: Call, key: Key) -> dict[str, Any]:
    """The condition keys of AWS KMS that follow from the key and the caller."""
    context: dict[str, Any] = {
        "kms:CallerAccount": call.principal.account,
        "kms:KeySpec": key.spec,
        "kms:KeyUsage": key.usage,
        "kms:KeyOrigin": key.origin,
        "kms:MultiRegion": key.multi_region,
        "kms:ResourceAliases": (),
    }
    if call.via_service:
        context["kms:ViaService"] = call.via_service
    for tag, value in key.tags.items():
        context[f"aws:ResourceTag/{tag}"] = value
    return context
