"""Reads every account of the manifest with the auditor's role, and decides with what could not be read in mind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from strongroom.authorization.deployed.declared import quorums_of
from strongroom.authorization.deployed.humans import humans_of, strangers
from strongroom.authorization.deployed.iam import read_identities
from strongroom.authorization.deployed.kms import read_keys
from strongroom.authorization.documents import Named
from strongroom.authorization.prover import Account, Counterexample, Facts, Identity, Key, Pair, Proof, prove
from strongroom.errors import Denied, Transient, UnknownElement, UsageError
from strongroom.estate.manifest import Manifest
from strongroom.estate.model import Estate


@dataclass(frozen=True)
class Gap:
    """What could not be read and why. key: the ARN if only one key is concerned, else ''."""

    reason: str
    key: str = ""


@dataclass(frozen=True)
class Deployed:
    """The facts of an environment and the gaps in them."""

    facts: Facts
    gaps: tuple[Gap, ...]

    def gaps_about(self, key: str) -> list[Gap]:
        """The gaps that an answer about one key depends on: a key gives nothing beyond itself."""
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


def read(manifest: Manifest, estate: Estate, session: Callable[[str, str], Any]) -> Deployed:
    """Facts of all accounts; `session(account, region)` gives the auditor's boto3 session in a named account.

    Transient if a service cannot be reached; whatever is refused or not understood becomes a gap.
    """
    identities: list[Identity] = []
    groups: dict[str, Sequence[Named]] = {}
    keys: list[Key] = []
    gaps = [
        Gap(f"account {name} is declared and not deployed") for name in estate.accounts if name not in manifest.accounts
    ]
    for name, account in sorted(manifest.accounts.items()):
        regions = account.regions or estate.accounts[name].regions  # type: ignore[index]
        try:
            found = read_identities(session(name, regions[0]).client("iam"), account.id)
            identities += found.identities
            groups |= found.groups
            for region in regions:
                read_here, unread = read_keys(session(name, region).client("kms", region_name=region), account.id)
                keys += read_here
                gaps += [Gap(f"key {_name(manifest, arn)}: {why}", arn) for arn, why in unread.items()]
        except ClientError as error:
            gaps.append(Gap(f"account {name}: {error.operation_name} was refused: {error.response['Error']['Code']}"))
        except (Denied, UnknownElement) as error:
            gaps.append(Gap(f"account {name}: {error.message}"))
        except BotoCoreError as error:
            raise Transient(f"AWS cannot be reached in account {name} ({type(error).__name__})") from None
    seen = {key.arn for key in keys} | {gap.key for gap in gaps}
    gaps += [
        Gap(f"key {key.name} is in the manifest and in no Region that was read", key.ref)
        for key in manifest.keys
        if key.provider == "aws-kms" and key.ref not in seen
    ]
    quorums = quorums_of(estate, manifest)
    humans, unknown = humans_of(estate, identities, quorums)
    gaps += [Gap(reason) for reason in unknown]
    outside, theirs = strangers(keys, {account.id for account in manifest.accounts.values()})
    accounts = tuple(Account(account.id) for _, account in sorted(manifest.accounts.items()))
    facts = Facts(
        humans=[*humans, *outside],
        identities=[*identities, *theirs],
        keys=keys,
        accounts=accounts,
        quorums=quorums,
        groups=groups,
    )
    return Deployed(facts, tuple(gaps))


def decide(deployed: Deployed, pairs: Sequence[Pair]) -> Proof:
    """The prover's answer; REFUTED without certificate as well if there is a gap, each with its reason."""
    proof = prove(deployed.facts, pairs)
    if not deployed.gaps:
        return proof
    unread = tuple(Counterexample("not read", "", (), gap.reason) for gap in deployed.gaps)
    return Proof("REFUTED", (*proof.counterexamples, *unread), None)


def _name(manifest: Manifest, arn: str) -> str:
    return next((key.name for key in manifest.keys if key.ref == arn), arn)
