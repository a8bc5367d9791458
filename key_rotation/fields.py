"""The job rewrap-fields: moves field keys to the newest versions while the application writes (docs/formats/field.md).

Two halves, each with its own duty, chosen by the option `level`:

    root     branch keys are rewrapped under the newest field root by ReEncrypt or transit rewrap   rotator
    branch   a new branch version is made and every subject key is rewrapped under it, locally       re-encryptor

Every update is a compare-and-swap on the old bytes, so a concurrent writer is never overwritten: what it changed is
read again in the next pass. No transaction is open during a call to KMS or OpenBao. The proof of completion lies in
the database: a fence refuses older versions, and a CHECK constraint is added NOT VALID and validated.
"""

from __future__ import annotations

from typing import Any

from strongroom.errors import Differs, KeyFailure, Partial, UsageError
from strongroom.estate.manifest import Key, Store
from strongroom.fields import branch_keys
from strongroom.fields.wrapping import BranchKey, rewrap
from strongroom.jobs.contract import Context, Plan, Proof, RunState, Unit, UnitResult, Verdict
from strongroom.jobs.database import login
from strongroom.keys.escrow import EscrowWrapper
from strongroom.keys.handles import Administrator, Unwrapper, Wrapped, Wrapper
from strongroom.keys.kms import KmsAdministrator, KmsUnwrapper, KmsWrapper
from strongroom.keys.transit import TransitAdministrator, TransitUnwrapper, TransitWrapper

BATCH = 5_000
MAX_PASSES = 50


def root_of(ctx: Context, data_class: str) -> Key:
    """The field root of a data class in the manifest; KeyFailure when there is none."""
    found = [k for k in ctx.manifest.keys if k.purpose == "field-root" and k.data_class == data_class]
    if len(found) != 1:
        raise KeyFailure(f"{len(found)} field roots of class {data_class!r} in the manifest, one is needed")
    return found[0]


def _client(ctx: Context, duty: str, key: Key) -> Any:
    if key.provider == "transit":
        return ctx.vault(duty)
    # a key of another account is used from the duty's own account, if both policies allow it
    account = key.account if duty in ctx.manifest.accounts[key.account].roles else ctx.home_account(duty)
    return ctx.session(duty, account).client("kms", region_name=key.region)


def administrator(ctx: Context, key: Key) -> Administrator:
    """The rotator's handle of a field root."""
    client = _client(ctx, "rotator", key)
    return TransitAdministrator(client, key.ref) if key.provider == "transit" else KmsAdministrator(client, key.ref)


def unwrapper(ctx: Context, duty: str, key: Key) -> Unwrapper:
    """A duty's handle that opens under a key."""
    client = _client(ctx, duty, key)
    return TransitUnwrapper(client, key.ref) if key.provider == "transit" else KmsUnwrapper(client, key.ref)


def wrapper(ctx: Context, duty: str, key: Key) -> Wrapper:
    """A duty's handle that wraps under a key."""
    client = _client(ctx, duty, key)
    return TransitWrapper(client, key.ref) if key.provider == "transit" else KmsWrapper(client, key.ref)


def recipients(ctx: Context, duty: str, data_class: str, escrow: EscrowWrapper | None) -> dict[str, Wrapper]:
    """Wrappers for a new branch key: the field root and every backup recipient a repository names."""
    wrappers: dict[str, Wrapper] = {branch_keys.ROOT: wrapper(ctx, duty, root_of(ctx, data_class))}
    for repository in ctx.manifest.repositories:
        for name in dict.fromkeys(n for copy in repository.copies for n in copy.recipients):
            if name != "escrow":
                wrappers[name] = wrapper(ctx, duty, ctx.manifest.key(name))
            elif escrow is not None:
                wrappers[name] = escrow
            else:
                raise KeyFailure("the repository names the recipient escrow", hint="pass --option escrow=PUBLIC.pem")
    return wrappers


class RewrapFields:
    """Option `level`: `root` (default) or `branch`; `store`: name of one database; `escrow`: public key file."""

    name = "rewrap-fields"

    def __init__(self, level: str = "root") -> None:
        if level not in ("root", "branch"):
            raise UsageError(f"rewrap-fields has no level {level!r}", hint="level=root or level=branch")
        self.level = level
        self.duty = "rotator" if level == "root" else "re-encryptor"

    def plan(self, ctx: Context) -> Plan:
        """One unit a database, tenant and class whose keys are not under the newest version."""
        wanted = str(ctx.options.get("store") or "")
        units: list[Unit] = []
        found: list[str] = []
        for store in ctx.manifest.stores:
            if store.kind == "postgres" and store.fields and wanted in ("", store.name):
                units += self._units(ctx, store)
                found.append(store.name)
        if wanted and not found:
            raise UsageError(f"the manifest has no database {wanted!r} with encrypted fields")
        return Plan(tuple(units), f"{len(units)} key groups", ("on-demand",) if units else ())

    def _units(self, ctx: Context, store: Store) -> list[Unit]:
        with login(ctx, store, self.duty).connect(autocommit=True) as connection:
            groups = connection.execute(
                "SELECT tenant, class, max(version) FROM strongroom.branch_keys GROUP BY 1, 2 ORDER BY 1, 2"
            ).fetchall()
        kind = f"rewrap-{self.level}"
        return [
            Unit(kind, {"store": store.name, "tenant": tenant, "class": data_class, "from_version": version})
            for tenant, data_class, version in groups
        ]

    def execute(self, ctx: Context, unit: Unit) -> UnitResult:
        """Rewraps one group."""
        store = ctx.manifest.store(unit.arguments["store"])
        with login(ctx, store, self.duty).connect(autocommit=True) as connection:
            work = _rewrap_root if self.level == "root" else _rewrap_branch
            counts, detail = work(ctx, connection, unit.arguments["tenant"], unit.arguments["class"], unit)
        body = {
            "store": store.name,
            "class": unit.arguments["class"],
            "level": self.level,
            "counts": counts,
            "proof": detail.get("proof", {}),
            "reasons": ["raced"] if counts.get("raced") else [],
        }
        statement = ctx.evidence.emit("rotation", body)
        reasons = ("raced",) if counts.get("raced") else ()
        return UnitResult(
            unit.id, RunState.OK, reasons=reasons, counts=counts, detail={**detail, "evidence": statement}
        )

    def verify(self, ctx: Context, results: tuple[UnitResult, ...]) -> Verdict:
        """Counts again what is left under older versions; any is a failure."""
        left = sum(_left(ctx, self.duty, r.detail) for r in results if r.detail)
        if left:
            message = f"{left} keys are still under an older version"
            return Verdict(RunState.FAILED, Proof.UNVERIFIED, ("partial",), message, error=Differs.exit_code)
        return Verdict(RunState.OK, Proof.VERIFIED)


def _left(ctx: Context, duty: str, detail: Any) -> int:
    store = ctx.manifest.store(detail["store"])
    with login(ctx, store, duty).connect(autocommit=True) as connection:
        if detail["level"] == "branch":
            row = connection.execute(
                "SELECT count(*) FROM strongroom.subject_keys WHERE tenant = %s AND class = %s AND branch_version < %s",
                (detail["tenant"], detail["class"], detail["to_version"]),
            ).fetchone()
        else:
            row = connection.execute(
                "SELECT count(*) FROM strongroom.branch_keys"
                " WHERE tenant = %s AND class = %s AND recipient = %s AND wrapped = ANY(%s)",
                (detail["tenant"], detail["class"], branch_keys.ROOT, [bytes.fromhex(b) for b in detail["replaced"]]),
            ).fetchone()
    return int(row[0])


def _rewrap_root(
    ctx: Context, connection: Any, tenant: str, data_class: str, unit: Unit
) -> tuple[dict[str, int], dict[str, Any]]:
    handle = administrator(ctx, root_of(ctx, data_class))
    rows = connection.execute(
        "SELECT version, provider, key_ref, wrapped FROM strongroom.branch_keys"
        " WHERE tenant = %s AND class = %s AND recipient = %s ORDER BY version",
        (tenant, data_class, branch_keys.ROOT),
    ).fetchall()
    moved = raced = 0
    replaced, versions = [], []
    for version, provider, key_ref, blob in rows:
        old = Wrapped(provider, key_ref, "", bytes(blob))
        new = handle.rewrap(old, branch_keys.context(tenant, data_class, version, branch_keys.ROOT))
        done = connection.execute(
            "UPDATE strongroom.branch_keys SET wrapped = %s, key_ref = %s"
            " WHERE tenant = %s AND class = %s AND version = %s AND recipient = %s AND wrapped = %s",
            (new.blob, new.key_ref, tenant, data_class, version, branch_keys.ROOT, old.blob),
        ).rowcount
        moved, raced = moved + done, raced + (1 - done)
        replaced.append(old.blob.hex())
        versions.append(new.version)
    detail = {
        "store": unit.arguments["store"],
        "tenant": tenant,
        "class": data_class,
        "level": "root",
        "replaced": replaced,
        "root_version": versions[-1] if versions else "",
    }
    return {"rewrapped": moved, "raced": raced}, detail


def _rewrap_branch(
    ctx: Context, connection: Any, tenant: str, data_class: str, unit: Unit
) -> tuple[dict[str, int], dict[str, Any]]:
    opener = {branch_keys.ROOT: unwrapper(ctx, "re-encryptor", root_of(ctx, data_class))}
    target = _target_branch(ctx, connection, tenant, data_class, int(unit.arguments["from_version"]), opener)
    _raise_fence(connection, tenant, data_class, target.version)
    old: dict[int, BranchKey] = {}
    moved = raced = 0
    total = _count_old(connection, tenant, data_class, target.version)
    ctx.progress.start(f"rewrapping {data_class} subject keys", total)
    try:
        for _ in range(MAX_PASSES):
            if ctx.cancel.is_set():
                raise Partial(f"class {data_class}: asked to stop", hint="run again: it goes on where it stopped")
            done, missed = _one_pass(ctx, connection, target, old, opener)
            moved, raced = moved + done, raced + missed
            if not _count_old(connection, tenant, data_class, target.version):
                break
        else:
            raise Differs(f"class {data_class}: subject keys keep changing after {MAX_PASSES} passes", hint="run again")
    finally:
        ctx.progress.stop()
    proof = _prove(connection, tenant, data_class, target.version)
    detail = {
        "store": unit.arguments["store"],
        "tenant": tenant,
        "class": data_class,
        "level": "branch",
        "to_version": target.version,
        "proof": proof,
    }
    return {"rewrapped": moved, "raced": raced}, detail


def _target_branch(
    ctx: Context, connection: Any, tenant: str, data_class: str, planned_from: int, opener: dict[str, Unwrapper]
) -> BranchKey:
    newest = branch_keys.newest_version(connection, tenant, data_class) or 0
    unfinished = _fence(connection, tenant, data_class) == newest and _count_old(connection, tenant, data_class, newest)
    if newest > planned_from or unfinished:
        return branch_keys.open_version(connection, tenant, data_class, newest, opener)
    escrow = ctx.options.get("escrow_wrapper")
    wrappers = recipients(ctx, "re-encryptor", data_class, escrow)
    with connection.transaction():
        return branch_keys.create(connection, tenant, data_class, wrappers)


def _one_pass(
    ctx: Context, connection: Any, target: BranchKey, old: dict[int, BranchKey], opener: dict[str, Unwrapper]
) -> tuple[int, int]:
    moved = raced = 0
    last = "00000000-0000-0000-0000-000000000000"
    while not ctx.cancel.is_set():
        rows = connection.execute(
            "SELECT id, subject, branch_version, wrapped FROM strongroom.subject_keys"
            " WHERE tenant = %s AND class = %s AND branch_version < %s AND id > %s ORDER BY id LIMIT %s",
            (target.tenant, target.data_class, target.version, last, BATCH),
        ).fetchall()
        if not rows:
            break
        last = rows[-1][0]
        for version in {row[2] for row in rows} - set(old):
            old[version] = branch_keys.open_version(connection, target.tenant, target.data_class, version, opener)
        changes = rewrap(((key, subject, version, bytes(w)) for key, subject, version, w in rows), old, target)
        ids, before, after = ([change[i] for change in changes] for i in range(3))
        done = connection.execute(
            "UPDATE strongroom.subject_keys s SET wrapped = u.after, branch_version = %s"
            " FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[]) AS u(id, before, after)"
            " WHERE s.id = u.id AND s.wrapped = u.before",
            (target.version, ids, before, after),
        ).rowcount
        moved, raced = moved + done, raced + len(changes) - done
        ctx.progress.advance(done)
    return moved, raced


def _fence(connection: Any, tenant: str, data_class: str) -> int:
    row = connection.execute(
        "SELECT min_version FROM strongroom.branch_fences WHERE tenant = %s AND class = %s", (tenant, data_class)
    ).fetchone()
    return int(row[0]) if row else 0


def _raise_fence(connection: Any, tenant: str, data_class: str, version: int) -> None:
    connection.execute(
        "INSERT INTO strongroom.branch_fences (tenant, class, min_version) VALUES (%s, %s, %s)"
        " ON CONFLICT (tenant, class) DO UPDATE"
        " SET min_version = greatest(branch_fences.min_version, EXCLUDED.min_version)",
        (tenant, data_class, version),
    )


def _count_old(connection: Any, tenant: str, data_class: str, version: int) -> int:
    row = connection.execute(
        "SELECT count(*) FROM strongroom.subject_keys WHERE tenant = %s AND class = %s AND branch_version < %s",
        (tenant, data_class, version),
    ).fetchone()
    return int(row[0])


def _prove(connection: Any, tenant: str, data_class: str, version: int) -> dict[str, Any]:
    """Lets PostgreSQL itself confirm that no row is older; CheckViolation would mean one is, and is raised."""
    connection.execute("SELECT strongroom.declare_branch_version(%s, %s, %s)", (tenant, data_class, version))
    connection.execute("SELECT strongroom.validate_branch_version(%s, %s)", (tenant, data_class))
    row = connection.execute("SELECT pg_current_wal_lsn()::text, count(*) FROM strongroom.subject_keys").fetchone()
    return {"branch_version": version, "constraint_validated": True, "lsn": row[0], "rows": row[1]}
