"""The stores that are created here: databases, buckets, queues, each under the storage key of its class."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_vault as vault

from infra.components.database_credentials import DatabaseCredentials, DatabaseCredentialsArgs
from infra.components.encrypted_bucket import EncryptedBucket, EncryptedBucketArgs
from infra.components.encrypted_database import EncryptedDatabase, EncryptedDatabaseArgs
from infra.components.encrypted_queue import EncryptedQueue, EncryptedQueueArgs
from infra.components.internal_authority import InternalAuthority, InternalAuthorityArgs
from infra.components.private_network import PrivateNetwork, PrivateNetworkArgs
from infra.deployment import Deployment
from infra.layers.manifest import publish, store_fact
from infra.policies import bucket_policies, queue_policies
from infra.policies.database_roles import database_role_sql
from infra.policies.document import to_json
from infra.policies.vault_policies import DATABASE_DUTIES, database_role, secret_ref
from strongroom.errors import UsageError
from strongroom.estate import names
from strongroom.estate.keyring import storage_key
from strongroom.estate.model import Store

POSTGRES_PORT = 5432
Facts = dict[str, Any]


def deploy(deployment: Deployment) -> None:
    """Composes the layer."""
    layer = _DataLayer(deployment)
    makers: dict[str, Callable[[str, Store], Facts]] = {
        "postgres": layer.database,
        "bucket": layer.bucket,
        "queue": layer.queue,
    }
    facts = []
    for name, store in deployment.estate.stores.items():
        if store.ownership != "created":
            facts.append(store_fact(deployment, name, store, **_declared(store)))
        elif store.kind in makers:
            made = makers[store.kind](name, store)
            facts.append(store_fact(deployment, name, store, key=storage_key(store.data_class), **made))
        else:
            raise UsageError(f"store {name!r}: a {store.kind} cannot be created yet", hint="say: ownership: external")
    declared = deployment.estate.vault
    if declared is not None and declared.pki_common_name:
        domain = declared.pki_common_name.partition(" ")[0]
        InternalAuthority(
            "authority",
            InternalAuthorityArgs(common_name=declared.pki_common_name, domain=domain),
            pulumi.ResourceOptions(providers=[deployment.vault()]),
        )
    publish(deployment, {"stores": facts})


def _declared(store: Store) -> Facts:
    """Where an existing store is: as declared, a folder as a file URL relative to STRONGROOM_HOME."""
    endpoint = f"file:{store.path}" if store.kind == "folder" else store.endpoint
    return {"arn": store.arn, "endpoint": endpoint, "secret_ref": store.secret_ref}


class _DataLayer:
    """Makes stores; network and database mount are shared and made on first use."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment, self._estate = deployment, deployment.estate
        self._network: PrivateNetwork | None = None
        self._mount: vault.Mount | None = None
        self._keys: dict[str, pulumi.Output[str]] = {}

    def bucket(self, name: str, store: Store) -> Facts:
        """A bucket of a class."""
        bucket, key = names.store_name(self._estate, name), self._key(store)
        made = EncryptedBucket(
            name,
            EncryptedBucketArgs(
                bucket=bucket,
                key_arn=key,
                policy=key.apply(lambda arn: to_json(bucket_policies.class_bucket(bucket, arn))),
                tags=self._deployment.tags(store.data_class, "application"),
                protect=self._estate.protection.data,
            ),
            self._deployment.in_account("workload"),
        )
        return {"arn": made.arn, "endpoint": f"s3://{bucket}"}

    def queue(self, name: str, store: Store) -> Facts:
        """A queue of a class, with its dead-letter queue."""
        arn = names.queue_arn(self._estate, name)
        made = EncryptedQueue(
            name,
            EncryptedQueueArgs(
                name=names.store_name(self._estate, name),
                key_arn=self._key(store),
                policy=to_json(queue_policies.queue_policy(self._estate, arn)),
                dead_letter_policy=to_json(queue_policies.queue_policy(self._estate, f"{arn}-dead")),
                tags=self._deployment.tags(store.data_class, "application"),
                protect=self._estate.protection.data,
            ),
            self._deployment.in_account("workload"),
        )
        return {"arn": made.arn, "endpoint": made.url}

    def database(self, name: str, store: Store) -> Facts:
        """A database, and through Vault a login for each duty that connects."""
        network = self._private_network()
        database = name.replace("-", "_")
        made = EncryptedDatabase(
            name,
            EncryptedDatabaseArgs(
                identifier=names.store_name(self._estate, name),
                database=database,
                key_arn=self._key(store),
                subnet_ids=network.subnet_ids,
                security_group_ids=[network.security_group_id],
                instance=store.instance,
                tags=self._deployment.tags(store.data_class, "application"),
                protect=self._estate.protection.data,
            ),
            self._deployment.in_account("workload"),
        )
        reference: pulumi.Input[str] = made.master_secret_arn
        if self._estate.vault is not None:
            self._credentials(name, database, made)
            reference = secret_ref(self._estate.vault, name)
        return {"arn": made.arn, "endpoint": made.endpoint, "database": database, "secret_ref": reference}

    def _credentials(self, name: str, database: str, made: EncryptedDatabase) -> None:
        invoke = pulumi.InvokeOutputOptions(provider=self._deployment.aws("workload"))
        master = aws.secretsmanager.get_secret_version_output(secret_id=made.master_secret_arn, opts=invoke)
        secret = pulumi.Output.secret(master.secret_string).apply(json.loads)
        DatabaseCredentials(
            f"{name}-credentials",
            DatabaseCredentialsArgs(
                mount=self._database_mount(),
                connection=name,
                endpoint=made.endpoint,
                database=database,
                username=secret.apply(lambda s: str(s["username"])),
                password=secret.apply(lambda s: str(s["password"])),
                roles={database_role(name, duty): database_role_sql(duty) for duty in DATABASE_DUTIES},
            ),
            pulumi.ResourceOptions(providers=[self._deployment.vault()]),
        )

    def _database_mount(self) -> pulumi.Output[str]:
        assert self._estate.vault is not None
        if self._mount is None:
            self._mount = vault.Mount(
                "database",
                path=self._estate.vault.database,
                type="database",
                description="logins that live as long as their lease",
                opts=pulumi.ResourceOptions(provider=self._deployment.vault()),
            )
        return self._mount.path

    def _private_network(self) -> PrivateNetwork:
        if self._network is None:
            region = self._estate.accounts["workload"].region
            self._network = PrivateNetwork(
                "databases",
                PrivateNetworkArgs(
                    name=f"{names.prefix(self._estate)}-databases",
                    cidr="10.20.0.0/16",
                    subnets={f"{region}a": "10.20.1.0/24", f"{region}b": "10.20.2.0/24"},
                    port=POSTGRES_PORT,
                    tags=self._deployment.tags(owner="deployer.data"),
                ),
                self._deployment.in_account("workload"),
            )
        return self._network

    def _key(self, store: Store) -> pulumi.Output[str]:
        """The ARN of a class's storage key, which the layer `keys` made."""
        name = storage_key(store.data_class)
        if name not in self._keys:
            self._keys[name] = self._deployment.key_arn(name)
        return self._keys[name]
