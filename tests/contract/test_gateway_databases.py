"""Behind an RDS instance stands a real PostgreSQL database, with the managed secret that really opens it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError
from contract_rows import ADMIN, WORKLOAD, allow, document, name, new_key, new_role
from gateway_process import GatewayProcess

from local_cloud.servers.certificates import authority
from local_cloud.servers.layout import Layout, private_folder, read_json
from local_cloud.servers.postgres import Postgres
from local_cloud.servers.processes import stop

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, dict[str, Any]]]:
    gateway = GatewayProcess(tmp_path_factory.mktemp("rds"))
    layout = Layout(gateway.home)
    private_folder(layout.logs)
    server = Postgres(layout, authority(layout))
    running = server.start(lambda _: None)
    reach = read_json(layout.ready_file("postgres"))
    assert reach is not None
    yield gateway, reach
    stop(running.identity, number=server.stop_signal)
    gateway.stop()


def create(gateway: GatewayProcess, **more: Any) -> dict[str, Any]:
    arguments = {
        "DBInstanceIdentifier": name("db"),
        "Engine": "postgres",
        "DBInstanceClass": "db.t3.micro",
        "AllocatedStorage": 20,
        "MasterUsername": name("owner").replace("-", "_"),
        "DBName": name("portal").replace("-", "_"),
        "ManageMasterUserPassword": True,
        **more,
    }
    gateway.client(ADMIN, "rds").create_db_instance(**arguments)
    identifier = arguments["DBInstanceIdentifier"]
    described = gateway.client(ADMIN, "rds").describe_db_instances(DBInstanceIdentifier=identifier)
    return dict(described["DBInstances"][0])


def connect(gateway: GatewayProcess, reach: dict[str, Any], instance: dict[str, Any]) -> psycopg.Connection[Any]:
    secrets = gateway.client(ADMIN, "secretsmanager")
    held = json.loads(secrets.get_secret_value(SecretId=instance["MasterUserSecret"]["SecretArn"])["SecretString"])
    return psycopg.connect(
        host=instance["Endpoint"]["Address"],
        port=instance["Endpoint"]["Port"],
        user=held["username"],
        password=held["password"],
        dbname=instance["DBName"],
        sslmode="verify-full",
        sslrootcert=reach["ca_file"],
    )


def test_the_endpoint_and_the_secret_open_the_database(cloud: tuple[GatewayProcess, dict[str, Any]]) -> None:
    gateway, reach = cloud
    instance = create(gateway, StorageEncrypted=True, KmsKeyId=new_key(gateway))
    assert (instance["Endpoint"]["Address"], instance["Endpoint"]["Port"]) == (reach["host"], reach["port"])
    with connect(gateway, reach, instance) as connection:
        connection.execute("create extension pgcrypto")
        assert connection.execute("select current_database()").fetchone() == (instance["DBName"],)
        granted = connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
        assert granted == (False,)
    gateway.client(ADMIN, "rds").delete_db_instance(
        DBInstanceIdentifier=instance["DBInstanceIdentifier"], SkipFinalSnapshot=True
    )
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        arguments = {"sslmode": "verify-full", "sslrootcert": reach["ca_file"], "dbname": instance["DBName"]}
        with open(reach["admin_password_file"]) as password:
            psycopg.connect(
                host=reach["host"],
                port=reach["port"],
                user=reach["admin_user"],
                password=password.read(),
                **arguments,
            )


@pytest.mark.parametrize("disabled", [True, False])
def test_the_storage_key_must_be_usable_by_the_caller(
    cloud: tuple[GatewayProcess, dict[str, Any]], disabled: bool
) -> None:
    gateway, _ = cloud
    kms, key = gateway.client(ADMIN, "kms"), new_key(gateway)
    who = ADMIN
    if disabled:
        kms.disable_key(KeyId=key)
    else:
        who = new_role(gateway, allow(["rds:*", "secretsmanager:*"]))
        root = {"AWS": f"arn:aws:iam::{WORKLOAD}:root"}
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document(allow("kms:*", Principal=root)))
    with pytest.raises(ClientError, match="KMSKeyNotAccessibleFault"):
        gateway.client(who, "rds").create_db_instance(
            DBInstanceIdentifier=name("db"),
            Engine="postgres",
            DBInstanceClass="db.t3.micro",
            AllocatedStorage=20,
            MasterUsername="owner",
            MasterUserPassword="not-a-default-one",
            StorageEncrypted=True,
            KmsKeyId=key,
        )
