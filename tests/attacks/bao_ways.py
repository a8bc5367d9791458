"""The escapes in OpenBao: a wrong policy of eve, the deed it allows, and the rules that a refutation must name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import hvac
import hvac.exceptions
from bao_deeds_of_keys import (
    backup,
    delete_key,
    delete_mount,
    export,
    export_wrapped,
    exportable,
    fence,
    overwrite_key,
    remount,
    replace_key,
    rotated,
    trim,
    trimmable,
)
from bao_deeds_of_logins import (
    choose_secret,
    denying_group,
    drop_policy,
    everybody,
    fill_group,
    forbidden_beside,
    join,
    join_in_capitals,
    leave,
    make_entity,
    make_group,
    make_role,
    make_token,
    make_user,
    merge,
    mint,
    move_alias,
    open_door,
    opening_entity,
    own_entity,
    reset_password,
    rewrite_policy,
    token_role,
    unbind,
    widen_own_role,
    write_token_role,
)
from bao_world import World, stanza


@dataclass(frozen=True)
class Way:
    """A wrong policy of eve, the rules of the derivation, and the deed: True once the key's data are open or lost."""

    name: str
    policy: str
    rules: tuple[str, ...]
    deed: Callable[[World, hvac.Client], bool]
    destroys: bool = False
    prepare: Callable[[World], None] | None = None

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


ROLE_ID = stanza("auth/approle/role/{opener}/role-id", "read")
DECRYPT = "{mount}/decrypt/recipient-transit"
WAYS = [
    Way("rewrites its own policy", stanza("sys/policies/acl/{eve}", "update"), ("policy-write",), rewrite_policy),
    Way(
        "mints a secret id",
        ROLE_ID + stanza("auth/approle/role/{opener}/secret-id", "update"),
        ("secret-id-mint",),
        mint,
    ),
    Way(
        "chooses a secret id",
        ROLE_ID + stanza("auth/approle/role/+/custom-secret-id", "update"),
        ("secret-id-custom",),
        choose_secret,
    ),
    Way(
        "lets a login do without secret",
        ROLE_ID + stanza("auth/approle/role/{opener}", "update"),
        ("approle-unbind",),
        unbind,
    ),
    Way("makes an AppRole", stanza("auth/approle/role/ci-*", "create"), ("approle-create",), make_role),
    Way(
        "widens its own AppRole",
        stanza("auth/approle/role/{eve}/policies", "update"),
        ("approle-policies", "login-reissue"),
        widen_own_role,
    ),
    Way(
        "resets a password",
        stanza("auth/userpass/users/{user}/password", "update"),
        ("password-reset",),
        reset_password,
    ),
    Way("makes a user", stanza("auth/userpass/users/eves-*", "create"), ("user-create",), make_user),
    Way(
        "opens a login of its own",
        stanza("sys/auth/door-*", "update", "sudo") + stanza("auth/door-{n}/*", "create", "update"),
        ("auth-enable", "auth-fill"),
        open_door,
    ),
    Way(
        "makes any token",
        stanza("auth/token/create", "update", "sudo"),
        ("token-any",),
        make_token("auth/token/create"),
    ),
    Way(
        "makes any orphan",
        stanza("auth/token/create-orphan", "update", "sudo"),
        ("token-any",),
        make_token("auth/token/create-orphan"),
    ),
    Way(
        "makes a token by a role",
        stanza("auth/token/create/ci-{n}", "update"),
        ("token-by-role",),
        make_token("auth/token/create/ci-{n}"),
        prepare=token_role,
    ),
    Way(
        "writes a token role",
        stanza("auth/token/roles/ci-{n}", "update", "create") + stanza("auth/token/create/ci-{n}", "update"),
        ("token-role-write", "token-role-use"),
        write_token_role,
    ),
    Way(
        "leaves out what denies",
        stanza("auth/token/create", "update"),
        ("token-subset",),
        make_token("auth/token/create"),
        prepare=forbidden_beside,
    ),
    Way(
        "deletes the policy that denies",
        stanza("sys/policies/acl/denies-*", "delete"),
        ("policy-delete",),
        drop_policy,
        prepare=forbidden_beside,
    ),
    Way(
        "gives its entity policies",
        stanza("identity/entity/id/*", "update"),
        ("entity-policies", "entity-reissue"),
        own_entity,
        prepare=opening_entity,
    ),
    Way(
        "moves its login to another entity",
        stanza("identity/entity-alias/id/*", "update"),
        ("entity-alias",),
        move_alias,
        prepare=opening_entity,
    ),
    Way(
        "merges with another entity",
        stanza("identity/entity/merge", "update"),
        ("entity-merge",),
        merge,
        prepare=opening_entity,
    ),
    Way(
        "makes an entity and merges with it",
        stanza("identity/entity/name/mine-*", "update", "create") + stanza("identity/entity/merge", "update"),
        ("entity-create", "entity-enter"),
        make_entity,
    ),
    Way(
        "joins a group",
        stanza("identity/group/name/openers-{n}", "update"),
        ("group-join",),
        join,
        prepare=opening_entity,
    ),
    Way(
        "joins a group in capitals",
        stanza("identity/group/name/*", "update", denied_parameters={"policies": []})
        + stanza("identity/group/name/openers-{n}", "deny"),
        ("group-join",),
        join_in_capitals,
        prepare=opening_entity,
    ),
    Way(
        "gives its group policies",
        stanza("identity/group/name/all-{n}", "update"),
        ("group-policies", "group-reissue"),
        fill_group,
        prepare=everybody,
    ),
    Way("makes a group", stanza("identity/group/name/mine-*", "update", "create"), ("group-create",), make_group),
    Way(
        "leaves a group that is barred",
        stanza("identity/group/name/barred-{n}", "update", denied_parameters={"policies": []}),
        ("group-leave",),
        leave,
        prepare=denying_group,
    ),
    Way(
        "exports a key",
        stanza("{mount}/keys/*", "update") + stanza("{mount}/export/*", "read"),
        ("key-make-exportable", "key-export"),
        export,
    ),
    Way(
        "exports a key wrapped",
        stanza("{mount}/keys/mine/import", "update") + stanza("{mount}/byok-export/*", "read"),
        ("key-is-exportable", "key-byok-export"),
        export_wrapped,
        prepare=exportable,
    ),
    Way(
        "backs a key up in plain",
        stanza("{mount}/keys/+/config", "update") + stanza("{mount}/backup/*", "read"),
        ("key-make-exportable", "key-allow-backup", "key-backup"),
        backup,
    ),
    Way("replaces a key by its own", stanza("{mount}/restore/*", "update"), ("key-replace",), replace_key),
    Way("overwrites a key", stanza("{mount}/restore/*", "update"), ("key-overwrite",), overwrite_key, destroys=True),
    Way(
        "allows deletion and deletes",
        stanza("{mount}/keys/+/config", "update", denied_parameters={"min_decryption_version": []})
        + stanza("{mount}/keys/+", "delete"),
        ("key-allow-deletion", "key-delete"),
        delete_key,
        destroys=True,
    ),
    Way(
        "trims versions", stanza("{mount}/keys/+/trim", "update"), ("key-trim",), trim, destroys=True, prepare=trimmable
    ),
    Way(
        "makes old versions unreadable",
        stanza("{mount}/keys/+/config", "update"),
        ("key-fence",),
        fence,
        destroys=True,
        prepare=rotated,
    ),
    Way("deletes the mount", stanza("sys/mounts/{mount}", "delete"), ("mount-delete",), delete_mount, destroys=True),
    Way(
        "moves the mount to where it may use it",
        stanza("sys/remount", "update", "sudo") + stanza("mine-{n}/decrypt/*", "update"),
        ("mount-move", "moved-decrypt"),
        remount,
    ),
]
