"""OpenBao's ACL policies: globs, segments, priority, deny, parameters, control groups, templates, expiry, refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom.authorization import UnknownElement, VaultPolicy, evaluate_vault
from strongroom.authorization.openbao import capabilities, rule_for
from strongroom.errors import UsageError

ROTATOR = VaultPolicy(
    "rotator",
    """
    # may rewrap, never decrypt
    path "transit/rewrap/*" { capabilities = ["update"] }
    path "transit/keys/+/rotate" {
      capabilities = ["update"] // on every key
    }
    path "transit/keys/fields-*" {
      capabilities = ["read", "update"],
      denied_parameters = {
        "exportable" = []
        "allow_plaintext_backup" = []
        "deletion_allowed" = [true]
      }
    }
    /* no way out */
    path "transit/keys/fields-psychotherapy/config" { capabilities = ["deny"] }
    """,
)


def allowed(path: str, capability: str = "update", data: dict[str, Any] | None = None, *more: VaultPolicy) -> bool:
    return evaluate_vault([ROTATOR, *more], path, capability, data).allowed


def test_globs_segments_and_deny() -> None:
    assert allowed("transit/rewrap/fields-psychotherapy")
    assert not allowed("transit/decrypt/fields-psychotherapy")
    assert allowed("transit/keys/any/rotate")
    assert not allowed("transit/keys/any/other/rotate")
    assert not allowed("transit/rewrap")
    assert allowed("transit/keys/fields-x/config")
    refused = evaluate_vault([ROTATOR], "transit/keys/fields-psychotherapy/config", "update")
    assert (refused.allowed, refused.explicit) == (False, True)
    assert refused.statement is not None
    assert str(refused.statement).startswith("rotator, statement 4")


def test_denied_parameters() -> None:
    config = "transit/keys/fields-clinical/config"
    assert allowed(config, data={"min_decryption_version": 2})
    assert not allowed(config, data={"Exportable": True})
    assert not allowed(config, data={"deletion_allowed": True})
    assert allowed(config, data={"deletion_allowed": False})


@pytest.mark.parametrize(
    ("patterns", "path", "decides"),
    [
        # the documentation's order: late wildcard, no trailing star, few plus signs, long, last in the alphabet
        (["secret/a*", "secret/+"], "secret/ab", "secret/a*"),
        (["secret/bar/+/baz", "secret/+/bar/baz"], "secret/bar/bar/baz", "secret/bar/+/baz"),
        (["secret/+/bar", "secret/+/ba*"], "secret/x/bar", "secret/+/bar"),
        (["secret/+/+/x", "secret/+/b/x"], "secret/a/b/x", "secret/+/b/x"),
        (["secret/+/bar/ba*", "secret/+/bar/b*"], "secret/x/bar/baz", "secret/+/bar/ba*"),
        (["secret/*", "secret/deep/*"], "secret/deep/x", "secret/deep/*"),
        (["secret/x", "secret/*"], "secret/x", "secret/x"),
        (["+/x", "*"], "secret/x", "+/x"),
        (["secret/x"], "/secret/x", "secret/x"),
    ],
)
def test_the_most_specific_pattern_decides(patterns: list[str], path: str, decides: str) -> None:
    rules = {pattern: {"capabilities": ["read"] if pattern == decides else ["deny"]} for pattern in patterns}
    assert capabilities([VaultPolicy("p", {"path": rules})], path) == ("read",)


def test_policies_of_a_token_add_up_by_path_and_deny_wins() -> None:
    read = VaultPolicy("a", 'path "kv/x" { capabilities = ["read"] }')
    write = VaultPolicy("b", 'path "kv/x" { policy = "write" }')
    deny = VaultPolicy("c", '{"path": {"kv/x": {"capabilities": ["deny", "read"]}}}')
    assert capabilities([read, write], "kv/x") == ("create", "delete", "list", "read", "update")
    assert capabilities([read, deny, write], "kv/x") == ("deny",)
    assert capabilities([deny, write], "kv/y") == ("deny",)
    assert capabilities([VaultPolicy("root", "")], "anything") == ("root",)
    assert evaluate_vault([VaultPolicy("root", "")], "sys/mounts/transit", "delete").allowed


def test_a_constraint_of_one_policy_binds_the_other() -> None:
    free = VaultPolicy("free", 'path "kv/x" { capabilities = ["update"] }')
    bound = VaultPolicy(
        "bound",
        """path "kv/x" {
             capabilities = ["update"]
             allowed_parameters = { "tenant" = ["north*"] "note" = [] }
             required_parameters = ["tenant"]
           }""",
    )
    for policies in ([free, bound], [bound, free]):
        assert evaluate_vault(policies, "kv/x", "update", {"tenant": "northwest", "note": 7}).allowed
        for data in ({"tenant": "south"}, {"note": "x"}, {"tenant": "north", "other": 1}, {}):
            assert not evaluate_vault(policies, "kv/x", "update", data).allowed


def test_wrapping_and_pagination() -> None:
    wrapped = VaultPolicy(
        "w", 'path "x" { capabilities = ["read"] min_wrapping_ttl = "1s" max_wrapping_ttl = "1m30s" }'
    )
    verdicts = [evaluate_vault([wrapped], "x", "read", wrap_ttl=ttl).allowed for ttl in (None, 0, 1, 90, 91)]
    assert verdicts == [False, False, True, True, False]
    paged = VaultPolicy("p", 'path "x/" { capabilities = ["list"] pagination_limit = 100 }')
    answers = [evaluate_vault([paged], "x/", "list", {"limit": limit}).allowed for limit in (100, "max", 101, "many")]
    assert answers == [True, True, False, False]


def test_control_groups_show_whose_approval_is_needed() -> None:
    rule = rule_for([VaultPolicy("owner", CONTROLLED)], "transit/keys/fields/trim", "update")
    assert rule is not None
    (approval,) = rule.approvals
    assert (approval.groups, approval.approvals, approval.capabilities) == (("owners",), 2, frozenset({"update"}))


CONTROLLED = """
path "transit/keys/+/trim" {
  capabilities = ["update"]
  control_group = {
    ttl = "4h"
    factor "second person" {
      controlled_capabilities = ["update"]
      identity {
        group_names = ["owners"]
        approvals = 2
      }
    }
  }
}
"""


def test_templates_need_the_tokens_identity() -> None:
    own = VaultPolicy("own", 'path "kv/{{identity.entity.name}}/*" { capabilities = ["read"] }')
    assert evaluate_vault([own], "kv/dana/x", "read", identity={"identity.entity.name": "dana"}).allowed
    assert not evaluate_vault([own], "kv/dana/x", "read", identity={}).allowed
    with pytest.raises(UnknownElement, match="template"):
        evaluate_vault([own], "kv/dana/x", "read")


def test_stanzas_expire() -> None:
    window = VaultPolicy("w", 'path "x" { capabilities = ["read"] expiration = "2026-03-01T10:00:00Z" }')
    before, after = datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert evaluate_vault([window], "x", "read", now=before).allowed
    assert not evaluate_vault([window], "x", "read", now=after).allowed
    with pytest.raises(UsageError, match="expires"):
        evaluate_vault([window], "x", "read")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('path "x" { capabilities = ["write"] }', "capability 'write'"),
        ('path "x" { capability = ["read"] }', "capability is not known"),
        ('path "x" { policy = "admin" }', "policy 'admin'"),
        ('path "x/+*" { capabilities = ["read"] }', r"\+ and \*"),
        ('path "x" { capabilities = "read" }', "not a list"),
        ('path "x" { capabilities = ["read"] capabilities = ["deny"] }', "twice"),
        ('paths "x" { capabilities = ["read"] }', "no part of a policy"),
        ('path "x" { capabilities = ["read" }', "expected"),
        ('path "x" { capabilities = ["read"]', "expected"),
        ("path <<EOT", "not understood"),
        ('{"path": {"x": {"capabilities": ["read"], "allowed_parameters": {"a": [true]}}}}', "in JSON"),
        ('{"path": {"x": {"capabilities": ["read"]}, "x": {}}}', "twice"),
        ('{"path": ', "not JSON"),
        ('path "x" { capabilities = ["read"] min_wrapping_ttl = "soon" }', "no duration"),
        ('path "x" { control_group = { quorum = 2 } }', "quorum is not known"),
        ('path "x" { control_group = { factor "f" { identity { group_names = ["g"] } } } }', "factor f"),
        ('path "x" { allowed_parameters = { "a" = "b" } }', "no list"),
    ],
)
def test_what_has_no_known_meaning_is_refused(text: str, words: str) -> None:
    with pytest.raises(UnknownElement, match=words):
        capabilities([VaultPolicy("under test", text)], "x")


def test_unknown_capabilities_are_refused() -> None:
    with pytest.raises(UnknownElement, match="capability 'decrypt'"):
        evaluate_vault([ROTATOR], "x", "decrypt")
