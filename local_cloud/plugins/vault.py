"""The laptop's `vault` provider carries Pulumi's Vault resources out against a local OpenBao, and only there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import grpc
import requests
from hvac import exceptions as hvac

from local_cloud.plugins import vault_database, vault_pki, vault_system, vault_transit
from local_cloud.plugins.base import ProviderServicer, Status, run
from local_cloud.plugins.table import Operation, Properties, ResourceType
from local_cloud.plugins.vault_session import SETTINGS, VaultSession

# Engines that answer an error of another kind for something that is not there.
_MISSING = ("could not delete key; not found", "unable to find PKI issuer")
_MODULES: tuple[Any, ...] = (vault_database, vault_pki, vault_system, vault_transit)


class VaultProvider(ProviderServicer):
    """Pulumi's `vault` provider over hvac; refuses every address that is not on this machine."""

    package = "vault"
    version = "7.14.0"
    table: ClassVar[Mapping[str, ResourceType]] = {row.token: row for module in _MODULES for row in module.TYPES}
    settings = SETTINGS

    def configure(self, settings: Properties) -> None:
        self._session = VaultSession(settings)

    def client(self, operation: Operation) -> VaultSession:
        return self._session

    def missing(self, problem: Exception) -> bool:
        if isinstance(problem, hvac.InvalidPath):
            return True
        return isinstance(problem, hvac.VaultError) and any(text in str(problem) for text in _MISSING)

    def explain(self, problem: Exception) -> Status | None:
        if isinstance(problem, hvac.VaultError):
            what = "; ".join(problem.errors) if isinstance(problem.errors, list) else str(problem)
            return _kind(problem), f"{problem.method or ''} {_path(problem)}: {what or type(problem).__name__}".strip()
        if isinstance(problem, requests.exceptions.RequestException):
            return grpc.StatusCode.UNAVAILABLE, f"OpenBao does not answer: {problem}"
        return None


def _kind(problem: hvac.VaultError) -> grpc.StatusCode:
    kinds: tuple[tuple[type[hvac.VaultError], grpc.StatusCode], ...] = (
        (hvac.InvalidPath, grpc.StatusCode.NOT_FOUND),
        (hvac.Forbidden, grpc.StatusCode.PERMISSION_DENIED),
        (hvac.Unauthorized, grpc.StatusCode.UNAUTHENTICATED),
        (hvac.InvalidRequest, grpc.StatusCode.INVALID_ARGUMENT),
        (hvac.VaultDown, grpc.StatusCode.UNAVAILABLE),
    )
    return next((code for kind, code in kinds if isinstance(problem, kind)), grpc.StatusCode.UNKNOWN)


def _path(problem: hvac.VaultError) -> str:
    return str(problem.url or "").partition("/v1/")[2]


if __name__ == "__main__":
    run(VaultProvider())
