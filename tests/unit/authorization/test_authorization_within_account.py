"""Decisions within one account (IAM user guide, "Policy evaluation logic" and "Permissions boundaries")."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.authorization import Decision, Layer, Named, Outcome, Policies, Principal, Request, evaluate
from strongroom.errors import UsageError

ACCOUNT = "210000000001"
BUCKET = "arn:aws:s3:::strongroom-dev-images"
USER = Principal(f"arn:aws:iam::{ACCOUNT}:user/strongroom/dana", ACCOUNT, "user")
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/strongroom/dev/restorer"
SESSION = Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/restorer/run-1", ACCOUNT, "role-session", role_arn=ROLE_ARN)
FEDERATED = Principal(f"arn:aws:sts::{ACCOUNT}:federated-user/dana", ACCOUNT, "federated-user")
ROOT = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "root")


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements)}


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def named(*documents: dict[str, Any]) -> list[Named]:
    return [Named(f"policy-{index}", document) for index, document in enumerate(documents)]


def read(principal: Principal = USER, **policies: Any) -> Decision:
    request = Request(principal, "s3:GetObject", f"{BUCKET}/scan.dcm", resource_account=ACCOUNT)
    return evaluate(request, Policies(**policies))


ANY = named(policy(allow()))
NOTHING = named(policy(allow("iam:List*")))
BOUNDARY = NOTHING[0]


def to(principal: Any) -> Named:
    return Named("bucket", policy(allow("s3:GetObject", f"{BUCKET}/*", Principal=principal)))


def test_nothing_is_allowed_by_default() -> None:
    decision = read()
    assert not decision.allowed
    assert not decision.explicit
    assert decision.layer is Layer.IDENTITY


def test_a_user_reads_their_own_bucket_but_no_logs() -> None:
    """The guide's example of one user with an identity policy and a bucket policy, in our own names."""
    identity = named(
        policy(
            allow(["s3:GetBucketLocation", "s3:ListAllMyBuckets"], "arn:aws:s3:::*"),
            allow("s3:*", ["arn:aws:s3:::dana/*", "arn:aws:s3:::dana"]),
            deny("s3:*", "arn:aws:s3:::*log*"),
        )
    )
    bucket = Named("bucket", policy(allow("s3:*", "arn:aws:s3:::dana-logs/*", Principal={"AWS": USER.arn})))

    def put(resource: str, resource_policy: Named | None = None) -> Decision:
        request = Request(USER, "s3:PutObject", resource, resource_account=ACCOUNT)
        return evaluate(request, Policies(identity=identity, resource=resource_policy))

    assert put("arn:aws:s3:::dana/notes").allowed
    refused = put("arn:aws:s3:::dana-logs/notes", bucket)
    assert (refused.allowed, refused.explicit, refused.statement and refused.statement.index) == (False, True, 2)
    assert not put("arn:aws:s3:::elsewhere/notes").allowed


@pytest.mark.parametrize("layer", ["identity", "boundary", "session", "scps", "rcps", "endpoint", "resource"])
def test_a_deny_in_any_layer_wins(layer: str) -> None:
    everything: dict[str, Any] = {
        "identity": ANY,
        "boundary": ANY[0],
        "session": ANY,
        "scps": [ANY],
        "resource": to("*"),
    }
    everything |= {"rcps": [named(policy(allow(Principal="*")))], "endpoint": to("*")}
    assert read(SESSION, **everything).allowed
    denying = policy(allow(), deny("s3:*"))
    if layer in ("rcps", "endpoint", "resource"):
        denying = policy(allow(Principal="*"), deny("s3:*", Principal="*"))
    shapes = {"identity": named(denying), "session": named(denying), "scps": [named(denying)], "rcps": [named(denying)]}
    decision = read(SESSION, **everything | {layer: shapes.get(layer, Named(layer, denying))})
    assert not decision.allowed
    assert decision.explicit
    assert next(step for step in decision.trace if step.outcome is Outcome.DENY).layer is decision.layer


@pytest.mark.parametrize(
    ("principal", "grantee", "boundary", "session", "allowed"),
    [
        # who asks, whom the bucket policy names, a boundary or session policy that does not allow it -> allowed
        (USER, USER.arn, BOUNDARY, None, True),
        (SESSION, ROLE_ARN, BOUNDARY, None, False),
        (SESSION, ROLE_ARN, None, NOTHING, False),
        (SESSION, ROLE_ARN, None, None, True),
        (SESSION, SESSION.arn, BOUNDARY, NOTHING, True),
        (FEDERATED, FEDERATED.arn, BOUNDARY, NOTHING, True),
        (FEDERATED, f"arn:aws:iam::{ACCOUNT}:user/dana", None, NOTHING, False),
        (FEDERATED, f"arn:aws:iam::{ACCOUNT}:user/dana", BOUNDARY, ANY, False),
        (FEDERATED, f"arn:aws:iam::{ACCOUNT}:user/dana", None, ANY, True),
        (SESSION, "*", BOUNDARY, NOTHING, True),
        (USER, ACCOUNT, None, None, False),
        (USER, f"arn:aws:iam::{ACCOUNT}:root", None, None, False),
    ],
)
def test_whom_a_resource_policy_names_decides_what_limits_it(
    principal: Principal, grantee: str, boundary: Named | None, session: list[Named] | None, allowed: bool
) -> None:
    decision = read(principal, resource=to({"AWS": grantee}), boundary=boundary, session=session)
    assert decision.allowed is allowed, decision.explain()


def test_an_account_principal_delegates_to_identity_policies() -> None:
    assert read(USER, identity=ANY, resource=to({"AWS": ACCOUNT})).allowed


@pytest.mark.parametrize("limit", ["boundary", "session"])
def test_boundary_and_session_policy_only_limit(limit: str) -> None:
    shape = {"boundary": BOUNDARY, "session": NOTHING}[limit]
    decision = read(SESSION, identity=ANY, **{limit: shape})
    assert not decision.allowed
    assert decision.layer.value.startswith(limit) or decision.layer.value.endswith("boundary")
    assert not read(SESSION, **{limit: {"boundary": ANY[0], "session": ANY}[limit]}).allowed


def test_a_federated_user_without_session_policy_may_do_nothing_by_itself() -> None:
    assert not read(FEDERATED, identity=ANY).allowed
    assert read(FEDERATED, identity=ANY, session=ANY).allowed


def test_every_level_of_an_organisation_must_allow() -> None:
    assert read(identity=ANY, scps=[ANY, ANY]).allowed
    decision = read(identity=ANY, scps=[ANY, NOTHING, ANY])
    assert (decision.allowed, decision.layer) == (False, Layer.SCP)


def test_scps_bind_the_root_user_and_spare_service_linked_roles() -> None:
    assert read(ROOT).allowed
    assert not read(ROOT, scps=[NOTHING]).allowed
    linked = Principal(
        f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSServiceRoleForBackup/x",
        ACCOUNT,
        "role-session",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup",
    )
    assert read(linked, identity=ANY, scps=[NOTHING]).allowed


def test_an_rcp_binds_the_resources_of_its_account() -> None:
    fence = policy(
        allow(Principal="*"),
        deny("s3:*", Principal="*", Condition={"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-strongroom"}}),
    )
    request = Request(USER, "s3:GetObject", f"{BUCKET}/x", {"aws:PrincipalOrgID": "o-other"}, ACCOUNT)
    assert not evaluate(request, Policies(identity=ANY, rcps=[named(fence)])).allowed
    request = Request(USER, "s3:GetObject", f"{BUCKET}/x", {"aws:PrincipalOrgID": "o-strongroom"}, ACCOUNT)
    assert evaluate(request, Policies(identity=ANY, rcps=[named(fence)])).allowed


def test_the_message_is_worded_as_aws_words_it() -> None:
    decision = read()
    start = f"User: {USER.arn} is not authorized to perform: s3:GetObject on resource: {BUCKET}/scan.dcm"
    assert decision.message(USER.arn, "s3:GetObject", f"{BUCKET}/scan.dcm") == (
        f"{start} because no identity-based policy allows the s3:GetObject action"
    )
    explicit = read(identity=named(policy(deny())))
    assert explicit.message(USER.arn, "s3:GetObject", f"{BUCKET}/scan.dcm") == (
        f"{start} with an explicit deny in an identity-based policy"
    )


def test_a_trace_says_what_nearly_allowed() -> None:
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    decision = read(identity=named(policy(allow("s3:Get*", Sid="WithMfa", Condition=condition))))
    step = next(step for step in decision.trace if step.layer is Layer.IDENTITY)
    assert step.misses == (
        "policy-0, statement 1 (WithMfa) condition Bool aws:MultiFactorAuthPresent does not hold (the key is absent)",
    )
    assert "WithMfa" in decision.explain()


def test_getting_the_callers_identity_needs_no_permission() -> None:
    request = Request(USER, "sts:GetCallerIdentity", "*")
    assert evaluate(request, Policies(identity=named(policy(deny())))).allowed


def test_the_owner_of_a_bucket_must_be_named() -> None:
    with pytest.raises(UsageError, match="names no account"):
        evaluate(Request(USER, "s3:GetObject", f"{BUCKET}/x"), Policies(identity=ANY))
