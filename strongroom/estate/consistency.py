"""What the parts of an estate must say about each other: references that exist, promises that do not contradict."""

from __future__ import annotations

from collections.abc import Iterator

from strongroom.estate import duties, separation
from strongroom.estate.model import Estate, Person
from strongroom.estate.problem import Path, Problem

ESCROW = "rsa-oaep-sha256"


def problems(estate: Estate) -> Iterator[Problem]:
    """Every contradiction of an estate, in file order of the sections."""
    yield from _accounts(estate)
    yield from _people(estate)
    yield from _stores(estate)
    yield from _recipients(estate)
    yield from _repositories(estate)
    yield from _jobs(estate)
    yield from separation.problems(estate)
    if estate.environment_kind == "production":
        yield from _production(estate)


def _accounts(estate: Estate) -> Iterator[Problem]:
    for needed in ("workload", "backup", "audit"):
        if needed not in estate.accounts:
            yield Problem(("accounts",), f"account {needed!r} is missing", "backup and audit are accounts of their own")
    seen: dict[str, str] = {}
    for name, account in estate.accounts.items():
        if account.id in seen:
            yield Problem(
                ("accounts", name, "id"),
                f"{account.id} is also the account {seen[account.id]!r}",
                "keys and backups must not share an account with the data",
            )
        seen[account.id] = name


def _people(estate: Estate) -> Iterator[Problem]:
    known = {"bootstrap", *duties.all_duties()}
    for duty, holders in estate.duties.items():
        if duty not in known:
            yield Problem(("duties", duty), f"no such duty (known: {', '.join(sorted(known))})")
        for index, holder in enumerate(holders):
            if holder not in estate.people:
                yield Problem(("duties", duty, index), f"{holder!r} is not among the people")
    seen: dict[str, str] = {}
    for name, person in estate.people.items():
        if person.iam and person.iam in seen:
            yield Problem(("people", name, "iam"), f"the same identity as {seen[person.iam]!r}")
        seen[person.iam] = name
        if person.kind == "service" and not person.iam:
            yield Problem(("people", name), "a service needs the ARN of its identity (iam)")

    for duty in duties.all_duties():
        by_ci = duty.startswith("deployer.") and duty.removeprefix("deployer.") in estate.bootstrap.oidc_subjects
        able = [p for p in estate.duties.get(duty, ()) if p in estate.people and _has_identity(estate.people[p])]
        if not able and not by_ci:
            yield Problem(
                ("duties", duty), "nobody who has an identity holds this duty", "its role would have no holder"
            )


def _has_identity(person: Person) -> bool:
    return bool(person.iam) or person.kind == "task"


def _stores(estate: Estate) -> Iterator[Problem]:
    fields: dict[str, str] = {}
    for name, store in estate.stores.items():
        at: Path = ("stores", name)
        if store.data_class not in estate.classes:
            yield Problem((*at, "class"), f"{store.data_class!r} is not among the classes")
        if store.account not in estate.accounts:
            yield Problem((*at, "account"), f"account {store.account!r} is not declared")
        elif store.region and store.region not in estate.accounts[store.account].regions:
            yield Problem((*at, "region"), f"{store.region!r} is not a Region of account {store.account!r}")
        if store.ownership == "external" and store.kind not in ("folder", "vault") and not store.arn:
            yield Problem(at, "an external store is named by its arn")
        if store.kind == "folder" and not store.path:
            yield Problem(at, "a folder needs a path")
        if store.kind in ("folder", "vault") and store.ownership != "external":
            yield Problem((*at, "ownership"), f"a {store.kind} is not provisioned here", "say: ownership: external")
        if store.fields and store.kind not in ("postgres", "table"):
            yield Problem((*at, "fields"), f"a {store.kind} has no encrypted fields")
        for index, declared in enumerate(store.fields):
            where = (*at, "fields", index)
            if declared.data_class not in estate.classes:
                yield Problem((*where, "class"), f"{declared.data_class!r} is not among the classes")
            elif not estate.classes[declared.data_class].field_root:
                yield Problem((*where, "class"), f"class {declared.data_class!r} has no field_root to seal it under")
            if declared.field_id in fields:
                yield Problem((*where, "field_id"), f"{declared.field_id!r} is already {fields[declared.field_id]}")
            fields[declared.field_id] = f"{declared.table}.{declared.column} of {name}"
    if estate.vault is None:
        for name, declared_class in estate.classes.items():
            if declared_class.field_root == "transit":
                yield Problem(("classes", name, "field_root"), "transit needs a vault section")


def _recipients(estate: Estate) -> Iterator[Problem]:
    for name, recipient in estate.recipients.items():
        at: Path = ("recipients", name)
        if recipient.provider == "transit" and estate.vault is None:
            yield Problem((*at, "provider"), "transit needs a vault section")
        if recipient.provider == ESCROW and len(recipient.holders) < 1:
            yield Problem(at, "an escrow recipient needs holders", "name who keeps the offline key")
        if recipient.provider != "aws-kms" and recipient.account != "workload":
            yield Problem((*at, "account"), f"a {recipient.provider} recipient has no account")
        if recipient.account not in ("workload", "backup"):
            yield Problem((*at, "account"), "recipients live in the workload or the backup account")
        for index, holder in enumerate(recipient.holders):
            if holder not in estate.people:
                yield Problem((*at, "holders", index), f"{holder!r} is not among the people")


def _repositories(estate: Estate) -> Iterator[Problem]:
    for name, repository in estate.repositories.items():
        at: Path = ("repositories", name)
        for index, source in enumerate(repository.sources):
            if source not in estate.stores:
                yield Problem((*at, "sources", index), f"{source!r} is not among the stores")
            elif estate.stores[source].kind == "queue":
                yield Problem((*at, "sources", index), "messages in flight cannot be backed up", "leave the queue out")
        for copy_name, copy in repository.copies.items():
            where = (*at, "copies", copy_name)
            for index, recipient in enumerate(copy.recipients):
                if recipient not in estate.recipients:
                    yield Problem((*where, "recipients", index), f"{recipient!r} is not among the recipients")
            kinds = {estate.recipients[r].provider for r in copy.recipients if r in estate.recipients}
            if ESCROW not in kinds:
                yield Problem(
                    (*where, "recipients"), "no offline recipient", "a copy must open when KMS is gone: add escrow"
                )
            if copy.backend == "s3" and copy.account not in ("workload", "backup"):
                yield Problem(where, "an s3 copy needs account: workload or backup")
            if copy.backend == "local" and not copy.path:
                yield Problem(where, "a local copy needs a path")


def _jobs(estate: Estate) -> Iterator[Problem]:
    if estate.runtime.log_class not in estate.classes:
        yield Problem(("runtime", "log_class"), f"{estate.runtime.log_class!r} is not among the classes")
    for job in estate.jobs:
        if job not in duties.JOBS:
            yield Problem(("jobs", job), f"no such job (known: {', '.join(sorted(duties.JOBS))})")


def _production(estate: Estate) -> Iterator[Problem]:
    for name, repository in estate.repositories.items():
        objectives = [estate.stores[n].objective for n in repository.sources if n in estate.stores]
        kept = min((o.retention.days for o in objectives if o), default=0)
        if "extend-locks" not in estate.jobs and repository.lock.days < kept:
            message = f"locked for {repository.lock.days} days, but its sources are kept for {kept}"
            hint = "schedule extend-locks, or lock for as long"
            yield Problem(("repositories", name, "lock", "days"), message, hint)
        if repository.lock.mode != "COMPLIANCE":
            yield Problem(("repositories", name, "lock", "mode"), "production locks are COMPLIANCE")
        for copy_name, copy in repository.copies.items():
            if copy.lock and copy.lock.mode != "COMPLIANCE":
                yield Problem(
                    ("repositories", name, "copies", copy_name, "lock", "mode"), "production locks are COMPLIANCE"
                )
        accounts = {c.account for c in repository.copies.values() if c.backend == "s3"}
        if "backup" not in accounts:
            yield Problem(("repositories", name, "copies"), "no copy in the backup account")
    if estate.evidence.lock.mode != "COMPLIANCE" or estate.evidence.lock.days < 2192:
        yield Problem(
            ("evidence", "lock"), "evidence is kept six years (2192 days) under COMPLIANCE", "45 CFR 164.316(b)(2)"
        )
    for key in ("keys", "data"):
        if not getattr(estate.protection, key):
            yield Problem(("protection", key), "production keys and data stay protected")
    if not estate.bootstrap.state_bucket:
        yield Problem(("bootstrap",), "production keeps its state in a bucket", "say: state_bucket: true")
