"""How one permission leads to more: the edges of the closure, as data that prover and checker read alike.

Each rule says: who may do these actions on a target gains something. Sources: KMS developer guide, "Allowing key
administrators", "Grants", "Controlling access to multi-Region keys"; IAM user guide, "Granting a user permissions to
pass a role"; the published catalogues of privilege escalation by IAM writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Target = Literal["role", "user", "group", "managed", "boundary", "key", "multi-region-key", "carrier"]
Gain = Literal["act", "admin", "unfenced", "join", "own", "use"]


@dataclass(frozen=True, slots=True)
class Rule:
    """actions: all needed, on the target. also: all needed, on some resource. passing: PassRole on the carrier's role.

    gain: act, do all that the identity can; admin, its identity policies are what one wishes; unfenced, its boundary
    is; join, every user one holds gets the group's policies; own, the key's policy is what one wishes; use, every
    operation a grant can give.
    """

    name: str
    actions: tuple[str, ...]
    target: Target
    gain: Gain
    words: str
    also: tuple[str, ...] = ()
    #: A service that must be trusted by the role (compute that a role is passed to).
    service: str = ""
    #: The kind of carrier, for targets that are carriers.
    carrier: str = ""
    passing: bool = False


def _compute(name: str, service: str, *also: str) -> Rule:
    words = f"passes the role to {name} and runs there"
    return Rule(f"pass-role-{name}", ("iam:PassRole",), "role", "act", words, also=also, service=service)


def _carrier(kind: str, words: str, *actions: str, passing: bool = False) -> Rule:
    return Rule(f"write-{kind}", actions, "carrier", "act", words, carrier=kind, passing=passing)


RULES: tuple[Rule, ...] = (
    Rule("assume-role", ("sts:AssumeRole",), "role", "act", "assumes the role"),
    Rule("trust-write", ("iam:UpdateAssumeRolePolicy",), "role", "act", "writes itself into the role's trust policy"),
    Rule("role-policy-put", ("iam:PutRolePolicy",), "role", "admin", "writes an inline policy of the role"),
    Rule("role-policy-attach", ("iam:AttachRolePolicy",), "role", "admin", "attaches any policy to the role"),
    Rule("user-policy-put", ("iam:PutUserPolicy",), "user", "admin", "writes an inline policy of the user"),
    Rule("user-policy-attach", ("iam:AttachUserPolicy",), "user", "admin", "attaches any policy to the user"),
    Rule("group-policy-put", ("iam:PutGroupPolicy",), "group", "admin", "writes an inline policy of the group"),
    Rule("group-policy-attach", ("iam:AttachGroupPolicy",), "group", "admin", "attaches any policy to the group"),
    Rule("group-join", ("iam:AddUserToGroup",), "group", "join", "adds its user to the group"),
    Rule("policy-version", ("iam:CreatePolicyVersion",), "managed", "admin", "writes a new version of the policy"),
    Rule("policy-default", ("iam:SetDefaultPolicyVersion",), "managed", "admin", "puts an old version in force"),
    Rule(
        "boundary-version", ("iam:CreatePolicyVersion",), "boundary", "unfenced", "writes a new version of the boundary"
    ),
    Rule("boundary-default", ("iam:SetDefaultPolicyVersion",), "boundary", "unfenced", "puts an old boundary in force"),
    Rule("role-boundary-put", ("iam:PutRolePermissionsBoundary",), "role", "unfenced", "replaces the role's boundary"),
    Rule("role-boundary-drop", ("iam:DeleteRolePermissionsBoundary",), "role", "unfenced", "drops the role's boundary"),
    Rule("user-boundary-put", ("iam:PutUserPermissionsBoundary",), "user", "unfenced", "replaces the user's boundary"),
    Rule("user-boundary-drop", ("iam:DeleteUserPermissionsBoundary",), "user", "unfenced", "drops the user's boundary"),
    Rule("access-key", ("iam:CreateAccessKey",), "user", "act", "makes itself an access key of the user"),
    Rule("login-create", ("iam:CreateLoginProfile",), "user", "act", "makes itself a password of the user"),
    Rule("login-update", ("iam:UpdateLoginProfile",), "user", "act", "sets the user's password"),
    Rule("key-policy", ("kms:PutKeyPolicy",), "key", "own", "rewrites the key's policy"),
    Rule("grant", ("kms:CreateGrant",), "key", "use", "makes itself a grant on the key"),
    Rule(
        "replicate",
        ("kms:ReplicateKey",),
        "multi-region-key",
        "use",
        "replicates the key under a policy of its own",
        also=("kms:CreateKey",),
    ),
    _compute("ec2", "ec2.amazonaws.com", "ec2:RunInstances"),
    _compute("lambda", "lambda.amazonaws.com", "lambda:CreateFunction", "lambda:InvokeFunction"),
    _compute("ecs", "ecs-tasks.amazonaws.com", "ecs:RegisterTaskDefinition", "ecs:RunTask"),
    _compute("glue", "glue.amazonaws.com", "glue:CreateJob", "glue:StartJobRun"),
    _compute("cloudformation", "cloudformation.amazonaws.com", "cloudformation:CreateStack"),
    _compute("codebuild", "codebuild.amazonaws.com", "codebuild:CreateProject", "codebuild:StartBuild"),
    _compute("sagemaker", "sagemaker.amazonaws.com", "sagemaker:CreateNotebookInstance"),
    _compute("scheduler", "scheduler.amazonaws.com", "scheduler:CreateSchedule"),
    _compute("states", "states.amazonaws.com", "states:CreateStateMachine", "states:StartExecution"),
    _carrier("function", "replaces the function's code", "lambda:UpdateFunctionCode"),
    _carrier("task", "runs a command in the task", "ecs:ExecuteCommand"),
    _carrier("task-override", "runs the task with a command of its own", "ecs:RunTask", passing=True),
    _carrier("image", "replaces the image the task starts from", "ecr:PutImage"),
    _carrier("schedule", "changes what the schedule starts", "scheduler:UpdateSchedule", passing=True),
    _carrier("instance-session", "opens a session on the instance", "ssm:StartSession"),
    _carrier("instance-command", "sends the instance a command", "ssm:SendCommand"),
    _carrier("project", "changes what the project builds", "codebuild:UpdateProject"),
    _carrier("stack", "changes what the stack's role deploys", "cloudformation:UpdateStack"),
    _carrier("state", "rewrites the state that the deployer applies", "s3:PutObject"),
    _carrier("manifest", "rewrites the manifest that the job obeys", "s3:PutObject"),
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
