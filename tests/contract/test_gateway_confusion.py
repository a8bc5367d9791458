"""Requests that say one thing to the gateway and another to moto: what is decided must be what is done.

Each is signed with real credentials, by the signer of botocore over a request built by hand. The negative control
sends the same bytes to moto without the gateway's care and sees the other operation done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from contract_rows import ADMIN, WORKLOAD, allow, document, name, new_bucket, new_role
from gateway_process import GatewayProcess

pytestmark = pytest.mark.cloud
FORM, JSON = "application/x-www-form-urlencoded", "application/x-amz-json-1.0"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("confusion"))
    yield process
    process.stop()


def send(
    gateway: GatewayProcess, who: str, service: str, method: str, path: str, body: str = "", **headers: str
) -> requests.Response:
    """A signed request built by hand."""
    request = AWSRequest(method=method, url=gateway.url + path, data=body.encode(), headers=headers)
    credentials = gateway.session(who).get_credentials().get_frozen_credentials()
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(credentials, service, "us-east-1").add_auth(request)
    prepared = request.prepare()
    return requests.request(
        method,
        prepared.url,
        data=prepared.body,
        headers=dict(prepared.headers),
        verify=str(gateway.certificate),
        timeout=20,
    )


def test_an_honest_request_built_this_way_is_answered(gateway: GatewayProcess) -> None:
    role = new_role(gateway, allow("iam:ListUsers"))
    answer = send(gateway, role, "iam", "POST", "/", "Action=ListUsers&Version=2010-05-08", **{"Content-Type": FORM})
    assert answer.status_code == 200 and "alice" in answer.text


def test_an_action_in_the_query_does_not_hide_one_in_the_body(gateway: GatewayProcess) -> None:
    role, user = new_role(gateway, allow("iam:ListUsers")), name("user")
    body = f"Action=CreateUser&UserName={user}&Version=2010-05-08"
    answer = send(gateway, role, "iam", "POST", "/?Action=ListUsers&Version=2010-05-08", body, **{"Content-Type": FORM})
    assert answer.status_code == 400
    users = gateway.client(ADMIN, "iam").list_users()["Users"]
    assert user not in [row["UserName"] for row in users]


@pytest.mark.parametrize("path", ["/?Action=DeleteSecret", "/?Action=DeleteSecret&SecretId={}"])
def test_an_action_in_the_query_does_not_replace_the_target(gateway: GatewayProcess, path: str) -> None:
    role, secret = new_role(gateway, allow("secretsmanager:DescribeSecret")), name("secret")
    gateway.client(ADMIN, "secretsmanager").create_secret(Name=secret, SecretString="s")
    target = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.DescribeSecret"}
    body = json.dumps({"SecretId": secret})
    assert send(gateway, role, "secretsmanager", "POST", "/", body, **target).status_code == 200
    assert send(gateway, role, "secretsmanager", "POST", path.format(secret), body, **target).status_code == 400
    described = gateway.client(ADMIN, "secretsmanager").describe_secret(SecretId=secret)
    assert "DeletedDate" not in described


def test_a_message_that_looks_like_a_form_is_a_message(gateway: GatewayProcess) -> None:
    sqs = gateway.client(ADMIN, "sqs")
    url = sqs.create_queue(QueueName=name("queue"))["QueueUrl"]
    for text in ("x&Action=DeleteQueue&y", "Action=PurgeQueue", "a=b&c=d \u00e9 \\u0026"):
        sqs.send_message(QueueUrl=url, MessageBody=text)
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        assert message["Body"] == text
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_a_header_named_action_chooses_nothing(gateway: GatewayProcess) -> None:
    scheduler, group = gateway.client(ADMIN, "scheduler"), name("group")
    scheduler.create_schedule_group(Name=group)
    role = new_role(gateway, allow("scheduler:GetScheduleGroup"))
    answer = send(gateway, role, "scheduler", "GET", f"/schedule-groups/{group}", Action="DeleteScheduleGroup")
    assert answer.status_code == 200 and answer.json()["Name"] == group
    assert scheduler.get_schedule_group(Name=group)["State"] == "ACTIVE"


def test_a_request_has_one_subresource(gateway: GatewayProcess) -> None:
    bucket = new_bucket(gateway)
    role = new_role(gateway, allow(["s3:PutBucketTagging", "s3:PutBucketVersioning"]))
    policy = document(allow("s3:*", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": f"arn:aws:iam::{WORKLOAD}:root"}))
    for path in (f"/{bucket}?policy&tagging", f"/{bucket}?versioning&policy"):
        assert send(gateway, role, "s3", "PUT", path, policy).status_code == 400
    assert send(gateway, role, "s3", "PUT", f"/{bucket}?policy", policy).status_code == 403


def test_an_account_is_not_chosen_by_a_header(gateway: GatewayProcess) -> None:
    headers = {"Content-Type": FORM, "x-moto-account-id": "210000000002"}
    answer = send(gateway, ADMIN, "iam", "POST", "/", "Action=ListUsers&Version=2010-05-08", **headers)
    assert answer.status_code == 200 and "alice" in answer.text
    assert send(gateway, ADMIN, "iam", "GET", "/moto-api/data.json").status_code == 404


def test_another_host_names_no_other_bucket(gateway: GatewayProcess) -> None:
    mine, other = new_bucket(gateway), new_bucket(gateway)
    role = new_role(gateway, allow("s3:GetBucketTagging", f"arn:aws:s3:::{mine}"))
    tags = {"TagSet": [{"Key": "who", "Value": "other"}]}
    gateway.client(ADMIN, "s3").put_bucket_tagging(Bucket=other, Tagging=tags)
    answer = send(gateway, role, "s3", "GET", f"/{mine}?tagging", host=f"{other}.s3.amazonaws.com")
    assert "who" not in answer.text


def test_moto_alone_takes_a_message_for_an_operation() -> None:
    """The negative control: without the escape the third test's message deletes the queue."""
    from io import BytesIO

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from local_cloud.servers.gateway.protocol import for_moto

    application = DomainDispatcherApplication(create_backend_app)

    def call(operation: str, body: bytes) -> tuple[int, Any]:
        status: list[str] = []
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/",
            "REQUEST_URI": "/",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "1",
            "wsgi.url_scheme": "https",
            "HTTP_HOST": "127.0.0.1:1",
            "CONTENT_TYPE": JSON,
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_X_AMZ_TARGET": f"AmazonSQS.{operation}",
            "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={'A' * 20}/20260101/us-east-1/sqs/aws4_request",
            "wsgi.input": BytesIO(body),
        }
        answer = b"".join(application(environ, lambda line, headers, _=None: status.append(line)))
        return int(status[0].split()[0]), json.loads(answer or b"{}")

    queue = name("queue")
    _, made = call("CreateQueue", json.dumps({"QueueName": queue}).encode())
    text = f"x&Action=DeleteQueue&QueueUrl={made['QueueUrl']}&y"
    message = json.dumps({"QueueUrl": made["QueueUrl"], "MessageBody": text}).encode()
    assert call("SendMessage", for_moto("json", message))[0] == 200
    assert call("GetQueueUrl", json.dumps({"QueueName": queue}).encode())[0] == 200
    call("SendMessage", message)
    assert call("GetQueueUrl", json.dumps({"QueueName": queue}).encode())[0] == 400
