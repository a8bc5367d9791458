"""The pairs that nobody may hold together, over the dev estate's own policies and over holes made into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from infra.policies import bucket_policies, deployer_permissions, duty_permissions, trust_policies
from infra.policies.document import to_json
from infra.policies.key_policies import key_policy
from infra.policies.queue_policies import queue_policy
from strongroom.authorization import Named
from strongroom.authorization.prover import Facts, Human, Identity, Key, Quorum, Store, prove
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.pairs import pairs_of
from strongroom.estate import duties, names
from strongroom.estate.keyring import keyring
from strongroom.estate.loader import load

ESTATE = load(Path(__file__).resolve().parents[3] / "stacks" / "estate.dev.yaml")
ID = {name: account.id for name, account in ESTATE.accounts.items()}
KEYS = {spec.name: spec for spec in keyring(ESTATE) if spec.provider == "aws-kms"}
QUEUE = f"arn:aws:sqs:us-east-1:{ID['workload']}:strongroom-dev-notices"
ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def key_arn(name: str) -> str:
    spec = KEYS[name]
    return f"arn:aws:kms:{ESTATE.accounts[spec.account].region}:{ID[spec.account]}:key/{name}"


@lru_cache
def buckets() -> Mapping[str, tuple[str, str, Any]]:
    sealed = {name: key_arn(name) for name in ("storage-manifest", "storage-evidence", "storage-imaging")}
    manifest = bucket_policies.manifest_bucket(ESTATE, sealed["storage-manifest"])
    evidence = bucket_policies.evidence_bucket(ESTATE, sealed["storage-evidence"])
    images = bucket_policies.class_bucket("strongroom-dev-images", sealed["storage-imaging"])
    found: dict[str, tuple[str, str, Any]] = {
        names.manifest_bucket(ESTATE): ("manifest", "workload", manifest),
        names.evidence_bucket(ESTATE): ("evidence", "audit", evidence),
        names.state_bucket(ESTATE): ("state", "workload", bucket_policies.state_bucket(ESTATE)),
        "strongroom-dev-images": ("data", "workload", images),
    }
    for repo, name, copy in duty_permissions.s3_copies(ESTATE):
        data = bucket_policies.repository_bucket(ESTATE, repo, name, copy)
        found[names.copy_bucket(ESTATE, name, copy)] = ("repository", copy.account, data)
        control = bucket_policies.control_bucket(ESTATE, name, copy)
        found[names.copy_control_bucket(ESTATE, name, copy)] = ("control", copy.account, control)
    return found


def role(account: str, duty: str) -> Identity:
    arn = names.role_arn(ESTATE, account, duty)
    trust = Named(f"trust of {account}/{duty}", to_json(trust_policies.duty_trust(ESTATE, account, duty)))
    if duty.startswith("deployer."):
        own = deployer_permissions.deployer_policy(ESTATE, account, duty.removeprefix("deployer."))
        fence = Named(names.boundary_arn(ESTATE, account), to_json(deployer_permissions.boundary(ESTATE)))
    else:
        own = duty_permissions.duty_policy(ESTATE, account, duty)
        fence = Named(names.duty_boundary_arn(ESTATE, account), to_json(duty_permissions.duty_boundary(ESTATE)))
    return Identity(arn, ID[account], "role", [Named(f"{account}/{duty}", to_json(own))], boundary=fence, trust=trust)


@lru_cache
def facts() -> Facts:
    """What the programs deploy, and whom the estate lets in; the administrators of the accounts left out."""
    people = {name: person.iam for name, person in ESTATE.people.items() if person.iam and name != "bootstrap-admin"}
    assuming = ANYTHING.replace('"Action": "*"', '"Action": "sts:AssumeRole"')
    users = [Identity(arn, arn.split(":")[4], "user", [Named("assumes", assuming)]) for arn in people.values()]
    roles = [role(account, duty) for duty in duties.all_duties() for account in duties.accounts_of(duty)]
    stores = [
        Store(
            f"arn:aws:s3:::{name}",
            ID[account],
            "bucket",
            Named(f"bucket {name}", to_json(policy)),
            key=key_arn("storage-imaging") if name.endswith("images") else "",
            acls=False,
        )
        for name, (_, account, policy) in buckets().items()
    ]
    stores.append(Store(QUEUE, ID["workload"], "queue", Named("queue", to_json(queue_policy(ESTATE, QUEUE)))))
    return Facts(
        humans=[Human(name, (arn,)) for name, arn in people.items()],
        identities=[*users, *roles],
        keys=[
            Key(key_arn(name), ID[spec.account], Named(f"key {name}", to_json(key_policy(ESTATE, spec))))
            for name, spec in KEYS.items()
        ],
        stores=stores,
        quorums=tuple(
            Quorum("sts:AssumeRole", arn, 2, "pipeline")
            for layer in duties.DEPLOYERS
            for arn in names.role_arns(ESTATE, duties.deployer(layer))
        ),
    )


def asked() -> Any:
    keys = {name: (spec.purpose, key_arn(name)) for name, spec in KEYS.items()}
    stores = {name: (purpose, f"arn:aws:s3:::{name}") for name, (purpose, _, _) in buckets().items()}
    return pairs_of(keys, ESTATE.duties, stores={**stores, "notices": ("data", QUEUE)})


def broken(given: Facts) -> set[tuple[str, str]]:
    proof = prove(given, asked())
    assert all(found.human for found in proof.counterexamples), proof.counterexamples[0].words()
    if proof.certificate is not None:
        assert check(given, asked(), json.loads(json.dumps(proof.certificate))) == []
    return {(found.human, found.pair) for found in proof.counterexamples}


def test_no_holder_of_a_duty_breaks_a_pair() -> None:
    found = broken(facts())
    assert found == set(), sorted(found)


def test_a_deployer_alone_breaks_what_the_threat_model_says_it_does() -> None:
    alone = broken(replace(facts(), quorums=()))
    assert {human for human, _ in alone} == {"deployer"}
    assert ("deployer", "own key policies and decrypt") in alone
    assert ("deployer", "delete from strongroom-dev-backup-primary") in alone


PRIMARY = "arn:aws:s3:::strongroom-dev-backup-primary"
VAULTED = "arn:aws:s3:::strongroom-dev-backup-vaulted"
EVIDENCE = "arn:aws:s3:::strongroom-dev-evidence"
HOLES = [
    ("workload/backup-writer", "s3:GetObject", f"{PRIMARY}/packs/*", "write strongroom-dev-backup-primary and read it"),
    ("workload/backup-writer", "s3:GetObject", f"{PRIMARY}/keys/*", "write strongroom-dev-backup-primary and read it"),
    ("workload/restorer", "s3:PutObject", f"{PRIMARY}/packs/*", "write strongroom-dev-backup-primary and open it"),
    ("workload/backup-writer", "s3:PutLifecycleConfiguration", PRIMARY, "delete from strongroom-dev-backup-primary"),
    ("workload/application", "s3:PutBucketVersioning", PRIMARY, "delete from strongroom-dev-backup-primary"),
    ("backup/copier", "s3:PutBucketObjectLockConfiguration", VAULTED, "delete from strongroom-dev-backup-vaulted"),
    (
        "backup/lock-keeper",
        "s3:GetObject",
        f"{VAULTED}/packs/*",
        "extend the locks of strongroom-dev-backup-vaulted and read it",
    ),
    (
        "workload/backup-writer",
        "s3:PutObject",
        "arn:aws:s3:::strongroom-dev-backup-control-primary/verified/*",
        "",
    ),
    ("audit/auditor", "s3:PutObject", f"{EVIDENCE}/*", "append to strongroom-dev-evidence unsigned"),
    ("audit/notary", "s3:PutLifecycleConfiguration", EVIDENCE, "delete or shorten strongroom-dev-evidence"),
    (
        "workload/application",
        "s3:PutLifecycleConfiguration",
        "arn:aws:s3:::strongroom-dev-images",
        "write data and erase its versions",
    ),
    ("workload/application", "sqs:PurgeQueue", QUEUE, "write data and erase its versions"),
    ("workload/key-admin", "s3:GetObject", "arn:aws:s3:::strongroom-dev-images/*", "read data and destroy keys"),
    ("workload/auditor", "s3:PutBucketPolicy", "arn:aws:s3:::strongroom-dev-manifest", "audit and change"),
]


@pytest.mark.parametrize(("who", "action", "resource", "pair"), HOLES, ids=lambda value: str(value)[:40])
def test_a_hole_in_a_duty_breaks_its_pair(who: str, action: str, resource: str, pair: str) -> None:
    """The duty's role may do one thing more, and its boundary lets it; the bucket's own policy may still refuse."""
    account, _, duty = who.partition("/")
    more = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}
    )
    arn = names.role_arn(ESTATE, account, duty)
    identities = [
        replace(identity, policies=[*identity.policies, Named("hole", more)], boundary=None)
        if identity.arn == arn
        else identity
        for identity in facts().identities
    ]
    found = broken(replace(facts(), identities=identities))
    assert ((f"runner.{duty}", pair) in found) if pair else not found
