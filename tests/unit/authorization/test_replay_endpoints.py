"""A replay goes to loopback addresses and nowhere else, whoever asks; an endpoint elsewhere is refused unasked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import hvac
import pytest

from strongroom.authorization.replay import Move, Plan, Stage
from strongroom.authorization.replay.endpoints import loopback_only
from strongroom.authorization.replay.moves import NotReplayable, Request, Way
from strongroom.errors import Denied, Undetermined

USER = "arn:aws:iam::210000000001:user/d"


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:8443", "http://[::1]:80", "https://localhost:1", "https://127.9.9.9"]
)
def test_loopback_is_let_through(url: str):
    loopback_only(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://kms.us-east-1.amazonaws.com",
        "https://10.0.0.1",
        "https://localhost.example.com",
        "https://127.0.0.1.example.com",
        "https://0.0.0.0",
        "",
    ],
)
def test_everything_else_is_refused(url: str):
    with pytest.raises(Denied, match="loopback"):
        loopback_only(url)


class Keys:
    """One user whose sessions go where the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)

    def begins_with(self, identity: str) -> Any:
        return boto3.Session("AKIAIOSFODNN7EXAMPLE", "x", region_name="us-east-1") if identity == USER else None

    def outsider(self) -> None:
        return None

    def session(self, access_key: str, secret: str, token: str | None) -> Any:
        return boto3.Session(access_key, secret, token, region_name="us-east-1")

    def menders(self, account: str) -> Iterator[Any]:
        return iter(())

    def openbao(self, login: str) -> Any:
        return hvac.Client("https://vault.example.com:8200", "t")


def move(actor: str = USER, service: str = "kms", operation: str = "list_keys", **arguments: Any) -> Move:
    return Move("asks", actor, (Way((Request(service, operation, arguments),)),))


def test_aws_itself_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch):
    keys = Keys(monkeypatch, "https://kms.us-east-1.amazonaws.com")
    with pytest.raises(Denied, match=r"kms\.us-east-1\.amazonaws\.com is not a loopback address"):
        Stage(Plan("d", "p", (move(),)), (USER,), keys, lambda _: None).run()


def test_openbao_elsewhere_is_refused_too(monkeypatch: pytest.MonkeyPatch):
    keys = Keys(monkeypatch, "https://127.0.0.1:9")
    asks = move("bao:auth/approle/role/x", "bao", "GET", path="sys/health")
    with pytest.raises(Denied, match=r"vault\.example\.com is not a loopback address"):
        Stage(Plan("d", "p", (asks,)), ("bao:auth/approle/role/x",), keys, lambda _: None).run()


def test_nobodys_credentials_are_made_up(monkeypatch: pytest.MonkeyPatch):
    keys = Keys(monkeypatch, "https://127.0.0.1:9")
    for actor in (f"{USER}2", "arn:aws:iam::210000000001:root"):
        with pytest.raises(Undetermined, match="nobody here holds credentials"):
            Stage(Plan("d", "p", (move(actor),)), (USER,), keys, lambda _: None).run()


def test_a_plan_with_a_step_that_is_not_replayable_does_nothing_at_all(monkeypatch: pytest.MonkeyPatch):
    keys = Keys(monkeypatch, "https://127.0.0.1:9")
    told: list[Any] = []
    made = Plan("d", "p", (move(), NotReplayable("runs a program", "none runs here")))
    with pytest.raises(Undetermined, match="runs a program: none runs here") as stopped:
        Stage(made, (USER,), keys, told.append).run()
    assert stopped.value.exit_code == 10 and told == []
