"""What every layer needs: the estate, its providers, tags and protection, and its part of the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_vault as vault

from strongroom.estate import duties, names
from strongroom.estate.model import Estate


class Deployment:
    """One layer's deployment. Providers assume the layer's deployer role in the account they act in."""

    def __init__(self, estate: Estate, layer: str, root: Path) -> None:
        self.estate, self.layer, self.root = estate, layer, root
        self._aws: dict[str, aws.Provider] = {}
        self._vault: vault.Provider | None = None

    def aws(self, account: str) -> aws.Provider:
        """The provider of an account in its first Region, made on first use.

        It assumes the deployer from the caller's own credentials, or in CI straight from the web identity token whose
        file the setting strongroom:webIdentityTokenFile names.
        """
        if account not in self._aws:
            declared = self.estate.accounts[account]  # type: ignore[index]
            if self.layer == "bootstrap":
                role = names.bootstrap_role_arn(self.estate, account)
            else:
                role = names.role_arn(self.estate, account, duties.deployer(self.layer))
            session = f"strongroom-{self.layer}"
            token = pulumi.Config("strongroom").get("webIdentityTokenFile")
            web = aws.ProviderAssumeRoleWithWebIdentityArgs
            assumed = aws.ProviderAssumeRoleArgs(role_arn=role, session_name=session)
            self._aws[account] = aws.Provider(
                account,
                region=declared.region,
                allowed_account_ids=[declared.id],
                assume_roles=None if token else [assumed],
                assume_role_with_web_identity=web(role_arn=role, session_name=session, web_identity_token_file=token)
                if token
                else None,
            )
        return self._aws[account]

    def vault(self) -> vault.Provider:
        """The Vault provider; address, CA and token come from VAULT_ADDR, VAULT_CACERT and VAULT_TOKEN."""
        if self._vault is None:
            self._vault = vault.Provider("vault", skip_child_token=True)
        return self._vault

    def key_arn(self, key: str) -> pulumi.Output[str]:
        """The ARN of a workload key that an earlier layer made, found by its alias."""
        found = aws.kms.get_alias_output(
            name=names.alias(self.estate, key), opts=pulumi.InvokeOutputOptions(provider=self.aws("workload"))
        )
        return pulumi.Output.from_input(found.target_key_arn)

    def tags(self, data_class: str = "", owner: str = "") -> dict[str, str]:
        """Tags of a resource: environment, layer, and where they apply data class and owning duty."""
        tags = {"strongroom:env": self.estate.env, "strongroom:layer": self.layer}
        if data_class:
            tags["strongroom:class"] = data_class
        if owner:
            tags["strongroom:owner"] = owner
        return tags

    def account_facts(self, roles: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Any]]:
        """The manifest's accounts: id, Regions and this layer's roles by account and duty."""
        return {
            str(name): {"id": account.id, "regions": account.regions, "roles": dict(roles.get(name, {}))}
            for name, account in self.estate.accounts.items()
        }

    def in_account(
        self, account: str, *, protect: bool = False, depends_on: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Options of a component whose resources live in an account.

        `protect` also retains: destroying the stack, or forgetting the resource, deletes neither key nor data.
        """
        return pulumi.ResourceOptions(
            providers=[self.aws(account)],
            protect=protect or None,
            retain_on_delete=protect or None,
            depends_on=list(depends_on) or None,
        )
