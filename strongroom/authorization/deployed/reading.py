"""Reads every account of the manifest with the auditor's role, and decides with what could not be read in mind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from strongroom.authorization.deployed.carried import carried
from strongroom.authorization.deployed.declared import quorums_of
from strongroom.authorization.deployed.humans import humans_of, strangers
from strongroom.authorization.deployed.obeyed import obeyed
from strongroom.authorization.deployed.openbao import read_openbao
from strongroom.authorization.deployed.openbao_people import with_logins
from strongroom.authorization.deployed.organisation import read_organisation
from strongroom.authorization.deployed.stores import with_keys
from strongroom.authorization.deployed.survey import Gap, Place, Survey, survey
from strongroom.authorization.prover import Counterexample, Facts, Pair, Proof, prove
from strongroom.authorization.prover.openbao_facts import OpenBao
from strongroom.errors import UsageError
from strongroom.estate import duties
from strongroom.estate.manifest import Manifest
from strongroom.estate.model import Estate


@dataclass(frozen=True)
class Deployed:
    """The facts of an environment and the gaps in them. notes: what was left out and can only take away."""

    facts: Facts
    gaps: tuple[Gap, ...]
    notes: tuple[str, ...] = ()

    def gaps_about(self, key: str) -> list[Gap]:
        """The gaps that an answer about one key or store depends on: it gives nothing beyond itself."""
        return [gap for gap in self.gaps if gap.key in ("", key)]

    def about(self, people: Sequence[str]) -> Deployed:
        """The same with only these people asked about, or all if none is named; UsageError for an unknown name."""
        known = {name: human for human in self.facts.humans for name in (human.name, *human.name.split("+"))}
        unknown = [name for name in people if name not in known]
        if unknown:
            raise UsageError(f"nobody is called {unknown[0]!r}", hint="strongroom duty list")
        asked = list(dict.fromkeys(known[name].name for name in people))
        humans = [human for human in self.facts.humans if human.name in asked] if people else self.facts.humans
        return replace(self, facts=replace(self.facts, humans=humans))


def read(manifest: Manifest, estate: Estate, session: Callable[[str, str], Any], vault: Any | None = None) -> Deployed:
    """Facts of all accounts; `session(account, region)` gives the auditor's boto3 session in a named account.

    vault: the auditor's hvac.Client; an estate with a server and no client has a gap.

    Transient if a service cannot be reached; whatever is refused or not understood becomes a gap.
    """
    places, gaps, notes = _places(manifest, estate)
    found = survey(places, session, lambda arn: _name(manifest, arn))
    known = {key.arn for key in found.keys}
    gaps += [gap for gap in found.gaps if gap.key not in known]
    gaps += _keys_not_seen(manifest, found)
    identities = [identity for account in found.identities for identity in account.identities]
    carriers, unknown = carried(found, identities)
    carriers += obeyed(manifest, estate)
    quorums = quorums_of(estate, manifest)
    humans, absent = humans_of(estate, identities, quorums)
    bao: OpenBao | None = None
    unseen = ["OpenBao is declared and the auditor has no login to it"] if estate.vault and vault is None else []
    if estate.vault and vault is not None:
        bao, unseen = read_openbao(vault, [estate.vault.transit])
        humans, missing = with_logins(humans, estate, bao, quorums)
        unseen += missing
    gaps += [Gap(reason) for reason in (*unknown, *absent, *unseen)]
    policies = [thing.policy for thing in found.stores] + [carrier.policy for carrier in carriers]
    read_here = {place.account for place in places}
    outside, theirs = strangers(found.keys, read_here, [policy for policy in policies if policy])
    clients = {place.account: partial(_organizations, session, place) for place in places}
    above = read_organisation(list(clients), lambda account: clients[account]())
    facts = Facts(
        humans=[*humans, *outside],
        identities=[*identities, *theirs],
        keys=found.keys,
        carriers=with_keys(carriers, found.keys),
        stores=with_keys(found.stores, found.keys),
        accounts=above.accounts,
        quorums=quorums,
        openbao=bao,
        organisation=above.id,
        groups={arn: policies for account in found.identities for arn, policies in account.groups.items()},
        management=above.management,
    )
    # whoever may write what carries a role acts through it: such a gap concerns everything
    carrying = {carrier.arn.partition("/")[0] for carrier in carriers}
    gaps = [replace(gap, key="") if gap.key in carrying else gap for gap in gaps]
    return Deployed(facts, tuple(gaps), (*notes, *above.notes))


def _places(manifest: Manifest, estate: Estate) -> tuple[list[Place], list[Gap], list[str]]:
    """Where the auditor reads, what it should read and cannot, and the accounts that are not read by intent."""
    places: list[Place] = []
    gaps: list[Gap] = []
    notes: list[str] = []
    for name in sorted({*estate.accounts, *manifest.accounts}):
        account = manifest.accounts.get(name)
        if account and "auditor" in account.roles:
            places.append(Place(name, account.id, account.regions or estate.accounts[name].regions))  # type: ignore[index]
        elif name in duties.HOMES["auditor"]:
            gaps.append(Gap(f"account {name} is declared and not deployed: the auditor has no role in it"))
        else:
            notes.append(
                f"account {name} is not read: where a policy lets it in, it is one person who may do everything there"
            )
    return places, gaps, notes


def _keys_not_seen(manifest: Manifest, found: Survey) -> Iterator[Gap]:
    seen = {key.arn for key in found.keys} | {gap.key for gap in found.gaps}
    for key in manifest.keys:
        if key.provider == "aws-kms" and key.ref not in seen:
            yield Gap(f"key {key.name} is in the manifest and in no Region that was read", key.ref)


def decide(deployed: Deployed, pairs: Sequence[Pair]) -> Proof:
    """The prover's answer; REFUTED without certificate as well if there is a gap, each with its reason."""
    proof = prove(deployed.facts, pairs)
    if not deployed.gaps:
        return proof
    unread = tuple(Counterexample("not read", "", (), gap.reason) for gap in deployed.gaps)
    return Proof("REFUTED", (*proof.counterexamples, *unread), None)


def _name(manifest: Manifest, arn: str) -> str:
    return next((f"key {key.name}" for key in manifest.keys if key.ref == arn), arn)


def _organizations(session: Callable[[str, str], Any], place: Place) -> Any:
    return session(place.name, place.regions[0]).client("organizations", region_name="us-east-1")
