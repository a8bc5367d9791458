"""The provider protocol beyond plain life: names, secrets, previews, errors that are statuses, refusals."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from provider_engine import CheckFailed, Engine, Resource, served
from pulumi.runtime.proto import provider_pb2 as proto
from pulumi.runtime.proto import status_pb2

from local_cloud.plugins.base import ProviderServicer
from local_cloud.plugins.table import Operation, Prop, ResourceType
from local_cloud.plugins.wire import UNKNOWN, Secret, Unknown, decode, encode, has_secret, has_unknown

pytestmark = pytest.mark.cloud
QUEUE, BUCKET, ROLE, KEY = "aws:sqs/queue:Queue", "aws:s3/bucket:Bucket", "aws:iam/role:Role", "aws:kms/key:Key"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


def refusal(call: Any, *args: Any, **kwargs: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **kwargs)
    return caught.value.code(), caught.value.details()


# what the plugin is


def test_handshake_says_what_the_provider_takes(unconfigured_aws: Engine) -> None:
    stub = unconfigured_aws.stub
    assert stub.GetPluginInfo(proto.google_dot_protobuf_dot_empty__pb2.Empty()).version == "7.51.1"
    assert json.loads(stub.GetSchema(proto.GetSchemaRequest()).schema) == {"name": "aws", "version": "7.51.1"}
    response = unconfigured_aws.configure(region="us-east-1")
    assert response.acceptSecrets and response.acceptOutputs and response.acceptResources and response.supportsPreview


# where it works


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ENDPOINT_URL", None),
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_ENDPOINT_URL", "https://kms.us-east-1.amazonaws.com"),
        ("AWS_ENDPOINT_URL", "http://10.0.0.5:5000"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1.example.com"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1@example.com/"),
        ("AWS_ENDPOINT_URL", "file://127.0.0.1/x"),
        ("AWS_ENDPOINT_URL_KMS", "https://kms.us-east-1.amazonaws.com"),
        ("AWS_ENDPOINT_URL_S3", "https://s3.amazonaws.com"),
    ],
)
def test_aws_endpoint_off_this_machine_is_refused(
    unconfigured_aws: Engine, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    code, message = refusal(unconfigured_aws.configure, region="us-east-1")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert variable in message


def test_aws_endpoint_setting_off_this_machine_is_refused(unconfigured_aws: Engine) -> None:
    endpoints = '[{"sqs": "https://sqs.us-east-1.amazonaws.com"}]'
    code, message = refusal(unconfigured_aws.configure, region="us-east-1", endpoints=endpoints)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "endpoints.sqs" in message


@pytest.mark.parametrize("address", ["", "https://vault.example.com:8200", "http://192.168.1.1:8200"])
def test_vault_address_off_this_machine_is_refused(
    unconfigured_vault: Engine, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("VAULT_ADDR", address)
    code, message = refusal(unconfigured_vault.configure, token="root")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "VAULT_ADDR" in message


def test_unknown_setting_is_refused(unconfigured_aws: Engine) -> None:
    assert "assumeRoleWithWebIdentity" in refusal(unconfigured_aws.configure, assumeRoleWithWebIdentity="{}")[1]
    request = proto.CheckRequest(news=encode({"useFipsEndpoint": "true", "version": "7.51.1"}))
    failures = unconfigured_aws.stub.CheckConfig(request).failures
    assert [failure.property for failure in failures] == ["useFipsEndpoint"]


# configuration


def invoke(engine: Engine, token: str, **args: Any) -> dict[str, Any]:
    return decode(getattr(engine.stub.Invoke(proto.InvokeRequest(tok=token, args=encode(args))), "return"))


def test_roles_are_assumed_one_after_the_other(unconfigured_aws: Engine) -> None:
    first = {"roleArn": "arn:aws:iam::210000000001:role/OrganizationAccountAccessRole"}
    second = {"roleArn": "arn:aws:iam::210000000002:role/strongroom/dev/deployer.backup", "sessionName": "up"}
    unconfigured_aws.configure(region="us-west-2", assumeRoles=json.dumps([first, second]))
    who = invoke(unconfigured_aws, "aws:index/getCallerIdentity:getCallerIdentity")
    assert who["accountId"] == "210000000002"
    assert invoke(unconfigured_aws, "aws:index/getRegion:getRegion")["region"] == "us-west-2"
    made = unconfigured_aws.create(QUEUE, "far", {})
    assert made.outputs["arn"].startswith("arn:aws:sqs:us-west-2:210000000002:")
    unconfigured_aws.clean_up()


def test_an_account_that_is_not_allowed_is_refused(unconfigured_aws: Engine) -> None:
    code, message = refusal(unconfigured_aws.configure, region="us-east-1", allowedAccountIds='["210000000001"]')
    assert code is grpc.StatusCode.INVALID_ARGUMENT and "123456789012" in message


def test_default_tags_reach_resources_and_their_change_is_seen(aws: Engine) -> None:
    made = aws.create(QUEUE, "tagged", {"tags": {"class": "clinical"}})
    assert made.outputs["tagsAll"] == {"env": "dev", "class": "clinical"}
    assert made.outputs["tags"] == {"class": "clinical"}
    aws.configure(region="us-east-1", defaultTags='{"tags": {"env": "dev", "owner": "platform"}}')
    assert aws.diff(made, {"tags": {"class": "clinical"}}).diffs == ["tagsAll"]
    aws.update(made, {"tags": {"class": "clinical"}})
    assert made.outputs["tagsAll"] == {"env": "dev", "class": "clinical", "owner": "platform"}
    assert not aws.diff(made, {"tags": {"class": "clinical"}}).diffs
    aws.clean_up()


def test_a_resource_may_live_in_another_region(aws: Engine) -> None:
    aws.create(BUCKET, "east", {})
    assert aws.create(BUCKET, "west", {"region": "us-west-2"}).outputs["bucketRegion"] == "us-west-2"
    made = aws.create(QUEUE, "west", {"region": "us-west-2"})
    assert ":us-west-2:" in made.outputs["arn"]
    assert aws.read(made)
    assert aws.diff(made, {}).replaces == ["region"]
    aws.clean_up()


def test_a_policy_document_is_composed(aws: Engine) -> None:
    statement = {
        "sid": "Tls",
        "effect": "Deny",
        "actions": ["s3:*"],
        "resources": ["b", "a"],
        "principals": [{"type": "*", "identifiers": ["*"]}],
        "conditions": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}],
    }
    document = invoke(aws, "aws:iam/getPolicyDocument:getPolicyDocument", statements=[statement])
    assert json.loads(document["json"])["Statement"] == [
        {
            "Sid": "Tls",
            "Effect": "Deny",
            "Action": "s3:*",
            "Resource": ["a", "b"],
            "Principal": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
    assert "bogus" in refusal(invoke, aws, "aws:iam/getPolicyDocument:getPolicyDocument", bogus=1)[1]
    assert "getBogus" in refusal(invoke, aws, "aws:index/getBogus:getBogus")[1]


def test_what_an_earlier_layer_made_is_found(aws: Engine) -> None:
    key = aws.create(KEY, "signing", {"customerMasterKeySpec": "ECC_NIST_P256", "keyUsage": "SIGN_VERIFY"})
    aws.create("aws:kms/alias:Alias", "signing", {"name": "alias/signing", "targetKeyId": key.id})
    found = invoke(aws, "aws:kms/getAlias:getAlias", name="alias/signing")
    assert (found["targetKeyId"], found["targetKeyArn"]) == (key.id, key.outputs["arn"])
    public = invoke(aws, "aws:kms/getPublicKey:getPublicKey", keyId=found["targetKeyArn"])
    der = aws.servicer.service("kms").get_public_key(KeyId=key.id)["PublicKey"]
    assert load_pem_public_key(public["publicKeyPem"].encode()) == load_der_public_key(der)
    assert base64.b64decode(public["publicKey"]) == der
    code, message = refusal(invoke, aws, "aws:kms/getAlias:getAlias", name="alias/absent")
    assert code is grpc.StatusCode.NOT_FOUND and "getAlias" in message and "alias/absent" in message
    aws.clean_up()


def test_a_secret_that_is_looked_up_stays_secret(aws: Engine) -> None:
    secret = aws.create("aws:secretsmanager/secret:Secret", "s", {"recoveryWindowInDays": 0})
    aws.servicer.service("secretsmanager").put_secret_value(SecretId=secret.id, SecretString="hidden")
    found = invoke(aws, "aws:secretsmanager/getSecretVersion:getSecretVersion", secretId=secret.id)
    assert found["secretString"] == Secret("hidden") and found["arn"] == secret.id
    aws.clean_up()


# inputs


def test_unknown_property_is_refused_by_type_and_name(aws: Engine) -> None:
    with pytest.raises(CheckFailed, match=r"acl: aws:s3/bucket:Bucket b: property acl is not supported here"):
        aws.check(BUCKET, "b", {"acl": "private"})
    rules = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256", "bogus": "x"}}]
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    with pytest.raises(CheckFailed, match=r"rules\[0\]\.applyServerSideEncryptionByDefault\.bogus"):
        aws.check(token, "b", {"bucket": "b", "rules": rules})


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (ROLE, {}, "assumeRolePolicy is required"),
        (ROLE, {"assumeRolePolicy": "{bad"}, "not a JSON document"),
        (KEY, {"enableKeyRotation": "maybe"}, "expected bool"),
        (KEY, {"rotationPeriodInDays": [1]}, "expected int"),
        ("aws:ec2/bogus:Bogus", {}, "is not supported here"),
    ],
)
def test_wrong_input_is_refused(aws: Engine, token: str, inputs: dict[str, Any], reason: str) -> None:
    with pytest.raises((CheckFailed, grpc.RpcError), match=reason):
        aws.check(token, "thing", inputs)


def test_physical_name_is_the_name_and_seven_hex_digits(aws: Engine) -> None:
    first = aws.check(QUEUE, "notices", {})["name"]
    assert re.fullmatch(r"notices-[0-9a-f]{7}", first)
    assert aws.check(QUEUE, "notices", {})["name"] == first, "the same seed gives the same name"
    aws.seed = b"another"
    assert aws.check(QUEUE, "notices", {})["name"] != first
    assert aws.check(QUEUE, "notices", {}, {"name": first})["name"] == first, "a name once made stays"
    assert aws.check(QUEUE, "notices", {}, {"name": "chosen"})["name"] != "chosen", "a chosen name was taken away"
    assert re.fullmatch(r"notices-[0-9a-f]{7}\.fifo", aws.check(QUEUE, "notices", {"fifoQueue": True})["name"])
    assert re.fullmatch(r"images-[0-9a-f]{7}", aws.check(BUCKET, "Images", {})["bucket"])
    assert re.fullmatch(r"pre[0-9a-f]{7}", aws.check(BUCKET, "Images", {"bucketPrefix": "pre"})["bucket"])
    assert aws.check("aws:kms/alias:Alias", "k", {"targetKeyId": "x"})["name"].startswith("alias/k-")
    with pytest.raises(CheckFailed, match="longer than 64"):
        aws.check(ROLE, "x" * 60, {"assumeRolePolicy": TRUST})


def test_replacement_deletes_first_only_where_names_would_collide(aws: Engine) -> None:
    fixed = Resource(QUEUE, "q", "id", {"name": "fixed"}, {"name": "fixed"})
    assert aws.diff(fixed, {"name": "fixed", "fifoQueue": True}).deleteBeforeReplace
    made = aws.check(QUEUE, "q", {})["name"]
    automatic = Resource(QUEUE, "q", "id", {"name": made}, {"name": made})
    response = aws.diff(automatic, {"fifoQueue": True})
    assert "fifoQueue" in response.replaces and not response.deleteBeforeReplace
    assert not aws.diff(fixed, {"name": "other", "fifoQueue": True}).deleteBeforeReplace


# previews


def test_preview_changes_nothing_and_claims_nothing(aws: Engine) -> None:
    outputs = aws.preview(BUCKET, "b", {"bucket": "never-made", "tags": {"a": UNKNOWN}})
    assert outputs["bucket"] == "never-made"
    assert isinstance(outputs["arn"], Unknown) and isinstance(outputs["tagsAll"], Unknown)
    gone = Resource(BUCKET, "b", "never-made", {}, {})
    assert not aws.read(gone)


def test_unknown_input_is_a_difference_that_may_replace(aws: Engine) -> None:
    made = aws.create("aws:kms/alias:Alias", "a", {"targetKeyId": aws.create(KEY, "k", {}).id})
    response = aws.diff(made, {"targetKeyId": UNKNOWN})
    assert response.diffs == ["targetKeyId"] and not response.replaces
    outputs = aws.update(made, {"targetKeyId": UNKNOWN}, preview=True)
    assert has_unknown(outputs["targetKeyId"]) and outputs["arn"] == made.outputs["arn"]
    aws.clean_up()


def test_configuration_that_is_not_known_yet_allows_previews_only(unconfigured_aws: Engine) -> None:
    unconfigured_aws.configure(region=UNKNOWN)
    assert isinstance(unconfigured_aws.preview(QUEUE, "q", {})["url"], Unknown)
    assert "region" in refusal(unconfigured_aws.create, QUEUE, "q", {})[1]


# differences and drift


def test_differences_are_named_by_place(aws: Engine) -> None:
    inputs = {"tags": {"class": "clinical", "owner": "a"}, "delaySeconds": 5}
    made = aws.create(QUEUE, "q", inputs)
    detailed = aws.diff(made, {"tags": {"class": "imaging", "new": "b"}, "delaySeconds": 6}).detailedDiff
    kinds = {path: proto.PropertyDiff.Kind.Name(difference.kind) for path, difference in detailed.items()}
    assert kinds == {
        "tags.class": "UPDATE",
        "tags.owner": "DELETE",
        "tags.new": "ADD",
        "delaySeconds": "UPDATE",
        "tagsAll": "UPDATE",
    }
    assert aws.diff(made, {**inputs, "delaySeconds": 6}, ignore=("delaySeconds",)).diffs == []
    replaced = aws.diff(made, {**inputs, "name": "other"}).detailedDiff["name"]
    assert proto.PropertyDiff.Kind.Name(replaced.kind) == "UPDATE_REPLACE"
    aws.clean_up()


def test_policies_are_compared_by_meaning(aws: Engine) -> None:
    def trust(principal: Any, actions: Any) -> str:
        statement = {"Effect": "Allow", "Principal": principal, "Action": actions}
        return json.dumps({"Version": "2012-10-17", "Statement": statement}, indent=2)

    actions = ["sts:AssumeRole", "sts:TagSession"]
    made = aws.create(ROLE, "r", {"assumeRolePolicy": trust({"AWS": "210000000001"}, actions)})
    same = trust({"AWS": ["arn:aws:iam::210000000001:root"]}, ["sts:TagSession", "sts:AssumeRole"])
    assert not aws.diff(made, {"assumeRolePolicy": same}).diffs
    other = trust({"AWS": "210000000002"}, ["sts:AssumeRole", "sts:TagSession"])
    assert aws.diff(made, {"assumeRolePolicy": other}).diffs == ["assumeRolePolicy"]
    aws.clean_up()


def test_drift_is_seen_after_a_refresh(aws: Engine) -> None:
    kms = aws.servicer.service("kms")
    inputs = {"description": "clinical", "enableKeyRotation": True}
    made = aws.create(KEY, "k", inputs)
    kms.disable_key(KeyId=made.id)
    kms.disable_key_rotation(KeyId=made.id)
    kms.tag_resource(KeyId=made.id, Tags=[{"TagKey": "by", "TagValue": "hand"}])
    assert not aws.diff(made, inputs).diffs, "not seen before the refresh"
    assert aws.read(made)
    assert set(aws.diff(made, inputs).diffs) == {"isEnabled", "enableKeyRotation", "tags", "tagsAll"}
    aws.update(made, inputs)
    assert kms.describe_key(KeyId=made.id)["KeyMetadata"]["Enabled"]
    assert aws.read(made)
    assert not aws.diff(made, inputs).diffs
    kms.schedule_key_deletion(KeyId=made.id, PendingWindowInDays=7)
    assert not aws.read(made), "a key that is pending deletion is gone"


def test_import_by_id_reads_inputs(aws: Engine) -> None:
    made = aws.create(QUEUE, "q", {"visibilityTimeoutSeconds": 77})
    adopted = Resource(QUEUE, "q", made.id, {}, {})
    assert aws.read(adopted)
    assert adopted.inputs["visibilityTimeoutSeconds"] == 77 and adopted.inputs["name"] == made.outputs["name"]
    assert adopted.outputs["arn"] == made.outputs["arn"]
    aws.clean_up()


# secrets


def test_secrets_stay_secret_and_out_of_messages(aws: Engine) -> None:
    hidden = "correct horse battery staple"
    made = aws.create(ROLE, "r", {"assumeRolePolicy": TRUST, "description": Secret("duty")})
    assert has_secret(made.inputs["description"]) and has_secret(made.outputs["description"])
    assert aws.read(made) and has_secret(made.outputs["description"])
    database = {"engine": "postgres", "instanceClass": "db.t4g.micro", "username": "u", "password": hidden}
    checked = aws.check("aws:rds/instance:Instance", "db", database)
    assert has_secret(checked["password"]), "secret by nature even where the program forgot"
    _, message = refusal(
        aws.create, "aws:rds/instance:Instance", "db", {**database, "dbSubnetGroupName": Secret(hidden)}
    )
    assert hidden not in message and "[secret]" in message
    aws.clean_up()


# errors


class Broken(ProviderServicer):
    """A provider whose operations fail in ways nobody foresaw."""

    package, version = "broken", "1"

    @staticmethod
    def _fail(operation: Operation) -> Any:
        return 1 / 0

    table = {  # noqa: RUF012
        "broken:index/thing:Thing": ResourceType(
            "broken:index/thing:Thing", "none", _fail, _fail, _fail, _fail, "id", {"text": Prop()}
        )
    }


@pytest.fixture
def broken() -> Iterator[Engine]:
    yield from served(Broken())


def test_an_exception_is_a_status_and_not_a_hang(broken: Engine) -> None:
    made = Resource("broken:index/thing:Thing", "t", "id", {}, {"text": "a"})
    broken.configure()
    for call, args in (
        (broken.create, (made.token, "t", {})),
        (broken.read, (made,)),
        (broken.update, (made, {"text": "b"})),
        (broken.delete, (made,)),
    ):
        code, message = refusal(call, *args)
        assert code is grpc.StatusCode.INTERNAL
        assert "broken:index/thing:Thing t: ZeroDivisionError" in message


def test_a_cloud_that_is_down_is_unavailable(unconfigured_aws: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    unconfigured_aws.configure(region="us-east-1")
    code, message = refusal(unconfigured_aws.create, QUEUE, "q", {})
    assert code is grpc.StatusCode.UNAVAILABLE and "127.0.0.1:9" in message


def test_an_error_of_the_service_keeps_its_code(aws: Engine) -> None:
    name = aws.create(BUCKET, "b", {}).id
    code, message = refusal(aws.create, BUCKET, "c", {"bucket": name})
    assert code is grpc.StatusCode.INVALID_ARGUMENT and name in message
    code, message = refusal(aws.create, "aws:kms/alias:Alias", "a", {"name": "alias/a", "targetKeyId": "bogus"})
    assert code is grpc.StatusCode.NOT_FOUND and "CreateAlias: NotFoundException" in message
    aws.clean_up()


def test_a_resource_that_was_made_but_not_finished_is_reported_with_its_id(aws: Engine) -> None:
    inputs = {"name": "half", "assumeRolePolicy": TRUST, "managedPolicyArns": ["arn:aws:iam::aws:policy/Bogus"]}
    with pytest.raises(grpc.RpcError) as caught:
        aws.create(ROLE, "half", inputs)
    trailing = dict(caught.value.trailing_metadata())
    detail = status_pb2.Status.FromString(trailing["grpc-status-details-bin"]).details[0]
    failed = proto.ErrorResourceInitFailed()
    assert detail.Unpack(failed)
    assert failed.id == "half" and failed.reasons and decode(failed.inputs)["name"] == "half"
    half = Resource(ROLE, "half", failed.id, decode(failed.inputs), decode(failed.properties))
    assert half.outputs["arn"].endswith("role/half")
    assert aws.diff(half, inputs).diffs == ["managedPolicyArns"], "the next run knows what is left to do"
    aws.delete(half)


def test_many_calls_at_a_time(aws: Engine) -> None:
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda number: aws.create(QUEUE, f"q{number}", {}), range(24)))
    assert len({resource.id for resource in made}) == 24
    aws.clean_up()
