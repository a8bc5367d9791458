"""Networks as far as a private database and its jobs need them: VPC, subnet, security group."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from local_cloud.plugins.aws_tags import REGION, TAGS, from_pairs, pairs, retag, told, wanted
from local_cloud.plugins.shapes import BOOLEAN, INTEGER, SET, Field, Listing, Record
from local_cloud.plugins.table import Autoname, Operation, Prop, Properties, ResourceType


def _tagged(op: Operation, kind: str) -> Properties:
    tags = pairs(wanted(op))
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]} if tags else {}


def _retag(op: Operation) -> None:
    retag(
        op,
        lambda tags: op.client.create_tags(Resources=[op.id], Tags=pairs(tags)),
        lambda names: op.client.delete_tags(Resources=[op.id], Tags=[{"Key": name} for name in names]),
    )


def _arn(op: Operation, owner: str, kind: str) -> str:
    return f"arn:aws:ec2:{op.client.meta.region_name}:{owner}:{kind}/{op.id}"


# VPC

_SWITCHES = {"enableDnsSupport": "EnableDnsSupport", "enableDnsHostnames": "EnableDnsHostnames"}


def _create_vpc(op: Operation) -> str:
    return str(op.client.create_vpc(**op.api(), **_tagged(op, "vpc"))["Vpc"]["VpcId"])


def _switch(op: Operation) -> None:
    for name, api in _SWITCHES.items():
        # The service takes one attribute a call.
        op.client.modify_vpc_attribute(VpcId=op.id, **{api: {"Value": bool(op.inputs.get(name))}})


def _update_vpc(op: Operation) -> None:
    if op.changed & set(_SWITCHES):
        _switch(op)
    _retag(op)


def _read_vpc(op: Operation) -> Properties:
    ec2 = op.client
    vpc = ec2.describe_vpcs(VpcIds=[op.id])["Vpcs"][0]
    found: Properties = {
        "cidrBlock": vpc["CidrBlock"],
        "instanceTenancy": vpc["InstanceTenancy"],
        "dhcpOptionsId": vpc.get("DhcpOptionsId"),
        "ownerId": vpc["OwnerId"],
        "arn": _arn(op, vpc["OwnerId"], "vpc"),
        "region": ec2.meta.region_name,
        "defaultSecurityGroupId": _first(
            ec2.describe_security_groups(Filters=_in_vpc(op, ("group-name", "default")))["SecurityGroups"], "GroupId"
        ),
        "mainRouteTableId": _first(
            ec2.describe_route_tables(Filters=_in_vpc(op, ("association.main", "true")))["RouteTables"], "RouteTableId"
        ),
        "defaultNetworkAclId": _first(
            ec2.describe_network_acls(Filters=_in_vpc(op, ("default", "true")))["NetworkAcls"], "NetworkAclId"
        ),
    }
    found["defaultRouteTableId"] = found["mainRouteTableId"]
    for name, api in _SWITCHES.items():
        attribute = api[0].lower() + api[1:]
        found[name] = ec2.describe_vpc_attribute(VpcId=op.id, Attribute=attribute)[api]["Value"]
    return found | told(op, from_pairs(vpc.get("Tags")))


def _in_vpc(op: Operation, *filters: tuple[str, str]) -> list[Properties]:
    return [{"Name": name, "Values": [value]} for name, value in (("vpc-id", op.id), *filters)]


def _first(items: list[Properties], key: str) -> Any:
    return items[0][key] if items else None


# subnet


def _create_subnet(op: Operation) -> str:
    names = ("vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId")
    return str(op.client.create_subnet(**op.api(*names), **_tagged(op, "subnet"))["Subnet"]["SubnetId"])


def _map_addresses(op: Operation) -> None:
    value = {"Value": bool(op.inputs.get("mapPublicIpOnLaunch"))}
    op.client.modify_subnet_attribute(SubnetId=op.id, MapPublicIpOnLaunch=value)


def _update_subnet(op: Operation) -> None:
    if "mapPublicIpOnLaunch" in op.changed:
        _map_addresses(op)
    _retag(op)


def _read_subnet(op: Operation) -> Properties:
    subnet = op.client.describe_subnets(SubnetIds=[op.id])["Subnets"][0]
    found = op.wire(subnet) | {
        "ownerId": subnet["OwnerId"],
        "arn": subnet.get("SubnetArn") or _arn(op, subnet["OwnerId"], "subnet"),
        "region": op.client.meta.region_name,
    }
    return found | told(op, from_pairs(subnet.get("Tags")))


# security group

#: How one kind of peer is written: property -> (list in the API, member of its items).
_PEERS = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "ipv6CidrBlocks": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListIds": ("PrefixListIds", "PrefixListId"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
}
_RULE = Record(
    {
        "fromPort": Field("FromPort", INTEGER),
        "toPort": Field("ToPort", INTEGER),
        "protocol": Field("IpProtocol"),
        "description": Field("Description"),
        "self": Field("self", BOOLEAN),
        **{name: Field(api, SET) for name, (api, _) in _PEERS.items()},
    }
)
_PROTOCOLS = {"all": "-1", "6": "tcp", "17": "udp", "1": "icmp"}


class _Rules(Listing):
    """Rules in any grouping: two lists are the same if they let the same peers through."""

    def canonical(self, value: Any) -> Any:
        return sorted(atom for rule in value or [] for atom in _atoms(rule)) or None


def _atoms(rule: Properties) -> list[tuple[str, ...]]:
    protocol = str(rule.get("protocol", "-1")).lower()
    protocol = _PROTOCOLS.get(protocol, protocol)
    ports = ("", "") if protocol == "-1" else (str(rule.get("fromPort", "")), str(rule.get("toPort", "")))
    about = rule.get("description") or ""
    peers = [(name, str(peer)) for name in _PEERS for peer in rule.get(name) or []]
    peers += [("self", "")] if rule.get("self") else []
    return [(protocol, *ports, *peer, about) for peer in peers]


def _permissions(op: Operation, rules: list[Properties]) -> list[Properties]:
    found = []
    for rule in rules:
        about = {"Description": rule["description"]} if rule.get("description") else {}
        protocol = str(rule["protocol"]).lower()
        permission: Properties = {"IpProtocol": _PROTOCOLS.get(protocol, protocol)}
        if permission["IpProtocol"] != "-1":
            permission |= {"FromPort": int(rule["fromPort"]), "ToPort": int(rule["toPort"])}
        for name, (api, member) in _PEERS.items():
            peers = list(rule.get(name) or []) + ([op.id] if name == "securityGroups" and rule.get("self") else [])
            if peers:
                permission[api] = [{member: peer, **about} for peer in peers]
        found.append(permission)
    return found


def _rules(op: Operation, permissions: list[Properties]) -> list[Properties]:
    """Rules of a program from a group's permissions: one for each port range and description."""
    flat = []
    for permission in permissions:
        ports = (permission["IpProtocol"], permission.get("FromPort", 0), permission.get("ToPort", 0))
        for name, (api, member) in _PEERS.items():
            for peer in permission.get(api, []):
                flat.append((*ports, peer.get("Description", ""), name, peer[member]))
    found = []
    for (protocol, low, high, about), members in groupby(sorted(flat), key=lambda item: item[:4]):
        rule: Properties = {"protocol": protocol, "fromPort": low, "toPort": high}
        rule |= {"description": about} if about else {}
        for *_, name, peer in members:
            if name == "securityGroups" and peer == op.id:
                rule["self"] = True
            else:
                rule.setdefault(name, []).append(peer)
        found.append(rule)
    return found


def _create_group(op: Operation) -> str:
    request = op.api("name", "description", "vpcId")
    return str(op.client.create_security_group(**request, **_tagged(op, "security-group"))["GroupId"])


def _group(op: Operation) -> Properties:
    group: Properties = op.client.describe_security_groups(GroupIds=[op.id])["SecurityGroups"][0]
    return group


def _open(op: Operation) -> None:
    """Brings both directions to what is asked for; also takes away the egress rule every new group starts with."""
    group, ec2, rules = _group(op), op.client, _Rules(_RULE, ordered=False)
    for name, present, revoke, authorize in (
        ("ingress", group["IpPermissions"], ec2.revoke_security_group_ingress, ec2.authorize_security_group_ingress),
        ("egress", group["IpPermissionsEgress"], ec2.revoke_security_group_egress, ec2.authorize_security_group_egress),
    ):
        asked = op.inputs.get(name) or []
        if rules.canonical(_rules(op, present)) == rules.canonical(asked):
            continue
        if present:
            revoke(GroupId=op.id, IpPermissions=_permissions(op, _rules(op, present)))
        if asked:
            authorize(GroupId=op.id, IpPermissions=_permissions(op, asked))


def _update_group(op: Operation) -> None:
    if op.changed & {"ingress", "egress"}:
        _open(op)
    _retag(op)


def _delete_group(op: Operation) -> None:
    if op.get("revokeRulesOnDelete"):
        op.inputs = {}
        _open(op)
    op.client.delete_security_group(GroupId=op.id)


def _read_group(op: Operation) -> Properties:
    group = _group(op)
    found = {
        "name": group["GroupName"],
        "description": group["Description"],
        "vpcId": group.get("VpcId"),
        "ownerId": group["OwnerId"],
        "arn": _arn(op, group["OwnerId"], "security-group"),
        "region": op.client.meta.region_name,
        "ingress": _rules(op, group["IpPermissions"]),
        "egress": _rules(op, group["IpPermissionsEgress"]),
    }
    return found | told(op, from_pairs(group.get("Tags")))


TYPES = (
    ResourceType(
        "aws:ec2/vpc:Vpc",
        "ec2",
        create=_create_vpc,
        read=_read_vpc,
        update=_update_vpc,
        delete=lambda op: op.client.delete_vpc(VpcId=op.id),
        id="vpcId",
        hooks=(_switch,),
        inputs={
            "cidrBlock": Prop("CidrBlock", replaces=True, required=True),
            "enableDnsHostnames": Prop(codec=BOOLEAN, default=False),
            "enableDnsSupport": Prop(codec=BOOLEAN, default=True),
            "instanceTenancy": Prop("InstanceTenancy", replaces=True, default="default"),
            **REGION,
            **TAGS,
        },
        outputs=(
            "arn",
            "defaultNetworkAclId",
            "defaultRouteTableId",
            "defaultSecurityGroupId",
            "dhcpOptionsId",
            "mainRouteTableId",
            "ownerId",
            "tagsAll",
        ),
    ),
    ResourceType(
        "aws:ec2/subnet:Subnet",
        "ec2",
        create=_create_subnet,
        read=_read_subnet,
        update=_update_subnet,
        delete=lambda op: op.client.delete_subnet(SubnetId=op.id),
        id="subnetId",
        hooks=(_map_addresses,),
        inputs={
            "availabilityZone": Prop("AvailabilityZone", replaces=True, computed=True),
            "availabilityZoneId": Prop("AvailabilityZoneId", replaces=True, computed=True),
            "cidrBlock": Prop("CidrBlock", replaces=True, required=True),
            "mapPublicIpOnLaunch": Prop("MapPublicIpOnLaunch", codec=BOOLEAN, default=False),
            "vpcId": Prop("VpcId", replaces=True, required=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "ownerId", "tagsAll"),
    ),
    ResourceType(
        "aws:ec2/securityGroup:SecurityGroup",
        "ec2",
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
        id="groupId",
        hooks=(_open,),
        inputs={
            "description": Prop("Description", replaces=True, default="Managed by Pulumi"),
            "egress": Prop(codec=_Rules(_RULE, ordered=False)),
            "ingress": Prop(codec=_Rules(_RULE, ordered=False)),
            "name": Prop("GroupName", replaces=True, autoname=Autoname(255)),
            "namePrefix": Prop(replaces=True, kept=True),
            "revokeRulesOnDelete": Prop(codec=BOOLEAN, default=False, kept=True),
            "vpcId": Prop("VpcId", replaces=True, computed=True),
            **REGION,
            **TAGS,
        },
        outputs=("arn", "ownerId", "tagsAll"),
    ),
)
