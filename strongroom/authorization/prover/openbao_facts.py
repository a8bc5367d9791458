"""What is deployed in OpenBao or Vault, as plain data: the other half of the input of a proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.authorization.openbao_policies import VaultPolicy


@dataclass(frozen=True)
class Login:
    """A way to get a token: a role of an auth mount, an entity, or a token that exists.

    name: `bao:` and its path, for example `bao:auth/approle/role/restorer`; humans and carriers name it so. policies:
    the names of the policies its tokens have.
    """

    name: str
    policies: Sequence[str] = ()


@dataclass(frozen=True)
class OpenBao:
    """One server: its policies by name as the server gave them, and its logins."""

    policies: Sequence[VaultPolicy] = ()
    logins: Sequence[Login] = ()
