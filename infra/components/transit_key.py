"""A derived transit key of Vault or OpenBao: never exportable, never deletable."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from infra.components.retention import kept


@dataclass(frozen=True, kw_only=True)
class TransitKeyArgs:
    """What a transit key needs; `rotation_seconds` is its automatic rotation."""

    mount: pulumi.Input[str]
    name: str
    rotation_seconds: int
    protect: bool = True


class TransitKey(pulumi.ComponentResource):
    """An AES-256-GCM key whose every use is bound to a context (`derived`), so that rewrap keeps working."""

    ref: pulumi.Output[str]

    def __init__(self, name: str, args: TransitKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("strongroom:vault:TransitKey", name, None, opts)
        key = vault.transit.SecretBackendKey(
            name,
            backend=args.mount,
            name=args.name,
            type="aes256-gcm96",
            derived=True,
            exportable=False,
            allow_plaintext_backup=False,
            deletion_allowed=False,
            auto_rotate_period=args.rotation_seconds,
            opts=kept(self, args.protect),
        )
        self.ref = pulumi.Output.concat(key.backend, "/", key.name)
        self.register_outputs({"ref": self.ref})
