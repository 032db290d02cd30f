-- Logs of builds that have ended leave `log_chunks` for the object store, which keeps them compressed.

-- Where a log lies that has left. The object is a row of compressed frames, each of one length of the log.
CREATE TABLE log_archives (
    build       uuid PRIMARY KEY REFERENCES builds (id),
    -- The object's name, which no other content ever has.
    object      text NOT NULL,
    -- The log's length before it was compressed.
    total_bytes bigint NOT NULL CHECK (total_bytes > 0),
    -- Where each frame ends in the object, in bytes.
    frame_ends  bigint[] NOT NULL CHECK (cardinality(frame_ends) BETWEEN 1 AND 1024),
    archived_at timestamptz NOT NULL DEFAULT now()
);

-- Finds earlier builds of a target, to tell what is usual.
CREATE INDEX builds_by_target ON builds (repository, target, id);

-- Where output was dropped because there was too much of it. Beside the log and not in it, so that nothing that a
-- build prints can be taken for one.
CREATE TABLE log_gaps (
    build         uuid NOT NULL REFERENCES builds (id),
    -- Where the notice about it begins in the log.
    position      bigint NOT NULL,
    dropped_bytes bigint NOT NULL CHECK (dropped_bytes > 0),
    dropped_lines bigint NOT NULL CHECK (dropped_lines >= 0),
    PRIMARY KEY (build, position)
);

-- Builds that SUCCEEDED and whose artifacts were collected since: the same is built again when it is asked for.
CREATE TABLE forgotten_builds (
    build        uuid PRIMARY KEY,
    forgotten_at timestamptz NOT NULL DEFAULT now()
);
