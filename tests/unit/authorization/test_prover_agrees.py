"""The search and the second checker agree on random configurations: closed, and broken exactly where refuted."""

from __future__ import annotations

import json
import random
from typing import Any

from strongroom.authorization import Grant, Named
from strongroom.authorization.prover import Ability, Account, Carrier, Facts, Human, Identity, Key, Pair, Store
from strongroom.authorization.prover.checker import check
from strongroom.authorization.prover.closure import close
from strongroom.authorization.prover.index import Index
from strongroom.authorization.prover.proof import certificate, prove

HOME, OTHER = "210000000001", "210000000002"
BUCKET, FENCE = "arn:aws:s3:::data", f"arn:aws:iam::{HOME}:policy/boundary"
PAIRS = [
    Pair("administer and decrypt", Ability("a", ("kms:ScheduleKeyDeletion",)), Ability("d", ("kms:Decrypt",))),
    Pair("on one key", Ability("a", ("kms:PutKeyPolicy",)), Ability("d", ("kms:Decrypt",)), same=True),
    Pair(
        "read and write",
        Ability("r", ("s3:GetObject",), (f"{BUCKET}/a/*",)),
        Ability("w", ("s3:PutObject",), (BUCKET,)),
    ),
    Pair("destroy and use", Ability("a", ("kms:DisableKey",)), Ability("d", ("kms:Decrypt",), through=True)),
]
ACTIONS = ["kms:Decrypt", "kms:ScheduleKeyDeletion", "kms:CreateGrant", "kms:PutKeyPolicy", "kms:*", "kms:Describe*"]
ESCALATIONS = ["sts:AssumeRole", "iam:PutUserPolicy", "iam:CreateAccessKey", "iam:PassRole", "lambda:*", "iam:Update*"]
FURTHER = [
    "iam:*",
    "iam:Create*",
    "iam:AddUserToGroup",
    "iam:Delete*",
    "sts:*",
    "s3:*",
    "s3:PutBucketPolicy",
    "s3:Get*",
]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def random_facts(choice: random.Random) -> Facts:
    users = [f"arn:aws:iam::{choice.choice([HOME, HOME, OTHER])}:user/u{n}" for n in range(3)]
    roles = [f"arn:aws:iam::{choice.choice([HOME, HOME, OTHER])}:role/r{n}" for n in range(3)]
    keys = [f"arn:aws:kms:us-east-1:{HOME}:key/k{n}" for n in range(2)]
    objects = [BUCKET, f"{BUCKET}/*", f"{BUCKET}/a/*"]
    everyone = [*users, *roles, f"arn:aws:iam::{HOME}:root", f"arn:aws:iam::{OTHER}:root"]

    def condition() -> dict[str, Any]:
        if choice.random() < 0.6:
            return {}
        options: list[dict[str, Any]] = [
            {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
            {"ArnNotLike": {"aws:PrincipalArn": choice.choice(everyone[:6])}},
            {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
            {"Bool": {"kms:GrantIsForAWSResource": "true"}},
            {"StringEquals": {"iam:PermissionsBoundary": FENCE}},
        ]
        return {"Condition": choice.choice(options)}

    def own() -> list[Named]:
        statements = [
            {
                "Effect": choice.choice(["Allow", "Allow", "Allow", "Deny"]),
                "Action": choice.choice([*ACTIONS, *ESCALATIONS, *FURTHER]),
                "Resource": choice.choice(["*", "*", *users, *roles, *keys, f"arn:aws:iam::{HOME}:role/*", *objects]),
                **condition(),
            }
            for _ in range(choice.randint(0, 2))
        ]
        return [Named("inline", document(*statements))] if statements else []

    def key(arn: str) -> Key:
        statements = [
            {
                "Effect": choice.choice(["Allow", "Allow", "Allow", "Deny"]),
                "Principal": {"AWS": choice.choice(everyone)},
                "Action": choice.choice(ACTIONS),
                "Resource": "*",
                **condition(),
            }
            for _ in range(choice.randint(1, 4))
        ]
        grants = [Grant("g", arn, choice.choice(everyone[:6]), frozenset({"Decrypt"}))] if choice.random() < 0.2 else []
        return Key(arn, HOME, Named(arn[-2:], document(*statements)), grants)

    def role(arn: str) -> Identity:
        trusted = choice.choice([{"AWS": choice.choice(everyone)}, {"Service": "lambda.amazonaws.com"}])
        trust = document({"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"})
        return Identity(arn, arn.split(":")[4], "role", own(), trust=Named(f"trust of {arn[-2:]}", trust))

    fence = Named(FENCE, document({"Effect": "Allow", "Action": ["kms:*", "sts:*"], "Resource": "*"}))
    identities = [
        Identity(arn, arn.split(":")[4], "user", own(), boundary=choice.choice([None, None, fence])) for arn in users
    ]
    opened = {
        "Effect": choice.choice(["Allow", "Deny"]),
        "Principal": {"AWS": choice.choice(everyone)},
        "Action": choice.choice(["s3:GetObject", "s3:*"]),
        "Resource": choice.choice(objects),
        **condition(),
    }
    policy = Named("bucket", document(opened)) if choice.random() < 0.6 else None
    bucket = Store(BUCKET, HOME, "bucket", policy, choice.choice(["", *keys]), choice.random() < 0.3)
    group = f"arn:aws:iam::{HOME}:group/g"
    scp = Named(
        "scp",
        document(
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            *(
                []
                if choice.random() < 0.5
                else [
                    {
                        "Effect": "Deny",
                        "Action": choice.choice(["kms:Decrypt", "iam:*", "s3:Put*"]),
                        "Resource": "*",
                        **condition(),
                    }
                ]
            ),
        ),
    )
    function = f"arn:aws:lambda:us-east-1:{HOME}:function:f"
    return Facts(
        humans=tuple(Human(f"h{n}", (arn,)) for n, arn in enumerate(users)),
        identities=(*identities, *(role(arn) for arn in roles)),
        keys=[key(arn) for arn in keys],
        carriers=[Carrier(function, HOME, "function", choice.choice(roles))],
        stores=[bucket],
        accounts=choice.choice([(), (Account(HOME), Account(OTHER)), (Account(HOME, scps=[[scp]]), Account(OTHER))]),
        organisation=choice.choice(["", "o-clinic"]),
        groups={group: own()},
    )


def test_search_and_checker_agree() -> None:
    choice = random.Random(20260301)
    verdicts = {"PROVED": 0, "REFUTED": 0}
    gained = 0
    for _ in range(100):
        facts = random_facts(choice)
        proof = prove(facts, PAIRS)
        verdicts[proof.verdict] += 1
        index = Index(facts)
        closures = [close(index, human) for human in facts.humans]
        gained += sum(len(closure.steps) - 1 for closure in closures)
        wrong = check(facts, PAIRS, json.loads(json.dumps(certificate(facts, PAIRS, closures))))
        broken = sorted(f"{found.human} breaks {found.pair}" for found in proof.counterexamples)
        assert sorted(wrong) == broken
    assert min(verdicts.values()) >= 30
    assert gained >= 150
