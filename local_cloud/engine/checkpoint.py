"""The state file of a stack is whole at every instant: each step rewrites it by atomic rename.

While a step runs, its resource stands under `pending_operations`, so a process that is killed leaves a file which
says what was under way. The file is a version-3 deployment in the form of `pulumi stack export`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_cloud.engine.passphrase import Crypter, open_crypter
from local_cloud.engine.state import Resource, from_json, to_json
from strongroom.errors import LeaseHeld, UsageError

#: The Pulumi release whose state form and protocol this engine follows; the SDK of the lock has the same number.
VERSION = "v3.272.0"


class Checkpoint:
    """The resources of one stack, old and new, and the file that holds them."""

    def __init__(self, path: Path, crypter: Crypter, old: list[Resource], pending: list[dict[str, Any]]) -> None:
        self.path = path
        self.old = old
        #: operations that a killed process left under way, as they stand in the file
        self.interrupted = pending
        self._crypter = crypter
        self._new: list[Resource] = []
        self._gone: set[Resource] = set()
        self._pending: list[tuple[str, Resource]] = []
        self._rendered: dict[Resource, str] = {}
        self._lock = threading.RLock()
        self._written = ""

    def resources(self) -> list[Resource]:
        """What the file holds now: new records first, then old ones that no step has touched.

        Dependencies stand before dependents, because a resource is recorded after what it needs.
        """
        with self._lock:
            return self._new + [resource for resource in self.old if resource not in self._gone]

    def begin(self, kind: str, resource: Resource) -> None:
        """Notes in the file that a step (creating, updating, deleting, reading, importing) is under way."""
        with self._lock:
            self._pending.append((kind, resource))
            self.write()

    def end(self, resource: Resource) -> None:
        """Removes the note of a step; the next write shows it."""
        with self._lock:
            self._pending = [(kind, pending) for kind, pending in self._pending if pending is not resource]

    def record(self, resource: Resource, replaces: Resource | None = None) -> None:
        """Puts a resource into the file; `replaces` is the record it takes the place of."""
        with self._lock:
            if replaces is not None and replaces in self._new:
                self._new[self._new.index(replaces)] = resource
            else:
                self._new.append(resource)
                if replaces is not None:
                    self._gone.add(replaces)
            self.write()

    def condemn(self, old: Resource, marked: Resource, instead: Resource | None = None) -> None:
        """Replaces an old record in place by a marked one and, in the same write, adds what stands in for it."""
        with self._lock:
            self.old[self.old.index(old)] = marked
            if instead is not None:
                self._new.append(instead)
            self.write()

    def drop(self, resource: Resource) -> None:
        """Takes a resource out of the file."""
        with self._lock:
            if resource in self._new:
                self._new.remove(resource)
            self._gone.add(resource)
            self.write()

    def settle(self) -> None:
        """Ends the operation: forgets interrupted creations and makes the file durable."""
        with self._lock:
            self.interrupted = []
            self.write(durable=True)

    def write(self, *, durable: bool = False) -> None:
        """Writes the file (0600) beside itself and renames it; `durable` also survives a power cut."""
        with self._lock:
            body = self._body()
            if body == self._written and not durable:
                return
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            manifest = {"time": now, "magic": hashlib.sha256(VERSION.encode()).hexdigest(), "version": VERSION}
            text = f'{{"version":3,"deployment":{{"manifest":{json.dumps(manifest)},{body}}}}}\n'
            scratch = self.path.with_name(f".{self.path.name}.new")
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            scratch.replace(self.path)
            self._written = body

    def _body(self) -> str:
        provider = {"type": "passphrase", "state": {"salt": self._crypter.state}}
        resources = ",\n".join(self._text(resource) for resource in self.resources())
        pending = [f'{{"resource":{self._text(item)},"type":{json.dumps(kind)}}}' for kind, item in self._pending]
        pending += [json.dumps(operation) for operation in self.interrupted]
        parts = [f'"secrets_providers":{json.dumps(provider)}', f'"resources":[\n{resources}\n]']
        if pending:
            parts.append(f'"pending_operations":[{",".join(pending)}]')
        return ",".join([*parts, '"metadata":{}'])

    def _text(self, resource: Resource) -> str:
        text = self._rendered.get(resource)
        if text is None:
            text = self._rendered[resource] = json.dumps(to_json(resource, self._crypter))
        return text


def stack_file(home: Path, stack: str) -> Path:
    """Where a stack's state lies."""
    return home / "state" / f"{stack}.json"


def load(home: Path, stack: str) -> Checkpoint:
    """The checkpoint of a stack, empty if there is none; UsageError if the file is not a version-3 deployment."""
    path = stack_file(home, stack)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        return Checkpoint(path, open_crypter(home), [], [])
    try:
        document = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise UsageError(f"{path.name}: not JSON: {error}", hint=f"the state before it is {path.name}.bak") from None
    if not isinstance(document, dict) or document.get("version") != 3:
        raise UsageError(f"{path.name}: not a version-3 deployment")
    deployment = document["deployment"]
    provider = deployment.get("secrets_providers") or {}
    if provider.get("type", "passphrase") != "passphrase":
        raise UsageError(f"{path.name}: secrets are held by {provider['type']}, this engine opens passphrase only")
    crypter = open_crypter(home, provider.get("state", {}).get("salt"))
    resources = [from_json(record, crypter) for record in deployment.get("resources") or []]
    return Checkpoint(path, crypter, resources, deployment.get("pending_operations") or [])


@contextmanager
def opened(home: Path, stack: str) -> Iterator[Checkpoint]:
    """A checkpoint that only this process changes; the state before it is kept as <stack>.json.bak.

    Raises LeaseHeld if another process works on the stack.
    """
    path = stack_file(home, stack)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(f".{stack}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LeaseHeld(f"stack {stack} is being changed by another process", hint="wait for it") from None
        checkpoint = load(home, stack)
        if path.exists():
            backup = path.with_name(f"{path.name}.bak")
            backup.touch(mode=0o600)
            shutil.copyfile(path, backup)
        yield checkpoint


def topological(resources: Iterable[Resource]) -> list[list[Resource]]:
    """Layers of resources in which nothing needs another of its own layer, dependents first.

    Every layer can be deleted in parallel once the layers before it are gone.
    """
    remaining = list(resources)
    layers = []
    while remaining:
        needed = set().union(*(resource.needs() - {resource.urn} for resource in remaining))
        layer = [resource for resource in remaining if resource.urn not in needed]
        if not layer:  # a cycle cannot come from a program; a state edited by hand may hold one
            raise UsageError("the state's dependencies form a cycle", hint=remaining[0].urn)
        layers.append(layer)
        chosen = set(layer)
        remaining = [resource for resource in remaining if resource not in chosen]
    return layers
