"""Key policies and grants by KMS's own rules (KMS developer guide, "Key policies", "Grants", "Key access")."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.authorization import (
    Decision,
    Grant,
    Layer,
    Named,
    Policies,
    Principal,
    Request,
    UnknownElement,
    evaluate,
)

HOME, OTHER = "210000000001", "210000000002"
KEY = f"arn:aws:kms:us-east-1:{HOME}:key/0f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0"
ROLE = f"arn:aws:iam::{HOME}:role/strongroom/dev/restorer"
RESTORER = Principal(f"arn:aws:sts::{HOME}:assumed-role/restorer/run-1", HOME, "role-session", role_arn=ROLE)
ROOT = Principal(f"arn:aws:iam::{HOME}:root", HOME, "root")
EXTERNAL = Principal(f"arn:aws:iam::{OTHER}:user/strongroom/bo", OTHER, "user")


def key_policy(*statements: dict[str, Any]) -> Named:
    found = [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", **statement} for statement in statements]
    return Named("key", {"Version": "2012-10-17", "Statement": found})


DELEGATING = key_policy({"Principal": {"AWS": f"arn:aws:iam::{HOME}:root"}, "Action": "kms:*"})
IDENTITY = [
    Named("identity", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": KEY}]})
]


def decrypt(
    principal: Principal = RESTORER, context: dict[str, Any] | None = None, action: str = "kms:Decrypt", **policies: Any
) -> Decision:
    return evaluate(Request(principal, action, KEY, context or {}), Policies(**policies))


def test_an_identity_policy_alone_opens_no_key() -> None:
    silent = key_policy({"Principal": {"AWS": f"arn:aws:iam::{HOME}:role/other"}})
    assert not decrypt(identity=IDENTITY, resource=silent).allowed


def test_the_default_key_policy_delegates_to_identity_policies() -> None:
    assert decrypt(identity=IDENTITY, resource=DELEGATING).allowed
    assert not decrypt(resource=DELEGATING).allowed


def test_delegation_of_reading_is_no_delegation_of_use() -> None:
    """Our own key policies let the account read and repair, never use."""
    reading = key_policy({"Principal": {"AWS": HOME}, "Action": ["kms:Get*", "kms:Describe*", "kms:PutKeyPolicy"]})
    assert decrypt(identity=IDENTITY, resource=reading, action="kms:PutKeyPolicy").allowed
    assert not decrypt(identity=IDENTITY, resource=reading).allowed


def test_a_key_policy_that_names_the_role_is_enough_at_home_and_not_abroad() -> None:
    assert decrypt(resource=key_policy({"Principal": {"AWS": ROLE}})).allowed
    abroad = key_policy({"Principal": {"AWS": EXTERNAL.arn}})
    assert not decrypt(EXTERNAL, resource=abroad).allowed
    assert decrypt(EXTERNAL, identity=IDENTITY, resource=abroad).allowed


def test_even_the_root_user_needs_the_key_policy() -> None:
    assert decrypt(ROOT, resource=DELEGATING).allowed
    assert not decrypt(ROOT, resource=key_policy({"Principal": {"AWS": ROLE}})).allowed


def test_a_star_in_a_key_policy_means_this_key() -> None:
    """Another key's policy is never part of the decision: a Deny there masks nothing here."""
    everywhere = key_policy({"Principal": {"AWS": ROLE}})
    other = Request(RESTORER, "kms:Decrypt", KEY.replace("0f1c", "ffff"))
    assert not evaluate(other, Policies(resource=DELEGATING)).allowed
    assert decrypt(resource=everywhere).allowed


def test_use_through_a_service_only() -> None:
    through = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:CallerAccount": HOME}}
    policy = key_policy({"Principal": {"AWS": ROLE}, "Condition": through})
    assert not decrypt(resource=policy).allowed
    context = {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:CallerAccount": HOME}
    assert decrypt(context=context, resource=policy).allowed


def test_encryption_context_by_pair_and_by_names() -> None:
    condition = {
        "StringEquals": {"kms:EncryptionContext:tenant": "north"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant", "class"]},
        "Null": {"kms:EncryptionContextKeys": "false"},
    }
    policy = key_policy({"Principal": {"AWS": ROLE}, "Condition": condition})

    def with_context(**pairs: str) -> bool:
        context: dict[str, Any] = {f"kms:EncryptionContext:{name}": value for name, value in pairs.items()}
        if pairs:
            context["kms:EncryptionContextKeys"] = tuple(pairs)
        return decrypt(context=context, resource=policy).allowed

    assert with_context(tenant="north")
    assert with_context(tenant="north", **{"class": "clinical"})
    assert not with_context(tenant="south")
    assert not with_context(tenant="north", extra="x")
    assert not with_context()


def test_a_statement_without_resource_is_refused_not_void() -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt"}
    with pytest.raises(UnknownElement, match="without Resource"):
        decrypt(resource=Named("key", {"Version": "2012-10-17", "Statement": statement}))


def test_allow_not_principal_is_refused() -> None:
    with pytest.raises(UnknownElement, match="NotPrincipal with Allow"):
        decrypt(resource=key_policy({"NotPrincipal": {"AWS": ROLE}}))


SILENT = key_policy({"Principal": {"AWS": f"arn:aws:iam::{HOME}:role/other"}})


def grant(**more: Any) -> Grant:
    return Grant(**{"id": "g1", "key": KEY, "grantee": ROLE, "operations": frozenset({"Decrypt"}), **more})


def test_a_grant_allows_its_operations_to_its_grantee() -> None:
    assert decrypt(resource=SILENT, grants=[grant()]).allowed
    assert decrypt(resource=SILENT, grants=[grant()]).layer is Layer.GRANT
    assert not decrypt(action="kms:Encrypt", resource=SILENT, grants=[grant()]).allowed
    assert not decrypt(EXTERNAL, identity=IDENTITY, resource=SILENT, grants=[grant()]).allowed
    assert not decrypt(resource=SILENT, grants=[grant(key=KEY.replace("0f1c", "ffff"))]).allowed


def test_a_grant_across_accounts_needs_no_identity_policy() -> None:
    assert decrypt(EXTERNAL, resource=SILENT, grants=[grant(grantee=EXTERNAL.arn)]).allowed


def test_a_deny_beats_a_grant() -> None:
    denying = key_policy({"Effect": "Deny", "Principal": "*"})
    decision = decrypt(resource=denying, grants=[grant()])
    assert (decision.allowed, decision.explicit) == (False, True)


def test_boundary_and_session_limit_a_grant_to_a_role() -> None:
    nothing = Named(
        "nothing", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    )
    assert not decrypt(resource=SILENT, grants=[grant()], session=[nothing]).allowed
    assert decrypt(resource=SILENT, grants=[grant(grantee=RESTORER.arn)], session=[nothing]).allowed


@pytest.mark.parametrize(
    ("constraint", "context", "allowed"),
    [
        ({"EncryptionContextSubset": {"Dept": "IT"}}, {"Dept": "IT"}, True),
        ({"EncryptionContextSubset": {"Dept": "IT"}}, {"Dept": "IT", "Purpose": "Test"}, True),
        ({"EncryptionContextSubset": {"Dept": "IT"}}, {"dept": "IT"}, False),
        ({"EncryptionContextSubset": {"Dept": "IT"}}, {}, False),
        ({"EncryptionContextEquals": {"Dept": "IT"}}, {"Dept": "IT"}, True),
        ({"EncryptionContextEquals": {"Dept": "IT"}}, {"Dept": "IT", "Purpose": "Test"}, False),
        ({"EncryptionContextEquals": {"Dept": "IT"}}, {"Dept": "it"}, False),
    ],
)
def test_grant_constraints(constraint: dict[str, Any], context: dict[str, str], allowed: bool) -> None:
    keys = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    assert decrypt(context=keys, resource=SILENT, grants=[grant(constraints=constraint)]).allowed is allowed


def test_constraints_do_not_bind_operations_without_a_context() -> None:
    made = grant(operations=frozenset({"Decrypt", "DescribeKey"}), constraints={"EncryptionContextSubset": {"a": "b"}})
    assert decrypt(action="kms:DescribeKey", resource=SILENT, grants=[made]).allowed


def test_the_retiring_principal_may_retire() -> None:
    made = grant(retiring=EXTERNAL.arn)
    assert decrypt(EXTERNAL, action="kms:RetireGrant", identity=IDENTITY, resource=SILENT, grants=[made]).allowed
    assert not decrypt(action="kms:RetireGrant", resource=SILENT, grants=[made]).allowed


def test_a_child_grant_is_at_most_its_parent() -> None:
    parent = grant(
        operations=frozenset({"Decrypt", "CreateGrant"}), constraints={"EncryptionContextSubset": {"a": "b"}}
    )
    narrower = grant(constraints={"EncryptionContextEquals": {"a": "b", "c": "d"}})
    assert parent.covers(narrower)
    assert not parent.covers(grant())
    assert not parent.covers(grant(operations=frozenset({"Encrypt"}), constraints=parent.constraints))
    assert not grant(constraints={"EncryptionContextEquals": {"a": "b"}}).covers(
        grant(constraints={"EncryptionContextSubset": {"a": "b"}})
    )


def test_grants_with_unknown_operations_or_constraints_are_refused() -> None:
    with pytest.raises(UnknownElement, match="ScheduleKeyDeletion"):
        grant(operations=frozenset({"ScheduleKeyDeletion"}))
    with pytest.raises(UnknownElement, match="SourceVpc"):
        grant(constraints={"SourceVpc": "vpc-1"})
    with pytest.raises(UnknownElement, match="pairs"):
        grant(constraints={"EncryptionContextEquals": "a=b"})


def test_grants_may_be_limited_to_services() -> None:
    statement = {
        "Principal": {"AWS": ROLE},
        "Action": "kms:CreateGrant",
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": True}},
    }
    policy = key_policy(statement)
    assert decrypt(action="kms:CreateGrant", context={"kms:GrantIsForAWSResource": True}, resource=policy).allowed
    assert not decrypt(action="kms:CreateGrant", context={"kms:GrantIsForAWSResource": False}, resource=policy).allowed
    assert not decrypt(action="kms:CreateGrant", resource=policy).allowed
