"""Rules of organisations themselves: which policies are accepted, who may write them, who joins and leaves."""

from __future__ import annotations

import json
from typing import Any

from contract_rows import AUDIT, BACKUP, MANAGEMENT, WORKLOAD, allow, deny, document, name, new_role, root, row
from rows_of_organizations import (
    EVERYTHING,
    MANAGER,
    MEMBER,
    RCP,
    SCP,
    attached,
    expect_denied,
    join,
    manage,
    no_queues,
    policy,
    root_id,
)

LAPTOP_ONLY = "accounts that join and leave an organisation are not for tests"


@row("AccessDeniedException")
def members_do_not_write_policies(cloud: Any) -> None:
    manage(cloud)
    policy(cloud.client(MEMBER, "organizations"), document(allow("*")))


@row("AWSOrganizationsNotInUseException", moto_differs=False)
def accounts_outside_ask_nothing(cloud: Any) -> None:
    manage(cloud)
    cloud.client(f"admin@{BACKUP}", "organizations").describe_organization()


@row("MalformedPolicyDocumentException")
def a_malformed_scp_is_refused(cloud: Any) -> None:
    policy(manage(cloud), '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"')


@row("MalformedPolicyDocumentException")
def an_scp_names_no_principal(cloud: Any) -> None:
    policy(manage(cloud), document(deny("s3:*", Principal="*")))


@row("MalformedPolicyDocumentException")
def an_rcp_only_denies(cloud: Any) -> None:
    policy(manage(cloud), document(allow("s3:*", Principal="*")), RCP)


@row("MalformedPolicyDocumentException")
def an_rcp_speaks_of_services_that_support_it(cloud: Any) -> None:
    policy(manage(cloud), document(deny("ec2:*", Principal="*")), RCP)


@row("ConstraintViolationException")
def a_policy_has_at_most_5120_bytes(cloud: Any) -> None:
    client = manage(cloud)

    def padded(size: int) -> str:
        text = document(deny("s3:PutObject", "arn:aws:s3:::"))
        return text.replace("arn:aws:s3:::", "arn:aws:s3:::" + "x" * (size - len(text)))

    assert len(padded(5120)) == 5120
    policy(client, padded(5120))
    policy(client, padded(5121))


@row("ConstraintViolationException")
def a_target_has_at_most_five_policies_of_a_type(cloud: Any) -> None:
    client = manage(cloud)
    unit = client.create_organizational_unit(ParentId=root_id(client), Name=name("ou"))["OrganizationalUnit"]["Id"]
    for _ in range(5):  # FullAWSAccess is the first of the five
        client.attach_policy(PolicyId=policy(client, document(allow("*"))), TargetId=unit)


@row("ConstraintViolationException")
def the_last_scp_of_a_target_stays(cloud: Any) -> None:
    client = manage(cloud)
    client.detach_policy(PolicyId=EVERYTHING, TargetId=AUDIT)


@row("DuplicatePolicyAttachmentException")
def a_policy_hangs_once_on_a_target(cloud: Any) -> None:
    client = manage(cloud)
    client.attach_policy(PolicyId=EVERYTHING, TargetId=AUDIT)


@row("PolicyTypeAlreadyEnabledException")
def all_features_bring_scps(cloud: Any) -> None:
    client = manage(cloud)
    client.enable_policy_type(RootId=root_id(client), PolicyType=SCP)


@row("HandshakeConstraintViolationException")
def a_member_is_not_invited_again(cloud: Any) -> None:
    manage(cloud).invite_account_to_organization(Target={"Id": AUDIT, "Type": "ACCOUNT"})


@row("AccessDeniedException")
def the_invited_account_itself_accepts(cloud: Any) -> None:
    client = manage(cloud)
    handshake = client.invite_account_to_organization(Target={"Id": WORKLOAD, "Type": "ACCOUNT"})["Handshake"]
    try:
        client.accept_handshake(HandshakeId=handshake["Id"])
    finally:
        client.cancel_handshake(HandshakeId=handshake["Id"])


@row()
def an_account_joins_is_bound_leaves_and_is_free(cloud: Any) -> None:
    client, sqs = manage(cloud), cloud.client(f"admin@{BACKUP}", "sqs")
    join(cloud, client, BACKUP)
    try:
        listed = client.list_policies_for_target(TargetId=BACKUP, Filter=SCP)["Policies"]
        assert [row_["Name"] for row_ in listed] == ["FullAWSAccess"]
        with attached(client, no_queues(), BACKUP):
            expect_denied(lambda: sqs.create_queue(QueueName=name("q")), "service control policy")
    finally:
        cloud.client(f"admin@{BACKUP}", "organizations").leave_organization()
    sqs.create_queue(QueueName=name("q"))


@row()
def a_created_account_trusts_the_management_account(cloud: Any) -> None:
    client = manage(cloud)
    status = client.create_account(AccountName="new", Email="new@accounts.invalid")["CreateAccountStatus"]
    role = f"arn:aws:iam::{status['AccountId']}:role/OrganizationAccountAccessRole"
    inside = cloud.assume(cloud.session(MANAGER), role)
    assert cloud.make(inside, "sts").get_caller_identity()["Account"] == status["AccountId"]
    with attached(client, no_queues(), status["AccountId"]):
        sqs = cloud.make(inside, "sqs")
        expect_denied(lambda: sqs.create_queue(QueueName=name("q")), "service control policy")


@row("AccessDeniedException")
def writing_policies_needs_permission_on_the_policy(cloud: Any) -> None:
    client = manage(cloud)
    first, second = (policy(client, document(allow("*"))) for _ in range(2))
    ours = client.describe_organization()["Organization"]["Id"]
    arn = f"arn:aws:organizations::{MANAGEMENT}:policy/{ours}/service_control_policy/{first}"
    trust = {"Principal": root(MANAGEMENT)}
    role = new_role(cloud, allow("organizations:UpdatePolicy", arn), account=MANAGEMENT, trust=trust)
    narrow = cloud.make(cloud.assume(cloud.session(MANAGER), role), "organizations")
    narrow.update_policy(PolicyId=first, Description="other")
    narrow.update_policy(PolicyId=second, Description="other")


@row("InvalidInputException")
def the_policy_of_aws_is_not_changed(cloud: Any) -> None:
    manage(cloud).update_policy(PolicyId=EVERYTHING, Content=json.dumps({"Version": "2012-10-17", "Statement": []}))
