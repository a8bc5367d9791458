"""Trust policies: exactly the declared holders may assume a duty; people only with a second factor."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from infra.policies.document import Document, Statement, allow, document
from strongroom.estate import names
from strongroom.estate.model import Estate


def duty_trust(estate: Estate, account: str, duty: str) -> Document:
    """Who may assume a duty's role in an account; ValueError when nobody holds it."""
    statements = [*_holders(estate, duty), *_continuous_integration(estate, account, duty)]
    if not statements:
        raise ValueError(f"nobody holds {duty}")
    return _trust(statements)


def service_trust(estate: Estate, service: str) -> Document:
    """A role of a service, for this account only: another account's schedule cannot borrow it."""
    statement = allow(
        "ServiceAssumes",
        ("sts:AssumeRole",),
        service=service,
        when={"StringEquals": {"aws:SourceAccount": estate.accounts["workload"].id}},
    )
    return _trust([statement])


def task_trust(estate: Estate) -> Document:
    """The task role of a job: ECS assumes it for tasks of this account."""
    return service_trust(estate, "ecs-tasks.amazonaws.com")


def oidc_host(issuer: str) -> str:
    """An issuer without scheme, as AWS names it in ARNs and condition keys."""
    parts = urlsplit(issuer)
    return f"{parts.netloc}{parts.path}".rstrip("/")


def _trust(statements: list[Statement]) -> Document:
    made = document(statements)
    for statement in made["Statement"]:
        statement.pop("Resource", None)  # a trust policy is about its own role; AWS refuses the element
    return made


def _holders(estate: Estate, duty: str) -> Iterator[Statement]:
    services = names.holder_arns(estate, duty, human=False)
    people = names.holder_arns(estate, duty, human=True)
    if services:
        yield allow("ServicesAssume", ("sts:AssumeRole",), to=services)
    if people:
        yield allow(
            "PeopleAssumeWithSecondFactor",
            ("sts:AssumeRole",),
            to=people,
            when={"Bool": {"aws:MultiFactorAuthPresent": "true"}},
        )


def _continuous_integration(estate: Estate, account: str, duty: str) -> Iterator[Statement]:
    subject = estate.bootstrap.oidc_subjects.get(duty.removeprefix("deployer."), "")
    if not estate.bootstrap.oidc_issuer or not duty.startswith("deployer.") or not subject:
        return
    host = oidc_host(estate.bootstrap.oidc_issuer)
    statement = allow(
        "ProtectedEnvironmentAssumes",
        ("sts:AssumeRoleWithWebIdentity",),
        when={"StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": subject}},
    )
    provider = f"arn:aws:iam::{names.account_id(estate, account)}:oidc-provider/{host}"
    statement["Principal"] = {"Federated": provider}
    yield statement
