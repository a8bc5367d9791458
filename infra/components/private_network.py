"""A network without a way to or from the internet, for databases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class PrivateNetworkArgs:
    """What a private network needs: its range and two availability zones' ranges."""

    name: str
    cidr: str
    subnets: Mapping[str, str]
    port: int
    tags: Mapping[str, str]


class PrivateNetwork(pulumi.ComponentResource):
    """A VPC with one private subnet a zone and a group that lets only itself in, on one port."""

    subnet_ids: list[pulumi.Output[str]]
    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: PrivateNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:ec2:PrivateNetwork", name, None, opts)
        child, tags = pulumi.ResourceOptions(parent=self), dict(args.tags)
        vpc = aws.ec2.Vpc(
            name, cidr_block=args.cidr, enable_dns_support=True, enable_dns_hostnames=True, tags=tags, opts=child
        )
        self.subnet_ids = [
            aws.ec2.Subnet(
                f"{name}-{zone[-1]}",
                vpc_id=vpc.id,
                cidr_block=cidr,
                availability_zone=zone,
                map_public_ip_on_launch=False,
                tags=tags,
                opts=child,
            ).id
            for zone, cidr in args.subnets.items()
        ]
        members = aws.ec2.SecurityGroupIngressArgs(
            protocol="tcp", from_port=args.port, to_port=args.port, self=True, description="members of this group"
        )
        group = aws.ec2.SecurityGroup(
            name,
            name=args.name,
            description="databases, reached by members of this group alone",
            vpc_id=vpc.id,
            ingress=[members],
            egress=[],
            tags=tags,
            opts=child,
        )
        self.security_group_id = group.id
        self.register_outputs({"subnet_ids": self.subnet_ids, "security_group_id": self.security_group_id})
