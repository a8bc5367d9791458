"""How one permission leads to more: the edges of the closure, as data that prover and checker read alike.

Each rule says: who may do these actions on a target gains something. Sources: KMS developer guide, "Allowing key
administrators", "Grants", "Controlling access to multi-Region keys"; IAM user guide, "Granting a user permissions to
pass a role"; the published catalogues of privilege escalation by IAM writes. Rules of programs that run with a role
stand in `rules_of_compute`.
"""

from __future__ import annotations

from strongroom.authorization.prover.rule import Gain, Rule, Target
from strongroom.authorization.prover.rules_of_compute import CARRYING, PASSING

_FEDERATED = "the provider speaks for whom it likes"
_POLICY = "rewrites the policy of the"
_OPEN = "opens by access control list the"


def _make(name: str, kind: Target, *actions: str) -> Rule:
    return Rule(name, actions, kind, "act", f"makes a {kind.removeprefix('new-')} of its own")


def _organisation(name: str, action: str, words: str) -> Rule:
    return Rule(name, (f"organizations:{action}",), "member", "unruled", words)


def _boundary(name: str, kind: Target, action: str) -> Rule:
    return Rule(name, (action,), kind, "unfenced", f"replaces the {kind}'s boundary", sets_boundary=True)


_ROLES = (
    Rule("assume-role", ("sts:AssumeRole",), "role", "act", "assumes the role"),
    Rule("assume-role-web-identity", ("sts:AssumeRoleWithWebIdentity",), "role", "act", _FEDERATED),
    Rule("assume-role-saml", ("sts:AssumeRoleWithSAML",), "role", "act", _FEDERATED),
    Rule("trust-write", ("iam:UpdateAssumeRolePolicy",), "role", "act", "writes itself into the role's trust policy"),
    Rule("role-policy-put", ("iam:PutRolePolicy",), "role", "admin", "writes an inline policy of the role"),
    Rule("role-policy-attach", ("iam:AttachRolePolicy",), "role", "admin", "attaches any policy to the role"),
    Rule("role-policy-delete", ("iam:DeleteRolePolicy",), "role", "shed", "deletes an inline policy of the role"),
    Rule("role-policy-detach", ("iam:DetachRolePolicy",), "role", "shed", "detaches a policy from the role"),
    _boundary("role-boundary-put", "role", "iam:PutRolePermissionsBoundary"),
    Rule("role-boundary-drop", ("iam:DeleteRolePermissionsBoundary",), "role", "unfenced", "drops the role's boundary"),
    _make("create-role", "new-role", "iam:CreateRole"),
)
_USERS = (
    Rule("user-policy-put", ("iam:PutUserPolicy",), "user", "admin", "writes an inline policy of the user"),
    Rule("user-policy-attach", ("iam:AttachUserPolicy",), "user", "admin", "attaches any policy to the user"),
    Rule("user-policy-delete", ("iam:DeleteUserPolicy",), "user", "shed", "deletes an inline policy of the user"),
    Rule("user-policy-detach", ("iam:DetachUserPolicy",), "user", "shed", "detaches a policy from the user"),
    _boundary("user-boundary-put", "user", "iam:PutUserPermissionsBoundary"),
    Rule("user-boundary-drop", ("iam:DeleteUserPermissionsBoundary",), "user", "unfenced", "drops the user's boundary"),
    Rule("access-key", ("iam:CreateAccessKey",), "user", "act", "makes itself an access key of the user"),
    Rule("login-create", ("iam:CreateLoginProfile",), "user", "act", "makes itself a password of the user"),
    Rule("login-update", ("iam:UpdateLoginProfile",), "user", "act", "sets the user's password"),
    Rule("federation-token", ("sts:GetFederationToken",), "self", "federate", "calls itself a federated user"),
    _make("create-user-key", "new-user", "iam:CreateUser", "iam:CreateAccessKey"),
    _make("create-user-login", "new-user", "iam:CreateUser", "iam:CreateLoginProfile"),
)
_GROUPS = (
    Rule("group-policy-put", ("iam:PutGroupPolicy",), "group", "admin", "writes an inline policy of the group"),
    Rule("group-policy-attach", ("iam:AttachGroupPolicy",), "group", "admin", "attaches any policy to the group"),
    Rule("group-policy-delete", ("iam:DeleteGroupPolicy",), "group", "shed", "deletes an inline policy of the group"),
    Rule("group-policy-detach", ("iam:DetachGroupPolicy",), "group", "shed", "detaches a policy from the group"),
    Rule("group-leave", ("iam:RemoveUserFromGroup",), "group", "shed", "takes a user out of the group"),
    Rule("group-join", ("iam:AddUserToGroup",), "group", "join", "adds its user to the group"),
    Rule(
        "create-group-put",
        ("iam:CreateGroup", "iam:PutGroupPolicy", "iam:AddUserToGroup"),
        "new-group",
        "admin",
        "makes a group with any policy and puts the user into it",
    ),
    Rule(
        "create-group-attach",
        ("iam:CreateGroup", "iam:AttachGroupPolicy", "iam:AddUserToGroup"),
        "new-group",
        "admin",
        "makes a group with any policy and puts the user into it",
    ),
    Rule("policy-version", ("iam:CreatePolicyVersion",), "managed", "admin", "writes a new version of the policy"),
    Rule("policy-default", ("iam:SetDefaultPolicyVersion",), "managed", "admin", "puts an old version in force"),
    Rule(
        "boundary-version", ("iam:CreatePolicyVersion",), "boundary", "unfenced", "writes a new version of the boundary"
    ),
    Rule("boundary-default", ("iam:SetDefaultPolicyVersion",), "boundary", "unfenced", "puts an old boundary in force"),
)
_PROVIDERS = (
    Rule("oidc-create", ("iam:CreateOpenIDConnectProvider",), "federated", "act", "makes the identity provider"),
    Rule("oidc-thumbprint", ("iam:UpdateOpenIDConnectProviderThumbprint",), "federated", "act", "trusts a server"),
    Rule("oidc-client", ("iam:AddClientIDToOpenIDConnectProvider",), "federated", "act", "admits another application"),
    Rule("saml-create", ("iam:CreateSAMLProvider",), "federated", "act", "makes the identity provider"),
    Rule("saml-update", ("iam:UpdateSAMLProvider",), "federated", "act", "replaces the provider's signing key"),
)
_ORGANISATION = (
    Rule("assume-root", ("sts:AssumeRoot",), "member-root", "act", "takes a session of the member account's root user"),
    _organisation("organisation-policy-update", "UpdatePolicy", "rewrites a policy of the organisation"),
    _organisation("organisation-policy-detach", "DetachPolicy", "detaches a policy of the organisation"),
    _organisation("organisation-policy-off", "DisablePolicyType", "switches policies of the organisation off"),
    _organisation("organisation-move", "MoveAccount", "moves the account out of reach of a policy"),
    _organisation("organisation-remove", "RemoveAccountFromOrganization", "removes the account from the organisation"),
    Rule("organisation-leave", ("organizations:LeaveOrganization",), "membership", "unruled", "takes its account out"),
)
_KEYS = (
    Rule("key-policy", ("kms:PutKeyPolicy",), "key", "own", "rewrites the key's policy"),
    Rule("grant", ("kms:CreateGrant",), "key", "use", "makes itself a grant on the key"),
    Rule(
        "replicate",
        ("kms:ReplicateKey",),
        "multi-region-key",
        "copy",
        "replicates the key under a policy of its own",
        also=("kms:CreateKey",),
    ),
    Rule(
        "primary-region",
        ("kms:UpdatePrimaryRegion",),
        "multi-region-key",
        "copy",
        "makes a replica the primary and replicates that under a policy of its own",
        also=("kms:ReplicateKey", "kms:CreateKey"),
    ),
    Rule(
        "alias-move",
        ("kms:UpdateAlias",),
        "aliased-key",
        "use",
        "moves the alias to a key of its own, under which all that follows is encrypted",
        also=("kms:CreateKey",),
    ),
    Rule(
        "alias-recreate",
        ("kms:DeleteAlias",),
        "aliased-key",
        "use",
        "gives the alias to a key of its own, under which all that follows is encrypted",
        also=("kms:CreateAlias", "kms:CreateKey"),
    ),
)


def _store(name: str, kind: Target, gain: Gain, words: str, *actions: str, lists: bool = False) -> Rule:
    return Rule(name, actions, kind, gain, words, lists=lists)


_STORES = (
    _store("bucket-policy", "bucket", "own", f"{_POLICY} bucket", "s3:PutBucketPolicy"),
    _store("bucket-policy-delete", "bucket", "bare", "deletes the bucket's policy", "s3:DeleteBucketPolicy"),
    _store("bucket-acl", "bucket", "share", f"{_OPEN} bucket", "s3:PutBucketAcl", lists=True),
    _store("object-acl", "bucket", "share", f"{_OPEN} objects", "s3:PutObjectAcl", lists=True),
    _store("version-acl", "bucket", "share", f"{_OPEN} versions", "s3:PutObjectVersionAcl", lists=True),
    _store("bucket-acl-on", "bucket", "share", f"{_OPEN} bucket", "s3:PutBucketOwnershipControls", "s3:PutBucketAcl"),
    _store("queue-policy", "queue", "own", f"{_POLICY} queue", "sqs:SetQueueAttributes"),
    _store("queue-permission", "queue", "share", "adds a permission to the queue", "sqs:AddPermission"),
    _store("queue-permission-remove", "queue", "bare", "removes a statement of the queue", "sqs:RemovePermission"),
    _store("topic-policy", "topic", "own", f"{_POLICY} topic", "sns:SetTopicAttributes"),
    _store("topic-permission", "topic", "share", "adds a permission to the topic", "sns:AddPermission"),
    _store("topic-permission-remove", "topic", "bare", "removes a statement of the topic", "sns:RemovePermission"),
    _store("secret-policy", "secret", "own", f"{_POLICY} secret", "secretsmanager:PutResourcePolicy"),
    _store("secret-policy-delete", "secret", "bare", "deletes its policy", "secretsmanager:DeleteResourcePolicy"),
    _store("images-policy", "images", "own", f"{_POLICY} repository", "ecr:SetRepositoryPolicy"),
    _store("images-policy-delete", "images", "bare", "deletes the policy", "ecr:DeleteRepositoryPolicy"),
    _store("vault-policy", "vault", "own", f"{_POLICY} vault", "backup:PutBackupVaultAccessPolicy"),
    _store("vault-policy-delete", "vault", "bare", "deletes the policy", "backup:DeleteBackupVaultAccessPolicy"),
)
RULES: tuple[Rule, ...] = (
    *_ROLES,
    *_USERS,
    *_GROUPS,
    *_PROVIDERS,
    *_ORGANISATION,
    *_KEYS,
    *_STORES,
    *CARRYING,
    *PASSING,
)
CARRIERS = frozenset(rule.carrier for rule in RULES if rule.carrier)
#: What a grant can give (CreateGrant), as the actions a self-made grant adds.
GRANTED = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:Sign",
    "kms:Verify",
    "kms:GenerateMac",
    "kms:VerifyMac",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
    "kms:DeriveSharedSecret",
    "kms:Decapsulate",
    "kms:Encapsulate",
    "kms:CreateGrant",
)
