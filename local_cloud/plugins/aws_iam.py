"""IAM roles, their inline policies, managed policies and the OpenID Connect providers of continuous integration."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from local_cloud.plugins.aws_tags import TAGS, from_pairs, pairs, retag, told, wanted
from local_cloud.plugins.documents import POLICY
from local_cloud.plugins.shapes import BOOLEAN, INTEGER, LIST, SET, URL
from local_cloud.plugins.table import Autoname, Operation, Prop, Properties, ResourceType


def _text(document: Any) -> str:
    """A policy as text; botocore parses the URL-encoded ones of IAM into objects."""
    return json.dumps(document) if isinstance(document, dict) else unquote(document)


def _tagged(op: Operation) -> Properties:
    tags = pairs(wanted(op))
    return {"Tags": tags} if tags else {}


# roles


def _create_role(op: Operation) -> str:
    op.client.create_role(**op.api(), **_tagged(op))
    return str(op.inputs["name"])


def _attach(op: Operation) -> None:
    if "managedPolicyArns" not in op.inputs:
        return
    wanted_arns, present = set(op.inputs["managedPolicyArns"]), set(_attached(op))
    for arn in sorted(wanted_arns - present):
        op.client.attach_role_policy(RoleName=op.id, PolicyArn=arn)
    for arn in sorted(present - wanted_arns):
        op.client.detach_role_policy(RoleName=op.id, PolicyArn=arn)


def _attached(op: Operation) -> list[str]:
    pages = op.client.get_paginator("list_attached_role_policies").paginate(RoleName=op.id)
    return [policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]]


def _read_role(op: Operation) -> Properties:
    role = op.client.get_role(RoleName=op.id)["Role"]
    found: Properties = {
        "name": role["RoleName"],
        "arn": role["Arn"],
        "uniqueId": role["RoleId"],
        "createDate": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "path": role["Path"],
        "description": role.get("Description", ""),
        "maxSessionDuration": role.get("MaxSessionDuration"),
        "assumeRolePolicy": _text(role["AssumeRolePolicyDocument"]),
        "permissionsBoundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
    }
    if op.get("managedPolicyArns") is not None:
        found["managedPolicyArns"] = _attached(op)
    return found | told(op, from_pairs(role.get("Tags")))


def _update_role(op: Operation) -> None:
    iam = op.client
    if "assumeRolePolicy" in op.changed:
        iam.update_assume_role_policy(RoleName=op.id, PolicyDocument=op.inputs["assumeRolePolicy"])
    if op.changed & {"description", "maxSessionDuration"}:
        description = op.inputs.get("description") or ""
        iam.update_role(RoleName=op.id, Description=description, **op.api("maxSessionDuration"))
    if "permissionsBoundary" in op.changed:
        if boundary := op.inputs.get("permissionsBoundary"):
            iam.put_role_permissions_boundary(RoleName=op.id, PermissionsBoundary=boundary)
        else:
            iam.delete_role_permissions_boundary(RoleName=op.id)
    if "managedPolicyArns" in op.changed:
        _attach(op)
    retag(
        op,
        lambda tags: iam.tag_role(RoleName=op.id, Tags=pairs(tags)),
        lambda names: iam.untag_role(RoleName=op.id, TagKeys=names),
    )


def _delete_role(op: Operation) -> None:
    iam = op.client
    if op.get("forceDetachPolicies") or op.get("managedPolicyArns"):
        for arn in _attached(op):
            iam.detach_role_policy(RoleName=op.id, PolicyArn=arn)
    if op.get("forceDetachPolicies"):
        for page in iam.get_paginator("list_role_policies").paginate(RoleName=op.id):
            for name in page["PolicyNames"]:
                iam.delete_role_policy(RoleName=op.id, PolicyName=name)
    iam.delete_role(RoleName=op.id)


# inline policies


def _put_inline(op: Operation) -> str:
    op.client.put_role_policy(**op.api())
    return f"{op.inputs['role']}:{op.inputs['name']}"


def _read_inline(op: Operation) -> Properties:
    role, _, name = op.id.partition(":")
    policy = op.client.get_role_policy(RoleName=role, PolicyName=name)
    return {"role": role, "name": name, "policy": _text(policy["PolicyDocument"])}


def _delete_inline(op: Operation) -> None:
    role, _, name = op.id.partition(":")
    op.client.delete_role_policy(RoleName=role, PolicyName=name)


# managed policies


def _create_policy(op: Operation) -> str:
    return str(op.client.create_policy(**op.api(), **_tagged(op))["Policy"]["Arn"])


def _read_policy(op: Operation) -> Properties:
    policy = op.client.get_policy(PolicyArn=op.id)["Policy"]
    version = op.client.get_policy_version(PolicyArn=op.id, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    found: Properties = {
        "arn": op.id,
        "policyId": policy["PolicyId"],
        "attachmentCount": policy.get("AttachmentCount", 0),
        "name": policy["PolicyName"],
        "path": policy["Path"],
        "description": policy.get("Description", ""),
        "policy": _text(version["Document"]),
    }
    return found | told(op, from_pairs(policy.get("Tags")))


def _older_versions(op: Operation) -> list[str]:
    pages = op.client.get_paginator("list_policy_versions").paginate(PolicyArn=op.id)
    versions = [version for page in pages for version in page["Versions"] if not version["IsDefaultVersion"]]
    return [version["VersionId"] for version in sorted(versions, key=lambda version: version["CreateDate"])]


def _update_policy(op: Operation) -> None:
    if "policy" in op.changed:
        older = _older_versions(op)
        if len(older) >= 4:  # IAM keeps five versions, the default among them
            op.client.delete_policy_version(PolicyArn=op.id, VersionId=older[0])
        op.client.create_policy_version(PolicyArn=op.id, PolicyDocument=op.inputs["policy"], SetAsDefault=True)
    retag(
        op,
        lambda tags: op.client.tag_policy(PolicyArn=op.id, Tags=pairs(tags)),
        lambda names: op.client.untag_policy(PolicyArn=op.id, TagKeys=names),
    )


def _delete_policy(op: Operation) -> None:
    for version in _older_versions(op):
        op.client.delete_policy_version(PolicyArn=op.id, VersionId=version)
    op.client.delete_policy(PolicyArn=op.id)


# OpenID Connect providers


def _create_oidc(op: Operation) -> str:
    return str(op.client.create_open_id_connect_provider(**op.api(), **_tagged(op))["OpenIDConnectProviderArn"])


def _read_oidc(op: Operation) -> Properties:
    provider = op.client.get_open_id_connect_provider(OpenIDConnectProviderArn=op.id)
    found = {
        "arn": op.id,
        "url": provider["Url"],
        "clientIdLists": provider.get("ClientIDList", []),
        "thumbprintLists": provider.get("ThumbprintList", []),
    }
    return found | told(op, from_pairs(provider.get("Tags")))


def _update_oidc(op: Operation) -> None:
    iam, name = op.client, {"OpenIDConnectProviderArn": op.id}
    before, after = set(op.olds.get("clientIdLists") or []), set(op.inputs.get("clientIdLists") or [])
    for client in sorted(after - before):
        iam.add_client_id_to_open_id_connect_provider(**name, ClientID=client)
    for client in sorted(before - after):
        iam.remove_client_id_from_open_id_connect_provider(**name, ClientID=client)
    if "thumbprintLists" in op.changed:
        iam.update_open_id_connect_provider_thumbprint(**name, **op.api("thumbprintLists"))
    retag(
        op,
        lambda tags: iam.tag_open_id_connect_provider(**name, Tags=pairs(tags)),
        lambda names: iam.untag_open_id_connect_provider(**name, TagKeys=names),
    )


TYPES = (
    ResourceType(
        "aws:iam/role:Role",
        "iam",
        create=_create_role,
        read=_read_role,
        update=_update_role,
        delete=_delete_role,
        id="name",
        hooks=(_attach,),
        inputs={
            "assumeRolePolicy": Prop("AssumeRolePolicyDocument", codec=POLICY, required=True),
            "description": Prop("Description"),
            "forceDetachPolicies": Prop(codec=BOOLEAN, default=False, kept=True),
            "managedPolicyArns": Prop(codec=SET, computed=True),
            "maxSessionDuration": Prop("MaxSessionDuration", codec=INTEGER, default=3600),
            "name": Prop("RoleName", replaces=True, autoname=Autoname(64)),
            "namePrefix": Prop(replaces=True, kept=True),
            "path": Prop("Path", replaces=True, default="/"),
            "permissionsBoundary": Prop("PermissionsBoundary"),
            **TAGS,
        },
        outputs=("arn", "createDate", "uniqueId", "tagsAll"),
    ),
    ResourceType(
        "aws:iam/rolePolicy:RolePolicy",
        "iam",
        create=_put_inline,
        read=_read_inline,
        update=_put_inline,
        delete=_delete_inline,
        id="role:name",
        inputs={
            "name": Prop("PolicyName", replaces=True, autoname=Autoname(128)),
            "namePrefix": Prop(replaces=True, kept=True),
            "policy": Prop("PolicyDocument", codec=POLICY, required=True),
            "role": Prop("RoleName", replaces=True, required=True),
        },
    ),
    ResourceType(
        "aws:iam/policy:Policy",
        "iam",
        create=_create_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
        id="arn",
        inputs={
            "delayAfterPolicyCreationInMs": Prop(codec=INTEGER, kept=True),
            "description": Prop("Description", replaces=True),
            "name": Prop("PolicyName", replaces=True, autoname=Autoname(128)),
            "namePrefix": Prop(replaces=True, kept=True),
            "path": Prop("Path", replaces=True, default="/"),
            "policy": Prop("PolicyDocument", codec=POLICY, required=True),
            **TAGS,
        },
        outputs=("arn", "attachmentCount", "policyId", "tagsAll"),
    ),
    ResourceType(
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        "iam",
        create=_create_oidc,
        read=_read_oidc,
        update=_update_oidc,
        delete=lambda op: op.client.delete_open_id_connect_provider(OpenIDConnectProviderArn=op.id),
        id="arn",
        inputs={
            "clientIdLists": Prop("ClientIDList", codec=SET, required=True),
            "thumbprintLists": Prop("ThumbprintList", codec=LIST, computed=True),
            "url": Prop("Url", replaces=True, codec=URL, required=True),
            **TAGS,
        },
        outputs=("arn", "tagsAll"),
    ),
)
