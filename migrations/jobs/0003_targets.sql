-- What builds were made of, where their targets name it; written by the attempt that knows, before it ends.
CREATE TABLE build_inputs (
    build       uuid PRIMARY KEY,
    -- The attempt that wrote it; it counts for the result of this lease only.
    lease       bigint NOT NULL,
    -- A hash over the target's spec and the content of every input file; see `builder`'s `inputs`.
    input_key   bytea NOT NULL CHECK (octet_length(input_key) = 32),
    -- The build whose result was taken over, where nothing was run.
    reused_from uuid
);
CREATE INDEX build_inputs_by_key ON build_inputs (input_key);
