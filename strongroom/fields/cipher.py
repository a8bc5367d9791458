"""Field encryption for applications: seals and opens values with one data key a subject and class.

    with psycopg.connect(...) as connection:
        fields = FieldCipher(connection, "clinic", roots={"clinical": kms_unwrapper})
        sealed = fields.seal("patient-mrn", "clinical", subject=patient_id, row_key=patient_id, plaintext=b"...")

Branch keys are cached for at most `cache_seconds` and `cache_uses`, so the service costs one KMS call per many
thousand values and a disabled key takes effect within that time. A data key seals at most 2^32 values.
"""

from __future__ import annotations

import os
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from strongroom.errors import KeyFailure, UsageError
from strongroom.fields import branch_keys
from strongroom.fields.format import Cell, SubjectKey, key_id_of, open_sealed, seal
from strongroom.fields.wrapping import BranchKey, unwrap, wrap
from strongroom.keys.handles import Unwrapper

SEALS_PER_KEY = 2**32
FENCED = "SR001"


@dataclass
class _Cached:
    branch: BranchKey
    until: float
    uses: int


class FieldCipher:
    """Seals and opens fields of one tenant over one psycopg connection; not thread-safe, like the connection.

    `roots` maps a data class to the Unwrapper of its field root. Commits are the caller's.
    """

    def __init__(
        self,
        connection: Any,
        tenant: str,
        roots: Mapping[str, Unwrapper],
        *,
        recipient: str = branch_keys.ROOT,
        cache_seconds: float = 300.0,
        cache_uses: int = 1_000_000,
        cache_subjects: int = 50_000,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._connection, self._tenant, self._roots, self._recipient = connection, tenant, roots, recipient
        self._seconds, self._uses, self._subject_limit, self._now = cache_seconds, cache_uses, cache_subjects, now
        self._branches: dict[tuple[str, int], _Cached] = {}
        self._subjects: OrderedDict[tuple[str, uuid.UUID], tuple[SubjectKey, float]] = OrderedDict()
        self._sealed: dict[uuid.UUID, int] = {}

    def seal(
        self,
        field_id: str,
        data_class: str,
        *,
        subject: uuid.UUID,
        row_key: str,
        plaintext: bytes,
        schema_version: int = 1,
    ) -> bytes:
        """Seals a value; the subject's data key is made when it has none yet."""
        key = self.subject_key(data_class, subject)
        used = self._sealed.get(key.id, 0) + 1
        if used > SEALS_PER_KEY:
            raise KeyFailure(f"data key {key.id} has sealed 2^32 values", hint="give the subject a new data key")
        self._sealed[key.id] = used
        return seal(key, Cell(self._tenant, field_id, row_key, schema_version), plaintext)

    def open(self, field_id: str, data_class: str, *, subject: uuid.UUID, row_key: str, sealed: bytes) -> bytes:
        """Opens a value; Corrupt when it was changed or moved, KeyFailure when its key is gone."""
        key = self._existing(data_class, subject)
        if key is None or key.id != key_id_of(sealed):
            raise KeyFailure(
                f"field {field_id} of row {row_key}: its data key {key_id_of(sealed)} does not exist any more"
            )
        return open_sealed(key, Cell(self._tenant, field_id, row_key), sealed)

    def subject_key(self, data_class: str, subject: uuid.UUID) -> SubjectKey:
        """The data key of a subject and class, made if absent."""
        found = self._existing(data_class, subject)
        return found if found is not None else self.create_subject_keys(data_class, [subject])[subject]

    def create_subject_keys(self, data_class: str, subjects: Iterable[uuid.UUID]) -> dict[uuid.UUID, SubjectKey]:
        """Makes data keys for many subjects in one statement; those that exist are returned as they are."""
        wanted = list(dict.fromkeys(subjects))
        for attempt in range(3):
            branch = self._newest_branch(data_class)
            keys = {subject: SubjectKey(uuid.uuid4(), os.urandom(32)) for subject in wanted}
            rows = [(key.id, subject, wrap(branch, subject, key.id, key.material)) for subject, key in keys.items()]
            if self._insert(branch, rows):
                break
            self._forget_branches(data_class)
            if attempt == 2:
                raise KeyFailure(f"branch keys of class {data_class} were fenced off three times in a row")
        made: dict[uuid.UUID, SubjectKey] = {}
        for subject, stored_id, version, wrapped in self._stored(data_class, wanted):
            key = keys[subject]
            if key.id != stored_id:
                key = SubjectKey(stored_id, unwrap(self._branch(data_class, version), subject, stored_id, wrapped))
            made[subject] = key
            self._remember(data_class, subject, key)
        return made

    def _insert(self, branch: BranchKey, rows: list[tuple[uuid.UUID, uuid.UUID, bytes]]) -> bool:
        import psycopg

        ids, subjects, wrapped = ([row[i] for row in rows] for i in range(3))
        try:
            with self._connection.transaction():
                self._connection.execute(
                    "INSERT INTO strongroom.subject_keys (id, tenant, class, subject, branch_version, wrapped)"
                    " SELECT u.id, %s, %s, u.subject, %s, u.wrapped"
                    " FROM unnest(%s::uuid[], %s::uuid[], %s::bytea[]) AS u(id, subject, wrapped)"
                    " ON CONFLICT (tenant, class, subject) DO NOTHING",
                    (self._tenant, branch.data_class, branch.version, ids, subjects, wrapped),
                )
        except psycopg.Error as error:
            if error.sqlstate == FENCED:
                return False
            raise
        return True

    def _stored(self, data_class: str, subjects: list[uuid.UUID]) -> list[tuple[uuid.UUID, uuid.UUID, int, bytes]]:
        rows = self._connection.execute(
            "SELECT subject, id, branch_version, wrapped FROM strongroom.subject_keys"
            " WHERE tenant = %s AND class = %s AND subject = ANY(%s)",
            (self._tenant, data_class, subjects),
        ).fetchall()
        return [(subject, key_id, version, bytes(wrapped)) for subject, key_id, version, wrapped in rows]

    def _existing(self, data_class: str, subject: uuid.UUID) -> SubjectKey | None:
        cached = self._subjects.get((data_class, subject))
        if cached is not None and cached[1] > self._now():
            return cached[0]
        for _, key_id, version, wrapped in self._stored(data_class, [subject]):
            key = SubjectKey(key_id, unwrap(self._branch(data_class, version), subject, key_id, wrapped))
            self._remember(data_class, subject, key)
            return key
        return None

    def _remember(self, data_class: str, subject: uuid.UUID, key: SubjectKey) -> None:
        self._subjects[(data_class, subject)] = (key, self._now() + self._seconds)
        if len(self._subjects) > self._subject_limit:
            self._subjects.popitem(last=False)

    def _newest_branch(self, data_class: str) -> BranchKey:
        version = branch_keys.newest_version(self._connection, self._tenant, data_class)
        if version is None:
            raise KeyFailure(
                f"class {data_class} has no branch key", hint="make one: strongroom.fields.branch_keys.create"
            )
        return self._branch(data_class, version)

    def _branch(self, data_class: str, version: int) -> BranchKey:
        cached = self._branches.get((data_class, version))
        if cached is not None and cached.until > self._now() and cached.uses > 0:
            cached.uses -= 1
            return cached.branch
        if data_class not in self._roots:
            raise UsageError(f"no key was given for class {data_class!r}")
        unwrappers = {self._recipient: self._roots[data_class]}
        branch = branch_keys.open_version(self._connection, self._tenant, data_class, version, unwrappers)
        self._branches[(data_class, version)] = _Cached(branch, self._now() + self._seconds, self._uses)
        return branch

    def _forget_branches(self, data_class: str) -> None:
        for key in [key for key in self._branches if key[0] == data_class]:
            del self._branches[key]
