"""What one credential reaches: by kind and name, directly or through a service, by whatever way leads there."""

from __future__ import annotations

import json
from typing import Any

from strongroom.authorization import Named
from strongroom.authorization.prover import Facts, Human, Identity, Key, Reach, Store
from strongroom.authorization.prover.reach import reached

HOME = "210000000001"
KEY, SIGNING = f"arn:aws:kms:us-east-1:{HOME}:key/data", f"arn:aws:kms:us-east-1:{HOME}:key/signing"
BUCKET, ROLE = "arn:aws:s3:::records", f"arn:aws:iam::{HOME}:role/reader"
KEYS = {"data": ("storage", KEY), "signing-x": ("signing", SIGNING)}
STORES = {"records": ("data", BUCKET)}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def user(name: str, *statements: dict[str, Any]) -> Identity:
    policies = [Named(f"inline of {name}", document(*statements))] if statements else []
    return Identity(f"arn:aws:iam::{HOME}:user/{name}", HOME, "user", policies)


def answer(*users: Identity) -> dict[str, dict[str, list[str]]]:
    via = {"Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}}
    key = Named("key", document(allow("kms:Decrypt", "*", Principal={"AWS": ROLE}, **via)))
    signing = Named("signing", document(allow("kms:Sign", "*", Principal={"AWS": users[0].arn})))
    trust = Named("trust", document({"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "sts:AssumeRole"}))
    read = Named("inline of reader", document(allow("s3:GetObject", f"{BUCKET}/*")))
    facts = Facts(
        humans=[Human(one.arn.rpartition("/")[2], (one.arn,)) for one in users],
        identities=[*users, Identity(ROLE, HOME, "role", [read], trust=trust)],
        keys=[Key(KEY, HOME, key), Key(SIGNING, HOME, signing)],
        stores=[Store(BUCKET, HOME, "bucket", None, KEY)],
    )
    return reached(Reach(facts), KEYS, STORES, {})


def test_a_role_that_is_within_reach_counts_and_so_does_the_service_in_between():
    found = answer(user("signer"), user("climber", allow("sts:AssumeRole", ROLE)))
    assert found == {
        "signer": {"sign": ["signing-x"]},
        "climber": {"open through a service": ["data"], "read": ["records"]},
    }


def test_who_reaches_nothing_is_listed_with_nothing():
    assert answer(user("signer"), user("idle"))["idle"] == {}
