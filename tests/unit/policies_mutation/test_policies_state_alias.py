"""A policy owner cannot pass one of its keys off as a key of the state, which alone it may use."""

from __future__ import annotations

import json
from pathlib import Path

from infra.policies import deployer_permissions, key_policies
from strongroom.authorization import Decision, Named, Policies, Principal, Request, evaluate
from strongroom.estate import keyring, names
from strongroom.estate.loader import load

ESTATE = load(Path(__file__).parents[3] / "stacks" / "estate.prod.example.yaml")
OWNER = names.role_arn(ESTATE, "workload", "deployer.keys")
ACCOUNT = OWNER.split(":")[4]
SESSION = Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer.keys/s", ACCOUNT, "role-session", role_arn=OWNER)
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
STATE = names.alias(ESTATE, keyring.state_key("mine"))


def decide(action: str, resource: str, **context: object) -> Decision:
    """What the owner's own side and a key policy that it has opened to itself say."""
    opened = {"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "kms:*", "Resource": "*"}
    policies = Policies(
        identity=[Named("own", json.dumps(deployer_permissions.deployer_policy(ESTATE, "workload", "keys")))],
        boundary=Named("boundary", json.dumps(deployer_permissions.boundary(ESTATE))),
        resource=Named("key", json.dumps({"Version": "2012-10-17", "Statement": [opened]}))
        if ":key/" in resource
        else None,
    )
    return evaluate(Request(SESSION, action, resource, dict(context), ACCOUNT), policies)


def test_an_owner_uses_no_key_but_one_whose_alias_says_state() -> None:
    assert ESTATE.bootstrap.state_bucket
    ours = {"kms:ResourceAliases": (names.alias(ESTATE, "recipient-primary"),)}
    assert not decide("kms:Decrypt", KEY, **ours).allowed
    assert decide("kms:Decrypt", KEY, **{"kms:ResourceAliases": (*ours["kms:ResourceAliases"], STATE)}).allowed


def test_so_it_gives_no_key_such_an_alias() -> None:
    region = ESTATE.accounts["workload"].region
    for action in ("kms:CreateAlias", "kms:UpdateAlias"):
        assert action in key_policies.OWN
        refused = decide(action, f"arn:aws:kms:{region}:{ACCOUNT}:{STATE}")
        assert str(refused.statement).endswith("(NoStateAlias)"), refused.reason
        assert decide(action, f"arn:aws:kms:{region}:{ACCOUNT}:{names.alias(ESTATE, 'recipient-new')}").allowed
