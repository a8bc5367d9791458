"""From a name to a source: a store of the manifest, or the address of one that no manifest knows."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

from psycopg import conninfo

from backup_jobs.sources import bucket, folder, postgres
from backup_jobs.sources.bucket import BucketSource
from backup_jobs.sources.bucket_objects import split_url
from backup_jobs.sources.contract import Source
from backup_jobs.sources.folder import FolderSource
from backup_jobs.sources.postgres import PostgresSource
from backup_jobs.sources.vault import VaultSource
from strongroom.errors import UsageError
from strongroom.estate.manifest import Manifest, Store
from strongroom.jobs.contract import Context
from strongroom.jobs.credentials import home
from strongroom.jobs.database import login

#: Kinds of stores that can be captured. Messages in flight in queues and topics cannot: that is said, not hidden.
CAPTURED = ("postgres", "bucket", "folder", "filesystem", "vault")


def captured_stores(manifest: Manifest) -> tuple[Store, ...]:
    """The stores of a manifest that are backed up."""
    return tuple(store for store in manifest.stores if store.kind in CAPTURED)


def source_of(ctx: Context, duty: str, wanted: str) -> Source:
    """The source called `wanted`: a store's name, a PostgreSQL connection string, s3://bucket/prefix, or a folder.

    UsageError, which does not repeat a connection string, when it is none of these. Credentials are those of `duty`.
    """
    stores = {store.name: store for store in ctx.manifest.stores}
    if wanted in stores:
        return _stored(ctx, duty, stores[wanted])
    if wanted.startswith(("postgresql://", "postgres://")):
        return PostgresSource(postgres.adhoc_name(wanted), wanted)
    if wanted.startswith("s3://"):
        name, prefix = split_url(wanted)
        client = ctx.session(duty, ctx.home_account(duty)).client("s3")
        return BucketSource(bucket.adhoc_name(name, prefix), client, name, ctx.clock, prefix=prefix)
    root = Path(wanted)
    if root.is_dir():
        return FolderSource(folder.adhoc_name(root), root.resolve(), ctx.clock)
    if "=" in wanted:
        return PostgresSource(postgres.adhoc_name(wanted), wanted)
    shown = f"{wanted.partition('://')[0]}://…" if "://" in wanted else repr(wanted)
    raise UsageError(
        f"{shown} is no store of {ctx.env!r}, no folder, and neither postgresql:// nor s3://",
        hint=f"stores: {', '.join(stores) or 'none'}",
    )


def _stored(ctx: Context, duty: str, store: Store) -> Source:
    if store.kind == "postgres":
        found = login(ctx, store, duty)
        return PostgresSource(store.name, conninfo.make_conninfo(password=found.password, **found.parameters))
    if store.kind == "bucket":
        region = store.region or None
        client = ctx.session(duty, store.account or ctx.home_account(duty), store.region).client(
            "s3", region_name=region
        )
        return BucketSource(store.name, client, _bucket_of(store), ctx.clock)
    if store.kind in ("folder", "filesystem"):
        return FolderSource(store.name, folder_of(store), ctx.clock)
    if store.kind == "vault":
        return VaultSource(store.name, ctx.vault(duty), ctx.clock)
    raise UsageError(
        f"{store.name}: a {store.kind} holds messages in flight, which cannot be backed up",
        hint="its configuration is in the stacks; replay from the outbox",
    )


def folder_of(store: Store) -> Path:
    """The folder of a store: a file: URL or a path; a relative one begins at STRONGROOM_HOME."""
    place = store.endpoint or store.arn
    return home() / (unquote(urlparse(place).path) if place.startswith("file:") else place)


def _bucket_of(store: Store) -> str:
    if store.arn:
        return store.arn.rpartition(":")[2]
    return split_url(store.endpoint)[0] if store.endpoint.startswith("s3://") else store.endpoint
