"""Rules of web identities: whose tokens are believed, and which of them a role trusts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from contract_rows import ADMIN, WORKLOAD, allow, document, ghost, name, new_role, row

from local_cloud.servers.gateway.issuers import LocalIssuer, decode, encode

LAPTOP_ONLY = "AWS fetches an issuer's keys from the internet"
AUDIENCE, MAIN = "sts.amazonaws.com", "repo:clinic/portal:ref:refs/heads/main"


def issuer(cloud: Any, algorithm: Any = "RS256", *, known: bool = True) -> LocalIssuer:
    """An issuer of its own for the row; `known` to the workload account as a provider."""
    made = LocalIssuer(cloud.home, f"https://{name('ci')}.example", algorithm)
    if known:
        cloud.client(ADMIN, "iam").create_open_id_connect_provider(
            Url=made.url, ClientIDList=[AUDIENCE], ThumbprintList=["0" * 40]
        )
    return made


def trusting(cloud: Any, who: LocalIssuer, *permissions: dict[str, Any], subject: str = MAIN) -> str:
    """A role that tokens of one subject assume."""
    host = who.url.removeprefix("https://")
    statement = {
        "Principal": {"Federated": f"arn:aws:iam::{WORKLOAD}:oidc-provider/{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:aud": AUDIENCE}, "StringLike": {f"{host}:sub": subject}},
    }
    return new_role(cloud, *permissions, trust=statement)


def exchange(cloud: Any, role: str, token: str, **more: Any) -> dict[str, Any]:
    """The session that a token gets; nothing is signed."""
    anonymous = boto3.Session(region_name="us-east-1")
    sts = cloud.make(anonymous, "sts", config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))
    return dict(sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="ci", WebIdentityToken=token, **more))


def session(answer: dict[str, Any]) -> boto3.Session:
    made = answer["Credentials"]
    return boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name="us-east-1")


@row("AccessDenied")
def a_token_of_the_subject_becomes_the_role_and_no_more(cloud: Any) -> None:
    who = issuer(cloud)
    answer = exchange(cloud, trusting(cloud, who, allow("sqs:ListQueues")), who.token(MAIN, AUDIENCE))
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"]) == (MAIN, AUDIENCE)
    made = session(answer)
    cloud.make(made, "sqs").list_queues()
    cloud.make(made, "sqs").create_queue(QueueName=name("q"))


@row(moto_differs=False)
def elliptic_signatures_are_believed(cloud: Any) -> None:
    who = issuer(cloud, "ES256")
    assert exchange(cloud, trusting(cloud, who), who.token(MAIN, AUDIENCE))["Credentials"]


@row("AccessDenied")
def another_subject_is_refused(cloud: Any) -> None:
    who = issuer(cloud)
    exchange(cloud, trusting(cloud, who), who.token("repo:clinic/portal:ref:refs/heads/feature", AUDIENCE))


@row("AccessDenied")
def a_role_that_does_not_trust_the_provider_is_refused(cloud: Any) -> None:
    trusted, other = issuer(cloud), issuer(cloud)
    exchange(cloud, trusting(cloud, trusted), other.token(MAIN, AUDIENCE))


@row("AccessDenied")
def a_role_that_does_not_exist_is_refused_alike(cloud: Any) -> None:
    exchange(cloud, ghost(), issuer(cloud).token(MAIN, AUDIENCE))


@row("AccessDenied")
def a_web_identity_does_not_come_in_by_assume_role(cloud: Any) -> None:
    cloud.assume(cloud.session("alice"), trusting(cloud, issuer(cloud)))


@row("InvalidIdentityToken")
def another_audience_is_refused(cloud: Any) -> None:
    who = issuer(cloud)
    exchange(cloud, trusting(cloud, who), who.token(MAIN, "https://elsewhere.example"))


@row("InvalidIdentityToken")
def an_issuer_that_is_no_provider_is_refused(cloud: Any) -> None:
    trusted, stranger = issuer(cloud), issuer(cloud, known=False)
    exchange(cloud, trusting(cloud, trusted), stranger.token(MAIN, AUDIENCE))


@row("InvalidIdentityToken")
def a_stranger_who_claims_to_be_the_issuer_is_refused(cloud: Any) -> None:
    trusted, stranger = issuer(cloud), issuer(cloud, known=False)
    exchange(cloud, trusting(cloud, trusted), stranger.token(MAIN, AUDIENCE, iss=trusted.url))


@row("InvalidIdentityToken")
def changed_claims_are_refused(cloud: Any) -> None:
    who = issuer(cloud)
    role = trusting(cloud, who)
    head, claims, signature = who.token("repo:clinic/other", AUDIENCE).split(".")
    forged = json.dumps(json.loads(decode(claims)) | {"sub": MAIN}).encode()
    exchange(cloud, role, f"{head}.{encode(forged)}.{signature}")


@row("InvalidIdentityToken")
def tokens_without_signature_are_refused(cloud: Any) -> None:
    who = issuer(cloud)
    _, claims, _ = who.token(MAIN, AUDIENCE).split(".")
    head = encode(json.dumps({"alg": "none", "typ": "JWT", "kid": who.kid}).encode())
    exchange(cloud, trusting(cloud, who), f"{head}.{claims}.")


@row("ExpiredTokenException")
def expired_tokens_are_refused(cloud: Any) -> None:
    who = issuer(cloud)
    exchange(cloud, trusting(cloud, who), who.token(MAIN, AUDIENCE, lifetime=timedelta(seconds=-1)))


@row("IDPRejectedClaim")
def tokens_of_the_future_are_refused(cloud: Any) -> None:
    who = issuer(cloud)
    later = int((datetime.now(UTC) + timedelta(minutes=5)).timestamp())
    exchange(cloud, trusting(cloud, who), who.token(MAIN, AUDIENCE, nbf=later))


@row("IDPRejectedClaim")
def tokens_taken_back_are_refused(cloud: Any) -> None:
    who = issuer(cloud)
    role, token = trusting(cloud, who), who.token(MAIN, AUDIENCE, jti="j1")
    assert exchange(cloud, role, token)["Credentials"]
    who.publish(revoked=("j1",))
    exchange(cloud, role, token)


@row("AccessDenied")
def tags_of_a_token_need_their_own_trust(cloud: Any) -> None:
    who = issuer(cloud)
    tags = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["keys"]}}}
    exchange(cloud, trusting(cloud, who), who.token(MAIN, AUDIENCE, **tags))


@row()
def the_provider_is_known_in_the_session(cloud: Any) -> None:
    who = issuer(cloud)
    provider = f"arn:aws:iam::{WORKLOAD}:oidc-provider/{who.url.removeprefix('https://')}"
    condition = {"StringEquals": {"aws:FederatedProvider": provider}}
    role = trusting(cloud, who, allow("sqs:ListQueues", Condition=condition))
    cloud.make(session(exchange(cloud, role, who.token(MAIN, AUDIENCE))), "sqs").list_queues()
    try:
        cloud.client(new_role(cloud, allow("sqs:ListQueues", Condition=condition)), "sqs").list_queues()
    except Exception as refused:
        assert "AccessDenied" in str(refused), refused
    else:
        raise AssertionError("the condition was not decided")


@row("AccessDenied")
def session_policies_narrow_a_web_identity(cloud: Any) -> None:
    who = issuer(cloud)
    role = trusting(cloud, who, allow("sqs:*"))
    made = session(exchange(cloud, role, who.token(MAIN, AUDIENCE), Policy=document(allow("sqs:ListQueues"))))
    cloud.make(made, "sqs").list_queues()
    cloud.make(made, "sqs").create_queue(QueueName=name("q"))
