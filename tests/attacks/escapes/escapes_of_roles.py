"""Escapes through roles: who is trusted, who writes trust, what a role may do to itself, who hands it to compute."""

from __future__ import annotations

import json
from collections.abc import Iterator

from escape_stack import Stack, allow, document, to, trusting
from escape_table import escape, given

TRUST = "each role trusts its holder by name, and a session of a duty assumes no role"
WRITES = "no duty writes to IAM (`Work`), no deployer to a deployer (`NoDeployerChange`)"
PASSES = "`deployer.jobs` passes the two roles of jobs, by name; which program runs as them is its work"
ACCEPTED = "the call that hands the role over is accepted; nothing runs on the laptop"


@escape("assume-role", TRUST)
def a_chain_of_three(stack: Stack, hole: bool) -> Iterator[None]:
    """A chain of three roles, of which only the last may open."""
    first = stack.role("first", stack.dana)
    second = stack.role("second", first)
    last = stack.role("last", second if hole else stack.admin)
    stack.key(to(last, "kms:Decrypt"))
    yield
    stack.opens(stack.dana.becomes(first).becomes(second).becomes(last))


@escape("assume-role", TRUST)
def a_trust_in_the_whole_account(stack: Stack, hole: bool) -> Iterator[None]:
    """Trust in the account's root, with sts:AssumeRole on `*` in an identity policy."""
    stack.permits(stack.dana, allow("sts:AssumeRole"))
    role = stack.role("restorer", stack.account if hole else stack.admin)
    stack.key(to(role, "kms:Decrypt"))
    yield
    stack.opens(stack.dana.becomes(role))


@escape("assume-role", TRUST)
def a_trust_without_external_id(stack: Stack, hole: bool) -> Iterator[None]:
    """A role that everybody may assume; an ExternalId would be known to whoever reads the trust policy."""
    everybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    everybody["Condition"] = {"StringEquals": {"sts:ExternalId": "b6c1"}}
    role = stack.role("vendor", everybody if hole else stack.admin)
    stack.key(to(role, "kms:Decrypt"))
    yield
    stack.opens(stack.outsider.becomes(role, ExternalId="b6c1"))


@escape("assume-role", TRUST)
def a_role_of_another_account(stack: Stack, hole: bool) -> Iterator[None]:
    """A role of another account that trusts this one, and may open across accounts."""
    other = stack.another_account()
    role = stack.role("far", stack.account if hole else stack.admins[other], allow("kms:Decrypt"), account=other)
    stack.permits(stack.dana, allow("sts:AssumeRole", role))
    stack.key(to(other, "kms:Decrypt"))
    yield
    stack.opens(stack.dana.becomes(role))


@escape("trust-write", "no duty writes to IAM (`Work`); who may become a duty is the work of `deployer.access`")
def writes_itself_into_trust(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:UpdateAssumeRolePolicy of a role that may open."""
    dana = stack.dana
    role = stack.role("restorer", stack.admin)
    stack.permits(dana, *given(hole, allow("iam:UpdateAssumeRolePolicy", role)))
    stack.key(to(role, "kms:Decrypt"))
    yield
    dana.iam.update_assume_role_policy(RoleName="restorer", PolicyDocument=document(trusting(dana)))
    stack.opens(dana.becomes(role))


@escape("role-policy-put", WRITES)
def a_role_that_permits_itself(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:PutRolePolicy of a role on itself."""
    role = stack.role("operator", stack.dana)
    own = document(*given(hole, allow("iam:PutRolePolicy", role)), allow("kms:Describe*"))
    stack.admin.iam.put_role_policy(RoleName="operator", PolicyName="own", PolicyDocument=own)
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    session = stack.dana.becomes(role)
    more = document(allow("kms:Decrypt"))
    session.iam.put_role_policy(RoleName="operator", PolicyName="more", PolicyDocument=more)
    stack.opens(session)


@escape("role-policy-attach", WRITES)
def a_role_that_attaches_to_itself(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:AttachRolePolicy of a role on itself."""
    everything = stack.policy("everything", allow("*"))
    role = stack.role("operator", stack.dana)
    own = document(*given(hole, allow("iam:AttachRolePolicy", role)), allow("kms:Describe*"))
    stack.admin.iam.put_role_policy(RoleName="operator", PolicyName="own", PolicyDocument=own)
    stack.key(to(stack.account, "kms:Decrypt"))
    yield
    session = stack.dana.becomes(role)
    session.iam.attach_role_policy(RoleName="operator", PolicyArn=everything)
    stack.opens(session)


@escape("pass-role-ecs", PASSES, shows=ACCEPTED)
def passes_the_role_to_a_task(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:PassRole with ecs:RegisterTaskDefinition and ecs:RunTask."""
    dana = stack.dana
    role = stack.role("job", {**trusting(dana), "Principal": {"Service": "ecs-tasks.amazonaws.com"}})
    stack.permits(dana, allow("ecs:*"), *given(hole, allow("iam:PassRole", role)))
    stack.key(to(role, "kms:Decrypt"))
    yield
    ecs = dana.at("ecs")
    command = {"name": "main", "image": "public", "command": ["decrypt"], "memory": 64}
    made = ecs.register_task_definition(family="mine", taskRoleArn=role, containerDefinitions=[command])
    assert made["taskDefinition"]["taskRoleArn"] == role


@escape("pass-role-scheduler", PASSES, shows=ACCEPTED)
def passes_the_role_to_a_schedule(stack: Stack, hole: bool) -> Iterator[None]:
    """iam:PassRole with scheduler:CreateSchedule."""
    dana = stack.dana
    role = stack.role("job", {**trusting(dana), "Principal": {"Service": "scheduler.amazonaws.com"}})
    stack.permits(dana, allow("scheduler:*"), *given(hole, allow("iam:PassRole", role)))
    stack.key(to(role, "kms:Decrypt"))
    yield
    request = json.dumps({"CiphertextBlob": "...", "KeyId": stack.keys[0]})
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:kms:decrypt", "RoleArn": role, "Input": request}
    dana.at("scheduler").create_schedule(
        Name="mine", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    made = stack.admin.at("scheduler").get_schedule(Name="mine")
    assert made["Target"]["RoleArn"] == role
