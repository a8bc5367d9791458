"""OpenBao read back: policies, ways of logging in, identities, tokens, mounts and the switches of transit keys.

Read with a login that may list and read configuration only (`infra/policies/vault_policies.py`, the auditor). What is
refused is a sentence among the unread, never left out. Existing tokens are read too: a token keeps the policies it was
made with. Left out are tokens that add nothing to the login they came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from strongroom.authorization.openbao_policies import VaultPolicy
from strongroom.authorization.prover.openbao_facts import Entity, Group, Login, Mount, OpenBao, TokenRole, TransitKey
from strongroom.errors import Transient

#: How the logins of an auth method are listed, by its type: below which path, and the name of a login's alias.
_LISTED: Mapping[str, str] = {
    "approle": "role",
    "userpass": "users",
    "jwt": "role",
    "oidc": "role",
    "kubernetes": "role",
}
#: Nothing logs in by these: tokens are read by themselves.
_WITHOUT_LOGINS = ("token", "ns_token")
#: Logins of these say nothing about groups.
_WITHOUT_GROUPS = ("approle", "userpass", "token")
#: What the server itself writes and nobody can change.
_SERVERS_OWN = ("root",)


def read_openbao(client: Any, transit: Sequence[str] = ()) -> tuple[OpenBao, list[str]]:
    """The facts of a server, and a sentence for each thing that was refused.

    client: a logged-in hvac.Client. transit: mounts whose keys must be readable; of others they are read if possible.
    Raises Transient if the server cannot be reached.
    """
    return _Reader(client, transit).read()


class _Reader:
    def __init__(self, client: Any, transit: Sequence[str]) -> None:
        self.client, self.transit = client, transit
        self.unread: list[str] = []

    def read(self) -> tuple[OpenBao, list[str]]:
        auth = self._mounts("sys/auth")
        mounts = self._mounts("sys/mounts")
        entities, aliases = self._entities()
        logins = [login for path, kind in auth for login in self._logins(path, kind, aliases)]
        bao = OpenBao(
            policies=tuple(self._policies()),
            logins=tuple(logins),
            auth=tuple(Mount(path, kind) for path, kind in auth),
            mounts=tuple(Mount(path, kind) for path, kind in mounts),
            entities=tuple(entities),
            groups=tuple(self._groups({entity.id: entity.name for entity in entities}, dict(auth))),
            token_roles=tuple(self._token_roles()),
            keys=tuple(key for path, kind in mounts if kind == "transit" for key in self._keys(path)),
            database_roles=tuple(role for path, kind in mounts if kind == "database" for role in self._roles(path)),
            workflows=tuple(self._names("sys/workflows/manage")),
            audits=tuple(name.removesuffix("/") for name in self._data("sys/audit")),
            **self._seal(),
        )
        for path, what in (
            ("sys/namespaces", "namespace"),
            ("sys/external-keys/configs", "external key configuration"),
        ):
            self.unread += [f"OpenBao: {what} {name} is not read" for name in self._names(path)]
        return replace(bao, logins=(*logins, *self._tokens(bao))), self.unread

    def _ask(self, verb: str, path: str, **body: Any) -> Mapping[str, Any]:
        """The data of an answer; {} where nothing is there or the answer is refused, which becomes a sentence."""
        import hvac.exceptions
        import requests

        try:
            answer = self.client.adapter.request(verb, f"/v1/{path}", **({"json": body} if body else {}))
        except hvac.exceptions.InvalidPath:
            return {}
        except hvac.exceptions.VaultError as error:
            kind = "was refused" if isinstance(error, hvac.exceptions.Forbidden) else "failed"
            self.unread.append(f"OpenBao: {verb.upper()} {path} {kind}")
            return {}
        except requests.RequestException as error:
            raise Transient(f"OpenBao cannot be reached ({type(error).__name__})") from None
        return answer.get("data") or {} if isinstance(answer, Mapping) else {}

    def _data(self, path: str) -> Mapping[str, Any]:
        return self._ask("get", path)

    def _names(self, path: str) -> list[str]:
        return [str(name) for name in self._ask("list", path).get("keys") or ()]

    def _policies(self) -> Iterator[VaultPolicy]:
        for name in self._names("sys/policies/acl"):
            if name not in _SERVERS_OWN and "policy" in (found := self._data(f"sys/policies/acl/{name}")):
                yield VaultPolicy(name, str(found["policy"]))

    def _mounts(self, path: str) -> list[tuple[str, str]]:
        """Path and type of each mount."""
        found = self._data(path)
        return [
            (name.removesuffix("/"), str(mount["type"]))
            for name, mount in sorted(found.items())
            if isinstance(mount, Mapping) and "type" in mount
        ]

    def _logins(self, mount: str, kind: str, aliases: Mapping[tuple[str, str], str]) -> Iterator[Login]:
        if kind in _WITHOUT_LOGINS:
            return
        if kind not in _LISTED:
            self.unread.append(f"OpenBao: who logs in by auth/{mount}, of type {kind}, is not read")
            return
        for name in self._names(f"auth/{mount}/{_LISTED[kind]}"):
            found = self._data(f"auth/{mount}/{_LISTED[kind]}/{name}")
            yield Login(
                name=f"bao:auth/{mount}/{_LISTED[kind]}/{name}",
                policies=_with_default(_texts(found, "token_policies"), found),
                mount=mount,
                entity=aliases.get((mount, name), "") if kind in _WITHOUT_GROUPS else "",
                secret=kind != "approle" or found.get("bind_secret_id") is not False,
            )

    def _entities(self) -> tuple[list[Entity], dict[tuple[str, str], str]]:
        """The entities, and for each login (mount, name) that has an alias the name of its entity."""
        found: list[Entity] = []
        aliases: dict[tuple[str, str], str] = {}
        for number in self._names("identity/entity/id"):
            data = self._data(f"identity/entity/id/{number}")
            name = str(data.get("name", number))
            found.append(Entity(name, number, tuple(_texts(data, "policies"))))
            for alias in data.get("aliases") or ():
                mount = str(alias.get("mount_path", "")).removeprefix("auth/").removesuffix("/")
                known_as = (alias.get("metadata") or {}).get("role_name") or alias.get("name")
                aliases[(mount, str(known_as))] = name
        return found, aliases

    def _groups(self, entities: Mapping[str, str], auth: Mapping[str, str]) -> Iterator[Group]:
        read = {number: self._data(f"identity/group/id/{number}") for number in self._names("identity/group/id")}
        names = {number: str(data.get("name", number)) for number, data in read.items()}
        for number, data in read.items():
            alias = str((data.get("alias") or {}).get("mount_path", "")).removeprefix("auth/").removesuffix("/")
            yield Group(
                name=names[number],
                id=number,
                policies=tuple(_texts(data, "policies")),
                entities=tuple(entities.get(member, member) for member in _texts(data, "member_entity_ids")),
                groups=tuple(names.get(member, member) for member in _texts(data, "member_group_ids")),
                mounts=(alias,) if alias and auth.get(alias) not in _WITHOUT_GROUPS else (),
            )

    def _token_roles(self) -> Iterator[TokenRole]:
        for name in self._names("auth/token/roles"):
            found = self._data(f"auth/token/roles/{name}")
            yield TokenRole(
                name,
                tuple(_texts(found, "allowed_policies")),
                tuple(_texts(found, "allowed_policies_glob")),
                tuple(_texts(found, "disallowed_policies")),
                tuple(_texts(found, "disallowed_policies_glob")),
                tuple(_texts(found, "allowed_entity_aliases")),
            )

    def _keys(self, mount: str) -> Iterator[TransitKey]:
        before = len(self.unread)
        for name in self._names(f"{mount}/keys"):
            found = self._data(f"{mount}/keys/{name}")
            switches = ("exportable", "allow_plaintext_backup", "deletion_allowed", "imported_key")
            yield TransitKey(mount, name, *(found.get(switch) is not False for switch in switches))
        if mount not in self.transit:
            # a key matters to the pairs that name it: of mounts that nobody named, what is unread changes no answer
            del self.unread[before:]

    def _roles(self, mount: str) -> list[str]:
        return [
            f"{mount}/{kind}/{name}" for kind in ("roles", "static-roles") for name in self._names(f"{mount}/{kind}")
        ]

    def _seal(self) -> dict[str, Any]:
        status = self.client.seal_status
        return {
            "shares": int(status["n"]),
            "threshold": int(status["t"]),
            "unauthenticated_root": self._answers("sys/generate-root/attempt"),
        }

    def _answers(self, path: str) -> bool:
        """Whether the server knows a path; True unless it says that it does not."""
        import hvac.exceptions

        try:
            self.client.adapter.get(f"/v1/{path}")
        except hvac.exceptions.VaultError as error:
            return "unsupported" not in str(error).lower()
        return True

    def _tokens(self, bao: OpenBao) -> Iterator[Login]:
        """Every token that may do more than the logins of its entity, or of none that is read."""
        for accessor in self._names("auth/token/accessors"):
            found = self._ask("post", "auth/token/lookup-accessor", accessor=accessor)
            if not found:
                continue  # expired since, or refused, which is among the unread
            entity = next((one.name for one in bao.entities if one.id and one.id == found.get("entity_id")), "")
            policies = set(_texts(found, "policies"))
            if any(entity and login.entity == entity and policies <= set(login.policies) for login in bao.logins):
                continue
            yield Login(f"bao:token/{accessor}", tuple(sorted(policies)), entity=entity)


def _texts(data: Mapping[str, Any], name: str) -> list[str]:
    return [str(item) for item in data.get(name) or ()]


def _with_default(policies: Sequence[str], role: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(policies) if role.get("token_no_default_policy") else tuple(dict.fromkeys((*policies, "default")))
