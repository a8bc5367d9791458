"""The table of rules applied to one server: every request that would give something, and what it needs and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import combinations

from strongroom.authorization.openbao_policies import stanzas
from strongroom.authorization.prover.derivation import Gained
from strongroom.authorization.prover.openbao_facts import Login, OpenBao, TokenRole
from strongroom.authorization.prover.openbao_rule import Rule
from strongroom.authorization.prover.openbao_rules import RULES

#: Stands where a name is the asker's to choose and no policy says which.
FRESH = "of-ones-own"
#: Ways of logging in whose rules are of their own; below the others only logging in itself changes nothing.
_KNOWN_AUTH = ("approle", "userpass", "token")

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Edge:
    """One rule about one target: any of the paths is enough; without paths the needs alone are."""

    rule: Rule
    gain: Gained
    paths: tuple[str, ...]
    needs: frozenset[Gained]
    by: str


@lru_cache(maxsize=16)
def edges(bao: OpenBao) -> tuple[Edge, ...]:
    """All edges of a server, in the order of the table."""
    written = _written(bao)
    there = {login.name.removeprefix("bao:") for login in bao.logins}
    there |= {f"identity/entity/name/{entity.name}" for entity in bao.entities}
    there |= {f"identity/group/name/{group.name}" for group in bao.groups}
    found: list[Edge] = []
    for rule in RULES:
        for fields in _TARGETS[rule.per](bao):
            if rule.when and rule.when not in fields.get("marks", "").split():
                continue
            needs = {(kind, _filled(subject, fields)) for kind, subject in rule.needs}
            needs |= {("act", share) for share in fields.get("shares", "").split()}
            spelled = [
                _filled(text, {**fields, "name": name}) for text in rule.paths for name in _spelled(rule, fields)
            ]
            taken = there if rule.name.endswith("-create") else ()
            found_here = (path for text in spelled for path in _concrete(text, written) if path not in taken)
            paths = tuple(dict.fromkeys(found_here))
            if paths or not rule.paths:
                gain = (rule.gain[0], _filled(rule.gain[1], fields))
                found.append(Edge(rule, gain, paths, frozenset(needs), _filled(rule.by, fields)))
    return tuple(found)


def _spelled(rule: Rule, fields: Fields) -> Iterator[str]:
    """A target's name in the letters a request may have: policies heed case, names of entities and groups do not.

    A policy that denies `alice` denies not `ALICE`, who is the same (OpenBao 2.7.2).
    """
    name = fields.get("name", "")
    yield name
    if rule.per in ("entity", "group"):
        yield from (name.upper(), name.capitalize(), "".join(c.upper() if i % 2 else c for i, c in enumerate(name)))


def _filled(template: str, fields: Fields) -> str:
    """The template with its fields; texts in braces without a field of that name stay."""
    for name, value in fields.items():
        template = template.replace(f"{{{name}}}", value)
    return template


@lru_cache(maxsize=65536)
def _concrete(template: str, written: tuple[str, ...]) -> tuple[str, ...]:
    """The paths a template stands for: with a fresh name in each hole, and with the names that a policy has there.

    Any path that a policy allows is decided by one of its stanzas, and that stanza decides the path made from it too.
    """
    if "{" not in template:
        return (template,)
    fresh = template.replace("{?}", FRESH).replace("{*}", f"{FRESH}/{FRESH}")
    found = {fresh, template.replace("{?}", FRESH).replace("{*}", FRESH)}
    for pattern in written:
        if made := _overlap(template.split("/"), pattern):
            found.add(made)
    return tuple(sorted(path for path in found if not path.endswith("/login")))


def _overlap(asked: list[str], pattern: str) -> str:
    """A path of the template that the pattern matches, with the pattern's words in the holes; '' if there is none."""
    prefix, stated = pattern.endswith("*"), pattern.removesuffix("*").split("/")
    made: list[str] = []
    for index, part in enumerate(stated):
        last = index == len(stated) - 1
        want = asked[index] if index < len(asked) else asked[-1] if asked[-1] == "{*}" else ""
        if asked[-1] == "{*}" and index >= len(asked) - 1:
            want = "{*}"
        if not want:
            return ""
        if want in ("{?}", "{*}"):
            made.append(FRESH if part == "+" else part + (FRESH if last and prefix else ""))
        elif part in ("+", want) or (last and prefix and want.startswith(part)):
            made.append(want)
        else:
            return ""
    if len(made) < len(asked):
        if not prefix:
            return ""
        made += [FRESH if part in ("{?}", "{*}") else part for part in asked[len(made) :]]
    return "" if "" in made else "/".join(made)


def _server(_: OpenBao) -> Iterator[Fields]:
    yield {}


def _policies(bao: OpenBao) -> Iterator[Fields]:
    """The policies that there are, those that somebody has, and those that a policy lets somebody write."""
    found = {path.rpartition("/")[2].lower() for path in _concrete("sys/policies/acl/{?}", _written(bao))}
    for name in sorted(found | set(bao.policy_names)):
        yield {"name": name}


@lru_cache(maxsize=16)
def _written(bao: OpenBao) -> tuple[str, ...]:
    """Every path pattern of every policy."""
    found = (stanza.pattern + ("*" if stanza.prefix else "") for stanza in stanzas(list(bao.policy.values())))
    return tuple(sorted(set(found)))


def _logins(*types: str) -> Callable[[OpenBao], Iterator[Fields]]:
    def of_types(bao: OpenBao) -> Iterator[Fields]:
        kinds = {mount.path: mount.type for mount in bao.auth}
        for login in bao.logins:
            if login.mount and (not types or kinds.get(login.mount) in types):
                yield {"login": login.name, **_placed(login), "marks": "" if login.secret else "open"}

    return of_types


def _placed(login: Login) -> Fields:
    return {"mount": login.mount, "name": login.name.removeprefix(f"bao:auth/{login.mount}/").partition("/")[2]}


def _auth(kind: str) -> Callable[[OpenBao], Iterator[Fields]]:
    def of_type(bao: OpenBao) -> Iterator[Fields]:
        for mount in bao.auth:
            if mount.type == kind or (not kind and mount.type not in _KNOWN_AUTH):
                yield {"mount": mount.path}

    return of_type


def _token_policies(bao: OpenBao) -> Iterator[Fields]:
    for login in bao.logins:
        for policy in (*login.policies, "default"):
            yield {"login": login.name, "policy": policy}


def _token_role_policies(bao: OpenBao) -> Iterator[Fields]:
    for role in bao.token_roles:
        for policy in bao.policy_names:
            if _gives(role, policy):
                yield {"name": role.name, "policy": policy}


def _gives(role: TokenRole, policy: str) -> bool:
    """Whether a token role gives a policy that the asker lacks: by its allowed ones, else all it does not forbid."""
    if policy in role.disallowed or any(fnmatchcase(policy, glob) for glob in role.disallowed_globs):
        return False
    if role.allowed or role.allowed_globs:
        return policy in role.allowed or any(fnmatchcase(policy, glob) for glob in role.allowed_globs)
    return bool(role.disallowed or role.disallowed_globs)


def _token_role_entities(bao: OpenBao) -> Iterator[Fields]:
    for role in bao.token_roles:
        for entity in bao.entities if role.entity_aliases else ():
            yield {"name": role.name, "entity": entity.name}


def _login_entities(bao: OpenBao) -> Iterator[Fields]:
    for login in bao.logins:
        if login.entity in bao.entity:
            yield {"login": login.name, "name": login.entity}


def _login_groups(bao: OpenBao) -> Iterator[Fields]:
    for login in bao.logins:
        for group in bao.memberships("", login.mount) if login.mount else ():
            yield {"login": login.name, "name": group.name}


def _entity_groups(bao: OpenBao) -> Iterator[Fields]:
    for entity in bao.entities:
        for group in bao.memberships(entity.name, ""):
            yield {"entity": entity.name, "name": group.name}


def _entities(bao: OpenBao) -> Iterator[Fields]:
    for entity in bao.entities:
        yield {"name": entity.name, "id": entity.id or FRESH}


def _groups(bao: OpenBao) -> Iterator[Fields]:
    for group in bao.groups:
        yield {"name": group.name, "id": group.id or FRESH}


def _keys(bao: OpenBao) -> Iterator[Fields]:
    for key in bao.keys:
        marks = [name for name in ("exportable", "allow_plaintext_backup", "deletion_allowed") if getattr(key, name)]
        marks += ["imported"] if key.imported else []
        yield {"key": key.subject, "mount": key.mount, "name": key.name, "marks": " ".join(marks)}


def _mounts(bao: OpenBao) -> Iterator[Fields]:
    for mount in bao.mounts:
        yield {"path": mount.path}


def _databases(bao: OpenBao) -> Iterator[Fields]:
    for mount in bao.mounts:
        if mount.type == "database":
            yield {"path": mount.path}


def _database_roles(bao: OpenBao) -> Iterator[Fields]:
    """The roles that there are, one of a fresh name, and those that policies name."""
    named = {path.rpartition("/") for path in bao.database_roles}
    written = _written(bao)
    for mount in bao.mounts:
        if mount.type == "database":
            found = {name for where, _, name in named if where.startswith(f"{mount.path}/")}
            for kind in ("roles", "creds", "static-roles", "static-creds"):
                found |= {path.rpartition("/")[2] for path in _concrete(f"{mount.path}/{kind}/{{?}}", written)}
            for name in sorted(found):
                yield {"path": mount.path, "name": name}


def _shares(bao: OpenBao) -> Iterator[Fields]:
    """Every set of shares that opens the seal."""
    names = [f"bao:share/{number}" for number in range(1, bao.shares + 1)]
    for enough in combinations(names, bao.threshold) if bao.threshold else ():
        yield {"shares": " ".join(enough), "marks": "unauthenticated" if bao.unauthenticated_root else ""}


def _workflows(bao: OpenBao) -> Iterator[Fields]:
    for name in bao.workflows:
        yield {"name": name}


def _audits(bao: OpenBao) -> Iterator[Fields]:
    for name in bao.audits:
        yield {"name": name}


_TARGETS: Mapping[str, Callable[[OpenBao], Iterator[Fields]]] = {
    "server": _server,
    "policy": _policies,
    "login": _logins(),
    "approle": _logins("approle"),
    "userpass": _logins("userpass"),
    "approle-mount": _auth("approle"),
    "userpass-mount": _auth("userpass"),
    "other-auth": _auth(""),
    "token-policy": _token_policies,
    "token-role-policy": _token_role_policies,
    "token-role-entity": _token_role_entities,
    "login-entity": _login_entities,
    "login-group": _login_groups,
    "entity": _entities,
    "entity-group": _entity_groups,
    "group": _groups,
    "key": _keys,
    "mount": _mounts,
    "database": _databases,
    "database-role": _database_roles,
    "shares": _shares,
    "workflow": _workflows,
    "audit": _audits,
}
