"""Decisions across accounts (IAM user guide, "Cross-account policy evaluation logic"), on services and on anybody."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.authorization import Layer, Named, Policies, Principal, Request, evaluate

HOME, VAULT = "210000000001", "210000000002"
ROLE = f"arn:aws:iam::{VAULT}:role/strongroom/dev/copier"
COPIER = Principal(f"arn:aws:sts::{VAULT}:assumed-role/copier/run-9", VAULT, "role-session", role_arn=ROLE)
SOURCE = "arn:aws:s3:::strongroom-dev-backup-primary/packs/aa/1.pack"


def document(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **statement}]}


IDENTITY = [Named("copier", document(Action="s3:GetObject", Resource=SOURCE))]


def get(principal: Principal = COPIER, **policies: Any) -> bool:
    return evaluate(Request(principal, "s3:GetObject", SOURCE, resource_account=HOME), Policies(**policies)).allowed


def bucket(principal: Any) -> Named:
    return Named("bucket", document(Action="s3:GetObject", Principal=principal))


@pytest.mark.parametrize("grantee", [ROLE, COPIER.arn, VAULT, f"arn:aws:iam::{VAULT}:root", "*"])
def test_both_accounts_must_allow(grantee: str) -> None:
    assert get(identity=IDENTITY, resource=bucket({"AWS": grantee}))
    assert not get(resource=bucket({"AWS": grantee})), "the principal's own account did not allow"


def test_the_owner_must_name_the_other_account() -> None:
    assert not get(identity=IDENTITY)
    assert not get(identity=IDENTITY, resource=bucket({"AWS": HOME}))
    decision = evaluate(Request(COPIER, "s3:GetObject", SOURCE, resource_account=HOME), Policies(identity=IDENTITY))
    assert decision.layer is Layer.RESOURCE


@pytest.mark.parametrize("layer", ["boundary", "session", "scps"])
def test_what_limits_the_principal_limits_it_abroad(layer: str) -> None:
    nothing = Named("nothing", document(Action="iam:List*"))
    shape: Any = {"boundary": nothing, "session": [nothing], "scps": [[nothing]]}[layer]
    assert not get(identity=IDENTITY, resource=bucket({"AWS": COPIER.arn}), **{layer: shape})


def test_a_service_needs_the_resources_policy_only() -> None:
    service = Principal("backup.amazonaws.com", "", "service")
    assert get(service, resource=bucket({"Service": "backup.amazonaws.com"}))
    assert not get(service, resource=bucket({"Service": "s3.amazonaws.com"}))
    assert not get(service, identity=IDENTITY)


def test_a_service_is_held_to_the_source_it_acts_for() -> None:
    """The confused deputy: a service acts for a resource of another account."""
    service = Principal("cloudtrail.amazonaws.com", "", "service")
    condition = {"StringEquals": {"aws:SourceAccount": HOME}}
    policy = Named("bucket", document(Action="s3:PutObject", Principal={"Service": service.arn}, Condition=condition))

    def put(account: str) -> bool:
        request = Request(service, "s3:PutObject", SOURCE, {"aws:SourceAccount": account}, HOME)
        return evaluate(request, Policies(resource=policy)).allowed

    assert put(HOME)
    assert not put(VAULT)


def test_anonymous_callers_need_a_star() -> None:
    anonymous = Principal("*", "", "anonymous")
    assert get(anonymous, resource=bucket("*"))
    assert get(anonymous, resource=bucket({"AWS": "*"}))
    assert not get(anonymous, resource=bucket({"AWS": HOME}))


def test_a_deny_that_names_an_account_binds_everyone_in_it() -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Principal": {"AWS": VAULT}, "Action": "s3:*", "Resource": "*"},
        ],
    }
    assert not get(identity=IDENTITY, resource=Named("bucket", policy))


@pytest.mark.parametrize(
    ("listed", "exempt"),
    [
        ([COPIER.arn, ROLE, f"arn:aws:iam::{VAULT}:root"], True),
        ([COPIER.arn, ROLE], False),
        ([ROLE, f"arn:aws:iam::{VAULT}:root"], False),
        ([COPIER.arn, VAULT], False),
        (["*"], True),
    ],
)
def test_not_principal_exempts_who_is_listed_at_every_level(listed: list[str], exempt: bool) -> None:
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "s3:*", "Resource": "*"}
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    policy = Named("bucket", {"Version": "2012-10-17", "Statement": [allow, deny]})
    assert get(identity=IDENTITY, resource=policy) is exempt
    boundary = Named("boundary", document(Action="*"))
    assert not get(identity=IDENTITY, resource=policy, boundary=boundary), "with a boundary nobody is exempt"
