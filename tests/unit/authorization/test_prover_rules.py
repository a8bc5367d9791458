"""Every rule of the table gives an escape by itself, and none without one of its actions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from strongroom.authorization import Named
from strongroom.authorization.prover import Ability, Account, Carrier, Facts, Human, Identity, Key, Pair, Store, prove
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.rule import Rule
from strongroom.authorization.prover.rules import CARRIERS, RULES
from strongroom.authorization.prover.services import STORES

HOME, OTHER = "210000000001", "210000000002"
ADMIN, RUNNER = f"arn:aws:iam::{HOME}:user/admin", f"arn:aws:iam::{HOME}:user/runner"
DATA, FAR = f"arn:aws:iam::{HOME}:role/restorer", f"arn:aws:iam::{OTHER}:role/restorer"
KEY, FAR_KEY = f"arn:aws:kms:us-east-1:{HOME}:key/fields", f"arn:aws:kms:us-east-1:{OTHER}:key/fields"
GROUP, MANAGED = f"arn:aws:iam::{HOME}:group/restorers", f"arn:aws:iam::{HOME}:policy/restore"
FENCE = f"arn:aws:iam::{HOME}:policy/fence"
OIDC, SAML = f"arn:aws:iam::{HOME}:oidc-provider/ci.example", f"arn:aws:iam::{HOME}:saml-provider/clinic"
#: kind of store -> its ARN, and an action that only the data duty may do
READ = {
    "bucket": ("arn:aws:s3:::images", "s3:GetObject"),
    "queue": (f"arn:aws:sqs:us-east-1:{HOME}:notices", "sqs:ReceiveMessage"),
    "topic": (f"arn:aws:sns:us-east-1:{HOME}:notices", "sns:Subscribe"),
    "secret": (f"arn:aws:secretsmanager:us-east-1:{HOME}:secret:portal-AbCdEf", "secretsmanager:GetSecretValue"),
    "images": (f"arn:aws:ecr:us-east-1:{HOME}:repository/jobs", "ecr:BatchGetImage"),
    "vault": (f"arn:aws:backup:us-east-1:{HOME}:backup-vault:far", "backup:CopyIntoBackupVault"),
}
SERVICE_OF = {"state": "s3:::state/x.json", "manifest": "s3:::manifest/x.json", "object": "s3:::tokens/x"}


def doc(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def deny(actions: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": actions, "Resource": "*", **more}


def to(arn: str, actions: Any, **more: Any) -> dict[str, Any]:
    return allow(actions, Principal={"AWS": arn}, **more)


def user(*statements: dict[str, Any], arn: str = ADMIN, **more: Any) -> Identity:
    return Identity(arn, HOME, "user", [Named("inline", doc(*statements))] if statements else [], **more)


def role(principal: dict[str, str], *statements: dict[str, Any], arn: str = DATA, **more: Any) -> Identity:
    how = {OIDC: "sts:AssumeRoleWithWebIdentity", SAML: "sts:AssumeRoleWithSAML"}
    action = how.get(principal.get("Federated", ""), "sts:AssumeRole")
    trust = Named("trust", doc({"Effect": "Allow", "Principal": principal, "Action": action}))
    policies = [Named(f"inline {n}", doc(statement)) for n, statement in enumerate(statements)]
    return Identity(arn, arn.split(":")[4], "role", policies, trust=trust, **more)


def key(*statements: dict[str, Any], arn: str = KEY, **more: Any) -> Key:
    schedule = to(ADMIN, "kms:RevokeGrant")
    return Key(arn, arn.split(":")[4], Named("key policy", doc(schedule, *statements)), **more)


USE = to(DATA, "kms:Decrypt")
DELEGATING = to(f"arn:aws:iam::{HOME}:root", "kms:Decrypt")
NOBODY = {"AWS": RUNNER}
DANA = (Human("dana", (ADMIN,)),)
Config = Callable[[Rule, Sequence[str]], Facts]


def _named_role(rule: Rule, may: Sequence[str]) -> Facts:
    """The human has an identity; the role, which alone decrypts, is not the human's."""
    if rule.name == "assume-role":
        return Facts(DANA, [user(allow([*may] or ["s3:ListBucket"])), role({"AWS": HOME})], [key(USE)])
    if rule.name.startswith("assume-role-"):
        provider = OIDC if rule.name.endswith("identity") else SAML
        trusted = role({"Federated": provider})
        if not may:
            statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:TagSession"}
            trusted = replace(trusted, trust=Named("trust", doc(statement)))
        return Facts((Human("dana", (ADMIN, provider)),), [user(), trusted], [key(USE)])
    trusting = {"Service": rule.service} if rule.service else NOBODY
    return Facts(DANA, [user(allow([*may] or ["s3:ListBucket"])), role(trusting)], [key(USE)])


def _own_role(rule: Rule, may: Sequence[str]) -> Facts:
    """The human has the role, which may not decrypt: for want of a policy, by a Deny beside it, or by its boundary."""
    statements = {"admin": [], "shed": [allow("kms:Decrypt"), deny("kms:Decrypt")], "unfenced": [allow("kms:Decrypt")]}
    fence = Named(FENCE, doc(allow(["iam:*", "sts:*"]))) if rule.gain == "unfenced" else None
    mine = role({"AWS": ADMIN}, *statements[rule.gain], boundary=fence)
    return Facts(DANA, [user(allow([*may] or ["s3:ListBucket"])), mine], [key(DELEGATING)])


def _user(rule: Rule, may: Sequence[str]) -> Facts:
    doing = allow([*may] or ["s3:ListBucket"])
    if rule.gain == "act":
        return Facts(DANA, [user(doing), user(arn=RUNNER)], [key(to(RUNNER, "kms:Decrypt"))])
    more = {"admin": [], "shed": [allow("kms:Decrypt")], "unfenced": [allow("kms:Decrypt")]}[rule.gain]
    fence = Named(FENCE, doc(allow("iam:*"))) if rule.gain == "unfenced" else None
    me = user(doing, *more, boundary=fence)
    if rule.gain == "shed":
        me = replace(me, policies=[*me.policies, Named("denying", doc(deny("kms:Decrypt")))])
    return Facts(DANA, [me], [key(DELEGATING)])


def _self(_rule: Rule, may: Sequence[str]) -> Facts:
    unless = deny("kms:Decrypt", Principal="*", Condition={"ArnEquals": {"aws:PrincipalArn": ADMIN}})
    return Facts(DANA, [user(allow(["kms:Decrypt", *may]))], [key(DELEGATING, unless)])


def _new(rule: Rule, may: Sequence[str]) -> Facts:
    """The human may permit what is made under a name of its choice, and is denied itself."""
    kind = rule.target.removeprefix("new-")
    if kind == "group":
        return Facts(DANA, [user(allow([*may] or ["s3:ListBucket"]))], [key(DELEGATING)])
    permit = allow(f"iam:Put{kind.title()}Policy", f"arn:aws:iam::{HOME}:{kind}/new-*")
    unless = deny("kms:Decrypt", Principal="*", Condition={"ArnEquals": {"aws:PrincipalArn": ADMIN}})
    return Facts(DANA, [user(allow([*may] or ["s3:ListBucket"]), permit)], [key(DELEGATING, unless)])


def _group(rule: Rule, may: Sequence[str]) -> Facts:
    groups = {GROUP: [Named("of the group", doc(allow("kms:Decrypt")))]}
    doing = allow([*may] or ["s3:ListBucket"])
    if rule.gain == "join":
        return Facts(DANA, [user(doing)], [key(DELEGATING)], groups=groups)
    me = user(doing, groups=[GROUP])
    if rule.gain == "shed":
        denying = [Named("of the group", doc(deny("kms:Decrypt")))]
        me = user(doing, allow("kms:Decrypt"), groups=[GROUP])
        me = replace(me, policies=[*me.policies, *denying])
    return Facts(DANA, [me], [key(DELEGATING)])


def _managed(_rule: Rule, may: Sequence[str]) -> Facts:
    return Facts(DANA, [user(allow([*may] or ["s3:ListBucket"]), managed=[MANAGED])], [key(DELEGATING)])


def _boundary(_rule: Rule, may: Sequence[str]) -> Facts:
    fence = Named(FENCE, doc(allow(["iam:*"])))
    return Facts(DANA, [user(allow(["kms:Decrypt", *may]), boundary=fence)], [key(DELEGATING)])


def _provider(rule: Rule, may: Sequence[str]) -> Facts:
    provider = SAML if rule.name.startswith("saml") else OIDC
    return Facts(DANA, [user(allow([*may] or ["s3:ListBucket"])), role({"Federated": provider})], [key(USE)])


def _member_root(_rule: Rule, may: Sequence[str]) -> Facts:
    opened = key(to(f"arn:aws:iam::{OTHER}:root", "kms:Decrypt"), arn=FAR_KEY)
    me = user(allow(["kms:RevokeGrant", *may]))
    accounts = (Account(HOME), Account(OTHER))
    return Facts(DANA, [me], [opened], accounts=accounts, organisation="o-clinic", management=HOME)


def _member(_rule: Rule, may: Sequence[str]) -> Facts:
    far = role({"AWS": HOME}, arn=FAR)
    scp = Named("no use", doc(allow("*"), deny("kms:Decrypt")))
    accounts = (Account(HOME), Account(OTHER, scps=[[scp]]))
    me = user(allow(["sts:AssumeRole", "kms:RevokeGrant", *may]))
    opened = key(to(FAR, "kms:Decrypt"), arn=FAR_KEY)
    return Facts(DANA, [me, far], [opened], accounts=accounts, organisation="o-clinic", management=HOME)


def _membership(_rule: Rule, may: Sequence[str]) -> Facts:
    scp = Named("no use", doc(allow("*"), deny("kms:Decrypt")))
    me = user(allow([*may] or ["s3:ListBucket"]))
    return Facts(DANA, [me], [key(to(ADMIN, "kms:Decrypt"))], accounts=(Account(HOME, scps=[[scp]]),))


def _key(rule: Rule, may: Sequence[str]) -> Facts:
    on_key = [action for action in may if action in rule.actions]
    beside = [action for action in may if action not in rule.actions]
    opened = key(USE, *([to(ADMIN, on_key)] if on_key else []), multi_region=True, aliases=["alias/fields"])
    return Facts(DANA, [user(allow(beside or ["s3:ListBucket"])), role(NOBODY)], [opened])


def _store(rule: Rule, may: Sequence[str]) -> Facts:
    arn, read = READ[rule.target]
    closed = Named("store policy", doc(deny(read, Principal="*") | {"Resource": [arn, f"{arn}/*"]}))
    store = Store(arn, HOME, rule.target, closed if rule.gain == "bare" else None, acls=rule.lists)
    reading = [allow(read, [arn, f"{arn}/*"])] if rule.gain == "bare" else []
    return Facts(DANA, [user(allow([*may] or ["s3:ListBucket"]), *reading)], [key()], stores=[store])


def _carrier(rule: Rule, may: Sequence[str]) -> Facts:
    service = rule.actions[0].split(":")[0]
    arn = f"arn:aws:{SERVICE_OF.get(rule.carrier, f'{service}:us-east-1:{HOME}:{rule.carrier}/x')}"
    carrier = Carrier(arn, HOME, rule.carrier, DATA)
    doing = [*may, "iam:PassRole"] if may and rule.passing else [*may]
    identities = [user(allow(doing or ["s3:ListBucket"])), role({"Service": "polly.amazonaws.com"})]
    return Facts(DANA, identities, [key(USE)], carriers=[carrier])


CONFIGS: dict[tuple[str, str] | str, Config] = {
    ("role", "act"): _named_role,
    "role": _own_role,
    "user": _user,
    "self": _self,
    "new-role": _new,
    "new-user": _new,
    "new-group": _new,
    "group": _group,
    "managed": _managed,
    "boundary": _boundary,
    "federated": _provider,
    "member-root": _member_root,
    "member": _member,
    "membership": _membership,
    "key": _key,
    "multi-region-key": _key,
    "aliased-key": _key,
    "carrier": _carrier,
    **dict.fromkeys(STORES, _store),
}


def config(rule: Rule, may: Sequence[str]) -> tuple[Facts, list[Pair]]:
    """The smallest facts in which the actions of a rule lead from administering to the data."""
    make = CONFIGS.get((rule.target, rule.gain)) or CONFIGS[rule.target]
    facts = make(rule, may)
    target = FAR_KEY if facts.keys[0].arn == FAR_KEY else KEY
    second = Ability("decrypt", ("kms:Decrypt",), (target,))
    if rule.target in STORES:
        arn, read = READ[rule.target]
        second = Ability("read", (read,), (arn,))
    return facts, [Pair("administer and use", Ability("administer", ("kms:RevokeGrant",), (target,)), second)]


def used(facts: Facts, pairs: list[Pair]) -> set[str]:
    """The rules of the derivation; empty if proved, and then the second checker has agreed."""
    proof = prove(facts, pairs)
    if proof.verdict == "REFUTED":
        assert proof.counterexamples[0].human == "dana", proof.counterexamples[0].words()
        return {step.rule for held in proof.counterexamples[0].held for step in held.way} | {"refuted"}
    assert proof.certificate is not None
    assert check(facts, pairs, json.loads(json.dumps(proof.certificate))) == []
    return set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_is_an_escape_and_none_without_its_first_action(rule: Rule) -> None:
    whole = [*rule.actions, *rule.also]
    assert rule.name in used(*config(rule, whole)), "a false PROVED, or found by another rule"
    without = [action for action in whole if action != rule.actions[0]]
    assert used(*config(rule, without)) == set(), "a false REFUTED"


@pytest.mark.parametrize("rule", [rule for rule in RULES if len(rule.actions + rule.also) > 1], ids=lambda r: r.name)
def test_a_rule_needs_each_of_its_actions(rule: Rule) -> None:
    whole = [*rule.actions, *rule.also]
    for missing in whole:
        assert rule.name not in used(*config(rule, [action for action in whole if action != missing])), missing


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.passing], ids=lambda rule: rule.name)
def test_a_rule_that_passes_a_role_needs_that_as_well(rule: Rule) -> None:
    facts, pairs = config(rule, rule.actions)
    assert rule.name in used(facts, pairs)
    bare = replace(facts.identities[0], policies=[Named("inline", doc(allow(list(rule.actions))))])
    assert used(replace(facts, identities=[bare, *facts.identities[1:]]), pairs) == set()


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.service], ids=lambda rule: rule.name)
def test_a_role_that_does_not_trust_the_service_is_not_passed_to_it(rule: Rule) -> None:
    facts, pairs = config(rule, [*rule.actions, *rule.also])
    distrusting = role({"Service": "polly.amazonaws.com"})
    assert used(replace(facts, identities=[facts.identities[0], distrusting]), pairs) == set()


def test_names_of_rules_are_unique_and_every_kind_has_a_rule() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert {rule.target for rule in RULES} >= STORES
    assert len(CARRIERS) >= 20
