"""Where a prover could call proved what is not: each case is an escape, beside it the like that is none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from strongroom.authorization import Grant, Named
from strongroom.authorization.prover import Ability, Account, Carrier, Facts, Human, Identity, Key, Pair, prove
from strongroom.authorization.prover.checker import check

HOME, OTHER = "210000000001", "210000000002"
ANA, BEN = f"arn:aws:iam::{HOME}:user/ana", f"arn:aws:iam::{HOME}:user/ben"
ROLE, KEY = f"arn:aws:iam::{HOME}:role/restorer", f"arn:aws:kms:us-east-1:{HOME}:key/fields"
ROOT = f"arn:aws:iam::{HOME}:root"
GROUP, FENCE = f"arn:aws:iam::{HOME}:group/g", f"arn:aws:iam::{HOME}:policy/fence"
NOBODY_DECRYPTS = [Pair("nobody decrypts", Ability("decrypt", ("kms:Decrypt",), (KEY,)))]


def doc(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def deny(actions: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(actions, resource, **more), "Effect": "Deny"}


def to(arn: str, actions: Any = "kms:Decrypt", **more: Any) -> dict[str, Any]:
    return allow(actions, Principal={"AWS": arn}, **more)


def user(*statements: dict[str, Any], arn: str = ANA, **more: Any) -> Identity:
    policies = [Named(f"policy {n}", doc(statement)) for n, statement in enumerate(statements)]
    return Identity(arn, arn.split(":")[4], "user", policies, **more)


def role(principal: Any, *statements: dict[str, Any], arn: str = ROLE, **more: Any) -> Identity:
    trust = Named("trust", doc({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}))
    return Identity(arn, arn.split(":")[4], "role", [Named("r", doc(s)) for s in statements], trust=trust, **more)


def key(*statements: dict[str, Any], **more: Any) -> Key:
    return Key(KEY, HOME, Named("key policy", doc(*statements, to(BEN, "kms:DescribeKey"))), **more)


def decrypts(*identities: Identity, keys: Key, **more: Any) -> bool:
    """Whether Ana, who holds the first identity, comes to decrypt; a proof is checked again."""
    facts = Facts([Human("ana", (identities[0].arn,))], identities, [keys], **more)
    proof = prove(facts, NOBODY_DECRYPTS)
    assert all(found.human for found in proof.counterexamples), proof.counterexamples[0].words()
    if proof.certificate is None:
        return True
    assert check(facts, NOBODY_DECRYPTS, json.loads(json.dumps(proof.certificate))) == []
    return False


def test_a_key_that_requests_lack_does_not_deny_them() -> None:
    """`kms:GrantIsForAWSResource` comes with grants only, `kms:CallerAccount` with requests to KMS only."""
    never = deny("kms:*", Principal="*", Condition={"Bool": {"kms:GrantIsForAWSResource": "false"}})
    assert decrypts(user(), keys=key(to(ANA), never))
    assert not decrypts(user(), keys=key(to(ANA, "kms:CreateGrant"), never))
    elsewhere = deny("iam:*", Condition={"StringEquals": {"kms:CallerAccount": HOME}})
    assert decrypts(user(allow("iam:CreateAccessKey", BEN), elsewhere), user(arn=BEN), keys=key(to(BEN)))


def test_not_principal_exempts_whoever_is_listed_at_any_level() -> None:
    """AWS "might" deny an account whose root is not listed beside its user: no proof rests on that."""
    for listed in ([ANA], [ROOT], [HOME], [ANA, ROOT]):
        assert decrypts(user(), keys=key(to(ANA), deny("kms:*", NotPrincipal={"AWS": listed})))
    assert not decrypts(user(), keys=key(to(ANA), deny("kms:*", NotPrincipal={"AWS": [BEN]})))
    session = f"arn:aws:sts::{HOME}:assumed-role/restorer/nightly"
    assert decrypts(user(), role({"AWS": ANA}), keys=key(to(ROLE), deny("kms:*", NotPrincipal={"AWS": [session]})))


def test_a_unique_id_is_the_identity_it_belongs_to() -> None:
    named = to("AIDAEXAMPLEANA0001")
    assert decrypts(user(unique_id="AIDAEXAMPLEANA0001"), keys=key(named))
    assert not decrypts(user(unique_id="AIDAEXAMPLEANA0002"), keys=key(named))
    assert decrypts(user(), role({"AWS": "AIDAEXAMPLEANA0001"}), keys=key(to(ROLE))) is False
    assert decrypts(user(unique_id="AIDAEXAMPLEANA0001"), role({"AWS": "AIDAEXAMPLEANA0001"}), keys=key(to(ROLE)))


def test_a_canonical_id_may_be_anybodys() -> None:
    opened = allow(
        "kms:Decrypt", Principal={"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}
    )
    assert decrypts(user(), keys=key(opened))


def test_who_calls_itself_a_federated_user_has_another_name() -> None:
    """`aws:PrincipalArn`, `aws:username` and `aws:PrincipalType` of GetFederationToken's session are not the user's."""
    calling = user(allow(["kms:Decrypt", "sts:GetFederationToken"]))
    for condition in (
        {"ArnEquals": {"aws:PrincipalArn": ANA}},
        {"StringEquals": {"aws:username": "ana"}},
        {"StringEquals": {"aws:PrincipalType": "User"}},
    ):
        closed = key(to(ROOT), deny("kms:Decrypt", Principal="*", Condition=condition))
        assert decrypts(calling, keys=closed)
        assert not decrypts(user(allow("kms:Decrypt")), keys=closed)
    account = {"StringEquals": {"aws:PrincipalAccount": HOME}}
    assert not decrypts(calling, keys=key(to(ROOT), deny("kms:Decrypt", Principal="*", Condition=account)))


def test_a_deny_in_a_policy_that_can_be_detached_protects_nothing() -> None:
    shedding = user(allow("kms:Decrypt"), deny("kms:Decrypt"), allow("iam:DetachUserPolicy", ANA))
    assert decrypts(shedding, keys=key(to(ROOT)))
    # what allows goes with what denies, if it stands in the same policy
    both = Named("both", doc(allow("kms:Decrypt"), deny("kms:Decrypt")))
    bound = replace(shedding, policies=[both, shedding.policies[2]])
    assert not decrypts(bound, keys=key(to(ROOT)))
    firm = Named(FENCE, doc(allow("*"), deny("iam:Detach*")))
    assert not decrypts(replace(shedding, boundary=firm), keys=key(to(ROOT)))


def test_a_group_that_one_joins_can_be_rewritten_from_within() -> None:
    joining = user(allow("iam:AddUserToGroup", GROUP), allow("iam:PutGroupPolicy", GROUP))
    assert decrypts(joining, keys=key(to(ROOT)), groups={GROUP: []})
    assert not decrypts(user(allow("iam:PutGroupPolicy", GROUP)), keys=key(to(ROOT)), groups={GROUP: []})


def test_a_replica_does_not_inherit_what_the_keys_policy_denies() -> None:
    closing = deny("kms:Decrypt", Principal="*")
    replicating = user(allow("kms:CreateKey"))
    opened = to(ANA, "kms:ReplicateKey")
    assert decrypts(replicating, keys=key(opened, closing, multi_region=True))
    assert not decrypts(replicating, keys=key(opened, closing))


def test_a_key_of_ones_own_serves_only_in_the_place_of_ours() -> None:
    """CreateKey, with or without BypassPolicyLockoutSafetyCheck, gives a key that protects nothing of ours."""
    making = user(allow("kms:CreateKey"))
    aliased = key(to(BEN), to(ANA, "kms:UpdateAlias"), aliases=["alias/fields"])
    assert not decrypts(making, keys=key(to(BEN), aliases=["alias/fields"]))
    assert not decrypts(user(), keys=aliased)
    assert decrypts(making, keys=aliased)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:ResourceTag/class": "${aws:PrincipalTag/class}"}},
        {"StringEquals": {"aws:PrincipalTag/duty": "restorer"}},
        {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/fields"}},
        {"StringEquals": {"kms:RequestAlias": "alias/fields"}},
        {"StringEquals": {"aws:RequestTag/team": "x"}},
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    ],
)
def test_tags_aliases_and_logins_are_the_askers_to_change(condition: dict[str, Any]) -> None:
    """So TagRole, TagResource, UpdateAlias and DeactivateMFADevice need no rules: nothing rests on what they change."""
    assert decrypts(user(), keys=key(to(ANA, Condition=condition)))
    assert decrypts(user(), keys=key(to(ANA), deny("kms:Decrypt", Principal="*", Condition=condition)))


def test_a_delegated_administrator_under_a_boundary_condition() -> None:
    """Who may make and permit roles only under a boundary gets no further than it; the condition's absence is all."""
    fence = Named(FENCE, doc(allow(["s3:*", "sts:*"]), deny("kms:*")))
    fenced = {"StringEquals": {"iam:PermissionsBoundary": FENCE}}
    may = ["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"]
    somebody = role({"AWS": BEN}, allow("s3:*"), arn=f"arn:aws:iam::{HOME}:role/somebody", boundary=fence)
    opened = key(to(ROOT))
    assert not decrypts(user(allow(may, Condition=fenced)), somebody, keys=opened)
    assert decrypts(user(allow(may)), somebody, keys=opened)
    # a boundary that lets the new role make roles without a boundary is none
    careless = replace(somebody, boundary=Named(FENCE, doc(allow(["iam:*", "sts:*"]), deny("kms:*"))))
    assert decrypts(user(allow(may, Condition=fenced)), careless, keys=opened)
    assert decrypts(
        user(allow(may, Condition=fenced), allow("iam:DeleteRolePermissionsBoundary")), somebody, keys=opened
    )
    unless = deny(may, Condition={"StringNotEquals": {"iam:PermissionsBoundary": FENCE}})
    assert not decrypts(user(allow(may), unless), somebody, keys=opened)
    # another boundary that the condition allows, of which nothing is known, limits nothing
    others = {"StringLike": {"iam:PermissionsBoundary": [FENCE, f"arn:aws:iam::{HOME}:policy/team-*"]}}
    assert decrypts(user(allow(may, Condition=others)), somebody, keys=opened)


def test_the_key_is_carried_only_by_requests_about_boundaries() -> None:
    """A Deny on it does not touch CreateAccessKey, whoever's boundary that is."""
    fence = Named(FENCE, doc(allow("*")))
    ben = user(arn=BEN, boundary=fence)
    unless = deny("iam:*", Condition={"StringEquals": {"iam:PermissionsBoundary": FENCE}})
    assert decrypts(user(allow("iam:CreateAccessKey"), unless), ben, keys=key(to(BEN)))


def test_somebody_made_may_have_any_name() -> None:
    ours = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:role/duties/*"}}
    making = user(allow(["iam:CreateRole", "iam:PutRolePolicy"], f"arn:aws:iam::{HOME}:role/team/*"))
    assert decrypts(making, keys=key(to(ROOT, Condition=ours)))
    nowhere = deny("iam:CreateRole", f"arn:aws:iam::{HOME}:role/*")
    assert not decrypts(
        user(allow(["iam:CreateRole", "iam:PutRolePolicy"]), nowhere), keys=key(to(ROOT, Condition=ours))
    )


def test_accounts_outside_are_of_whatever_organisation() -> None:
    """Of the facts' organisation are the accounts that the facts list; a foreign identity may be of any, or of none."""
    stranger = user(allow("*"), arn=f"arn:aws:iam::{OTHER}:user/vendor")
    accounts, inside = (Account(HOME),), {"aws:PrincipalOrgID": "o-clinic"}
    ours = deny("kms:*", Principal="*", Condition={"StringEquals": inside})
    theirs = deny("kms:*", Principal="*", Condition={"StringNotEquals": inside})
    opened = to(stranger.arn)
    more = {"accounts": accounts, "organisation": "o-clinic", "management": HOME}
    assert decrypts(stranger, keys=key(opened, ours), **more)
    assert decrypts(stranger, keys=key(opened, theirs), **more)
    both = (Account(HOME), Account(OTHER))
    assert not decrypts(stranger, keys=key(opened, ours), **{**more, "accounts": both})


def test_service_linked_roles_are_under_no_organisation_policy() -> None:
    linked = f"arn:aws:iam::{HOME}:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX"
    scp = Named("scp", doc(allow("*"), deny("kms:*"), deny("organizations:*")))
    accounts = (Account(HOME, scps=[[scp]]),)
    for arn, found in ((linked, True), (ROLE, False)):
        carried = role({"Service": "x.amazonaws.com"}, arn=arn)
        function = Carrier(f"arn:aws:lambda:us-east-1:{HOME}:function:f", HOME, "function", arn)
        writing = user(allow("lambda:UpdateFunctionCode"))
        assert decrypts(writing, carried, keys=key(to(arn)), carriers=[function], accounts=accounts) is found


def test_a_grant_counts_whatever_its_constraints_and_retiring_gives_nothing() -> None:
    bound = Grant("g", KEY, ANA, frozenset({"Decrypt"}), {"EncryptionContextSubset": {"tenant": "north"}})
    assert decrypts(user(), keys=key(grants=[bound]))
    retiring = Grant("g", KEY, BEN, frozenset({"Decrypt"}), retiring=ANA)
    assert not decrypts(user(), keys=key(grants=[retiring]))
    assert not decrypts(user(allow("kms:RetireGrant")), keys=key(to(ROOT, "kms:RetireGrant"), grants=[retiring]))


def test_policies_of_the_organisation_hold_only_against_those_who_cannot_change_them() -> None:
    scp = Named("scp", doc(allow("*"), deny("kms:Decrypt"), deny("organizations:LeaveOrganization")))
    accounts = (Account(HOME, scps=[[scp]]), Account(OTHER))
    far = user(allow(["organizations:DetachPolicy", "sts:AssumeRole"]), arn=f"arn:aws:iam::{OTHER}:user/ana")
    inside = role({"AWS": far.arn})
    opened = key(to(ROLE))
    assert decrypts(far, inside, keys=opened, accounts=accounts)
    assert not decrypts(far, inside, keys=opened, accounts=accounts, management="210000000009")
    ruled = (accounts[0], Account(OTHER, scps=[[scp]]))
    assert not decrypts(far, inside, keys=opened, accounts=ruled)


def test_deny_beside_the_only_allowed_name_leaves_none() -> None:
    """One resource at a time: what is allowed on one name and denied on that name is allowed on no other."""
    starting = user(allow(["lambda:CreateFunction", "lambda:AddPermission"], f"arn:aws:lambda:*:{HOME}:function:app-*"))
    passing = replace(starting, policies=[*starting.policies, Named("pass", doc(allow("iam:PassRole", ROLE)))])
    trusted = role({"Service": "lambda.amazonaws.com"})
    assert decrypts(passing, trusted, keys=key(to(ROLE)))
    frozen = deny("lambda:CreateFunction", f"arn:aws:lambda:*:{HOME}:function:app-*")
    stopped = replace(passing, policies=[*passing.policies, Named("frozen", doc(frozen))])
    assert not decrypts(stopped, trusted, keys=key(to(ROLE)))


def test_the_certificate_says_which_input_changed() -> None:
    facts = Facts([Human("ana", (ANA,))], [user(), user(arn=BEN)], [key(to(BEN))])
    proof = prove(facts, NOBODY_DECRYPTS)
    assert proof.certificate is not None
    assert set(proof.certificate["inputs_sha256"]) >= {
        f"identities/{ANA}",
        f"identities/{BEN}",
        f"keys/{KEY}",
        "humans/ana",
    }
    changed = replace(facts, identities=[user(), user(allow("s3:*"), arn=BEN)])
    wrong = check(changed, NOBODY_DECRYPTS, proof.certificate)
    assert wrong == ["the certificate is about other facts", f"identities/{BEN} changed"]
    added = replace(facts, accounts=(Account(HOME),))
    assert f"accounts/{HOME} changed" in check(added, NOBODY_DECRYPTS, proof.certificate)
