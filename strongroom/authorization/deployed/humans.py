"""Who acts: the declared people with all their accounts merged, and everybody else whom the deployed policies let in.

An IAM user that nobody declared is somebody. A role that trusts a service, an identity provider or an account outside
the facts is whoever stands behind it: such a role counts as held.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from strongroom.authorization.prover.facts import Human, Identity
from strongroom.estate import names
from strongroom.estate.model import Estate, Person


def humans_of(estate: Estate, identities: Sequence[Identity]) -> tuple[list[Human], list[str]]:
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
        for who in _foreign(identity, accounts):
            found.append(Human(f"{who} as {identity.arn}", (identity.arn,)))
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


def _foreign(role: Identity, accounts: set[str]) -> Iterator[str]:
    """Whom a role's trust policy names that is no identity of these accounts."""
    if role.trust is None:
        return
    listed = json.loads(str(role.trust.document)).get("Statement", [])
    seen: set[str] = set()
    for statement in listed if isinstance(listed, list) else [listed]:
        principal = statement.get("Principal", {})
        if statement.get("Effect") != "Allow" or not isinstance(principal, dict):
            continue  # `*` is everybody, whom the prover knows as the outsider
        for kind, named in principal.items():
            for who in named if isinstance(named, list) else [named]:
                account = who if who.isdigit() else who.split(":")[4] if who.startswith("arn:") else ""
                inside = kind == "AWS" and (account in accounts or who == "*" or not account)
                if not inside and who not in seen:
                    seen.add(who)
                    yield who
