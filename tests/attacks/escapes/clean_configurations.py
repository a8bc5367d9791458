"""Configurations that keep duties apart, as an organisation would write them: each must be proved.

A configuration gives what its thief tries, each of which must be refused.
"""

from __future__ import annotations

from escape_stack import ELSEWHERE, Actor, Stack, allow, deny, document, to, trusting
from escape_table import Attempt, clean

from strongroom.authorization.prover import Quorum

#: What AWS's console gives a key administrator, without what lets in: PutKeyPolicy, CreateGrant, ReplicateKey.
ADMINISTRATION = [
    *("kms:Describe*", "kms:List*", "kms:Get*", "kms:Enable*", "kms:Disable*", "kms:TagResource"),
    *("kms:UntagResource", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:RotateKeyOnDemand"),
]
USE = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:DescribeKey"]


@clean
def a_key_administrator(stack: Stack) -> list[Attempt]:
    """AWS's key administrator, without the policy and without grants."""
    role = stack.role("application", stack.person("runner"))
    key = stack.key(to(stack.dana, ADMINISTRATION), to(role, USE))
    return [
        lambda: stack.dana.kms.put_key_policy(
            KeyId=key, PolicyName="default", Policy=document(to(stack.dana, "kms:*"))
        ),
        lambda: stack.dana.kms.create_grant(KeyId=key, GranteePrincipal=stack.dana.arn, Operations=["Decrypt"]),
        lambda: stack.opens(stack.dana),
    ]


@clean
def a_copier_of_another_account(stack: Stack) -> list[Attempt]:
    """A copier of another account reads what is sealed there and has no key."""
    other = stack.another_account()
    copier = stack.person("copier", allow(["s3:GetObject", "s3:ListBucket"]), account=other)
    role = stack.role("restorer", stack.person("runner"))
    key = stack.key(to(role, "kms:Decrypt"))
    bucket = stack.bucket(to(copier, "s3:GetObject", Resource="@/*"), pack=b"sealed")
    assert copier.s3.get_object(Bucket=bucket.rpartition(":")[2], Key="pack")["Body"].read() == b"sealed"
    return [
        lambda: copier.kms.decrypt(KeyId=key, CiphertextBlob=stack.ciphertexts[key]),
        lambda: stack.dana.s3.get_object(Bucket=bucket.rpartition(":")[2], Key="pack"),
    ]


@clean
def break_glass_under_quorum(stack: Stack) -> list[Attempt]:
    """A break-glass role that two people must approve, and that nobody assumes by permission."""
    role = stack.role("break-glass", stack.admin, allow("kms:Decrypt"))
    stack.permits(stack.dana, allow("sts:AssumeRole", role))
    stack.key(to(stack.account, "kms:Decrypt"))
    stack.quorums.append(Quorum("sts:AssumeRole", role, 2, "approval of the on-call lead"))
    return [
        lambda: stack.opens(stack.dana.becomes(role)),
    ]


@clean
def a_policy_owner_under_quorum(stack: Stack) -> list[Attempt]:
    """PutKeyPolicy through a pipeline that two people approve; outside it nobody has the permission."""
    key = stack.key()
    stack.quorums.append(Quorum("kms:PutKeyPolicy", key, 2, "protected branch with a required reviewer"))
    return [
        lambda: stack.dana.kms.put_key_policy(
            KeyId=key, PolicyName="default", Policy=document(to(stack.dana, "kms:*"))
        ),
    ]


@clean
def conditions_on_who_asks(stack: Stack) -> list[Attempt]:
    """ABAC over what follows from the principal: the wildcard admits one path of roles."""
    role = stack.role("restorer", stack.person("runner"), allow("kms:Decrypt"))
    only = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{stack.account}:role/rest*"}}
    stack.permits(stack.dana, allow("kms:Decrypt"))
    stack.key(to(stack.account, "kms:*", Condition=only))
    return [
        lambda: stack.opens(stack.dana),
        lambda: stack.dana.becomes(role),
    ]


@clean
def grants_for_services_only(stack: Stack) -> list[Attempt]:
    """CreateGrant for AWS's own resources, which a person's request never is."""
    service = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    key = stack.key(to(stack.dana, "kms:CreateGrant", Condition=service))
    return [
        lambda: stack.dana.kms.create_grant(KeyId=key, GranteePrincipal=stack.dana.arn, Operations=["Decrypt"]),
        lambda: stack.opens(stack.dana),
    ]


@clean
def a_guard_that_denies_all_but_one(stack: Stack) -> list[Attempt]:
    """A Deny in the key's policy to everybody but one role, whatever identity policies allow."""
    role = stack.role("restorer", stack.person("runner"))
    others = {"ArnNotEquals": {"aws:PrincipalArn": [role, stack.admin.arn]}}
    stack.permits(stack.dana, allow("kms:*"))
    guard = deny(["kms:Decrypt", "kms:CreateGrant", "kms:PutKeyPolicy"], Principal="*", Condition=others)
    key = stack.key(to(stack.account, "kms:*"), to(role, "kms:Decrypt"), guard)
    return [
        lambda: stack.opens(stack.dana),
        lambda: stack.dana.kms.create_grant(KeyId=key, GranteePrincipal=stack.dana.arn, Operations=["Decrypt"]),
        lambda: stack.dana.kms.put_key_policy(
            KeyId=key, PolicyName="default", Policy=document(to(stack.dana, "kms:*"))
        ),
    ]


@clean
def a_boundary_with_explicit_denies(stack: Stack) -> list[Attempt]:
    """A ceiling that denies use and IAM by name, under identity policies that allow everything."""
    denied = deny(["kms:Decrypt", "kms:CreateGrant", "kms:PutKeyPolicy", "kms:ReEncrypt*", "iam:*", "sts:AssumeRole"])
    ceiling = stack.policy("ceiling", allow("*"), denied)
    stack.permits(stack.dana, allow("*"))
    stack.admin.iam.put_user_permissions_boundary(UserName="dana", PermissionsBoundary=ceiling)
    stack.key(to(stack.account, "kms:Decrypt"), to(stack.dana, "kms:Decrypt"))
    return [
        lambda: stack.opens(stack.dana),
        lambda: stack.dana.iam.delete_user_permissions_boundary(UserName="dana"),
        lambda: stack.dana.iam.create_policy_version(
            PolicyArn=ceiling, PolicyDocument=document(allow("*")), SetAsDefault=True
        ),
    ]


@clean
def a_key_through_a_service(stack: Stack) -> list[Attempt]:
    """A storage key that is used through S3 only: who reads objects still opens nothing directly."""
    through = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:CallerAccount": stack.account}}
    stack.key(allow(["kms:Decrypt", "kms:GenerateDataKey"], Principal={"AWS": "*"}, Condition=through))
    return [
        lambda: stack.opens(stack.dana),
        lambda: stack.opens(stack.outsider),
    ]


@clean
def a_deployer_that_ci_becomes(stack: Stack) -> list[Attempt]:
    """A CI subject becomes the policy owner; to push where that subject comes from takes two people."""
    url = "token.actions.example.com"
    provider = f"arn:aws:iam::{stack.account}:oidc-provider/{url}"
    stack.admin.iam.create_open_id_connect_provider(
        Url=f"https://{url}", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["a" * 40]
    )
    subject = {
        "StringEquals": {f"{url}:sub": "repo:clinic/estate:environment:production", f"{url}:aud": "sts.amazonaws.com"}
    }
    ci = {**trusting(stack.admin), "Principal": {"Federated": provider}, "Condition": subject}
    ci["Action"] = "sts:AssumeRoleWithWebIdentity"
    role = stack.role("deployer", ci, allow("kms:PutKeyPolicy"))
    stack.key(to(role, "kms:PutKeyPolicy"))
    stack.people["whoever pushes"] = [Actor(stack.cloud, provider, None)]
    protected = "protected environment with a required reviewer"
    stack.quorums.append(Quorum("sts:AssumeRoleWithWebIdentity", role, 2, protected))
    return [
        lambda: stack.dana.becomes(role),
    ]


@clean
def a_rotator_and_a_restorer(stack: Stack) -> list[Attempt]:
    """Rotating and opening are two people's, through two roles."""
    rotator = stack.role("rotator", stack.dana)
    restorer = stack.role("restorer", stack.person("runner"))
    stack.key(to(rotator, ["kms:RotateKeyOnDemand", "kms:DescribeKey"]), to(restorer, "kms:Decrypt"))
    stack.dana.becomes(rotator).kms.rotate_key_on_demand(KeyId=stack.keys[0])
    return [
        lambda: stack.opens(stack.dana.becomes(rotator)),
        lambda: stack.dana.becomes(restorer),
    ]


@clean
def chains_that_end(stack: Stack) -> list[Attempt]:
    """Roles that trust roles, of which no chain leads to the one that opens."""
    first = stack.role("first", stack.dana)
    second = stack.role("second", first)
    stack.role("third", second)
    opener = stack.role("opener", stack.person("runner"), allow("sts:AssumeRole"))
    stack.key(to(opener, "kms:Decrypt"))
    return [
        lambda: stack.opens(stack.dana.becomes(first).becomes(second)),
        lambda: stack.dana.becomes(first).becomes(second).becomes(opener),
    ]


@clean
def without_delegation(stack: Stack) -> list[Attempt]:
    """A key policy that delegates nothing: full access in IAM opens nothing, not even to itself."""
    stack.permits(stack.dana, allow(["kms:*", "s3:*", "sqs:*"]))
    key = stack.key(to(stack.role("application", stack.person("runner")), USE))
    return [
        lambda: stack.opens(stack.dana),
        lambda: stack.dana.kms.create_grant(KeyId=key, GranteePrincipal=stack.dana.arn, Operations=["Decrypt"]),
    ]


@clean
def a_group_of_administrators(stack: Stack) -> list[Attempt]:
    """People in groups; who may read IAM may not write it."""
    stack.group("administrators", allow(ADMINISTRATION), allow(["iam:Get*", "iam:List*"]), members=[stack.dana])
    stack.group("restorers", allow("kms:Decrypt"), members=[stack.person("runner")])
    stack.key(to(stack.account, ["kms:Decrypt", *ADMINISTRATION]))
    stack.dana.iam.get_group(GroupName="restorers")
    return [
        lambda: stack.opens(stack.dana),
        lambda: stack.dana.iam.add_user_to_group(GroupName="restorers", UserName="dana"),
    ]


@clean
def a_multi_region_key(stack: Stack) -> list[Attempt]:
    """A key of two Regions whose administrator may make keys, and not replicas of this one."""
    stack.permits(stack.dana, allow("kms:CreateKey"))
    key = stack.key(to(stack.dana, ADMINISTRATION), MultiRegion=True)
    stack.admin.kms.replicate_key(KeyId=key, ReplicaRegion=ELSEWHERE, Policy=document(to(stack.admin, "kms:*")))
    return [
        lambda: stack.dana.kms.replicate_key(
            KeyId=key, ReplicaRegion="eu-west-1", Policy=document(to(stack.dana, "kms:*"))
        ),
        lambda: stack.opens(stack.dana, ELSEWHERE),
    ]


@clean
def programs_with_a_role_of_their_own(stack: Stack) -> list[Attempt]:
    """Who may start tasks and schedules may pass a role that opens nothing, and no other."""
    trust = {**trusting(stack.admin), "Principal": {"Service": ["ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"]}}
    harmless, opener = stack.role("harmless", trust), stack.role("opener", trust)
    stack.permits(stack.dana, allow(["ecs:*", "scheduler:*"]), allow("iam:PassRole", harmless))
    stack.key(to(opener, "kms:Decrypt"))
    job = {"name": "main", "image": "public", "memory": 64}
    stack.dana.at("ecs").register_task_definition(family="mine", taskRoleArn=harmless, containerDefinitions=[job])
    return [
        lambda: stack.dana.at("ecs").register_task_definition(
            family="mine", taskRoleArn=opener, containerDefinitions=[job]
        ),
    ]


@clean
def a_grant_with_one_operation(stack: Stack) -> list[Attempt]:
    """A standing grant to encrypt is no grant to open, nor to hand on."""
    dana = stack.dana
    key = stack.key()
    stack.admin.kms.create_grant(KeyId=key, GranteePrincipal=dana.arn, Operations=["Encrypt", "DescribeKey"])
    dana.kms.encrypt(KeyId=key, Plaintext=b"mine")
    return [
        lambda: stack.opens(dana),
        lambda: dana.kms.create_grant(KeyId=key, GranteePrincipal=dana.arn, Operations=["Encrypt"]),
    ]


@clean
def two_people_with_two_accounts(stack: Stack) -> list[Attempt]:
    """Every person has two users; neither pair of users holds both duties."""
    other = stack.another_account()
    stack.people["dana"].append(stack.user("dana-far", allow("kms:Describe*"), account=other))
    bo = stack.person("bo")
    stack.people["bo"].append(stack.user("bo-far", allow("kms:Decrypt"), account=other))
    key = stack.key(to(bo, "kms:Decrypt"), to(stack.people["bo"][1], "kms:Decrypt"))
    assert stack.people["bo"][1].kms.decrypt(KeyId=key, CiphertextBlob=stack.ciphertexts[key])["Plaintext"]
    return [
        lambda: stack.opens(stack.people["dana"][1]),
    ]
