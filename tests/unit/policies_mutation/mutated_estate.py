"""Every policy document of the dev estate by name, decisions over them, and their mutants; pure evaluation throughout.

A document is called `key NAME`, `bucket NAME`, `queue NAME`, `role WHO`, `trust WHO` or `boundary duty|deployer`; `WHO`
is account/duty. `workload/application+` carries everything as identity policy, so that its boundary is what is left,
and `workload/application!` has not even a boundary, so that the resource's policy is. `admin/ACCOUNT` is an account's
administrator role, `user:NAME` an IAM user that may assume anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from infra.policies import bucket_policies, deployer_permissions, duty_permissions, service_permissions, trust_policies
from infra.policies.document import to_json
from infra.policies.key_policies import key_policy
from infra.policies.queue_policies import queue_policy
from strongroom.authorization import Decision, Named, Policies, Principal, Request, evaluate
from strongroom.estate import duties, names
from strongroom.estate.keyring import keyring
from strongroom.estate.loader import load

ROOT = Path(__file__).resolve().parents[3]
ESTATE = load(ROOT / "stacks" / "estate.dev.yaml")
STRANGER = "999999999999"
_ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
QUEUES = ("strongroom-dev-notices", "strongroom-dev-notices-dead")
KMS_KEYS = {spec.name: spec for spec in keyring(ESTATE) if spec.provider == "aws-kms"}
ACCOUNTS = {name: account.id for name, account in ESTATE.accounts.items()}


@dataclass(frozen=True)
class Row:
    """A named request and exactly who of `among` may make it."""

    name: str
    action: str
    resource: str
    may: frozenset[str]
    among: tuple[str, ...]
    context: Mapping[str, Any] = field(default_factory=dict, hash=False)
    document: str = ""


def key_arn(name: str) -> str:
    """A made-up ARN of a key in its real account and Region."""
    spec = KMS_KEYS[name]
    return f"arn:aws:kms:{ESTATE.accounts[spec.account].region}:{ACCOUNTS[spec.account]}:key/{name}"


def bucket_account(bucket: str) -> str:
    """The account a bucket lies in."""
    return "audit" if bucket.endswith("evidence") else "backup" if bucket.endswith("vaulted") else "workload"


@lru_cache
def documents() -> dict[str, str]:
    """Every document, as the programs deploy it."""
    found = {f"key {name}": key_policy(ESTATE, spec) for name, spec in KMS_KEYS.items()}
    buckets = {
        names.manifest_bucket(ESTATE): bucket_policies.manifest_bucket(ESTATE, key_arn("storage-manifest")),
        names.evidence_bucket(ESTATE): bucket_policies.evidence_bucket(ESTATE, key_arn("storage-evidence")),
        "strongroom-dev-images": bucket_policies.class_bucket("strongroom-dev-images", key_arn("storage-imaging")),
    }
    for repo, name, copy in duty_permissions.s3_copies(ESTATE):
        buckets[names.copy_bucket(ESTATE, name, copy)] = bucket_policies.repository_bucket(ESTATE, repo, name, copy)
        buckets[names.copy_control_bucket(ESTATE, name, copy)] = bucket_policies.control_bucket(ESTATE, name, copy)
    found |= {f"bucket {name}": document for name, document in buckets.items()}
    for queue in QUEUES:
        found[f"queue {queue}"] = queue_policy(ESTATE, queue_arn(queue))
    for who in roles():
        account, _, duty = who.partition("/")
        if duty in duties.SERVICES:
            made = {
                "job-starter": service_permissions.starter_policy,
                "task-starter": service_permissions.task_starter_policy,
            }
            found[f"role {who}"] = made[duty](ESTATE)
            found[f"trust {who}"] = trust_policies.service_trust(ESTATE, duties.SERVICES[duty])
        elif duty.startswith("deployer."):
            layer = duty.removeprefix("deployer.")
            found[f"role {who}"] = deployer_permissions.deployer_policy(ESTATE, account, layer)
            found[f"trust {who}"] = trust_policies.duty_trust(ESTATE, account, duty)
        else:
            found[f"role {who}"] = duty_permissions.duty_policy(ESTATE, account, duty)
            found[f"trust {who}"] = trust_policies.duty_trust(ESTATE, account, duty)
    found["boundary duty"] = duty_permissions.duty_boundary(ESTATE)
    found["boundary deployer"] = deployer_permissions.boundary(ESTATE)
    return {name: to_json(document) for name, document in found.items()}


def queue_arn(queue: str) -> str:
    """The ARN of a queue of the workload account."""
    return f"arn:aws:sqs:us-east-1:{ACCOUNTS['workload']}:{queue}"


def roles() -> tuple[str, ...]:
    """account/duty of every role of the estate."""
    every = (*duties.all_duties(), *duties.SERVICES)
    return tuple(f"{account}/{duty}" for duty in every for account in duties.accounts_of(duty))


@lru_cache(maxsize=512)
def principal(who: str) -> Principal:
    """The principal behind a name."""
    if who == "anonymous":
        return Principal("*", "", "anonymous")
    if who.startswith("service:"):
        return Principal(who.removeprefix("service:"), "", "service")
    if who == "stranger":
        return Principal(f"arn:aws:iam::{STRANGER}:user/x", STRANGER, "user")
    if who.startswith("user:"):
        number = ACCOUNTS["workload"]
        return Principal(f"arn:aws:iam::{number}:user/strongroom/{who.removeprefix('user:')}", number, "user")
    kind, _, name = who.rstrip("+!").partition("/")
    if kind == "root":
        return Principal(f"arn:aws:iam::{ACCOUNTS[name]}:root", ACCOUNTS[name], "root")
    account = name if kind == "admin" else kind
    role = names.bootstrap_role_arn(ESTATE, account) if kind == "admin" else names.role_arn(ESTATE, account, name)
    session = f"arn:aws:sts::{ACCOUNTS[account]}:assumed-role/{role.rpartition('/')[2]}/test"
    return Principal(session, ACCOUNTS[account], "role-session", role, "test")


def used(who: str) -> tuple[str, ...]:
    """The documents on a principal's own side."""
    if who.partition("/")[0] not in ACCOUNTS or who.endswith("!"):
        return ()
    ceiling = "boundary deployer" if "/deployer." in who else "boundary duty"
    return (ceiling,) if who.endswith("+") else (f"role {who}", ceiling)


class Question:
    """One request of one principal, made once and decided on many variants of the policies."""

    def __init__(self, row: Row, who: str) -> None:
        own = used(who)
        self.row, self.who, self.expected = row, who, who in row.may
        self.documents = tuple(filter(None, (row.document, *own)))
        self._roles = [name for name in own if name.startswith("role ")]
        self._limit = next((name for name in own if name.startswith("boundary ")), "")
        self._everything = who.endswith(("+", "!")) or who == "stranger" or who.startswith(("admin/", "user:"))
        owner = ACCOUNTS[bucket_account(row.resource.split(":::")[1].split("/")[0])] if ":s3:::" in row.resource else ""
        context = {"aws:SecureTransport": True, **row.context}
        self._request = Request(principal(who), row.action, row.resource, context, owner)

    def decide(self, policies: Mapping[str, str]) -> Decision:
        """The decision under these documents."""
        identity = [Named(name, policies[name]) for name in self._roles]
        if self._everything:
            identity = [Named("everything", _ANYTHING)]
        limit = Named(self._limit, policies[self._limit]) if self._limit else None
        resource = Named(self.row.document, policies[self.row.document]) if self.row.document else None
        return evaluate(self._request, Policies(identity=identity, boundary=limit, resource=resource))


def mutants(name: str, text: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """(statement id, what was done, text, actions that may be decided otherwise) of every mutant.

    Each statement is removed, and widened in each way there is: a condition key less, every action, everybody, every
    resource.
    """
    document = json.loads(text)
    for index, statement in enumerate(document["Statement"]):
        sid = statement["Sid"]
        for done, changed in _changes(name, statement):
            listed = [
                *document["Statement"][:index],
                *([changed] if changed else []),
                *document["Statement"][index + 1 :],
            ]
            touched = (*statement["Action"], *(changed or {}).get("Action", ()))
            yield sid, done, json.dumps({**document, "Statement": listed}, sort_keys=True), touched


def _changes(name: str, statement: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    yield "removed", None
    for operator, keys in statement.get("Condition", {}).items():
        for key in keys:
            kept = {
                o: {k: v for k, v in ks.items() if (o, k) != (operator, key)}
                for o, ks in statement["Condition"].items()
            }
            left = {o: ks for o, ks in kept.items() if ks}
            changed = {k: v for k, v in statement.items() if k != "Condition"} | ({"Condition": left} if left else {})
            yield f"without {operator} {key}", changed
    if statement["Effect"] == "Deny":
        return
    service = statement["Action"][0].partition(":")[0]
    if statement["Action"] != [f"{service}:*"]:
        yield "every action", {**statement, "Action": [f"{service}:*"]}
    if "AWS" in statement.get("Principal", {}):
        yield "every principal", {**statement, "Principal": {"AWS": "*"}}
    if name.startswith(("role ", "boundary ")) and statement["Resource"] != ["*"]:
        yield "every resource", {**statement, "Resource": ["*"]}
