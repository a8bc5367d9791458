"""Which control policies bind an account: from the root down, of enabled types, never of the management account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from moto.organizations.models import organizations_backends
from moto.organizations.utils import DEFAULT_RCP_POLICY_ID, DEFAULT_SCP_POLICY_ID

from local_cloud.servers.gateway.handshakes import Member
from local_cloud.servers.gateway.organization import (
    RCP,
    SCP,
    levels,
    organisation,
    organisation_context,
    organisation_of,
    resource_levels,
)
from strongroom.authorization import Named, Policies, Principal, Request, evaluate

MANAGER, MEMBER, OUTSIDE = "990000000001", "990000000002", "990000000003"


@pytest.fixture
def backend() -> Iterator[Any]:
    """An organisation with one member in `inner`, a unit of `outer`."""
    made: Any = organizations_backends[MANAGER]["aws"]
    made.create_organization("us-east-1", FeatureSet="ALL")
    made.ou[0].add_policy_type(SCP)
    parent = made.ou[0].id
    for name in ("outer", "inner"):
        parent = made.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"]
    member = Member(organisation(made), MEMBER, "member", "m@accounts.invalid", "INVITED", datetime(2026, 1, 1))  # noqa: DTZ001 - as moto keeps it
    member.parent_id = parent
    made.accounts.append(member)
    for default in (DEFAULT_SCP_POLICY_ID, DEFAULT_RCP_POLICY_ID):
        made.attach_policy(PolicyId=default, TargetId=MEMBER)
    organizations_backends.master_accounts[MEMBER] = (MANAGER, "aws")
    yield made
    organizations_backends.master_accounts.pop(MEMBER)
    made._reset()


def test_levels_go_from_the_root_to_the_account(backend: Any) -> None:
    denial = backend.create_policy(Name="no", Description="", Type=SCP, Content="{}")["Policy"]["PolicySummary"]["Id"]
    backend.attach_policy(PolicyId=denial, TargetId=backend.ou[1].id)
    found = levels(MEMBER, SCP)
    assert [len(level) for level in found] == [1, 2, 1, 1]
    assert [named.document for named in found[1]][1] == "{}" and backend.ou[1].id in found[1][1].name


def test_a_changed_policy_is_read_at_the_next_call(backend: Any) -> None:
    backend.update_policy(PolicyId=DEFAULT_SCP_POLICY_ID, Content="changed")
    assert {named.document for level in levels(MEMBER, SCP) for named in level} == {"changed"}


def test_nothing_binds_the_manager_the_outsider_or_by_a_type_that_is_off(backend: Any) -> None:
    assert levels(MANAGER, SCP) == levels(OUTSIDE, SCP) == levels("", SCP) == ()
    assert levels(MEMBER, RCP) == ()  # not enabled in the root
    backend.ou[0].add_policy_type(RCP)
    assert len(levels(MEMBER, RCP)) == 4
    assert organisation_of(OUTSIDE) is None


def test_rcps_bind_services_that_support_them_and_no_retiring_of_grants(backend: Any) -> None:
    backend.ou[0].add_policy_type(RCP)
    assert len(resource_levels(MEMBER, "kms:Decrypt")) == 4
    assert resource_levels(MEMBER, "kms:RetireGrant") == resource_levels(MEMBER, "ec2:CreateVpc") == ()


def test_the_context_names_organisation_and_path(backend: Any) -> None:
    identifier = organisation(backend).id
    path = "/".join([identifier, *(unit.id for unit in backend.ou)]) + "/"
    assert organisation_context(MEMBER, "Principal") == {
        "aws:PrincipalOrgID": identifier,
        "aws:PrincipalOrgPaths": (path,),
    }
    assert organisation_context(OUTSIDE, "Resource") == {}


def test_service_linked_roles_pass_what_binds_other_roles() -> None:
    allowed = Named(
        "own", '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    )
    denial = Named(
        "scp", '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}'
    )
    policies = Policies(identity=[allowed], scps=[[denial]])

    def asked(path: str) -> bool:
        session = f"arn:aws:sts::{MEMBER}:assumed-role/backup/s"
        who = Principal(session, MEMBER, "role-session", f"arn:aws:iam::{MEMBER}:role/{path}backup", "s")
        return evaluate(Request(who, "sqs:ListQueues", "*"), policies).allowed

    assert asked("aws-service-role/backup.amazonaws.com/") and not asked("")
