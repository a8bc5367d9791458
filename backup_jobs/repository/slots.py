"""Key slots: the run key wrapped for each recipient, one small JSON object each.

    {"format": "strongroom.slot/1", "repo", "run", "recipient", "kind", "key_ref", "version", "wrapped": base64}

The wrapping context is {repo, run, recipient} for every kind. A rewrap writes the next generation and leaves the old
slot where it is: it stays locked and keeps opening, so rewrapping is not revocation.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast, get_args

from backup_jobs.repository.layout import canonical_json, parse_json, slot_name
from backup_jobs.repository.sealing import commitment
from strongroom.errors import Corrupt, Denied, KeyFailure, Missing, StrongroomError, Transient
from strongroom.keys.handles import Provider, Unwrapper, Wrapped, Wrapper
from strongroom.storage.contract import Entry, Storage

FORMAT = "strongroom.slot/1"
_NAME = re.compile(r"^keys/(?P<run>[^/]+)/(?P<recipient>[^/]+)\.(?P<generation>\d+)\.slot$")


@dataclass(frozen=True, slots=True)
class Slot:
    """One stored slot."""

    repo: str
    run: str
    recipient: str
    generation: int
    wrapped: Wrapped

    @property
    def name(self) -> str:
        """keys/<run>/<recipient>.<generation>.slot."""
        return slot_name(self.run, self.recipient, self.generation)

    @property
    def context(self) -> dict[str, str]:
        """What the run key is bound to in this slot."""
        return {"repo": self.repo, "run": self.run, "recipient": self.recipient}

    def to_bytes(self) -> bytes:
        """The stored JSON."""
        document = {
            "format": FORMAT,
            **self.context,
            "kind": self.wrapped.provider,
            "key_ref": self.wrapped.key_ref,
            "version": self.wrapped.version,
            "wrapped": base64.b64encode(self.wrapped.blob).decode(),
        }
        return canonical_json(document)

    @classmethod
    def parse(cls, data: bytes, name: str) -> Slot:
        """Reads a slot; Corrupt when it is damaged or lies under another run's or recipient's name."""
        document, match = parse_json(data, name), _NAME.match(name)
        try:
            if match is None or document["format"] != FORMAT or document["kind"] not in get_args(Provider):
                raise ValueError("format, kind or name")
            if (document["run"], document["recipient"]) != (match["run"], match["recipient"]):
                raise ValueError("name and content differ")
            blob = base64.b64decode(document["wrapped"], validate=True)
            kind = cast(Provider, document["kind"])
            wrapped = Wrapped(kind, str(document["key_ref"]), str(document.get("version", "")), blob)
            return cls(str(document["repo"]), match["run"], match["recipient"], int(match["generation"]), wrapped)
        except (KeyError, ValueError, TypeError, binascii.Error):
            raise Corrupt(f"{name} is not a readable slot", hint="another recipient's slot may still open") from None


def recipient_of(name: str) -> str | None:
    """The recipient in a slot's object name, or None if it is no slot's name."""
    match = _NAME.match(name)
    return match["recipient"] if match else None


def wrap_for(wrappers: Mapping[str, Wrapper], repo: str, run: str, run_key: bytes) -> list[Slot]:
    """A first-generation slot for each recipient; KeyFailure names the recipient that cannot take one.

    Every recipient is asked before anything is written, so a missing key leaves no trace in the repository.
    """
    slots = []
    for recipient, wrapper in wrappers.items():
        try:
            state = wrapper.describe()
        except Denied:
            # a writer need not be allowed to describe a recipient; wrapping below tells whether the key works
            state = None
        if state is not None and not state.enabled:
            raise KeyFailure(
                f"recipient {recipient}: key {state.key_ref} is {state.state}",
                hint="enable it or take it out of the copy's recipients",
            )
        context = {"repo": repo, "run": run, "recipient": recipient}
        slots.append(Slot(repo, run, recipient, 1, wrapper.wrap(run_key, context)))
    if not slots:
        raise KeyFailure(f"run {run} has no recipient: nobody could ever open it")
    return slots


def write(storage: Storage, slots: Iterable[Slot], retain_until: datetime | None) -> None:
    """Writes slots and looks at them in the listing: a run whose key was not stored must not begin.

    The writer may list slots but not read them, so their sizes are what it can compare.
    """
    written = {}
    for slot in slots:
        data = slot.to_bytes()
        storage.put(slot.name, data, if_absent=True, retain_until=retain_until)
        written[slot.name] = len(data)
    there = {entry.name: entry.size for run in {slot_run(name) for name in written} for entry in slots_of(storage, run)}
    for name, size in written.items():
        if there.get(name) != size:
            raise KeyFailure(f"{name} was not stored whole", hint="nothing was backed up; run again")


def slot_run(name: str) -> str:
    """The run in a slot's object name."""
    return name.split("/")[1]


def slots_of(storage: Storage, run: str) -> list[Entry]:
    """The stored slots of a run, all generations."""
    return [entry for entry in storage.list(f"keys/{run}/") if _NAME.match(entry.name)]


def open_run(
    storage: Storage, repo: str, run: str, unwrappers: Mapping[str, Unwrapper], expected_commitment: str
) -> bytes:
    """The run key, from the first slot that one of `unwrappers` opens, newest generation first.

    The key must match the commitment of the run, so a slot cannot lead to another key. KeyFailure when no given
    recipient opens it (the message says which slots exist), Corrupt when slots are damaged, Transient from storage.
    """
    entries = [entry for entry in slots_of(storage, run) if recipient_of(entry.name) in unwrappers]
    failures: list[StrongroomError] = []
    for entry in sorted(entries, key=lambda e: _generation(e.name), reverse=True):
        unwrapper = unwrappers[str(recipient_of(entry.name))]
        for data in _stored(storage, entry.name):
            try:
                slot = Slot.parse(data, entry.name)
                if slot.repo != repo:
                    raise Corrupt(f"{entry.name} belongs to repository {slot.repo!r}")
                run_key = unwrapper.unwrap(slot.wrapped, slot.context)
                if commitment(run_key) != expected_commitment:
                    raise Corrupt(f"{entry.name} opens to a key that the commit of run {run} does not name")
                return run_key
            except (KeyFailure, Denied, Corrupt, Transient) as failure:
                failures.append(failure)
    if failures:
        # a withheld key says more than a damaged slot beside it
        raise next((f for f in failures if isinstance(f, KeyFailure)), failures[0])
    there = sorted({str(recipient_of(entry.name)) for entry in slots_of(storage, run)}) or ["none"]
    given = sorted(unwrappers) or ["none"]
    raise KeyFailure(
        f"no key opens run {run} in {storage.url}: slots for {', '.join(there)}; keys given: {', '.join(given)}",
        hint="use a recipient that has a slot, or the escrow key",
    )


def _generation(name: str) -> int:
    match = _NAME.match(name)
    return int(match["generation"]) if match else 0


def _stored(storage: Storage, name: str) -> Iterable[bytes]:
    """Every stored version of a slot, newest first: an overwritten slot does not hide the one below it."""
    try:
        current = storage.get(name)
    except Missing:
        return
    yield current
    for entry in storage.versions(name):
        data = storage.get(name, version=entry.version.id or None)
        if data != current:
            yield data
