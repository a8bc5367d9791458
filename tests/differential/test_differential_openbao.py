"""Our reading of OpenBao's ACL policies against a running server: capabilities by path, and parameters by request."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest

from strongroom.authorization import VaultPolicy, evaluate_vault, openbao

pytestmark = pytest.mark.cloud

SEGMENTS = ["data", "team", "a", "ab"]
WORDS = ["create", "read", "update", "delete", "list", "sudo", "patch", "scan"]


def random_path(choice: random.Random, *, pattern: bool) -> str:
    parts = ["secret", *(choice.choice(SEGMENTS) for _ in range(choice.randint(0, 3)))]
    if pattern:
        parts = [("+" if choice.random() < 0.25 else part) for part in parts]
    path = "/".join(parts)
    if pattern and choice.random() < 0.4:
        path = path + choice.choice(["/*", "/"]) if path.endswith("+") else path + choice.choice(["*", "/*", "/"])
    elif choice.random() < 0.15:
        path += "/"
    return path


def random_policy(choice: random.Random) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for _ in range(choice.randint(1, 5)):
        deny = choice.random() < 0.15
        found = ["deny"] if deny else choice.sample(WORDS, choice.randint(1, 4))
        paths[random_path(choice, pattern=True)] = {"capabilities": found}
    return {"path": paths}


def token(client: Any, policies: list[str]) -> str:
    made = client.auth.token.create(policies=policies, no_default_policy=True, ttl="10m", type="batch")
    return str(made["auth"]["client_token"])


def differences(client: Any, rounds: int) -> tuple[list[Any], int, int]:
    """Capabilities that differ for tokens with some of sixty random policies; how many were compared; how many open."""
    choice = random.Random(20260301)
    documents = {f"acl-{index}": random_policy(choice) for index in range(60)}
    for name, document in documents.items():
        client.sys.create_or_update_policy(name, json.dumps(document))
    asked = sorted({random_path(choice, pattern=False) for _ in range(1500)})
    differing: list[Any] = []
    allowing = 0
    for _ in range(rounds):
        names = choice.sample(sorted(documents), choice.randint(2, 6))
        policies = [VaultPolicy(name, documents[name]) for name in names]
        answer = client.adapter.post("/v1/sys/capabilities", json={"token": token(client, names), "paths": asked})
        for path in asked:
            theirs = tuple(sorted(answer["data"][path]))
            ours = openbao.capabilities(policies, path)
            allowing += theirs != ("deny",)
            if ours != theirs:
                differing.append((path, names, ours, theirs))
    return differing, rounds * len(asked), allowing


def test_capabilities_agree_with_the_server(bao_client: Any) -> None:
    differing, compared, allowing = differences(bao_client, 400 if os.environ.get("STRONGROOM_NIGHTLY") else 30)
    assert differing == []
    assert compared >= 4_000
    assert 0.3 * compared <= allowing <= 0.9 * compared


VALUES: list[Any] = ["north", "south", "northwest", "*", "", True, False, 7, 7.5, None]
RULES: list[Any] = ["north", "north*", "*west", "*orth*", "*", "", 7, 7.5]


def random_constraints(choice: random.Random) -> dict[str, Any]:
    def parameters() -> dict[str, list[Any]]:
        names = choice.sample(["tenant", "Class", "note", "*"], choice.randint(1, 3))
        return {name: choice.sample(RULES, choice.choice([0, 0, 1, 2])) for name in names}

    stanza: dict[str, Any] = {"capabilities": ["create", "update"]}
    if choice.random() < 0.5:
        stanza["allowed_parameters"] = parameters()
    if choice.random() < 0.4:
        stanza["denied_parameters"] = parameters()
    if choice.random() < 0.3:
        stanza["required_parameters"] = choice.sample(["tenant", "class", "note"], choice.randint(1, 2))
    return stanza


def test_parameter_constraints_agree_with_the_server(bao_client: Any) -> None:
    choice = random.Random(7)
    bao_client.sys.enable_secrets_engine("kv", path="acl-kv", options={"version": "1"})
    documents = {f"acl-kv-{index}": {"path": {"acl-kv/item": random_constraints(choice)}} for index in range(40)}
    for name, document in documents.items():
        bao_client.sys.create_or_update_policy(name, json.dumps(document))
    differing, outcomes = [], {True: 0, False: 0}
    for _ in range(60):
        names = choice.sample(sorted(documents), choice.randint(1, 2))
        policies = [VaultPolicy(name, documents[name]) for name in names]
        made = token(bao_client, names)
        for _ in range(8):
            data = {
                choice.choice(["tenant", "TENANT", "class", "note", "other"]): choice.choice(VALUES)
                for _ in range(choice.randint(1, 3))
            }
            headers = {"X-Vault-Token": made}
            response = bao_client.adapter.session.post(f"{bao_client.url}/v1/acl-kv/item", json=data, headers=headers)
            theirs = response.status_code in (200, 204)
            assert theirs or response.status_code == 403, response.text
            ours = evaluate_vault(policies, "acl-kv/item", "update", data).allowed
            outcomes[theirs] += 1
            if ours is not theirs:
                differing.append((data, [documents[name] for name in names], ours, theirs))
    bao_client.sys.disable_secrets_engine("acl-kv")
    assert min(outcomes.values()) >= 80
    assert differing == []


@pytest.mark.parametrize(("listed", "given"), [("true", True), ('"x", false', False), ('"x", true', "x"), ("7", 7)])
def test_truth_values_and_numbers_in_hcl_agree_with_the_server(bao_client: Any, listed: str, given: Any) -> None:
    text = f"""
    # tenants may set only this
    path "acl-hcl/+" {{
      capabilities = ["create", "update"]
      allowed_parameters = {{ "flag" = [{listed}] }}
    }}"""
    bao_client.sys.enable_secrets_engine("kv", path="acl-hcl", options={"version": "1"})
    bao_client.sys.create_or_update_policy("acl-hcl", text)
    headers = {"X-Vault-Token": token(bao_client, ["acl-hcl"])}
    for value in (given, "other"):
        url = f"{bao_client.url}/v1/acl-hcl/item"
        response = bao_client.adapter.session.post(url, json={"flag": value}, headers=headers)
        ours = evaluate_vault([VaultPolicy("acl-hcl", text)], "acl-hcl/item", "create", {"flag": value})
        assert ours.allowed is (response.status_code == 204), response.text
    bao_client.sys.disable_secrets_engine("acl-hcl")


CONTROLLED = """
path "acl-cg/item" {
  capabilities = ["read"]
  control_group = {
    ttl = "1h"
    factor "two people" {
      controlled_capabilities = ["read"]
      identity { group_names = ["approvers"] approvals = 2 }
    }
  }
}"""
OPEN = 'path "acl-cg/item" { capabilities = ["read"] }'


def test_an_open_policy_beside_a_control_group_leaves_no_certain_quorum(bao_client: Any) -> None:
    """The server heeds the control group of the policy that it reads first, so an open one may switch it off."""
    bao_client.sys.enable_secrets_engine("kv", path="acl-cg", options={"version": "1"})
    bao_client.secrets.kv.v1.create_or_update_secret("item", {"value": "1"}, mount_point="acl-cg")

    def waits(first: str, second: str) -> bool:
        bao_client.sys.create_or_update_policy("acl-first", first)
        bao_client.sys.create_or_update_policy("acl-second", second)
        headers = {"X-Vault-Token": token(bao_client, ["acl-first", "acl-second"])}
        response = bao_client.adapter.session.get(f"{bao_client.url}/v1/acl-cg/item", headers=headers)
        return response.json()["data"] is None

    def certain(*texts: str) -> bool:
        policies = [VaultPolicy(f"acl-{index}", text) for index, text in enumerate(texts)]
        rule = openbao.rule_for(policies, "acl-cg/item", "read")
        assert rule is not None
        return [approval.approvals for approval in rule.approvals] == [2]

    assert waits(CONTROLLED, CONTROLLED)
    assert certain(CONTROLLED, CONTROLLED)
    assert not waits(OPEN, CONTROLLED)
    assert not certain(OPEN, CONTROLLED)
    assert not certain(CONTROLLED, OPEN)
    bao_client.sys.disable_secrets_engine("acl-cg")


def test_a_broken_priority_is_noticed(bao_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: with the least specific rule deciding, the comparison finds differences."""
    monkeypatch.setattr(openbao, "_priority", lambda rule: (-len(rule.pattern), rule.pattern))
    assert differences(bao_client, 3)[0]
