"""Branch keys: one a tenant and class, wrapped for the field root and for every backup recipient.

They are made at creation (application set-up or enrolment) and at rotation (re-encryptor), never by the
backup-writer. The encryption context of a wrapping names tenant, class, version and recipient.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from importlib import resources
from typing import Any

from strongroom.errors import KeyFailure, UsageError
from strongroom.fields.wrapping import BranchKey
from strongroom.keys.handles import Unwrapper, Wrapped, Wrapper

ROOT = "root"


def install_schema(connection: Any) -> None:
    """Creates the tables, fence and triggers if they are absent; commits nothing."""
    connection.execute(resources.files("strongroom.fields").joinpath("schema.sql").read_text())


def context(tenant: str, data_class: str, version: int, recipient: str) -> dict[str, str]:
    """The encryption context of a wrapped branch key."""
    return {
        "purpose": "branch-key",
        "tenant": tenant,
        "class": data_class,
        "version": str(version),
        "recipient": recipient,
    }


def create(connection: Any, tenant: str, data_class: str, wrappers: Mapping[str, Wrapper]) -> BranchKey:
    """Makes the next version of a branch key for all recipients, in the caller's transaction.

    `wrappers` maps recipient names to wrappers and must hold `root`, which generates the key. Every recipient is
    wrapped before the first row is written: KeyFailure leaves nothing behind.
    """
    if ROOT not in wrappers:
        raise UsageError(f"class {data_class}: no field root among the recipients")
    version = (newest_version(connection, tenant, data_class) or 0) + 1
    made = wrappers[ROOT].generate(context(tenant, data_class, version, ROOT))
    wrapped = {ROOT: made.wrapped}
    for recipient, wrapper in wrappers.items():
        if recipient != ROOT:
            wrapped[recipient] = wrapper.wrap(made.plaintext, context(tenant, data_class, version, recipient))
    key_id = uuid.uuid4()
    for recipient, item in wrapped.items():
        connection.execute(
            "INSERT INTO strongroom.branch_keys (id, tenant, class, version, recipient, provider, key_ref, wrapped)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (key_id, tenant, data_class, version, recipient, item.provider, item.key_ref, item.blob),
        )
    return BranchKey(tenant, data_class, version, made.plaintext)


def enrol(connection: Any, branch: BranchKey, recipient: str, wrapper: Wrapper) -> None:
    """Wraps an open branch key for one more recipient; an existing wrapping for it is left alone."""
    item = wrapper.wrap(branch.material, context(branch.tenant, branch.data_class, branch.version, recipient))
    connection.execute(
        "INSERT INTO strongroom.branch_keys (id, tenant, class, version, recipient, provider, key_ref, wrapped)"
        " SELECT id, tenant, class, version, %s, %s, %s, %s FROM strongroom.branch_keys"
        " WHERE tenant = %s AND class = %s AND version = %s AND recipient = %s ON CONFLICT DO NOTHING",
        (recipient, item.provider, item.key_ref, item.blob, branch.tenant, branch.data_class, branch.version, ROOT),
    )


def newest_version(connection: Any, tenant: str, data_class: str) -> int | None:
    """The highest version of a branch key, None when there is none."""
    row = connection.execute(
        "SELECT max(version) FROM strongroom.branch_keys WHERE tenant = %s AND class = %s", (tenant, data_class)
    ).fetchone()
    return int(row[0]) if row and row[0] is not None else None


def open_version(
    connection: Any, tenant: str, data_class: str, version: int, unwrappers: Mapping[str, Unwrapper]
) -> BranchKey:
    """Opens one version with the first recipient that both the row and `unwrappers` have; KeyFailure if none does."""
    rows = connection.execute(
        "SELECT recipient, provider, key_ref, wrapped FROM strongroom.branch_keys"
        " WHERE tenant = %s AND class = %s AND version = %s",
        (tenant, data_class, version),
    ).fetchall()
    for recipient, provider, key_ref, blob in rows:
        if recipient in unwrappers:
            wrapped = Wrapped(provider, key_ref, "", bytes(blob))
            bound = context(tenant, data_class, version, recipient)
            return BranchKey(tenant, data_class, version, unwrappers[recipient].unwrap(wrapped, bound))
    have = ", ".join(sorted(row[0] for row in rows)) or "nobody"
    raise KeyFailure(
        f"branch key of class {data_class}, version {version}, is wrapped for {have}",
        hint=f"none of these keys was given: {', '.join(sorted(unwrappers)) or 'no key at all'}",
    )
