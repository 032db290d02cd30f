-- What builds that have ended left in the main store is looked through once, in the order in which they were asked for;
-- see `jobs/history.rs`.

-- Up to which build, itself included.
CREATE TABLE leftovers_cleared (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    build    uuid NOT NULL
);

-- Finds what the attempts at a build set out to publish.
CREATE INDEX artifact_attempts_by_build ON artifact_attempts (build);
