"""Rules of Secrets Manager: key, versions and labels, rotation, deletion, policies, and the silence of the trail."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from botocore.exceptions import ClientError
from contract_rows import ADMIN, BACKUP, WORKLOAD, allow, document, name, new_key, new_role, root, row
from rows_of_trail import delivered, lookup, new_trail


def secrets(cloud: Any, who: str = ADMIN) -> Any:
    return cloud.client(who, "secretsmanager")


def new_secret(cloud: Any, value: str = "first", **more: Any) -> str:
    return str(secrets(cloud).create_secret(Name=name("secret"), SecretString=value, **more)["ARN"])


def stages(cloud: Any, secret: str) -> dict[str, list[str]]:
    return dict(secrets(cloud).describe_secret(SecretId=secret)["VersionIdsToStages"])


def refused(ask: Any, **arguments: Any) -> str:
    try:
        ask(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def new_function(cloud: Any, *, invocable: bool = True) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("rotate.py", "def handler(event, context): pass")
    function, client = name("rotate"), cloud.client(ADMIN, "lambda")
    made = client.create_function(
        FunctionName=function,
        Runtime="python3.13",
        Role=new_role(cloud, trust={"Principal": {"Service": "lambda.amazonaws.com"}}),
        Handler="rotate.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    if invocable:
        client.add_permission(
            FunctionName=function,
            StatementId="secrets",
            Action="lambda:InvokeFunction",
            Principal="secretsmanager.amazonaws.com",
        )
    return str(made["FunctionArn"])


@row("InvalidRequestException")
def rotation_without_a_function_changes_nothing(cloud: Any) -> None:
    secret = new_secret(cloud)
    before = stages(cloud, secret)
    assert refused(secrets(cloud).rotate_secret, SecretId=secret) == "InvalidRequestException"
    assert stages(cloud, secret) == before
    assert secrets(cloud).get_secret_value(SecretId=secret)["SecretString"] == "first"
    secrets(cloud).rotate_secret(SecretId=secret, RotationRules={"AutomaticallyAfterDays": 30})


@row(laptop_only="AWS runs the function")
def rotation_leaves_the_current_value_until_its_function_has_answered(cloud: Any) -> None:
    secret = new_secret(cloud)
    (current,) = stages(cloud, secret)
    made = secrets(cloud).rotate_secret(SecretId=secret, RotationLambdaARN=new_function(cloud))
    assert stages(cloud, secret) == {current: ["AWSCURRENT"], made["VersionId"]: ["AWSPENDING"]}
    assert secrets(cloud).get_secret_value(SecretId=secret)["SecretString"] == "first"
    again = refused(secrets(cloud).rotate_secret, SecretId=secret)
    assert again == "InvalidRequestException" and secrets(cloud).describe_secret(SecretId=secret)["RotationEnabled"]
    moved = refused(
        secrets(cloud).update_secret_version_stage,
        SecretId=secret,
        VersionStage="AWSCURRENT",
        RemoveFromVersionId=current,
        MoveToVersionId=made["VersionId"],
    )
    assert moved == "InvalidRequestException"


@row("AccessDeniedException", laptop_only="AWS runs the function")
def a_rotation_function_admits_the_service(cloud: Any) -> None:
    function = new_function(cloud, invocable=False)
    secrets(cloud).rotate_secret(SecretId=new_secret(cloud), RotationLambdaARN=function)


@row()
def the_label_of_the_current_version_decides_what_is_read(cloud: Any) -> None:
    secret = new_secret(cloud)
    (old,) = stages(cloud, secret)
    new = secrets(cloud).put_secret_value(SecretId=secret, SecretString="second")["VersionId"]
    assert stages(cloud, secret) == {old: ["AWSPREVIOUS"], new: ["AWSCURRENT"]}
    secrets(cloud).update_secret_version_stage(
        SecretId=secret, VersionStage="AWSCURRENT", RemoveFromVersionId=new, MoveToVersionId=old
    )
    assert stages(cloud, secret) == {old: ["AWSCURRENT"], new: ["AWSPREVIOUS"]}
    assert secrets(cloud).get_secret_value(SecretId=secret)["SecretString"] == "first"


@row("InvalidParameterException")
def the_current_label_is_not_removed(cloud: Any) -> None:
    secret = new_secret(cloud)
    (version,) = stages(cloud, secret)
    secrets(cloud).update_secret_version_stage(SecretId=secret, VersionStage="AWSCURRENT", RemoveFromVersionId=version)


@row("InvalidParameterException")
def a_label_is_on_one_version(cloud: Any) -> None:
    secret = new_secret(cloud)
    (first,) = stages(cloud, secret)
    put = secrets(cloud).put_secret_value
    put(SecretId=secret, SecretString="second", VersionStages=["mine"])
    secrets(cloud).update_secret_version_stage(SecretId=secret, VersionStage="mine", MoveToVersionId=first)


@row("ValidationException")
def a_value_has_65536_bytes_at_most(cloud: Any) -> None:
    assert new_secret(cloud, "x" * 65536)
    new_secret(cloud, "x" * 65537)


@row("InvalidRequestException")
def a_deleted_secret_is_not_read(cloud: Any) -> None:
    secret = new_secret(cloud)
    secrets(cloud).delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    assert refused(secrets(cloud).put_secret_value, SecretId=secret, SecretString="x") == "InvalidRequestException"
    assert refused(secrets(cloud).get_secret_value, SecretId=secret) == "InvalidRequestException"
    secrets(cloud).restore_secret(SecretId=secret)
    assert secrets(cloud).get_secret_value(SecretId=secret)["SecretString"] == "first"
    secrets(cloud).delete_secret(SecretId=secret)
    secrets(cloud).get_secret_value(SecretId=secret)


@row("InvalidParameterException", moto_differs=False)
def a_recovery_window_has_seven_days_at_least(cloud: Any) -> None:
    secrets(cloud).delete_secret(SecretId=new_secret(cloud), RecoveryWindowInDays=6)


@row("InvalidParameterException", moto_differs=False)
def a_recovery_window_has_thirty_days_at_most(cloud: Any) -> None:
    secrets(cloud).delete_secret(SecretId=new_secret(cloud), RecoveryWindowInDays=31)


@row("EncryptionFailure")
def a_disabled_key_takes_no_new_value(cloud: Any) -> None:
    key = new_key(cloud)
    secret = new_secret(cloud, KmsKeyId=key)
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    secrets(cloud).put_secret_value(SecretId=secret, SecretString="second")


@row("AccessDeniedException")
def a_key_is_used_for_the_secret_its_policy_names(cloud: Any) -> None:
    secret = name("secret")
    arn = f"arn:aws:secretsmanager:us-east-1:{WORKLOAD}:secret:{secret}-*"
    condition = {
        "StringLike": {"kms:EncryptionContext:SecretARN": arn},
        "StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"},
    }
    uses = allow(["kms:GenerateDataKey", "kms:Decrypt"], Condition=condition)
    role = new_role(cloud, allow("secretsmanager:*"), uses)
    key = new_key(cloud)
    secrets(cloud, role).create_secret(Name=secret, SecretString="s", KmsKeyId=key)
    assert secrets(cloud, role).get_secret_value(SecretId=secret)["SecretString"] == "s"
    other = name("other")
    try:
        secrets(cloud, role).create_secret(Name=other, SecretString="s", KmsKeyId=key)
    finally:
        assert refused(secrets(cloud).describe_secret, SecretId=other) == "ResourceNotFoundException"


@row()
def another_account_reads_by_policy_and_key(cloud: Any) -> None:
    uses = allow("kms:Decrypt", Principal=root(BACKUP))
    secret = new_secret(cloud, KmsKeyId=new_key(cloud, uses))
    other = secrets(cloud, f"admin@{BACKUP}")
    assert refused(other.get_secret_value, SecretId=secret) == "AccessDeniedException"
    policy = document(allow("secretsmanager:GetSecretValue", Principal=root(BACKUP)))
    secrets(cloud).put_resource_policy(SecretId=secret, ResourcePolicy=policy, BlockPublicPolicy=True)
    assert other.get_secret_value(SecretId=secret)["SecretString"] == "first"
    plain = new_secret(cloud)  # under the account's own key, which serves no other account
    secrets(cloud).put_resource_policy(SecretId=plain, ResourcePolicy=policy)
    assert refused(other.get_secret_value, SecretId=plain) == "AccessDeniedException"


@row("PublicPolicyException")
def a_public_policy_is_blocked_where_asked(cloud: Any) -> None:
    policy = document(allow("secretsmanager:GetSecretValue", Principal="*"))
    secrets(cloud).put_resource_policy(SecretId=new_secret(cloud), ResourcePolicy=policy, BlockPublicPolicy=True)


@row(laptop_only="AWS delivers events after minutes")
def no_event_holds_the_value_of_a_secret(cloud: Any) -> None:
    trail, bucket = new_trail(cloud)
    key = new_key(cloud)
    secret = new_secret(cloud, json.dumps({"password": "hidden-value"}), KmsKeyId=key)
    secrets(cloud).put_secret_value(SecretId=secret, SecretBinary=b"hidden-value")
    secrets(cloud).update_secret(SecretId=secret, SecretString="hidden-value")
    assert secrets(cloud).get_secret_value(SecretId=secret)["SecretString"] == "hidden-value"
    events = delivered(cloud, trail, bucket)
    names = {event["eventName"] for event in events if secret in str(event)}
    assert names >= {"PutSecretValue", "UpdateSecret", "GetSecretValue"} and key in str(events)
    found = lookup(cloud, "EventSource", "secretsmanager.amazonaws.com")
    assert "hidden-value" not in str(events) and "hidden-value" not in str(found)
