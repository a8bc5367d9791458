"""Functions of the `aws` provider that programs call: who and where am I, and policy documents."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

from local_cloud.plugins.aws_session import AwsSession
from local_cloud.plugins.table import Invalid, Properties


def _caller_identity(session: AwsSession, _: Properties) -> Properties:
    who = session.identity()
    return {"accountId": who["Account"], "arn": who["Arn"], "userId": who["UserId"], "id": who["Account"]}


def _region(session: AwsSession, args: Properties) -> Properties:
    region = args.get("region") or session.region
    return {
        "id": region,
        "name": region,
        "region": region,
        "description": region,
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


def _partition(_: AwsSession, __: Properties) -> Properties:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


_LISTS = {"actions": "Action", "notActions": "NotAction", "resources": "Resource", "notResources": "NotResource"}
_PEOPLE = {"principals": "Principal", "notPrincipals": "NotPrincipal"}
_STATEMENT = {*_LISTS, *_PEOPLE, "sid", "effect", "conditions"}


def _policy_document(_: AwsSession, args: Properties) -> Properties:
    unknown = set(args) - {"policyId", "statements", "version"}
    if unknown:
        raise Invalid(f"getPolicyDocument: {', '.join(sorted(unknown))}: not supported here")
    document: Properties = {"Version": args.get("version") or "2012-10-17"}
    if args.get("policyId"):
        document["Id"] = args["policyId"]
    document["Statement"] = [_statement(statement) for statement in args.get("statements") or []]
    text = json.dumps(document, indent=2)
    return {**args, "id": str(zlib.crc32(text.encode())), "json": text, "minifiedJson": json.dumps(document)}


def _statement(given: Properties) -> Properties:
    if unknown := set(given) - _STATEMENT:
        raise Invalid(f"getPolicyDocument: statement {', '.join(sorted(unknown))}: not supported here")
    found: Properties = {"Sid": given["sid"]} if given.get("sid") else {}
    found["Effect"] = given.get("effect") or "Allow"
    found |= {api: _one_or_many(given[name]) for name, api in _LISTS.items() if given.get(name)}
    for name, api in _PEOPLE.items():
        if given.get(name):
            found[api] = _principals(given[name])
    for condition in given.get("conditions") or []:
        keys = found.setdefault("Condition", {}).setdefault(condition["test"], {})
        keys[condition["variable"]] = _one_or_many(condition["values"])
    return found


def _principals(given: list[Properties]) -> Any:
    if given == [{"type": "*", "identifiers": ["*"]}]:
        return "*"
    return {who["type"]: _one_or_many(who["identifiers"]) for who in given}


def _one_or_many(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else sorted(values)


FUNCTIONS: dict[str, Callable[[AwsSession, Properties], Properties]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
}
