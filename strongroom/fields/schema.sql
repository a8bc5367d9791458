-- Keys of encrypted fields. They lie in the database and so in its dump: a backup without them would be none.
CREATE SCHEMA IF NOT EXISTS strongroom;

-- One row a branch version and recipient. Recipient 'root' is the field root (KMS or transit) that applications use;
-- the others are the backup recipients, so that a restored dump opens with their keys.
CREATE TABLE IF NOT EXISTS strongroom.branch_keys (
    id        uuid        NOT NULL,
    tenant    text        NOT NULL,
    class     text        NOT NULL,
    version   integer     NOT NULL CHECK (version > 0),
    recipient text        NOT NULL,
    provider  text        NOT NULL CHECK (provider IN ('aws-kms', 'transit', 'rsa-oaep-sha256')),
    key_ref   text        NOT NULL,
    wrapped   bytea       NOT NULL,
    created   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, class, version, recipient)
);

CREATE TABLE IF NOT EXISTS strongroom.subject_keys (
    id             uuid    PRIMARY KEY,
    tenant         text    NOT NULL,
    class          text    NOT NULL,
    subject        uuid    NOT NULL,
    branch_version integer NOT NULL,
    wrapped        bytea   NOT NULL,
    UNIQUE (tenant, class, subject)
);
CREATE INDEX IF NOT EXISTS subject_keys_by_version ON strongroom.subject_keys (tenant, class, branch_version, id);

-- The fence: from here on nothing may be wrapped under an older branch version. A trigger and not a CHECK, because a
-- CHECK would also refuse an update of an old row that leaves its key alone.
CREATE TABLE IF NOT EXISTS strongroom.branch_fences (
    tenant      text    NOT NULL,
    class       text    NOT NULL,
    min_version integer NOT NULL,
    PRIMARY KEY (tenant, class)
);

CREATE OR REPLACE FUNCTION strongroom.refuse_old_branch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, strongroom AS $$
BEGIN
    IF EXISTS (SELECT FROM strongroom.branch_fences f
               WHERE f.tenant = NEW.tenant AND f.class = NEW.class AND NEW.branch_version < f.min_version) THEN
        RAISE EXCEPTION 'branch version % of class % is fenced off', NEW.branch_version, NEW.class
            USING ERRCODE = 'SR001';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER fence_insert BEFORE INSERT ON strongroom.subject_keys
    FOR EACH ROW EXECUTE FUNCTION strongroom.refuse_old_branch();
CREATE OR REPLACE TRIGGER fence_update BEFORE UPDATE ON strongroom.subject_keys
    FOR EACH ROW WHEN (NEW.wrapped IS DISTINCT FROM OLD.wrapped) EXECUTE FUNCTION strongroom.refuse_old_branch();

-- The proof of completion: a CHECK that PostgreSQL itself validates. Two functions, because a constraint that is added
-- and validated in one transaction would keep every writer out while all rows are read.
CREATE OR REPLACE FUNCTION strongroom.declare_branch_version(p_tenant text, p_class text, p_version integer)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, strongroom AS $$
DECLARE
    name text := 'branch_version_' || md5(p_tenant || '/' || p_class);
BEGIN
    IF NOT EXISTS (SELECT FROM strongroom.branch_fences
                   WHERE tenant = p_tenant AND class = p_class AND min_version = p_version) THEN
        RAISE EXCEPTION 'class % is not fenced at version %', p_class, p_version;
    END IF;
    EXECUTE format('ALTER TABLE strongroom.subject_keys DROP CONSTRAINT IF EXISTS %I', name);
    EXECUTE format('ALTER TABLE strongroom.subject_keys ADD CONSTRAINT %I '
                   'CHECK (tenant <> %L OR class <> %L OR branch_version >= %s) NOT VALID',
                   name, p_tenant, p_class, p_version);
END $$;

CREATE OR REPLACE FUNCTION strongroom.validate_branch_version(p_tenant text, p_class text)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, strongroom AS $$
BEGIN
    EXECUTE format('ALTER TABLE strongroom.subject_keys VALIDATE CONSTRAINT %I',
                   'branch_version_' || md5(p_tenant || '/' || p_class));
END $$;
REVOKE ALL ON FUNCTION strongroom.declare_branch_version, strongroom.validate_branch_version FROM PUBLIC;
