"""Asks every service in every account and Region at the same time; whatever is refused or not understood is a gap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from strongroom.authorization.deployed import carriers, logins, stores
from strongroom.authorization.deployed.asking import refused
from strongroom.authorization.deployed.iam import AccountIdentities, read_identities
from strongroom.authorization.deployed.kms import read_keys
from strongroom.authorization.deployed.tasks import Start, Tasks, read_tasks
from strongroom.authorization.prover.facts import Carrier, Key, Store
from strongroom.errors import Denied, Transient, UnknownElement

AT_ONCE = 16


@dataclass(frozen=True)
class Gap:
    """What could not be read and why. key: the ARN of the key or store if only that is concerned, else ''."""

    reason: str
    key: str = ""


@dataclass
class Survey:
    """What was read of all accounts. started: schedules and rules, each with the task it starts, if it starts one."""

    identities: list[AccountIdentities] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    carriers: list[Carrier] = field(default_factory=list)
    tasks: list[Tasks] = field(default_factory=list)
    started: list[tuple[Carrier, Start | None]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """How one kind of thing is read: with which service's client, into which list of the survey.

    alone: what is unread of it concerns nothing but itself; else somebody may act through it.
    """

    service: str
    kept: str
    read: Callable[[Any, str], tuple[Iterable[Any], Mapping[str, str]]]
    alone: bool = False


OF_ACCOUNT = (Reader("s3", "stores", stores.read_buckets, alone=True),)
OF_REGION = (
    Reader("kms", "keys", read_keys, alone=True),
    Reader("sqs", "stores", stores.read_queues, alone=True),
    Reader("sns", "stores", stores.read_topics, alone=True),
    Reader("backup", "stores", stores.read_vaults, alone=True),
    Reader("secretsmanager", "stores", stores.read_secrets),
    Reader("secretsmanager", "carriers", logins.read_login_secrets),
    Reader("ssm", "carriers", logins.read_login_parameters),
    Reader("ecr", "stores", stores.read_images),
    Reader("ecs", "tasks", read_tasks),
    Reader("scheduler", "started", carriers.read_schedules),
    Reader("events", "started", carriers.read_event_rules),
    Reader("lambda", "carriers", carriers.read_functions),
    Reader("codebuild", "carriers", carriers.read_projects),
    Reader("cloudformation", "carriers", carriers.read_stacks),
    Reader("stepfunctions", "carriers", carriers.read_machines),
)


@dataclass(frozen=True)
class Place:
    """An account by its name in the manifest, with its id, and the Regions of the manifest."""

    name: str
    account: str
    regions: tuple[str, ...]


def survey(places: Iterable[Place], session: Callable[[str, str], Any], named: Callable[[str], str]) -> Survey:
    """Reads all places; `session(account name, region)` gives the auditor's session, `named` how an ARN is called.

    Transient if a service cannot be reached.
    """
    found = Survey()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [(ask, pool.submit(ask.read)) for place in places for ask in _asks(place, session, found.gaps)]
        for ask, answer in asked:
            try:
                items, unread = answer.result()
            except (ClientError, Denied, UnknownElement) as error:
                found.gaps.append(Gap(f"{ask.where}: {_reason(error)}"))
                continue
            except BotoCoreError as error:
                raise Transient(f"AWS cannot be reached in {ask.where} ({type(error).__name__})") from None
            getattr(found, ask.kept).extend(items)
            about = {arn: arn if ask.alone else "" for arn in unread}
            found.gaps += [Gap(f"{named(arn)}: {why}", about[arn]) for arn, why in unread.items()]
    return found


@dataclass(frozen=True)
class _Ask:
    where: str
    kept: str
    read: Callable[[], tuple[Iterable[Any], Mapping[str, str]]]
    alone: bool = False


def _asks(place: Place, session: Callable[[str, str], Any], gaps: list[Gap]) -> Iterator[_Ask]:
    """Everything to ask in an account; sessions and clients are made here, since no two threads may make them."""
    where = f"account {place.name}"
    for region in place.regions:
        try:
            here = session(place.name, region)
        except (Denied, ClientError) as error:
            gaps.append(Gap(f"{where}: {_reason(error)}"))
            return
        iam = here.client("iam")
        if region == place.regions[0]:
            yield _Ask(where, "identities", partial(_identities, iam, place.account))
            for reader in OF_ACCOUNT:
                yield _ask(where, reader, here.client(reader.service, region_name=region), place.account)
        for reader in OF_REGION:
            client = here.client(reader.service, region_name=region)
            yield _ask(f"{where}, {region}", reader, client, place.account)
        profiles = partial(carriers.read_profiles, iam)
        instances = partial(carriers.read_instances, here.client("ec2", region_name=region), place.account, profiles)
        yield _Ask(f"{where}, {region}", "carriers", instances)


def _ask(where: str, reader: Reader, client: Any, account: str) -> _Ask:
    return _Ask(where, reader.kept, partial(reader.read, client, account), reader.alone)


def _identities(client: Any, account: str) -> tuple[list[AccountIdentities], dict[str, str]]:
    return [read_identities(client, account)], {}


def _reason(error: Exception) -> str:
    return refused(error) if isinstance(error, ClientError) else str(getattr(error, "message", error))
