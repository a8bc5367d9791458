-- The prenatal portal. Columns of type bytea hold sealed fields (docs/formats/field.md); their row keys are the ids,
-- which the client makes, since a value must be sealed before its row exists.
CREATE TABLE patients (
    id              uuid     PRIMARY KEY,
    mrn             bytea    NOT NULL,
    name            bytea    NOT NULL,
    birth_year      smallint NOT NULL CHECK (birth_year BETWEEN 1960 AND 2015),
    blood_group     text     NOT NULL CHECK (blood_group IN ('O+', 'O-', 'A+', 'A-', 'B+', 'B-', 'AB+', 'AB-')),
    gravida         smallint NOT NULL CHECK (gravida >= 1),
    para            smallint NOT NULL CHECK (para >= 0),
    last_period_on  date     NOT NULL,
    due_on          date     NOT NULL,
    delivered_on    date,
    registered_on   date     NOT NULL,
    language        text     NOT NULL
);

CREATE TABLE appointments (
    id               uuid        PRIMARY KEY,
    patient_id       uuid        NOT NULL REFERENCES patients ON DELETE CASCADE,
    starts_at        timestamptz NOT NULL,
    minutes          smallint    NOT NULL CHECK (minutes > 0),
    kind             text        NOT NULL,
    gestational_days smallint    CHECK (gestational_days BETWEEN 0 AND 301),  -- null after delivery
    clinician        text        NOT NULL,
    status           text        NOT NULL CHECK (status IN ('kept', 'missed', 'planned'))
);
CREATE INDEX appointments_by_patient ON appointments (patient_id, starts_at);

CREATE TABLE lab_results (
    id               uuid        PRIMARY KEY,
    patient_id       uuid        NOT NULL REFERENCES patients ON DELETE CASCADE,
    appointment_id   uuid        NOT NULL REFERENCES appointments ON DELETE CASCADE,
    analyte          text        NOT NULL,
    value            bytea       NOT NULL,
    unit             text        NOT NULL,
    reference_range  text        NOT NULL,
    taken_at         timestamptz NOT NULL
);
CREATE INDEX lab_results_by_patient ON lab_results (patient_id, taken_at);

CREATE TABLE psychotherapy_notes (
    id          uuid        PRIMARY KEY,
    patient_id  uuid        NOT NULL REFERENCES patients ON DELETE CASCADE,
    session     smallint    NOT NULL CHECK (session >= 1),
    written_at  timestamptz NOT NULL,
    therapist   text        NOT NULL,
    note        bytea       NOT NULL,
    UNIQUE (patient_id, session)
);
