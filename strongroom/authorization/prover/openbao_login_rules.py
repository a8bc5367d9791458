"""How one permission over policies, logins, tokens or identities leads to more, as data.

Sources: OpenBao documentation, "Policies", "Tokens", "Identity", "AppRole". Carried out on OpenBao 2.7.2 unless a
comment says otherwise (test_attack_openbao_escapes.py).
"""

from __future__ import annotations

from strongroom.authorization.prover.openbao_rule import DELETE, Rule, rule

_ENTITY_ITSELF = "identity/entity/name/{name} identity/entity/id/{id}"
_ENTITY = f"{_ENTITY_ITSELF} identity/entity"
_GROUP_ITSELF = "identity/group/name/{name} identity/group/id/{id}"
_GROUP = f"{_GROUP_ITSELF} identity/group"
_ALIAS = (
    "identity/entity-alias identity/entity-alias/id/{?} identity/alias identity/alias/id/{?} "
    "identity/persona identity/persona/id/{?}"
)
_POLICY = "sys/policies/acl/{name} sys/policy/{name}"
_POLICIES = "token_policies|policies"
_APPROLE = "auth/{mount}/role/{name}"
_USER = "auth/{mount}/users/{name}"
_CREATE = "auth/token/create auth/token/create-orphan auth/token/create/{?}"

POLICIES: tuple[Rule, ...] = (
    rule("policy-write", "policy", "own bao:policy/{name}", "rewrites the policy", _POLICY, free="policy"),
    rule(
        "policy-delete",
        "policy",
        "drop bao:policy/{name}",
        "deletes the policy and what it denies",
        _POLICY,
        can=DELETE,
    ),
)

LOGINS: tuple[Rule, ...] = (
    rule("has-login", "login", "login bao:auth", "can log in", needs="act {login}"),
    rule("open-login", "login", "act {login}", "logs in, since no secret is asked for", when="open"),
    rule(
        "secret-id-mint", "approle", "act {login}", "mints itself a secret id of the AppRole", f"{_APPROLE}/secret-id"
    ),
    rule(
        "secret-id-custom",
        "approle",
        "act {login}",
        "gives the AppRole a secret id of its own",
        f"{_APPROLE}/custom-secret-id",
        free="secret_id",
    ),
    rule(
        "approle-unbind",
        "approle",
        "act {login}",
        "lets the AppRole log in without a secret id",
        f"{_APPROLE} {_APPROLE}/bind-secret-id",
        free="bind_secret_id",
    ),
    rule(
        "approle-policies",
        "approle",
        "own {login}",
        "gives the AppRole any policies",
        f"{_APPROLE} {_APPROLE}/policies",
        free=_POLICIES,
    ),
    rule(
        "approle-create",
        "approle-mount",
        "act bao:policy/*",
        "makes an AppRole of its own with any policies",
        "auth/{mount}/role/{?}",
        free=_POLICIES,
    ),
    rule(
        "password-reset",
        "userpass",
        "act {login}",
        "sets the user's password",
        f"{_USER} {_USER}/password",
        free="password|password_hash",
    ),
    rule(
        "user-policies",
        "userpass",
        "own {login}",
        "gives the user any policies",
        f"{_USER} {_USER}/policies",
        free=_POLICIES,
    ),
    rule(
        "user-create",
        "userpass-mount",
        "act bao:policy/*",
        "makes a user of its own with any policies",
        "auth/{mount}/users/{?}",
        free=f"password|password_hash {_POLICIES}",
    ),
    # of other ways of logging in not each setting was tried: writing any of them counts as writing roles
    rule(
        "login-method-write",
        "other-auth",
        "act bao:policy/*",
        "changes who logs in with which policies",
        "auth/{mount}/{*}",
    ),
    rule(
        "auth-enable",
        "server",
        "enabled bao:sys/auth",
        "opens a way of logging in of its own",
        "sys/auth/{*}",
        sudo=True,
        free="type",
    ),
    rule(
        "auth-fill",
        "server",
        "act bao:policy/*",
        "makes logins with any policies where it opened a way of logging in",
        "auth/{*}",
        needs="enabled bao:sys/auth",
    ),
    rule(
        "login-reissue",
        "login",
        "act bao:policy/*",
        "logs in with the policies it gave",
        needs="act {login}, own {login}",
    ),
)

TOKENS: tuple[Rule, ...] = (
    rule(
        "token-any",
        "server",
        "act bao:policy/*",
        "makes a token with any policies",
        _CREATE,
        sudo=True,
        free="policies",
    ),
    rule(
        "token-subset",
        "token-policy",
        "act bao:policy/{policy}",
        "makes a token with this policy alone",
        _CREATE,
        free="policies",
        by="{login}",
    ),
    rule(
        "token-by-role",
        "token-role-policy",
        "act bao:policy/{policy}",
        "makes a token with a policy of the token role",
        "auth/token/create/{name}",
    ),
    # by the documentation
    rule(
        "token-by-alias",
        "token-role-entity",
        "act bao:entity/{entity}",
        "makes a token of the entity by the token role",
        "auth/token/create/{name}",
        free="entity_alias",
    ),
    rule(
        "token-role-write",
        "server",
        "own bao:auth/token/roles",
        "lets a token role give any policies",
        "auth/token/roles/{?}",
        free="allowed_policies|allowed_policies_glob|disallowed_policies|disallowed_policies_glob",
    ),
    rule(
        "token-role-use",
        "server",
        "act bao:policy/*",
        "makes a token by the token role it wrote",
        "auth/token/create/{?}",
        needs="own bao:auth/token/roles",
    ),
)

IDENTITY: tuple[Rule, ...] = (
    rule("entity-of", "login-entity", "act bao:entity/{name}", "belongs to the entity", needs="act {login}"),
    rule("group-of", "login-group", "act bao:group/{name}", "belongs to the group by its login", needs="act {login}"),
    rule(
        "group-member-of",
        "entity-group",
        "act bao:group/{name}",
        "belongs to the group",
        needs="act bao:entity/{entity}",
    ),
    rule(
        "entity-policies", "entity", "own bao:entity/{name}", "gives the entity any policies", _ENTITY, free="policies"
    ),
    rule(
        "entity-reissue",
        "entity",
        "act bao:policy/*",
        "has the policies it gave its entity",
        needs="act bao:entity/{name}, own bao:entity/{name}",
    ),
    rule(
        "entity-delete",
        "entity",
        "drop bao:entity/{name}",
        "deletes the entity and what is denied to it",
        _ENTITY_ITSELF,
        can=DELETE,
    ),
    rule(
        "entity-delete-batch",
        "entity",
        "drop bao:entity/{name}",
        "deletes the entity and what is denied to it",
        "identity/entity/batch-delete",
        free="entity_ids",
    ),
    rule(
        "entity-alias",
        "entity",
        "act bao:entity/{name}",
        "moves its own login to the entity",
        _ALIAS,
        free="canonical_id|entity_id",
        needs="login bao:auth",
    ),
    rule(
        "entity-merge",
        "entity",
        "act bao:entity/{name}",
        "merges its own entity with the entity",
        "identity/entity/merge",
        free="from_entity_ids to_entity_id",
        needs="login bao:auth",
    ),
    rule(
        "entity-create",
        "server",
        "own bao:entity",
        "makes an entity with any policies",
        "identity/entity identity/entity/name/{?}",
        free="policies",
    ),
    rule(
        "entity-enter",
        "server",
        "act bao:policy/*",
        "moves its own login to the entity it made",
        f"{_ALIAS} identity/entity/merge",
        needs="login bao:auth, own bao:entity",
    ),
    rule("group-policies", "group", "own bao:group/{name}", "gives the group any policies", _GROUP, free="policies"),
    rule(
        "group-join",
        "group",
        "join bao:group/{name}",
        "makes itself a member of the group",
        _GROUP,
        free="member_entity_ids|member_group_ids",
        needs="login bao:auth",
    ),
    rule(
        "group-alias",
        "group",
        "join bao:group/{name}",
        "makes its own logins members of the group",
        "identity/group-alias identity/group-alias/id/{?}",
        free="canonical_id",
        needs="login bao:auth",
    ),
    rule(
        "group-joined", "group", "act bao:group/{name}", "has the policies of the group", needs="join bao:group/{name}"
    ),
    rule(
        "group-reissue",
        "group",
        "act bao:policy/*",
        "has the policies it gave its group",
        needs="act bao:group/{name}, own bao:group/{name}",
    ),
    rule(
        "group-leave",
        "group",
        "drop bao:group/{name}",
        "takes itself out of the group and what is denied to it",
        _GROUP,
        free="member_entity_ids|member_group_ids|policies",
    ),
    rule(
        "group-delete",
        "group",
        "drop bao:group/{name}",
        "deletes the group and what is denied to it",
        _GROUP_ITSELF,
        can=DELETE,
    ),
    rule(
        "group-create",
        "server",
        "act bao:policy/*",
        "makes a group with any policies and itself in it",
        "identity/group identity/group/name/{?}",
        free="policies member_entity_ids|member_group_ids",
        needs="login bao:auth",
    ),
)

LOGIN_RULES: tuple[Rule, ...] = (*POLICIES, *LOGINS, *TOKENS, *IDENTITY)
