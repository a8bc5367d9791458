"""Becoming a role: trust policies, ExternalId, MFA, session tags, federated identities (IAM guide, "Assume a role")."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.authorization import Decision, Layer, Named, Policies, Principal, evaluate_assume_role
from strongroom.errors import UsageError

HOME, OTHER = "210000000001", "210000000002"
ROLE = f"arn:aws:iam::{HOME}:role/strongroom/dev/restorer"
RUNNER = Principal(f"arn:aws:iam::{HOME}:user/strongroom/runner.restorer", HOME, "user")
VENDOR = Principal(f"arn:aws:iam::{OTHER}:user/vendor", OTHER, "user")
MAY_ASSUME = [
    Named(
        "may-assume",
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": ROLE}},
    )
]


def trust(*statements: dict[str, Any]) -> Named:
    found = [{"Effect": "Allow", "Action": "sts:AssumeRole", **statement} for statement in statements]
    return Named("trust", {"Version": "2012-10-17", "Statement": found})


def assume(who: Principal, policy: Named, *, may: bool = True, **more: Any) -> Decision:
    return evaluate_assume_role(who, ROLE, policy, Policies(identity=MAY_ASSUME if may else ()), **more)


def test_a_trust_policy_that_names_the_user_is_enough_at_home() -> None:
    assert assume(RUNNER, trust({"Principal": {"AWS": RUNNER.arn}}), may=False).allowed


def test_a_trust_policy_that_names_the_account_leaves_it_to_identity_policies() -> None:
    delegating = trust({"Principal": {"AWS": f"arn:aws:iam::{HOME}:root"}})
    assert assume(RUNNER, delegating).allowed
    assert not assume(RUNNER, delegating, may=False).allowed


def test_an_identity_policy_alone_opens_no_role() -> None:
    decision = assume(RUNNER, trust({"Principal": {"AWS": VENDOR.arn}}))
    assert (decision.allowed, decision.layer) == (False, Layer.RESOURCE)


def test_abroad_both_sides_must_allow() -> None:
    naming = trust({"Principal": {"AWS": VENDOR.arn}})
    assert assume(VENDOR, naming).allowed
    assert not assume(VENDOR, naming, may=False).allowed


@pytest.mark.parametrize(("given", "allowed"), [("right", True), ("wrong", False), (None, False)])
def test_external_id(given: str | None, allowed: bool) -> None:
    policy = trust({"Principal": {"AWS": VENDOR.arn}, "Condition": {"StringEquals": {"sts:ExternalId": "right"}}})
    context = {"sts:ExternalId": given}
    assert assume(VENDOR, policy, context=context).allowed is allowed


@pytest.mark.parametrize(("context", "allowed"), [({"aws:MultiFactorAuthPresent": True}, True), ({}, False)])
def test_multi_factor(context: dict[str, Any], allowed: bool) -> None:
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "900"}}
    policy = trust({"Principal": {"AWS": RUNNER.arn}, "Condition": condition})
    assert assume(RUNNER, policy, context=context | {"aws:MultiFactorAuthAge": 60}).allowed is allowed


def test_the_window_of_a_vendor() -> None:
    condition = {
        "DateGreaterThan": {"aws:CurrentTime": "2026-03-01T08:00:00Z"},
        "DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"},
    }
    policy = trust({"Principal": {"AWS": VENDOR.arn}, "Condition": condition})
    hours = {
        hour: assume(VENDOR, policy, context={"aws:CurrentTime": f"2026-03-01T{hour}:30:00Z"})
        for hour in ("07", "09", "10")
    }
    assert [decision.allowed for decision in hours.values()] == [False, True, False]


def test_the_root_user_assumes_nothing() -> None:
    root = Principal(f"arn:aws:iam::{HOME}:root", HOME, "root")
    assert not assume(root, trust({"Principal": {"AWS": HOME}})).allowed


def test_session_tags_and_source_identity_need_their_own_actions() -> None:
    plain = trust({"Principal": {"AWS": RUNNER.arn}})
    assert not assume(RUNNER, plain, may=False, session_tags={"tenant": "north"}).allowed
    assert not assume(RUNNER, plain, may=False, source_identity="dana").allowed
    rich = trust(
        {"Principal": {"AWS": RUNNER.arn}, "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"]},
        {
            "Principal": {"AWS": RUNNER.arn},
            "Action": "sts:TagSession",
            "Condition": {
                "ForAllValues:StringEquals": {"aws:TagKeys": ["tenant"]},
                "StringLike": {"aws:RequestTag/tenant": "n*"},
            },
        },
    )
    assert assume(RUNNER, rich, may=False, session_tags={"tenant": "north"}, source_identity="dana").allowed
    assert not assume(RUNNER, rich, may=False, session_tags={"tenant": "south"}).allowed
    assert not assume(RUNNER, rich, may=False, session_tags={"tenant": "north", "team": "x"}).allowed


def test_services_and_web_identities_need_the_trust_policy_only() -> None:
    service = Principal("ecs-tasks.amazonaws.com", "", "service")
    assert assume(service, trust({"Principal": {"Service": service.arn}})).allowed
    assert not assume(service, trust({"Principal": {"Service": "ec2.amazonaws.com"}})).allowed
    provider = f"arn:aws:iam::{HOME}:oidc-provider/token.actions.example.com"
    subject = {"token.actions.example.com:sub": "repo:clinic/strongroom:environment:production"}
    pipeline = Principal(provider, "", "federated")
    condition = {"StringEquals": subject}
    policy = trust(
        {"Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}
    )
    web = {"action": "sts:AssumeRoleWithWebIdentity"}
    assert assume(pipeline, policy, context=subject, **web).allowed
    assert not assume(
        pipeline, policy, context={"token.actions.example.com:sub": "repo:clinic/strongroom:ref:x"}, **web
    ).allowed
    assert not assume(pipeline, policy, **web).allowed
    assert not assume(pipeline, policy, context=subject).allowed, "AssumeRole is another action"


def test_a_boundary_with_a_deny_holds_for_becoming_a_role_too() -> None:
    fence = Named(
        "fence", {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}}
    )
    naming = trust({"Principal": {"AWS": RUNNER.arn}})
    assert not evaluate_assume_role(RUNNER, ROLE, naming, Policies(boundary=fence)).allowed


def test_only_the_assuming_actions_are_taken() -> None:
    with pytest.raises(UsageError, match="does not assume a role"):
        assume(RUNNER, trust({"Principal": "*"}), action="sts:GetFederationToken")
