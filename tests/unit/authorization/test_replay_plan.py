"""Plans of replays: every rule has its move, moves are typed requests with their mends, derivations survive JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from strongroom.authorization.documents import Named
from strongroom.authorization.prover import Facts, Human, Identity, Key, Pair, prove
from strongroom.authorization.prover.derivation import Step
from strongroom.authorization.prover.duties import Ability
from strongroom.authorization.prover.facts import OUTSIDER
from strongroom.authorization.prover.holdings import Held
from strongroom.authorization.prover.openbao_rules import RULES as OPENBAO_RULES
from strongroom.authorization.prover.proof import Counterexample
from strongroom.authorization.prover.rules import RULES
from strongroom.authorization.replay import MOVES, Move, NotReplayable, Scene, as_data, from_data, plan
from strongroom.authorization.replay.answers import NoAnswer, filled, said
from strongroom.authorization.replay.moves import Answered
from strongroom.authorization.replay.table import move_of
from strongroom.errors import UsageError

HOME = "210000000001"
KEY = f"arn:aws:kms:us-east-1:{HOME}:key/mrk-1"
USER, ROLE = f"arn:aws:iam::{HOME}:user/d", f"arn:aws:iam::{HOME}:role/app"
LIMIT = f"arn:aws:iam::{HOME}:policy/limit"


def doc(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


TRUST = doc({"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"})
KEY_POLICY = doc({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt", "Resource": "*",
                  "Condition": {"StringEquals": {"kms:EncryptionContext:purpose": "branch-key"},
                                "Null": {"kms:EncryptionContext:tenant": "false"}}})  # fmt: skip
DENIES = Named("own (inline policy of user/d)", doc({"Effect": "Deny", "Action": "kms:*", "Resource": "*"}))


def facts(*more: dict[str, Any]) -> Facts:
    may = Named("may", doc({"Effect": "Allow", "Action": ["iam:*", "kms:*"], "Resource": "*"}, *more))
    user = Identity(USER, HOME, "user", (may, DENIES), boundary=Named(LIMIT, doc()), groups=("arn:aws:iam::1:group/g",))
    role = Identity(ROLE, HOME, "role", trust=Named("trust", TRUST))
    return Facts((Human("d", (USER,)),), (user, role), (Key(KEY, HOME, Named("key", KEY_POLICY), (), True),))


def scene(*steps: Step, identity: str = ROLE, action: str = "kms:Decrypt", resource: str = KEY) -> Scene:
    return Scene(facts(), Counterexample("pair", "d", (Held("open", identity, action, resource, "", steps),)))


def step(rule: str, target: str, gain: str = "act", actor: str = USER) -> Step:
    return Step((gain, target), rule, actor, target)


def only(rule: str, target: str, **given: Any) -> Move:
    made = plan(scene(step(rule, target, **given))).moves[0]
    assert isinstance(made, Move), made
    return made


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_of_aws_has_its_move_or_its_reason(rule: Any):
    assert move_of(rule.name) is not None


@pytest.mark.parametrize("rule", OPENBAO_RULES, ids=lambda rule: rule.name)
def test_every_rule_of_openbao_has_its_move_or_its_reason(rule: Any):
    assert move_of(rule.name, openbao=True) is not None


def test_the_table_names_no_rule_that_is_not_there():
    assert set(MOVES) <= {rule.name for rule in RULES}
    assert move_of("no-such-rule") is None
    missing = plan(scene(step("no-such-rule", ROLE))).moves[0]
    assert isinstance(missing, NotReplayable) and "has no move" in missing.reason


def test_what_runs_a_program_is_not_replayable_and_says_why():
    for rule in RULES:
        if rule.name.startswith(("pass-role-", "write-")):
            made = plan(scene(step(rule.name, ROLE)))
            assert made.impossible and made.impossible[0].reason


def test_a_trust_policy_is_rewritten_for_the_actor_and_put_back_as_it_was():
    made = only("trust-write", ROLE)
    write, assume = made.ways[0].requests
    assert USER in write.arguments["PolicyDocument"] and write.operation == "update_assume_role_policy"
    assert assume.arguments["RoleArn"] == made.becomes == ROLE
    assert made.mends[0].arguments["PolicyDocument"] == TRUST


def test_a_boundary_is_put_back():
    for rule in ("user-boundary-put", "user-boundary-drop"):
        assert only(rule, USER, gain="unfenced").mends[0].arguments["PermissionsBoundary"] == LIMIT
    assert only("role-boundary-drop", ROLE, gain="unfenced").mends[0].operation == "delete_role_permissions_boundary"


def test_only_what_denies_is_taken_away_and_put_back():
    made = only("user-policy-delete", USER, gain="shed")
    assert [request.arguments["PolicyName"] for request in made.ways[0].requests] == ["own"]
    assert made.mends[0].arguments["PolicyDocument"] == DENIES.document
    none = plan(scene(step("role-policy-delete", ROLE, gain="shed"))).moves[0]
    assert isinstance(none, NotReplayable)


def test_a_grant_gives_what_is_needed_to_who_needs_it():
    made = only("grant", KEY, gain="use")
    given = made.ways[0].requests[0].arguments
    assert (given["GranteePrincipal"], given["Operations"]) == (ROLE, ["Decrypt"])
    assert made.mends[0].arguments["GrantId"] == Answered("answer.GrantId")


def test_a_key_policy_is_rewritten_for_all_who_act_and_put_back():
    made = only("key-policy", KEY, gain="own")
    put = made.ways[0].requests[0]
    assert {USER, ROLE} <= set(json.loads(put.arguments["Policy"])["Statement"][0]["Principal"]["AWS"])
    assert "BypassPolicyLockoutSafetyCheck" not in put.arguments  # a boundary may forbid to pass the check
    assert put.instead is not None and put.instead.arguments["BypassPolicyLockoutSafetyCheck"] is True
    assert made.mends[0].arguments["Policy"] == KEY_POLICY


def test_a_replica_takes_the_keys_place():
    made = only("replicate", KEY, gain="copy")
    assert made.renames == (KEY, Answered("answer.ReplicaKeyMetadata.Arn"))
    assert made.mends[0].region == made.ways[0].requests[0].arguments["ReplicaRegion"] != "us-east-1"
    assert "is deleted after" in made.stays


def test_decrypting_is_shown_with_the_encryption_context_that_the_policy_asks_for():
    shown = plan(scene()).moves[-1]
    assert isinstance(shown, Move)
    contexts = [way.requests[0].arguments.get("EncryptionContext") for way in shown.ways]
    assert {"purpose": "branch-key", "tenant": "replay"} in contexts and None in contexts
    assert all(way.prepare is None or way.prepare.service == "kms" for way in shown.ways)


@pytest.mark.parametrize(
    ("action", "operation", "back"),
    [
        ("kms:ScheduleKeyDeletion", "schedule_key_deletion", ["cancel_key_deletion", "enable_key"]),
        ("kms:DisableKey", "disable_key", ["enable_key"]),
        ("kms:CreateGrant", "create_grant", []),
        ("kms:PutKeyPolicy", "put_key_policy", []),
    ],
)
def test_what_would_harm_a_key_is_dry_or_undone(action: str, operation: str, back: list[str]):
    shown = plan(scene(action=action)).moves[-1]
    assert isinstance(shown, Move)
    request = shown.ways[0].requests[0]
    assert request.operation == operation and [mend.operation for mend in shown.mends] == back
    assert action != "kms:CreateGrant" or request.arguments["DryRun"] is True
    assert action != "kms:PutKeyPolicy" or request.arguments["Policy"] == KEY_POLICY


@pytest.mark.parametrize("action", ["s3:DeleteBucket", "sqs:PurgeQueue", "kms:UpdateKeyDescription", "bao:create"])
def test_an_ability_without_a_harmless_call_is_not_replayable(action: str):
    resource = KEY if action.startswith("kms") else "bao:transit/keys/x" if action[:3] == "bao" else "arn:aws:s3:::b"
    shown = plan(scene(action=action, resource=resource)).moves[-1]
    assert isinstance(shown, NotReplayable)


def test_without_an_account_outside_its_steps_are_not_replayable():
    outside = scene(step("key-policy", KEY, gain="own"), identity=OUTSIDER.arn)
    assert not plan(outside).impossible
    (missing,) = plan(outside, outside=False).impossible
    assert missing.reason == "this cloud has no account outside"


def test_a_refutation_survives_json():
    opens = [Pair("opens", Ability("open", ("kms:Decrypt",), (KEY,)))]
    given = facts()
    unlimited = [replace(identity, boundary=None) for identity in given.identities]
    found = prove(replace(given, identities=unlimited), opens).counterexamples
    assert found and found[0].human == "d"
    again = from_data(json.loads(json.dumps(as_data(found[0]))), "answer.json")
    made, remade = plan(Scene(facts(), found[0])), plan(Scene(facts(), again))
    assert [move.words for move in made.moves] == [move.words for move in remade.moves]
    with pytest.raises(UsageError, match=r"answer\.json: no derivation \(KeyError: 'held'\)"):
        from_data({"pair": "x", "who": "d"}, "answer.json")


def test_values_of_answers():
    answers = {"answer": {"Versions": [{"Id": "v2", "Default": True}, {"Id": "v1", "Default": False}]}, "answers": [7]}
    assert filled({"a": [Answered("answer.Versions[Default=False].Id")]}, answers) == {"a": ["v1"]}
    assert filled(Answered("answers.0"), answers) == 7
    for path in ("before.x", "answer.Versions[Default=None].Id", "answers.1"):
        with pytest.raises(NoAnswer):
            filled(Answered(path), answers)


def test_an_answer_is_told_by_name_only():
    told = said({"Plaintext": b"secret", "KeyId": "k", "ResponseMetadata": {}})
    assert told == "answered with KeyId, Plaintext" and "secret" not in told
