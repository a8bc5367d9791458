"""The role of a duty: who may assume it, and what it may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class DutyRoleArgs:
    """What a role needs; `boundary` is the ARN of a permission boundary. Sessions last an hour."""

    duty: str
    path: str
    trust: str
    policy: str
    tags: Mapping[str, str]
    boundary: pulumi.Input[str] | None = None


class DutyRole(pulumi.ComponentResource):
    """A role of fixed name with one inline policy."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: DutyRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:iam:DutyRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            name=args.duty,
            path=args.path,
            assume_role_policy=args.trust,
            permissions_boundary=args.boundary,
            max_session_duration=3600,
            tags=dict(args.tags),
            opts=child,
        )
        aws.iam.RolePolicy(name, name="duty", role=role.name, policy=args.policy, opts=child)
        self.arn = role.arn
        self.register_outputs({"arn": self.arn})
