"""Rules of how much IAM holds."""

from __future__ import annotations

from typing import Any

from contract_rows import ADMIN, ALICE, PATH, allow, document, name, new_role, row


def sized(size: int, statement: dict[str, Any]) -> str:
    """A policy of so many characters that count, and some white space that does not."""
    text = document({**statement, "Sid": "a"}).replace(" ", "")
    return text.replace('"Sid":"a"', f'"Sid":"{"a" * (size - len(text) + 1)}"').replace(",", ",  \n ")


def user(cloud: Any) -> str:
    made = name("user")
    cloud.client(ADMIN, "iam").create_user(UserName=made)
    return made


@row("LimitExceeded", moto_differs=False)
def a_user_has_two_access_keys(cloud: Any) -> None:
    iam, who = cloud.client(ADMIN, "iam"), user(cloud)
    for _ in range(3):
        iam.create_access_key(UserName=who)


@row("LimitExceeded", moto_differs=False)
def inactive_access_keys_count(cloud: Any) -> None:
    iam, who = cloud.client(ADMIN, "iam"), user(cloud)
    for _ in range(2):
        made = iam.create_access_key(UserName=who)["AccessKey"]["AccessKeyId"]
        iam.update_access_key(UserName=who, AccessKeyId=made, Status="Inactive")
    iam.create_access_key(UserName=who)


@row("EntityAlreadyExists", moto_differs=False)
def a_user_has_one_password(cloud: Any) -> None:
    iam, who = cloud.client(ADMIN, "iam"), user(cloud)
    for _ in range(2):
        iam.create_login_profile(UserName=who, Password=f"Aa1!{name()}")


@row("LimitExceeded")
def inline_policies_of_a_user_have_2048_characters(cloud: Any) -> None:
    iam, who = cloud.client(ADMIN, "iam"), user(cloud)
    iam.put_user_policy(UserName=who, PolicyName="p", PolicyDocument=sized(2048, allow("sqs:ListQueues")))
    iam.put_user_policy(UserName=who, PolicyName="p", PolicyDocument=sized(2049, allow("sqs:ListQueues")))


@row("LimitExceeded")
def inline_policies_of_a_role_have_10240_characters_together(cloud: Any) -> None:
    iam, role = cloud.client(ADMIN, "iam"), new_role(cloud).rsplit("/", 1)[-1]
    for number, size in enumerate((5120, 5120, 200)):
        text = sized(size, allow("sqs:ListQueues"))
        iam.put_role_policy(RoleName=role, PolicyName=f"p{number}", PolicyDocument=text)


@row("LimitExceeded")
def a_managed_policy_has_6144_characters(cloud: Any) -> None:
    iam = cloud.client(ADMIN, "iam")
    iam.create_policy(PolicyName=name("p"), PolicyDocument=sized(6144, allow("sqs:ListQueues")))
    iam.create_policy(PolicyName=name("p"), PolicyDocument=sized(6145, allow("sqs:ListQueues")))


@row("LimitExceeded")
def a_trust_policy_has_2048_characters(cloud: Any) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": ALICE}, "Action": "sts:AssumeRole"}
    iam = cloud.client(ADMIN, "iam")
    for size in (2048, 2049):
        text = sized(size, statement)
        iam.create_role(RoleName=name("role"), Path=PATH, AssumeRolePolicyDocument=text)


@row("LimitExceeded")
def a_role_has_ten_managed_policies(cloud: Any) -> None:
    iam, role = cloud.client(ADMIN, "iam"), new_role(cloud).rsplit("/", 1)[-1]
    for _ in range(11):
        text = document(allow("sqs:ListQueues"))
        made = iam.create_policy(PolicyName=name("p"), PolicyDocument=text)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=role, PolicyArn=made)


@row("LimitExceeded", moto_differs=False)
def a_policy_has_five_versions(cloud: Any) -> None:
    iam, text = cloud.client(ADMIN, "iam"), document(allow("sqs:ListQueues"))
    made = iam.create_policy(PolicyName=name("p"), PolicyDocument=text)["Policy"]["Arn"]
    for _ in range(5):
        iam.create_policy_version(PolicyArn=made, PolicyDocument=text)


@row("LimitExceeded")
def a_user_is_in_ten_groups(cloud: Any) -> None:
    iam, who = cloud.client(ADMIN, "iam"), user(cloud)
    for _ in range(11):
        group = name("group")
        iam.create_group(GroupName=group)
        iam.add_user_to_group(GroupName=group, UserName=who)
