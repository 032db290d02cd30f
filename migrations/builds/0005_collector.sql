-- An artifact that nobody needs any more is first withdrawn, from when on it can be neither deployed nor copied to a
-- region. It is removed from every store, and is collected once nothing that was under way can have arrived in one
-- since. Its row stays, so that what it was can be told, and so that whoever records its builds again does not bring it
-- back.
ALTER TABLE artifacts
    ADD COLUMN withdrawn_at timestamptz,
    ADD COLUMN withdrawn_by text,
    -- When it was last removed from every store.
    ADD COLUMN removed_at   timestamptz,
    ADD COLUMN collected_at timestamptz,
    ADD CONSTRAINT collected_was_removed CHECK (collected_at IS NULL OR removed_at IS NOT NULL),
    ADD CONSTRAINT removed_was_withdrawn CHECK (removed_at IS NULL OR withdrawn_at IS NOT NULL);
CREATE INDEX artifacts_by_target ON artifacts (repository, target, recorded_at) WHERE withdrawn_at IS NULL;
CREATE INDEX artifacts_withdrawn ON artifacts (withdrawn_at) WHERE withdrawn_at IS NOT NULL AND collected_at IS NULL;
