-- Who did what. An entry is written in the transaction of what it tells of, and never changed; each one's link covers
-- it and the link before, see `policy::audit`.
CREATE TABLE audit (
    -- 1, 2, 3 … without a gap.
    number bigint PRIMARY KEY,
    -- The canonical form, which is what is hashed.
    entry  text NOT NULL,
    link   bytea NOT NULL CHECK (octet_length(link) = 32)
);

-- The last entry. Locking the row here orders all of them.
CREATE TABLE audit_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number   bigint NOT NULL DEFAULT 0,
    link     bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
);
INSERT INTO audit_head DEFAULT VALUES;

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is only added to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
