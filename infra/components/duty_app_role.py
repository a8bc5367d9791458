"""A duty's login to Vault or OpenBao: an AppRole whose tokens carry that duty's policy alone."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault


@dataclass(frozen=True, kw_only=True)
class DutyAppRoleArgs:
    """What a login needs; `policy` is the duty's policy as JSON."""

    auth_mount: pulumi.Input[str]
    duty: str
    policy: str


class DutyAppRole(pulumi.ComponentResource):
    """Policy and AppRole of the same name. Secret ids are minted outside the program and never enter its state."""

    role_name: pulumi.Output[str]

    def __init__(self, name: str, args: DutyAppRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:vault:DutyAppRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        policy = vault.Policy(name, name=args.duty, policy=args.policy, opts=child)
        role = vault.approle.AuthBackendRole(
            name,
            backend=args.auth_mount,
            role_name=args.duty,
            token_policies=[policy.name],
            token_no_default_policy=True,
            token_ttl=3600,
            token_max_ttl=8 * 3600,
            token_type="service",  # noqa: S106
            opts=child,
        )
        self.role_name = role.role_name
        self.register_outputs({"role_name": self.role_name})
