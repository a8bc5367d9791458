"""Decides requests on the estate's own policies with strongroom.authorization, before anything is deployed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from infra.policies import bucket_policies, deployer_permissions, duty_permissions
from infra.policies.document import to_json
from infra.policies.key_policies import key_policy
from infra.policies.trust_policies import duty_trust
from infra.program import ROOT
from strongroom.authorization import Decision, Named, Policies, Principal, Request, evaluate, evaluate_assume_role
from strongroom.estate import duties, names
from strongroom.estate.keyring import keyring
from strongroom.estate.loader import load
from strongroom.estate.model import Estate

TLS = {"aws:SecureTransport": True}


@lru_cache
def dev() -> Estate:
    """The laptop's estate."""
    return load(ROOT / "stacks" / "estate.dev.yaml")


def key_arn(name: str) -> str:
    """A made-up ARN of a key in its real account and Region."""
    spec = next(spec for spec in keyring(dev()) if spec.name == name)
    return f"arn:aws:kms:{dev().accounts[spec.account].region}:{dev().accounts[spec.account].id}:key/{name}"


def session(account: str, duty: str) -> Principal:
    """A session of a duty's role."""
    number = dev().accounts[account].id
    role = names.bootstrap_role_arn(dev(), account) if duty == "bootstrap" else names.role_arn(dev(), account, duty)
    return Principal(f"arn:aws:sts::{number}:assumed-role/{duty}/test", number, "role-session", role, "test")


@lru_cache
def _identity(account: str, duty: str) -> Policies:
    if duty == "bootstrap":
        return Policies(identity=(Named("admin", {"Version": "2012-10-17", "Statement": [_ANYTHING]}),))
    if duty.startswith("deployer."):
        document = deployer_permissions.deployer_policy(dev(), account, duty.removeprefix("deployer."))
        ceiling = Named("boundary", to_json(deployer_permissions.boundary(dev())))
        return Policies(identity=(Named(duty, to_json(document)),), boundary=ceiling)
    limit = Named("boundary", to_json(duty_permissions.duty_boundary(dev())))
    return Policies(
        identity=(Named(duty, to_json(duty_permissions.duty_policy(dev(), account, duty))),), boundary=limit
    )


_ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@lru_cache
def bucket_documents() -> dict[str, str]:
    """Bucket name -> its policy."""
    estate = dev()
    found = {
        names.manifest_bucket(estate): bucket_policies.manifest_bucket(estate, key_arn("storage-manifest")),
        names.evidence_bucket(estate): bucket_policies.evidence_bucket(estate, key_arn("storage-evidence")),
        "strongroom-dev-images": bucket_policies.class_bucket("strongroom-dev-images", key_arn("storage-imaging")),
    }
    for repo, name, copy in duty_permissions.s3_copies(estate):
        data = bucket_policies.repository_bucket(estate, repo, name, copy)
        found[names.copy_bucket(estate, name, copy)] = data
        found[names.copy_control_bucket(estate, name, copy)] = bucket_policies.control_bucket(estate, name, copy)
    return {bucket: to_json(document) for bucket, document in found.items()}


def on_key(account: str, duty: str, action: str, key: str, **context: Any) -> Decision:
    """The decision on a KMS request; context keys are given with `__` for `:` and `_` for `-`."""
    spec = next(spec for spec in keyring(dev()) if spec.name == key)
    resource = Named(f"policy of {key}", to_json(key_policy(dev(), spec)))
    mine = _identity(account, duty)
    applied = Policies(identity=mine.identity, boundary=mine.boundary, resource=resource)
    return evaluate(Request(session(account, duty), action, key_arn(key), _keys(context)), applied)


def on_object(account: str, duty: str, action: str, bucket: str, key: str = "", **context: Any) -> Decision:
    """The decision on an S3 request to a bucket or, with `key`, to an object."""
    resource = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
    mine = _identity(account, duty)
    policy = Named(f"policy of {bucket}", bucket_documents()[bucket])
    applied = Policies(identity=mine.identity, boundary=mine.boundary, resource=policy)
    owner = next(a.id for n, a in dev().accounts.items() if n == bucket_account(bucket))
    request = Request(session(account, duty), action, resource, {**TLS, **_keys(context)}, resource_account=owner)
    return evaluate(request, applied)


def bucket_account(bucket: str) -> str:
    """The account a bucket of the estate lies in."""
    return {"strongroom-dev-evidence": "audit"}.get(bucket, "backup" if bucket.endswith("vaulted") else "workload")


def assumes(principal: Principal, account: str, duty: str, *, may: bool = True, **context: Any) -> Decision:
    """The decision on a request to become a duty; `may` lets the caller's own policy allow it."""
    trust = Named(f"trust of {duty}", to_json(duty_trust(dev(), account, duty)))
    own = (Named("own", {"Version": "2012-10-17", "Statement": [_ANYTHING]}),) if may else ()
    role = names.role_arn(dev(), account, duty)
    return evaluate_assume_role(principal, role, trust, Policies(identity=own), _keys(context))


def user(name: str) -> Principal:
    """A user of the workload account under /strongroom/."""
    number = dev().accounts["workload"].id
    return Principal(f"arn:aws:iam::{number}:user/strongroom/{name}", number, "user")


def every_role() -> list[tuple[str, str]]:
    """(account, duty) of every duty's role, deployers included."""
    return [(account, duty) for duty in duties.all_duties() for account in duties.accounts_of(duty)]


def _keys(context: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("__", ":").replace("_", "-"): value for name, value in context.items()}
