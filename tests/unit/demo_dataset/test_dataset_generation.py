"""The portal is the same for the same seed, and every patient in it is plausible."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from demo.dataset import laboratory
from demo.dataset.generate import TODAY, generate, with_secret
from demo.dataset.people import medical_record_number
from demo.dataset.records import SEALED, Patient, Portal
from strongroom.estate.loader import load


@pytest.fixture(scope="module")
def portal() -> Portal:
    return generate()


def implausible(patient: Patient) -> list[str]:
    """What an obstetrician would not believe about a patient."""
    age = TODAY.year - patient.birth_year
    length = ((patient.delivered_on or patient.due_on) - patient.last_period_on).days
    checks = {
        "age": 16 <= age <= 48,
        "due date": patient.due_on - patient.last_period_on == dt.timedelta(days=280),
        "length": 182 <= length <= 294,
        "delivered in the future": patient.delivered_on is None or patient.delivered_on <= TODAY,
        "pregnant for ever": patient.delivered_on is not None or (TODAY - patient.last_period_on).days <= 294,
        "births": patient.gravida >= patient.para + 1 and patient.para <= max(0, (age - 16) // 2),
        "registered before": patient.last_period_on < patient.registered_on <= TODAY,
        "name": len(patient.name.split()) == 2,
    }
    return [name for name, holds in checks.items() if not holds]


def test_it_is_large_enough_and_has_twenty_thousand_data_keys(portal: Portal) -> None:
    sizes = {table: len(rows) for table, rows in portal.tables().items()}
    assert sum(sizes.values()) >= 20_000
    assert all(sizes.values())
    keys = sum(len(portal.subjects(data_class)) for data_class in ("clinical", "psychotherapy"))
    assert keys >= 20_000


def test_same_seed_same_rows_other_seed_other_rows() -> None:
    assert generate(seed=7, patients=200) == generate(seed=7, patients=200)
    assert generate(seed=7, patients=200) != generate(seed=8, patients=200)


def test_rows_are_the_same_on_every_machine(portal: Portal) -> None:
    first = portal.patients[0]
    assert (str(first.id), first.mrn, first.birth_year) == (
        "6059d121-c7fd-49d7-ab9b-ae9b77aef380",
        "MRN-100000256",
        1992,
    )


def test_every_patient_is_plausible(portal: Portal) -> None:
    assert [(p.id, found) for p in portal.patients if (found := implausible(p))] == []


def test_the_check_of_plausibility_sees_an_implausible_patient(portal: Portal) -> None:
    patient = portal.patients[0]
    assert implausible(replace(patient, birth_year=TODAY.year - 60)) == ["age"]
    assert implausible(replace(patient, due_on=patient.last_period_on + dt.timedelta(days=100)))


def test_ids_and_record_numbers_are_unique_and_references_hold(portal: Portal) -> None:
    ids = [row.id for rows in portal.tables().values() for row in rows]
    assert len(ids) == len(set(ids))
    assert all(identifier.version == 4 for identifier in ids)
    assert len({patient.mrn for patient in portal.patients}) == len(portal.patients)
    patients = {patient.id for patient in portal.patients}
    visits = {visit.id: visit for visit in portal.appointments}
    assert all(visit.patient_id in patients for visit in portal.appointments)
    assert all(note.patient_id in patients for note in portal.psychotherapy_notes)
    assert all(visits[result.appointment_id].patient_id == result.patient_id for result in portal.lab_results)


def test_laboratory_values_fit_their_week(portal: Portal) -> None:
    analytes = {analyte.name: analyte for analyte in laboratory.ANALYTES}
    visits = {visit.id: visit for visit in portal.appointments}
    for result in portal.lab_results:
        visit, analyte = visits[result.appointment_id], analytes[result.analyte]
        week = None if visit.gestational_days is None else visit.gestational_days / 7
        assert analyte.applies(week)
        assert analyte.lowest <= float(result.value) <= analyte.highest
        assert visit.status == "kept" and visit.starts_at.date() <= TODAY
        if analyte.name == "hCG":
            assert week is not None
            low, high = laboratory.hcg_range(week)
            assert low <= float(result.value) <= high


def test_distributions_look_like_a_clinic(portal: Portal) -> None:
    groups = Counter(patient.blood_group for patient in portal.patients)
    assert 0.33 < groups["O+"] / len(portal.patients) < 0.43

    def share(name: str, raised: float) -> float:
        values = [float(result.value) for result in portal.lab_results if result.analyte == name]
        return sum(value >= raised for value in values) / len(values)

    assert 0.08 < share("EPDS", 10) < 0.25
    assert 0.10 < share("Glucose 1 h after 50 g", 140) < 0.25
    assert 0.01 < share("Protein/creatinine, urine", 300) < 0.06
    assert 0.4 < sum(patient.para == 0 for patient in portal.patients) / len(portal.patients) < 0.6


def test_record_numbers_carry_a_luhn_digit() -> None:
    assert medical_record_number(1_789_372_997) == "MRN-17893729974"  # the worked example of Luhn's algorithm
    for number in (0, 10_000_123, 99_999_999):
        digits = [int(character) for character in medical_record_number(number)[4:]]
        doubled = (d if place % 2 == 0 else sum(divmod(d * 2, 10)) for place, d in enumerate(reversed(digits)))
        assert len(digits) == 9 and sum(doubled) % 10 == 0


def test_the_secret_becomes_one_note_and_changes_nothing_else(portal: Portal) -> None:
    changed, note = with_secret(portal, "what she told nobody")
    assert [row for row in changed.psychotherapy_notes if row.note == "what she told nobody"] == [note]
    assert changed.patients == portal.patients
    differing = [a for a, b in zip(changed.psychotherapy_notes, portal.psychotherapy_notes, strict=True) if a != b]
    assert differing == [note]
    assert with_secret(portal, "again")[1].id == note.id


def test_sealed_columns_are_those_of_the_estate() -> None:
    declared = load(Path(__file__).parents[3] / "stacks" / "estate.dev.yaml").stores["portal"].fields
    ours = {(f.field_id, table, column, f.data_class) for table, cols in SEALED.items() for column, f in cols.items()}
    assert {(f.field_id, f.table, f.column, f.data_class) for f in declared} == ours
