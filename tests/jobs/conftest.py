"""Fixtures of the jobs' tests: real servers, started once a session, and an estate over them once a module."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import psycopg
import pytest

from backup_jobs.scratch.openbao import ScratchVault, scratch_openbao
from backup_jobs.scratch.postgres import ScratchServer, scratch_postgres

sys.path.append(str(Path(__file__).parents[1] / "contract"))

from backup_estate import BackupEstate
from gateway_process import WORKLOAD, GatewayProcess


@pytest.fixture(scope="session")
def portal_server() -> Iterator[ScratchServer]:
    """A PostgreSQL that plays the production server."""
    with scratch_postgres(15) as server:
        yield server


@pytest.fixture(scope="session")
def production_vault() -> Iterator[ScratchVault]:
    """An OpenBao with three shares of which two open it."""
    with scratch_openbao(3, 2) as server:
        client = server.client(server.token)
        client.sys.enable_secrets_engine("transit")
        client.sys.enable_auth_method("approle")
        client.adapter.close()
        yield server


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """The laptop cloud's gateway: object lock, key states and key versions as AWS has them."""
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"))
    yield process
    process.stop()


@pytest.fixture(scope="module")
def estate(portal_server, production_vault, gateway, tmp_path_factory) -> Iterator[BackupEstate]:
    """An estate whose clients reach the gateway by endpoint variables, as an administrator of one account."""
    home = tmp_path_factory.mktemp("home")
    label = os.urandom(4).hex()
    with psycopg.connect(portal_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "portal_{label}"')
    settings = {
        "AWS_ENDPOINT_URL": gateway.url,
        "AWS_ENDPOINT_URL_KMS": gateway.kms_url,
        "AWS_CA_BUNDLE": str(gateway.certificate),
        "STRONGROOM_HOME": str(home),
    }
    with mock.patch.dict(os.environ, settings):
        client = production_vault.client(production_vault.token)
        session = gateway.session(f"admin@{WORKLOAD}")
        yield BackupEstate(home, portal_server.dsn(f"portal_{label}"), client, production_vault.shares, session)
        client.adapter.close()
