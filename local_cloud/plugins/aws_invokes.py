"""Functions of the `aws` provider that programs call: who am I, what did earlier layers make, policy documents."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

from local_cloud.plugins.aws_session import AwsSession
from local_cloud.plugins.table import Gone, Invalid, Properties
from local_cloud.plugins.wire import Secret


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


def _alias(session: AwsSession, args: Properties) -> Properties:
    region = args.get("region") or session.region
    for page in session.client("kms", region).get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == args["name"] and alias.get("TargetKeyId"):
                arn, key = alias["AliasArn"], alias["TargetKeyId"]
                target = {"targetKeyId": key, "targetKeyArn": f"{arn.rsplit(':', 1)[0]}:key/{key}"}
                return {"name": args["name"], "arn": arn, "id": arn, "region": region, **target}
    raise Gone(f"alias {args['name']} does not exist in {region}; deploy the layer that makes it first")


def _public_key(session: AwsSession, args: Properties) -> Properties:
    region = args.get("region") or session.region
    key = session.client("kms", region).get_public_key(KeyId=args["keyId"])
    der = base64.b64encode(key["PublicKey"]).decode()
    lines = "\n".join(der[start : start + 64] for start in range(0, len(der), 64))
    return {
        "keyId": args["keyId"],
        "id": key["KeyId"],
        "arn": key["KeyId"],
        "customerMasterKeySpec": key.get("KeySpec") or key.get("CustomerMasterKeySpec"),
        "keyUsage": key.get("KeyUsage"),
        "encryptionAlgorithms": key.get("EncryptionAlgorithms", []),
        "signingAlgorithms": key.get("SigningAlgorithms", []),
        "publicKey": der,
        "publicKeyPem": f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n",
        "region": region,
    }


def _secret_version(session: AwsSession, args: Properties) -> Properties:
    region = args.get("region") or session.region
    asked = {"SecretId": args["secretId"], "VersionId": args.get("versionId"), "VersionStage": args.get("versionStage")}
    request = {name: value for name, value in asked.items() if value}
    version = session.client("secretsmanager", region).get_secret_value(**request)
    return {
        "secretId": args["secretId"],
        "id": f"{args['secretId']}|{version['VersionId']}",
        "arn": version["ARN"],
        "secretArn": version["ARN"],
        "createdDate": version["CreatedDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versionId": version["VersionId"],
        "versionStage": args.get("versionStage") or "AWSCURRENT",
        "versionStages": version.get("VersionStages", []),
        "secretString": Secret(version.get("SecretString", "")),
        "secretBinary": Secret(base64.b64encode(version.get("SecretBinary", b"")).decode()),
        "region": region,
    }


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
    "aws:kms/getAlias:getAlias": _alias,
    "aws:kms/getPublicKey:getPublicKey": _public_key,
    "aws:secretsmanager/getSecretVersion:getSecretVersion": _secret_version,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
}
