"""The rows of the portal in plain text, one frozen class a table, with the columns that are sealed on their way in."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import NamedTuple


class SealedField(NamedTuple):
    """A sealed column: its stable id and data class, as in `stacks/estate.dev.yaml`."""

    field_id: str
    data_class: str


#: table -> column -> the field it is.
SEALED: dict[str, dict[str, SealedField]] = {
    "patients": {
        "mrn": SealedField("patient-mrn", "clinical"),
        "name": SealedField("patient-name", "clinical"),
    },
    "appointments": {},
    "lab_results": {"value": SealedField("lab-value", "clinical")},
    "psychotherapy_notes": {"note": SealedField("psy-note", "psychotherapy")},
}
#: field_id -> data class: which data key of the patient seals a field.
CLASS_OF = {sealed.field_id: sealed.data_class for fields in SEALED.values() for sealed in fields.values()}


@dataclass(frozen=True, slots=True)
class Patient:
    """A woman in prenatal or postnatal care; `para` counts earlier births, `delivered_on` ends the present one."""

    id: uuid.UUID
    mrn: str
    name: str
    birth_year: int
    blood_group: str
    gravida: int
    para: int
    last_period_on: dt.date
    due_on: dt.date
    delivered_on: dt.date | None
    registered_on: dt.date
    language: str

    @property
    def subject(self) -> uuid.UUID:
        """Whose data key seals the row."""
        return self.id

    def gestational_days(self, day: dt.date) -> int | None:
        """Days since the last period on a day; None after delivery."""
        if self.delivered_on is not None and day > self.delivered_on:
            return None
        return (day - self.last_period_on).days


@dataclass(frozen=True, slots=True)
class Appointment:
    """A visit."""

    id: uuid.UUID
    patient_id: uuid.UUID
    starts_at: dt.datetime
    minutes: int
    kind: str
    gestational_days: int | None
    clinician: str
    status: str

    @property
    def subject(self) -> uuid.UUID:
        """Whose data key seals the row."""
        return self.patient_id


@dataclass(frozen=True, slots=True)
class LabResult:
    """One measured value, as the text the laboratory sent."""

    id: uuid.UUID
    patient_id: uuid.UUID
    appointment_id: uuid.UUID
    analyte: str
    value: str
    unit: str
    reference_range: str
    taken_at: dt.datetime

    @property
    def subject(self) -> uuid.UUID:
        """Whose data key seals the row."""
        return self.patient_id


@dataclass(frozen=True, slots=True)
class PsychotherapyNote:
    """A therapist's note of one session, kept apart from the record (45 CFR 164.501)."""

    id: uuid.UUID
    patient_id: uuid.UUID
    session: int
    written_at: dt.datetime
    therapist: str
    note: str

    @property
    def subject(self) -> uuid.UUID:
        """Whose data key seals the row."""
        return self.patient_id


Row = Patient | Appointment | LabResult | PsychotherapyNote


@dataclass(frozen=True)
class Portal:
    """All rows; every reference between them holds."""

    patients: tuple[Patient, ...]
    appointments: tuple[Appointment, ...]
    lab_results: tuple[LabResult, ...]
    psychotherapy_notes: tuple[PsychotherapyNote, ...]

    def tables(self) -> dict[str, tuple[Row, ...]]:
        """Table name -> rows, in the order in which foreign keys allow loading."""
        return {
            "patients": self.patients,
            "appointments": self.appointments,
            "lab_results": self.lab_results,
            "psychotherapy_notes": self.psychotherapy_notes,
        }

    def subjects(self, data_class: str) -> list[uuid.UUID]:
        """The patients that have a sealed value of a class, each once: whoever loads makes their data keys first."""
        tables = self.tables()
        return list(
            dict.fromkeys(
                row.subject
                for table, fields in SEALED.items()
                if any(sealed.data_class == data_class for sealed in fields.values())
                for row in tables[table]
            )
        )
