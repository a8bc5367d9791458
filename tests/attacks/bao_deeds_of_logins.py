"""Deeds of eve in OpenBao by way of logins, tokens, entities and groups: True once the key's data are open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hvac
import hvac.exceptions
from bao_world import KEY, World, stanza

LOOSE = {"token_bound_cidrs": "127.0.0.0/8"}


def rewrite_policy(w: World, eve: hvac.Client) -> bool:
    eve.sys.create_or_update_acl_policy(w.eve, stanza(f"{w.mount}/decrypt/*", "update"))
    return w.opened(eve)


def mint(w: World, eve: hvac.Client) -> bool:
    role = eve.auth.approle.read_role_id(w.opener)["data"]["role_id"]
    return w.opened(w.client_of(role, eve.auth.approle.generate_secret_id(w.opener)["data"]["secret_id"]))


def choose_secret(w: World, eve: hvac.Client) -> bool:
    role = eve.auth.approle.read_role_id(w.opener)["data"]["role_id"]
    eve.write_data(f"auth/approle/role/{w.opener}/custom-secret-id", data={"secret_id": f"chosen-by-eve-{w.number}"})
    return w.opened(w.client_of(role, f"chosen-by-eve-{w.number}"))


def unbind(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/approle/role/{w.opener}", data={"bind_secret_id": False, **LOOSE})
    return w.opened(w.client_of(eve.auth.approle.read_role_id(w.opener)["data"]["role_id"]))


def make_role(w: World, eve: hvac.Client) -> bool:
    own = {"token_policies": w.opener, "role_id": f"own-{w.number}", "bind_secret_id": False, **LOOSE}
    eve.write_data(f"auth/approle/role/ci-{w.number}", data=own)
    return w.opened(w.client_of(f"own-{w.number}"))


def widen_own_role(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/approle/role/{w.eve}/policies", data={"token_policies": [w.eve, w.opener]})
    return w.opened(w.login(w.eve))


def reset_password(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/userpass/users/{w.user}/password", data={"password": "mine"})
    return w.opened(w.by_password(w.user, "mine"))


def make_user(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/userpass/users/eves-{w.number}", data={"password": "mine", "token_policies": w.opener})
    return w.opened(w.by_password(f"eves-{w.number}", "mine"))


def open_door(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"sys/auth/door-{w.number}", data={"type": "userpass"})
    eve.write_data(f"auth/door-{w.number}/users/eve", data={"password": "mine", "token_policies": w.opener})
    return w.opened(w.by_password("eve", "mine", f"door-{w.number}"))


def make_token(path: str) -> Callable[[World, hvac.Client], bool]:
    def deed(w: World, eve: hvac.Client) -> bool:
        made = eve.write_data(path.replace("{n}", str(w.number)), data={"policies": [w.opener]})
        return w.opened(w.client(made["auth"]["client_token"]))

    return deed


def token_role(w: World) -> None:
    w.root.write_data(f"auth/token/roles/ci-{w.number}", data={"allowed_policies": w.opener})


def write_token_role(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"auth/token/roles/ci-{w.number}", data={"allowed_policies": w.opener})
    return make_token("auth/token/create/ci-{n}")(w, eve)


def forbidden_beside(w: World) -> None:
    """Eve's AppRole has the opener's policy and one that denies it."""
    denies = stanza(f"{w.mount}/decrypt/{KEY}", "deny")
    w.root.sys.create_or_update_acl_policy(f"denies-{w.number}", denies)
    w.approle(w.eve, w.eve, w.opener, f"denies-{w.number}")


def drop_policy(w: World, eve: hvac.Client) -> bool:
    eve.delete(f"sys/policies/acl/denies-{w.number}")
    return w.opened(eve)


def own_entity(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/entity/id/{w.entity_of(eve)}", data={"policies": [w.opener]})
    return w.opened(eve)


def opening_entity(w: World) -> None:
    """An entity with the opener's policy, and a group with it of which the entity is a member."""
    w.login(w.eve)  # who never logged in has no entity
    made = w.root.write_data("identity/entity", data={"name": f"vera-{w.number}", "policies": [w.opener]})["data"]["id"]
    w.root.write_data(
        "identity/group", data={"name": f"openers-{w.number}", "policies": [w.opener], "member_entity_ids": [made]}
    )


def alias_of(w: World, eve: hvac.Client) -> dict[str, Any]:
    found = w.root.read(f"identity/entity/id/{w.entity_of(eve)}")["data"]["aliases"][0]
    return dict(found)


def move_alias(w: World, eve: hvac.Client) -> bool:
    vera = w.root.read(f"identity/entity/name/vera-{w.number}")["data"]["id"]
    alias = alias_of(w, eve)
    body = {"name": alias["name"], "mount_accessor": alias["mount_accessor"], "canonical_id": vera}
    eve.write_data(f"identity/entity-alias/id/{alias['id']}", data=body)
    return w.opened(w.login(w.eve))


def merge(w: World, eve: hvac.Client) -> bool:
    vera = w.root.read(f"identity/entity/name/vera-{w.number}")["data"]["id"]
    body = {"from_entity_ids": [w.entity_of(eve)], "to_entity_id": vera, "force": True}
    eve.write_data("identity/entity/merge", data=body)
    return w.opened(w.login(w.eve))


def make_entity(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/entity/name/mine-{w.number}", data={"policies": [w.opener]})
    made = w.root.read(f"identity/entity/name/mine-{w.number}")["data"]["id"]
    body = {"from_entity_ids": [w.entity_of(eve)], "to_entity_id": made, "force": True}
    eve.write_data("identity/entity/merge", data=body)
    return w.opened(w.login(w.eve))


def join(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/group/name/openers-{w.number}", data={"member_entity_ids": [w.entity_of(eve)]})
    return w.opened(eve)


def join_in_capitals(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/group/name/OPENERS-{w.number}", data={"member_entity_ids": [w.entity_of(eve)]})
    return w.opened(eve)


def everybody(w: World) -> None:
    entity = w.entity_of(w.login(w.eve))
    w.root.write_data("identity/group", data={"name": f"all-{w.number}", "member_entity_ids": [entity]})


def fill_group(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/group/name/all-{w.number}", data={"policies": [w.opener]})
    return w.opened(eve)


def make_group(w: World, eve: hvac.Client) -> bool:
    body = {"policies": [w.opener], "member_entity_ids": [w.entity_of(eve)]}
    eve.write_data(f"identity/group/name/mine-{w.number}", data=body)
    return w.opened(eve)


def denying_group(w: World) -> None:
    forbidden_beside(w)
    w.approle(w.eve, w.eve, w.opener)
    body = {"member_entity_ids": [w.entity_of(w.login(w.eve))], "policies": [f"denies-{w.number}"]}
    w.root.write_data("identity/group", data={"name": f"barred-{w.number}", **body})


def leave(w: World, eve: hvac.Client) -> bool:
    eve.write_data(f"identity/group/name/barred-{w.number}", data={"member_entity_ids": []})
    return w.opened(eve)
