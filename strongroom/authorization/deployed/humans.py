"""Who acts: the declared people with all their accounts merged, and everybody else whom the deployed policies let in.

An IAM user that nobody declared is somebody. A role that trusts a service, an identity provider or an account outside
the facts is whoever stands behind it: such a role counts as held. An account outside that a key policy or a grant names
is one human who may do everything there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from strongroom.authorization.documents import Named
from strongroom.authorization.prover.facts import ANYTHING, Human, Identity, Key, Quorum
from strongroom.estate import names
from strongroom.estate.model import Estate, Person

#: How a kind of principal that a trust policy names enters the role.
_ENTRANCES = {
    "AWS": ("sts:AssumeRole",),
    "Service": ("sts:AssumeRole",),
    "Federated": ("sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"),
}


def humans_of(
    estate: Estate, identities: Sequence[Identity], quorums: Sequence[Quorum] = ()
) -> tuple[list[Human], list[str]]:
    """Everybody who starts with an identity; and what of the declared people could not be read, a sentence each."""
    known = {identity.arn for identity in identities}
    found: list[Human] = []
    unread: list[str] = []
    for people in _merged(estate):
        arns = dict.fromkeys(arn for name in people if (arn := _arn(estate, name)))
        unread += [f"{arn} of {'+'.join(people)} is declared and not deployed" for arn in arns if arn not in known]
        if any(estate.people[name].sso for name in people):
            unread.append(f"what {'+'.join(people)} may do through IAM Identity Center is not read")
        found.append(Human("+".join(people), tuple(arns)))
    declared = {arn for human in found for arn in human.identities}
    accounts = {identity.account for identity in identities}
    for identity in identities:
        if identity.kind == "user" and identity.arn not in declared:
            found.append(Human(f"undeclared user {identity.arn}", (identity.arn,)))
        for who, entrances in _foreign(identity, accounts).items():
            alone = not entrances or any(not _in_quorum(quorums, action, identity.arn) for action in entrances)
            found.append(Human(f"{who} as {identity.arn}", (identity.arn,) if alone else ()))
    return found, unread


def _arn(estate: Estate, name: str) -> str:
    person = estate.people[name]
    return names.role_arn(estate, "workload", name) if person.kind == "task" else person.iam


def _merged(estate: Estate) -> list[list[str]]:
    """The declared names, one list a person: who shares an account, a login or a signing key is the same."""
    merged: list[tuple[set[str], list[str]]] = []
    for name, person in estate.people.items():
        marks, together = _marks(person), [name]
        for other in [group for group in merged if group[0] & marks]:
            merged.remove(other)
            marks, together = marks | other[0], other[1] + together
        merged.append((marks, together))
    return [together for _, together in merged]


def _marks(person: Person) -> set[str]:
    marks = {"iam": person.iam, "sso": person.sso, "openbao": person.openbao_entity, "key": person.signing_key}
    return {f"{kind} {value}" for kind, value in marks.items() if value}


def _foreign(role: Identity, accounts: set[str]) -> dict[str, set[str]]:
    """Whom a role's trust policy names that is no identity of these accounts, each with the ways it may enter by."""
    found: dict[str, set[str]] = defaultdict(set)
    for kind, who, statement in _allowed(role.trust) if role.trust else ():
        account = _account(who)
        inside = kind == "AWS" and (account in accounts or who == "*" or not account)
        if not inside:
            patterns = _list(statement["Action"]) if "Action" in statement else ["*"]
            found[who] |= {
                entrance
                for entrance in _ENTRANCES.get(kind, ())
                if any(fnmatchcase(entrance.lower(), str(pattern).lower()) for pattern in patterns)
            }
    return found


def _in_quorum(quorums: Sequence[Quorum], action: str, role: str) -> bool:
    return any((quorum.action, quorum.resource) == (action, role) and quorum.people >= 2 for quorum in quorums)


def strangers(
    keys: Sequence[Key], accounts: set[str], policies: Sequence[Named] = ()
) -> tuple[list[Human], list[Identity]]:
    """The accounts outside `accounts` (twelve digits each) that keys, grants and other policies name.

    policies: of stores and carriers. Nothing is known of their own policies, so these allow everything.
    """
    found: dict[str, dict[str, Identity]] = defaultdict(dict)
    named = [who for policy in [*(key.policy for key in keys), *policies] for kind, who, _ in _allowed(policy)]
    named += [grant.grantee for key in keys for grant in key.grants]
    for who in named:
        if (account := _account(who)) and account not in accounts:
            identity = _stranger(who, account)
            found[account][identity.arn] = identity
    humans = [Human(f"account {account}, outside", tuple(identities)) for account, identities in found.items()]
    return humans, [identity for identities in found.values() for identity in identities.values()]


def _stranger(who: str, account: str) -> Identity:
    everything = (Named(f"what {account} allows itself", ANYTHING),)
    kind, _, name = who.split(":")[5].partition("/") if who.startswith("arn:") else ("root", "", "")
    if kind in ("role", "assumed-role"):
        role = f"arn:aws:iam::{account}:role/{name if kind == 'role' else name.split('/')[0]}"
        return Identity(role, account, "role", everything)
    return Identity(who if kind == "user" else f"arn:aws:iam::{account}:user/anybody", account, "user", everything)


def _account(who: str) -> str:
    return who if who.isdigit() else who.split(":")[4] if who.startswith("arn:") else ""


def _allowed(policy: Named) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Whom the Allow statements of a policy name: kind (AWS, Service, Federated), name and statement.

    A bare `*` is everybody, whom the prover knows as the outsider.
    """
    for statement in _list(json.loads(str(policy.document)).get("Statement", [])):
        principal = statement.get("Principal", {})
        if statement.get("Effect") == "Allow" and isinstance(principal, dict):
            for kind, names_ in principal.items():
                for who in _list(names_):
                    yield kind, who, statement


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
