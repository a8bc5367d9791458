"""One wrong configuration of a real OpenBao: a key, whoever may open it, and eve, who may not and finds a way."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import hvac
import hvac.exceptions
from attacked_estate import ROOT
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.policies.vault_policies import vault_policy
from strongroom.authorization.deployed.openbao import read_openbao
from strongroom.authorization.prover import Facts, Human
from strongroom.estate.loader import load

KEY = "recipient-transit"
CONTEXT = b"tenant|class"
PLAIN = b"k" * 32
_NUMBERS = count(1)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass
class World:
    """Names are its own, so that one server serves every attack: mount, AppRoles, policies, users, entities.

    eve's policy is `policy`, in which `{mount}`, `{eve}`, `{opener}`, `{user}`, `{entity}`, ... stand for the names.
    """

    root: hvac.Client
    policy: str
    number: int = field(default_factory=lambda: next(_NUMBERS))
    clients: list[hvac.Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        n = self.number
        self.mount, self.eve, self.opener, self.user = f"t{n}", f"eve-{n}", f"opener-{n}", f"user-{n}"
        self.names = {"mount": self.mount, "eve": self.eve, "opener": self.opener, "user": self.user, "n": str(n)}
        estate = load(ROOT / "stacks" / "estate.dev.yaml")
        assert estate.vault is not None
        self.estate = estate.model_copy(update={"vault": estate.vault.model_copy(update={"transit": self.mount})})
        self.root.sys.enable_secrets_engine("transit", path=self.mount)
        self.root.write_data(f"{self.mount}/keys/{KEY}", data={"type": "aes256-gcm96", "derived": True})
        self.sealed = self.seal()
        opens = f'path "{self.mount}/decrypt/{KEY}" {{ capabilities = ["update"] }}'
        self.root.sys.create_or_update_acl_policy(self.opener, opens)
        self.write_policy(self.policy)
        for name in (self.eve, self.opener):
            self.approle(name, name)
        self.root.write_data(
            f"auth/userpass/users/{self.user}", data={"password": "hers", "token_policies": self.opener}
        )
        self.approle(f"auditor-{n}", f"auditor-{n}")
        self.root.sys.create_or_update_acl_policy(f"auditor-{n}", vault_policy(self.estate, "auditor"))

    def approle(self, name: str, *policies: str) -> None:
        self.root.write_data(
            f"auth/approle/role/{name}", data={"token_policies": policies, "token_no_default_policy": True}
        )

    def write_policy(self, text: str) -> None:
        """Gives eve a policy; an empty one allows nothing."""
        text = text or stanza("nothing", "deny")
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        self.root.sys.create_or_update_acl_policy(self.eve, text)

    def login(self, name: str) -> hvac.Client:
        """A client of an AppRole; the root token hands over its secret."""
        role = self.root.auth.approle.read_role_id(name)["data"]["role_id"]
        secret = self.root.auth.approle.generate_secret_id(name)["data"]["secret_id"]
        return self.client_of(role, secret)

    def client_of(self, role: str, secret: str | None = None) -> hvac.Client:
        """A client that logged in by an AppRole's role id and, if it asks for one, secret id."""
        client = self.client("")
        body = {"role_id": role, **({"secret_id": secret} if secret else {})}
        client.token = client.adapter.request("post", "/v1/auth/approle/login", json=body)["auth"]["client_token"]
        return client

    def client(self, token: str) -> hvac.Client:
        made = hvac.Client(self.root.url, token, session=None, verify=self.root.session.verify)
        self.clients.append(made)
        return made

    def by_password(self, user: str, password: str, mount: str = "userpass") -> hvac.Client:
        client = self.client("")
        answer = client.adapter.request("post", f"/v1/auth/{mount}/login/{user}", json={"password": password})
        client.token = answer["auth"]["client_token"]
        return client

    def seal(self) -> str:
        body = {"plaintext": b64(PLAIN), "context": b64(CONTEXT)}
        return str(self.root.write_data(f"{self.mount}/encrypt/{KEY}", data=body)["data"]["ciphertext"])

    def opened(self, client: hvac.Client, mount: str = "") -> bool:
        """Whether a client opens what was sealed; Forbidden if it may not."""
        body = {"ciphertext": self.sealed, "context": b64(CONTEXT)}
        answer = client.write_data(f"{mount or self.mount}/decrypt/{KEY}", data=body)
        return bool(base64.b64decode(answer["data"]["plaintext"]) == PLAIN)

    def opened_outside(self, key: bytes, sealed: str = "") -> bool:
        """Whether the material of the key opens what was sealed, far from the server."""
        derived = HKDF(SHA256(), 32, None, CONTEXT).derive(key)
        raw = base64.b64decode((sealed or self.sealed).rsplit(":", 1)[1])
        return AESGCM(derived).decrypt(raw[:12], raw[12:], None) == PLAIN

    def lost(self) -> bool:
        """Whether nobody, not even root, opens what was sealed any more."""
        try:
            return not self.opened(self.root)
        except hvac.exceptions.VaultError:
            return True

    def entity_of(self, client: hvac.Client) -> str:
        return str(self.root.auth.token.lookup(client.token)["data"]["entity_id"])

    def facts(self, *identities: str, shares: int = 0) -> Facts:
        """What the auditor of this world reads, with eve as the one human."""
        bao, unread = read_openbao(self.login(f"auditor-{self.number}"), [self.mount])
        assert not [line for line in unread if self.mount in line or "identity" in line or "approle" in line], unread
        held = (f"bao:auth/approle/role/{self.eve}", *identities, *(f"bao:share/{n + 1}" for n in range(shares)))
        return Facts(humans=[Human("eve", held)], identities=[], openbao=bao)

    def use_ours(self, duty: str) -> None:
        """Gives eve our own policy of a duty in place of the wrong one."""
        self.write_policy(vault_policy(self.estate, duty))

    def close(self) -> None:
        """Takes away all that bears this world's number, so that the next world's auditor need not read it."""
        for client in self.clients:
            if client.token:
                self.root.auth.token.revoke(client.token)
            client.adapter.session.close()
        lists = ("sys/policies/acl", "auth/approle/role", "auth/userpass/users", "auth/token/roles")
        for path in (*lists, "identity/entity/name", "identity/group/name"):
            for name in (self.root.list(path) or {"data": {"keys": []}})["data"]["keys"]:
                if name.endswith(f"-{self.number}"):
                    self.root.delete(f"{path}/{name}")
        for mount in (self.mount, f"mine-{self.number}"):
            self.root.sys.disable_secrets_engine(mount)


def stanza(path: str, *capabilities: str, **more: Any) -> str:
    """One stanza of a policy; lists as in JSON."""
    given = {"capabilities": list(capabilities), **more}
    lines = [f"  {name} = {json.dumps(value).replace(':', ' =')}" for name, value in given.items()]
    return "\n".join([f'path "{path}" {{', *lines, "}"]) + "\n"
