"""An internal certificate authority in Vault or OpenBao, for TLS between the estate's own services."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

YEAR = 365 * 86400


@dataclass(frozen=True, kw_only=True)
class InternalAuthorityArgs:
    """What an authority needs; certificates are issued below `domain` only, for at most 30 days."""

    common_name: str
    domain: str


class InternalAuthority(pulumi.ComponentResource):
    """A PKI mount with its root and one role for servers."""

    def __init__(self, name: str, args: InternalAuthorityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:vault:InternalAuthority", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        mount = vault.Mount(name, path="pki", type="pki", max_lease_ttl_seconds=10 * YEAR, opts=child)
        vault.pkisecret.SecretBackendRootCert(
            name,
            backend=mount.path,
            type="internal",
            common_name=args.common_name,
            ttl=str(5 * YEAR),
            key_type="ec",
            key_bits=384,
            opts=child,
        )
        vault.pkisecret.SecretBackendRole(
            name,
            backend=mount.path,
            name="server",
            allowed_domains=[args.domain],
            allow_subdomains=True,
            allow_any_name=False,
            key_type="ec",
            key_bits=256,
            server_flag=True,
            client_flag=False,
            max_ttl=str(30 * 86400),
            opts=child,
        )
        self.register_outputs({})
