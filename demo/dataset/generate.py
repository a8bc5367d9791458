"""Makes the portal's rows from a seed: the same seed gives the same rows, on every machine and in every year.

The year is fixed, nothing reads the clock. Each patient is drawn first (age, earlier births, last period, delivery);
visits, laboratory values and notes follow from where she is in her pregnancy.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Iterator
from dataclasses import replace

from demo.dataset import laboratory, people, therapy
from demo.dataset.records import Appointment, LabResult, Patient, Portal, PsychotherapyNote

DEFAULT_SEED = 20_260
#: Gives more than 20,000 data keys: one a patient, and one more for whoever has psychotherapy notes.
DEFAULT_PATIENTS = 17_600
TODAY = dt.date(2026, 6, 30)
_IN_THERAPY = 0.16
_VISIT_WEEKS = (8, 12, 16, 20, 24, 26, 28, 30, 32, 34, 36, 37, 38, 39, 40)
_KINDS = {8: "first visit", 12: "nuchal scan", 20: "anatomy scan", 26: "glucose test"}
_TERM_DAYS = 280  # Naegele: due date is 280 days after the last period


def generate(seed: int = DEFAULT_SEED, patients: int = DEFAULT_PATIENTS) -> Portal:
    """All rows of a portal with so many patients, about 4.5 rows each."""
    chance = random.Random(seed)
    women = tuple(_patient(chance, number) for number in range(patients))
    appointments = tuple(visit for patient in women for visit in _visits(chance, patient))
    results = tuple(result for visit in appointments for result in _results(chance, visit))
    notes = tuple(note for patient in women for note in _notes(chance, patient))
    return Portal(women, appointments, results, notes)


def with_secret(portal: Portal, secret: str) -> tuple[Portal, PsychotherapyNote]:
    """The same portal in which one patient's first psychotherapy note is the given secret; and that note.

    Which patient is fixed by the portal, so that a second run finds her again.
    """
    chosen = portal.psychotherapy_notes[len(portal.psychotherapy_notes) // 2]
    changed = replace(chosen, note=secret)
    notes = tuple(changed if note.id == chosen.id else note for note in portal.psychotherapy_notes)
    return replace(portal, psychotherapy_notes=notes), changed


def _patient(chance: random.Random, number: int) -> Patient:
    age = int(min(max(chance.gauss(30.5, 5.4), 16), 48))
    para = min(chance.choices((0, 1, 2, 3, 4), (43, 33, 15, 6, 3))[0], max(0, (age - 16) // 2))
    losses = chance.choices((0, 1, 2), (80, 16, 4))[0]
    last_period = TODAY - dt.timedelta(days=chance.randint(45, 620))
    length = int(min(max(chance.gauss(276, 10), 182), 294))
    delivered = last_period + dt.timedelta(days=length)
    return Patient(
        id=_id(chance),
        mrn=people.medical_record_number(10_000_000 + number * 37 + chance.randint(0, 36)),
        name=people.full_name(chance),
        birth_year=TODAY.year - age,
        blood_group=people.blood_group(chance),
        gravida=1 + para + losses,
        para=para,
        last_period_on=last_period,
        due_on=last_period + dt.timedelta(days=_TERM_DAYS),
        delivered_on=delivered if delivered <= TODAY else None,
        registered_on=last_period + dt.timedelta(days=chance.randint(36, 44)),
        language=people.language(chance),
    )


def _visits(chance: random.Random, patient: Patient) -> Iterator[Appointment]:
    """One to three visits of a patient's course: a sample of it, so that the demo stays quick."""
    last_day = (patient.delivered_on or patient.due_on) - patient.last_period_on
    weeks = [week for week in _VISIT_WEEKS if week * 7 + 6 <= last_day.days]
    days = [week * 7 + chance.randint(0, 6) for week in sorted(chance.sample(weeks, min(len(weeks), 2)))]
    if patient.delivered_on is not None and chance.random() < 0.6:
        days.append(last_day.days + chance.randint(21, 56))
    for day in days[: chance.choices((1, 2, 3), (40, 40, 20))[0]]:
        on = patient.last_period_on + dt.timedelta(days=day)
        gestational = patient.gestational_days(on)
        kind = "childbed visit" if gestational is None else _KINDS.get(day // 7, "prenatal visit")
        status = "planned" if on > TODAY else "missed" if chance.random() < 0.05 else "kept"
        minutes = 45 if "scan" in kind or kind == "first visit" else 20
        yield Appointment(
            _id(chance),
            patient.id,
            _at(chance, on),
            minutes,
            kind,
            gestational,
            chance.choice(people.CLINICIANS),
            status,
        )


def _results(chance: random.Random, visit: Appointment) -> Iterator[LabResult]:
    if visit.status != "kept":
        return
    week = None if visit.gestational_days is None else visit.gestational_days / 7
    possible = laboratory.due_at(week)
    for analyte in chance.sample(possible, min(len(possible), chance.choices((1, 2, 3), (45, 40, 15))[0])):
        taken = visit.starts_at + dt.timedelta(minutes=chance.randint(2, visit.minutes))
        value = analyte.measure(chance, week)
        yield LabResult(
            _id(chance), visit.patient_id, visit.id, analyte.name, value, analyte.unit, analyte.reference_range, taken
        )


def _notes(chance: random.Random, patient: Patient) -> Iterator[PsychotherapyNote]:
    if chance.random() >= _IN_THERAPY:
        return
    first = patient.registered_on + dt.timedelta(days=chance.randint(0, max(0, (TODAY - patient.registered_on).days)))
    therapist = chance.choice(people.THERAPISTS)
    for session in range(1, chance.randint(1, 3) + 1):
        on = first + dt.timedelta(days=7 * (session - 1))
        if on > TODAY:
            return
        text = therapy.write_note(chance, session=session, pregnant=patient.gestational_days(on) is not None)
        yield PsychotherapyNote(_id(chance), patient.id, session, _at(chance, on), therapist, text)


def _at(chance: random.Random, day: dt.date) -> dt.datetime:
    """A quarter of an hour within opening time, UTC."""
    return dt.datetime.combine(day, dt.time(chance.randint(8, 17), 15 * chance.randint(0, 3)), dt.UTC)


def _id(chance: random.Random) -> uuid.UUID:
    return uuid.UUID(int=chance.getrandbits(128), version=4)
