"""Opening a repository as a duty: storages of its copies, keys of its recipients, the id key, the pinned signers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from strongroom.errors import KeyFailure, ManifestError, UsageError
from strongroom.estate.manifest import Copy, Key, Repository
from strongroom.evidence.trust import Trust
from strongroom.jobs.contract import Context
from strongroom.jobs.credentials import home
from strongroom.keys import escrow, kms
from strongroom.keys.handles import Administrator, Unwrapper, Wrapper
from strongroom.keys.kms import KmsAdministrator, KmsUnwrapper, KmsWrapper
from strongroom.keys.transit import TransitAdministrator, TransitUnwrapper, TransitWrapper
from strongroom.storage.contract import Storage
from strongroom.storage.local import LocalStorage
from strongroom.storage.s3 import S3Storage

ESCROW = "escrow"


def primary(repository: Repository) -> Copy:
    """The copy that backups are written to: the first declared."""
    return repository.copies[0]


def copy_named(repository: Repository, name: str) -> Copy:
    """A copy by name; UsageError when there is none."""
    for copy in repository.copies:
        if copy.name == name:
            return copy
    known = ", ".join(copy.name for copy in repository.copies)
    raise UsageError(f"repository {repository.id} has no copy called {name!r} (it has {known})")


def copies_wanted(ctx: Context, repository: Repository) -> tuple[Copy, ...]:
    """The copy named by the option `copy`, every copy without it; UsageError when there is none of that name."""
    name = str(ctx.options.get("copy") or "")
    return (copy_named(repository, name),) if name else repository.copies


def recipients_wanted(ctx: Context, copies: Iterable[Copy]) -> tuple[str, ...]:
    """Recipients named by the option `recipient` (comma-separated), none without it.

    UsageError when none of `copies` has one of them.
    """
    named = tuple(name for name in str(ctx.options.get("recipient") or "").split(",") if name)
    known = sorted({name for copy in copies for name in copy.recipients})
    for name in named:
        if name not in known:
            raise UsageError(f"no copy asked for has the recipient {name!r}", hint=f"there are {', '.join(known)}")
    return named


def session(ctx: Context, duty: str, account: str, region: str = "") -> Any:
    """A session of a duty in an account, or in the duty's home account where it has no role in that one."""
    roles = ctx.manifest.accounts[account].roles if account in ctx.manifest.accounts else {}
    return ctx.session(duty, account if duty in roles else ctx.home_account(duty), region)


def data(ctx: Context, duty: str, repository: Repository, copy: Copy) -> Storage:
    """The data bucket or folder of a copy, with a duty's credentials."""
    return _storage(ctx, duty, copy, copy.url, repository.lock_mode)


def control(ctx: Context, duty: str, repository: Repository, copy: Copy) -> Storage:
    """The unlocked bucket or folder beside a copy: leases, cache, verification marks."""
    if copy.backend == "local":
        folder = local_path(copy)
        return LocalStorage(folder.with_name(folder.name + ".control"))
    if not copy.control_url:
        raise ManifestError(f"copy {copy.name} of {repository.id} has no control bucket", hint="deploy layer backup")
    return _storage(ctx, duty, copy, copy.control_url, repository.lock_mode)


def local_path(copy: Copy) -> Path:
    """The folder of a local copy: a file: URL or a path; a relative one begins at STRONGROOM_HOME."""
    place = unquote(urlparse(copy.url).path) if copy.url.startswith("file:") else copy.url
    return home() / place  # an absolute path stands for itself


def _storage(ctx: Context, duty: str, copy: Copy, url: str, lock_mode: str) -> Storage:
    if copy.backend == "local":
        return LocalStorage(local_path(copy))
    target = urlparse(url)
    client = session(ctx, duty, copy.account, copy.region).client("s3", region_name=copy.region or None)
    return S3Storage(client, target.netloc, target.path, lock_mode=lock_mode)


def trust(ctx: Context) -> Trust | None:
    """The signers that the manifest pins; None when no evidence is deployed: signatures are then not checked."""
    return Trust.of(ctx.manifest.evidence.keys) if ctx.manifest.evidence else None


def id_key(ctx: Context, duty: str, repository: Repository) -> bytes:
    """The key of blob ids: GenerateMac over "id/v1|<repository>"; the KMS key itself never leaves KMS."""
    key = ctx.manifest.key(repository.id_key)
    client = session(ctx, duty, key.account, key.region).client("kms", region_name=key.region)
    return kms.mac(client, key.ref, f"id/v1|{repository.id}".encode())


def recipients(repository: Repository) -> tuple[str, ...]:
    """Every recipient of any copy, in declared order."""
    return tuple(dict.fromkeys(name for copy in repository.copies for name in copy.recipients))


def wrappers(ctx: Context, duty: str, repository: Repository) -> dict[str, Wrapper]:
    """Wrappers of every recipient. Option `escrow` names the public escrow key, by default the one of this home."""
    return {name: _wrapper(ctx, duty, name) for name in recipients(repository)}


def _wrapper(ctx: Context, duty: str, name: str) -> Wrapper:
    if name == ESCROW:
        return escrow.load_public(Path(ctx.options.get("escrow") or home() / "escrow.pub.pem"))
    key = ctx.manifest.key(name)
    if key.provider == "transit":
        return TransitWrapper(ctx.vault(duty), key.ref)
    return KmsWrapper(_kms(ctx, duty, key), key.ref)


def unwrapper(ctx: Context, duty: str, name: str) -> Unwrapper:
    """The key of one recipient, ready to open.

    The escrow key comes from the options `escrow_key` (encrypted PEM) and `escrow_passphrase` (a file whose first line
    is the passphrase). KeyFailure when it is not given or the service cannot be reached.
    """
    if name == ESCROW:
        if not has_escrow_key(ctx):
            raise KeyFailure("the escrow key was not given", hint="options escrow_key and escrow_passphrase")
        place = Path(str(ctx.options["escrow_passphrase"]))
        try:
            passphrase = place.read_bytes().split(b"\n", 1)[0]
        except OSError as error:
            raise UsageError(f"{place}: the passphrase cannot be read ({error.strerror})") from None
        return escrow.load_private(Path(str(ctx.options["escrow_key"])), passphrase)
    key = ctx.manifest.key(name)
    if key.provider == "transit":
        return TransitUnwrapper(ctx.vault(duty), key.ref)
    return KmsUnwrapper(_kms(ctx, duty, key), key.ref)


def has_escrow_key(ctx: Context) -> bool:
    """Whether the offline key was given to this run."""
    return bool(ctx.options.get("escrow_key") and ctx.options.get("escrow_passphrase"))


def unwrappers(ctx: Context, duty: str, names: Iterable[str]) -> dict[str, Unwrapper]:
    """The keys of those recipients that can be reached; KeyFailure of the first when none can."""
    found: dict[str, Unwrapper] = {}
    failures: list[KeyFailure] = []
    for name in names:
        if name == ESCROW and not has_escrow_key(ctx):
            continue
        try:
            found[name] = unwrapper(ctx, duty, name)
        except KeyFailure as failure:
            failures.append(failure)
    if not found and failures:
        raise failures[0]
    return found


def administrator(ctx: Context, duty: str, name: str) -> Administrator:
    """The handle that rewraps to a recipient's newest key version without opening anything."""
    key = ctx.manifest.key(name)
    if key.provider == "transit":
        return TransitAdministrator(ctx.vault(duty), key.ref)
    return KmsAdministrator(_kms(ctx, duty, key), key.ref)


def _kms(ctx: Context, duty: str, key: Key) -> Any:
    return session(ctx, duty, key.account, key.region).client("kms", region_name=key.region)
