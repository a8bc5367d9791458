"""Who holds which login of OpenBao: the estate's people, and everybody else whom the server lets in; and the pairs.

An AppRole named like a duty is held by the holders of the duty, an entity by the person who declares it, a token with
exactly the policies of a duty or of `deployer` by their holders. Every other login, entity or token is somebody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from strongroom.authorization.prover.duties import Pair
from strongroom.authorization.prover.facts import Human, Quorum
from strongroom.authorization.prover.openbao_facts import Login, OpenBao
from strongroom.authorization.prover.openbao_pairs import bao_pairs_of
from strongroom.estate import duties
from strongroom.estate.manifest import Manifest
from strongroom.estate.model import Estate

#: The action of a quorum that says: nobody alone gets a token of this login, or with this policy (`bao:policy/<name>`).
LOGIN = "bao:login"


def with_logins(
    humans: Sequence[Human], estate: Estate, bao: OpenBao, quorums: Sequence[Quorum] = ()
) -> tuple[list[Human], list[str]]:
    """The people with their logins and, beside them, whoever holds the rest; and what is declared and not there.

    humans: named by the estate's names, several joined with `+`. A login under a declared quorum is nobody's alone.
    Unless the estate says who has the shares of the unseal key, everybody counts as having all of them.
    """
    held: dict[str, list[str]] = defaultdict(list)
    taken: set[str] = set()
    for name, logins in _declared(estate, bao):
        taken |= set(logins)
        held[name] += [login for login in logins if not _together(bao, login, quorums)]
    shares = [f"bao:share/{number}" for number in range(1, bao.shares + 1)]
    found: list[Human] = []
    for human in humans:
        mine = [login for name in human.name.split("+") for login in held.get(name, ())]
        found.append(replace(human, identities=tuple(dict.fromkeys((*human.identities, *mine, *shares)))))
    for subject, words in _others(bao, taken):
        alone = () if _together(bao, subject, quorums) else (subject,)
        found.append(Human(words, (*alone, *shares)))
    entities = {known for entity in bao.entities for known in (entity.name, entity.id)}
    unread = [
        f"OpenBao entity {person.openbao_entity} of {name} is declared and not there"
        for name, person in estate.people.items()
        if person.openbao_entity and person.openbao_entity not in entities
    ]
    return found, unread


def _declared(estate: Estate, bao: OpenBao) -> Iterator[tuple[str, list[str]]]:
    """Each declared person with subjects that are the person's."""
    deployers = [name for duty, names in estate.duties.items() if duty.startswith("deployer.") for name in names]
    holders = {**estate.duties, "deployer": tuple(dict.fromkeys(deployers))}
    for login in bao.logins:
        duty = _duty_of(login)
        for name in holders.get(duty, ()):
            yield name, [login.name]
    for name, person in estate.people.items():
        for entity in bao.entities:
            if person.openbao_entity and person.openbao_entity in (entity.name, entity.id):
                mine = [login.name for login in bao.logins if login.entity == entity.name]
                yield name, [f"bao:entity/{entity.name}", *mine]


def _duty_of(login: Login) -> str:
    """The duty whose login this is: by the name of an AppRole, else by the one policy of a token."""
    if login.mount:
        return (
            login.name.rpartition("/")[2]
            if login.name == f"bao:auth/approle/role/{login.name.rpartition('/')[2]}"
            else ""
        )
    own = [name for name in login.policies if name != "default"]
    return own[0] if len(own) == 1 else ""


def _others(bao: OpenBao, taken: set[str]) -> Iterator[tuple[str, str]]:
    """Logins, tokens and entities that nobody declared, each with words for whoever holds it."""
    for login in bao.logins:
        if login.name in taken:
            continue
        policies = ", ".join(login.policies) or "none"
        yield login.name, f"whoever holds {login.name} (policies {policies})"
    attached = {login.entity for login in bao.logins}
    for entity in bao.entities:
        if f"bao:entity/{entity.name}" not in taken and entity.name not in attached:
            yield f"bao:entity/{entity.name}", f"whoever is entity {entity.name}"


def _together(bao: OpenBao, subject: str, quorums: Sequence[Quorum]) -> bool:
    policies = bao.login[subject].policies if subject in bao.login else ()
    named = {subject, *(f"bao:policy/{name}" for name in policies if name != "default")}
    return any(quorum.action == LOGIN and quorum.people >= 2 and quorum.resource in named for quorum in quorums)


def pairs_of_server(manifest: Manifest, bao: OpenBao, holders: Mapping[str, Sequence[str]]) -> list[Pair]:
    """The pairs over the transit keys of the manifest, the duties' AppRoles and their credentials of databases.

    holders: duty -> names of the humans of the facts. A database role belongs to the duty that its name ends with.
    """
    keys = {key.name: (key.purpose, key.ref) for key in manifest.keys if key.provider == "transit"}
    named = [path.partition("/roles/") for path in bao.database_roles]
    credentials = {
        f"{mount}/creds/{role}": role.rpartition(".")[2]
        for mount, _, role in named
        if role.rpartition(".")[2] in holders
    }
    return bao_pairs_of(keys, holders, logins=duties.VAULT, credentials=credentials, audits=bao.audits)
