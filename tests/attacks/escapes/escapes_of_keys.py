"""Escapes through what hangs on a key: its policy, its grants, its replicas, its aliases and tags."""

from __future__ import annotations

from collections.abc import Iterator

from escape_stack import ELSEWHERE, SECRET, Stack, allow, deny, document, to
from escape_table import escape, given

POLICY = (
    "no duty (`NoKeyIsOwned`); the owner may not use its keys (`NoUseOfKeys`), but may let in an account outside, which"
    " takes an RCP to refuse"
)
GRANTS = "no duty (`NoKeyIsOwned`); a deployer for AWS's own resources only (`DatabaseDeployerLetsRdsIn`)"


@escape("key-policy", POLICY)
def rewrites_the_key_policy(stack: Stack, hole: bool) -> Iterator[None]:
    """kms:PutKeyPolicy lets its holder in."""
    dana = stack.dana
    key = stack.key(*given(hole, to(dana, "kms:PutKeyPolicy")))
    yield
    dana.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document(to(dana, "kms:*")))
    stack.opens(dana)


@escape("key-policy", "no key policy delegates: who names an account also says who of it, by `aws:PrincipalArn`")
def rewrites_the_key_policy_by_delegation(stack: Stack, hole: bool) -> Iterator[None]:
    """A key policy that delegates to the account makes kms:* of an identity policy real."""
    dana = stack.dana
    stack.permits(dana, allow("kms:*"), deny(["kms:Decrypt", "kms:CreateGrant"]))
    key = stack.key(*given(hole, to(stack.account, "kms:*")))
    yield
    policy = document(to(stack.admin, "kms:*"), to(dana, "kms:*"), to(stack.outsider, "kms:Decrypt"))
    dana.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    stack.opens(stack.outsider)


@escape("grant", GRANTS)
def makes_itself_a_grant(stack: Stack, hole: bool) -> Iterator[None]:
    """kms:CreateGrant gives its holder every use of the key."""
    dana = stack.dana
    key = stack.key(*given(hole, to(dana, "kms:CreateGrant")))
    yield
    dana.kms.create_grant(KeyId=key, GranteePrincipal=dana.arn, Operations=["Decrypt"])
    stack.opens(dana)


@escape("grant", GRANTS)
def hands_its_grant_on(stack: Stack, hole: bool) -> Iterator[None]:
    """A grant that carries CreateGrant is handed on to whom no policy of ours restrains."""
    dana = stack.dana
    stack.permits(dana, deny("kms:Decrypt"))
    key = stack.key()
    operations = ["Decrypt", "CreateGrant"] if hole else ["Decrypt"]
    stack.admin.kms.create_grant(KeyId=key, GranteePrincipal=dana.arn, Operations=operations)
    yield
    dana.kms.create_grant(KeyId=key, GranteePrincipal=stack.outsider.arn, Operations=["Decrypt"])
    stack.opens(stack.outsider)


@escape(": grant ", "every grant is read back, and is a permission of its grantee")
def holds_an_old_grant(stack: Stack, hole: bool) -> Iterator[None]:
    """A grant that somebody once made is a permission that stands in no policy."""
    dana = stack.dana
    key = stack.key(context={"tenant": "north"})
    if hole:
        constraint = {"EncryptionContextEquals": {"tenant": "north"}}
        stack.admin.kms.create_grant(
            KeyId=key, GranteePrincipal=dana.arn, Operations=["Decrypt"], Constraints=constraint
        )
    yield
    stack.opens(dana)


@escape("replicate", "no duty (`NoKeyIsOwned`), and no key policy of ours allows it")
def replicates_the_key(stack: Stack, hole: bool) -> Iterator[None]:
    """kms:ReplicateKey makes a second key of the same material under a policy of one's own."""
    dana = stack.dana
    stack.permits(dana, allow("kms:CreateKey"))
    key = stack.key(*given(hole, to(dana, "kms:ReplicateKey")), MultiRegion=True)
    yield
    dana.kms.replicate_key(KeyId=key, ReplicaRegion=ELSEWHERE, Policy=document(to(dana, "kms:*")))
    stack.opens(dana, ELSEWHERE)


@escape("may kms:Decrypt", "each key's own policy names its users role by role")
def a_deny_elsewhere(stack: Stack, hole: bool) -> Iterator[None]:
    """A Deny in another key's policy masks nothing."""
    stack.key(*given(hole, to(stack.dana, "kms:Decrypt")))
    stack.key(deny("kms:Decrypt", Principal={"AWS": stack.dana.arn}))
    yield
    stack.opens(stack.dana)


@escape("may kms:Decrypt", "a second factor is asked by an Allow (`PeopleAssumeWithSecondFactor`)")
def a_condition_that_is_absent(stack: Stack, hole: bool) -> Iterator[None]:
    """A Deny on `MultiFactorAuthPresent: false` misses whoever has a long-term access key."""
    condition = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}} if hole else {}
    guard = deny("kms:Decrypt", Principal={"AWS": stack.dana.arn}, **condition)
    stack.key(to(stack.dana, "kms:Decrypt"), guard)
    yield
    stack.opens(stack.dana)


@escape("may kms:Decrypt", "no Deny of ours rests on an encryption context")
def a_deny_with_if_exists(stack: Stack, hole: bool) -> Iterator[None]:
    """A Deny on an encryption context misses whoever names the right one."""
    dana = stack.dana
    condition = {"StringNotEquals": {"kms:EncryptionContext:tenant": "north"}} if hole else {}
    guard = deny("kms:Decrypt", Principal={"AWS": dana.arn}, **({"Condition": condition} if condition else {}))
    stack.key(to(dana, "kms:Decrypt"), guard, context={"tenant": "north"})
    yield
    stack.opens(dana)


@escape("may kms:Decrypt", "`kms:*` stands in ceilings only, which allow nothing by themselves")
def a_wildcard_with_for_any_value(stack: Stack, hole: bool) -> Iterator[None]:
    """`kms:*` under ForAnyValue is `kms:*` for whoever names one value."""
    dana = stack.dana
    tenants = {"ForAnyValue:StringLike": {"kms:EncryptionContextKeys": "tenant*"}}
    stack.permits(dana, *given(hole, allow("kms:*", Condition=tenants)))
    stack.key(to(stack.account, "kms:*"), context={"tenant": "north"})
    yield
    stack.opens(dana)


@escape(
    "may kms:Decrypt",
    "an alias exempts keys of the state only (`NoUseOfKeys`), and no deployer gives that alias (`NoStateAlias`)",
)
def names_the_key_by_an_alias(stack: Stack, hole: bool) -> Iterator[None]:
    """Who may write aliases decides what `kms:ResourceAliases` opens."""
    dana = stack.dana
    by_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/open"}}
    aliases = allow(["kms:CreateAlias", "kms:UpdateAlias"])
    stack.permits(dana, aliases, *given(hole, allow("kms:Decrypt", Condition=by_alias)))
    key = stack.key(to(stack.account, "kms:*"))
    yield
    dana.kms.create_alias(AliasName="alias/open", TargetKeyId=key)
    stack.opens(dana)


@escape("may kms:Decrypt", "no policy of ours rests on the tags of a key")
def tags_the_key(stack: Stack, hole: bool) -> Iterator[None]:
    """Who may tag a key decides what `aws:ResourceTag` opens."""
    dana = stack.dana
    by_tag = {"StringEquals": {"aws:ResourceTag/open": "yes"}}
    stack.permits(dana, allow("kms:TagResource"), *given(hole, allow("kms:Decrypt", Condition=by_tag)))
    key = stack.key(to(stack.account, "kms:*"))
    yield
    dana.kms.tag_resource(KeyId=key, Tags=[{"TagKey": "open", "TagValue": "yes"}])
    stack.opens(dana)


@escape("may kms:Decrypt", "the ceiling of the policy owners denies use by name (`NoUseOfKeys`)")
def a_boundary_that_denies_nothing(stack: Stack, hole: bool) -> Iterator[None]:
    """A boundary that only leaves use out does not hold against a key policy that names the user."""
    ceiling = stack.policy("ceiling", allow("kms:Describe*"), *given(not hole, deny("kms:Decrypt")))
    stack.admin.iam.put_user_permissions_boundary(UserName="dana", PermissionsBoundary=ceiling)
    stack.key(to(stack.dana, "kms:Decrypt"))
    yield
    stack.opens(stack.dana)


@escape("may kms:Decrypt", "no key policy of ours allows anything to everybody")
def a_key_for_everybody(stack: Stack, hole: bool) -> Iterator[None]:
    """`Principal: *` with a condition on the context is everybody in every account."""
    condition = {"StringEquals": {"kms:EncryptionContext:tenant": "north"}}
    everybody = allow("kms:Decrypt", Principal="*", Condition=condition)
    stack.key(*given(hole, everybody), context={"tenant": "north"})
    yield
    stack.opens(stack.outsider)


@escape("may kms:ReEncryptFrom", "`RotatorRewraps` holds within one key")
def moves_it_under_a_key_of_its_own(stack: Stack, hole: bool) -> Iterator[None]:
    """kms:ReEncryptFrom moves a ciphertext under a key of one's own, which is as good as opening it."""
    dana = stack.dana
    key = stack.key(*given(hole, to(dana, "kms:ReEncryptFrom")))
    abroad = stack.another_account()
    mine = stack.admins[abroad].kms.create_key(Policy=document(to(stack.admins[abroad], "kms:*"), to(dana, "kms:*")))
    stack.permits(dana, allow("kms:ReEncryptTo", mine["KeyMetadata"]["Arn"]))
    stack.nobody_may(("kms:ScheduleKeyDeletion", key), ("kms:ReEncryptFrom", key))
    yield
    moved = dana.kms.re_encrypt(CiphertextBlob=stack.ciphertexts[key], DestinationKeyId=mine["KeyMetadata"]["Arn"])
    assert stack.admins[abroad].kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["Plaintext"] == SECRET


@escape("alias-move", "aliases are the deployer's (`AliasesName`); jobs name keys by ARN, from the manifest")
def moves_the_alias(stack: Stack, hole: bool) -> Iterator[None]:
    """kms:UpdateAlias with kms:CreateKey gets all that is encrypted from then on."""
    dana = stack.dana
    alias = f"arn:aws:kms:us-east-1:{stack.account}:alias/data"
    stack.permits(dana, allow("kms:CreateKey"), *given(hole, allow("kms:UpdateAlias", alias)))
    key = stack.key(*given(hole, to(dana, "kms:UpdateAlias")))
    stack.admin.kms.create_alias(AliasName="alias/data", TargetKeyId=key)
    yield
    policy = document(to(dana, "kms:*"), to(stack.account, "kms:Encrypt"))
    mine = dana.kms.create_key(Policy=policy)["KeyMetadata"]["Arn"]
    dana.kms.update_alias(AliasName="alias/data", TargetKeyId=mine)
    written = stack.admin.kms.encrypt(KeyId="alias/data", Plaintext=SECRET)["CiphertextBlob"]
    assert dana.kms.decrypt(CiphertextBlob=written)["Plaintext"] == SECRET
