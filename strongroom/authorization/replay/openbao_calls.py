"""Requests to OpenBao through hvac: on loopback only, refusals told from failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strongroom.authorization.replay.endpoints import loopback_only


class BaoRefused(Exception):
    """OpenBao answered with an error; `forbidden` if it refused (403)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.forbidden = code, code == "403"


def ask(client: Any, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """One request; the answer's `data`, or `auth` as it stands there."""
    import hvac.exceptions
    import requests

    from strongroom.errors import Transient

    loopback_only(client.url)
    try:
        answer = client.adapter.request(
            method, f"/v1/{str(arguments['path']).removeprefix('bao:')}", json=arguments.get("json")
        )
    except hvac.exceptions.Forbidden:
        raise BaoRefused("403", "permission denied") from None
    except hvac.exceptions.VaultError as error:
        raise BaoRefused(
            type(error).__name__, "; ".join(map(str, error.errors or ())) or type(error).__name__
        ) from None
    except requests.RequestException as error:
        raise Transient(f"OpenBao cannot be reached ({type(error).__name__})") from None
    return answer if isinstance(answer, dict) else {}


def revoke(client: Any) -> str:
    """Why the client's own token could not be revoked, or ''."""
    try:
        ask(client, "POST", {"path": "auth/token/revoke-self"})
    except BaoRefused as error:
        return f"a token that was made: {error}"
    return ""


def login_of(answer: Mapping[str, Any], by: Any) -> Any:
    """A client with the token that an answer holds, beside the client that got it."""
    import hvac

    return hvac.Client(url=by.url, token=answer["auth"]["client_token"], verify=by.adapter._kwargs.get("verify", True))
