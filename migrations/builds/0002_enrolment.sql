-- Who may join a region's swarm: the tokens with which operators let nodes in, and every key that was let
-- in. Regions are plain words here: a region is enrolled before anything is copied to it.

-- A token lets one node in, once. Only the hash of its secret is kept.
CREATE TABLE join_tokens (
    id           uuid PRIMARY KEY,
    secret_hash  bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
    region       text NOT NULL,
    role         text NOT NULL CHECK (role IN ('HOST', 'MANAGER')),
    -- The only node that may use it; any that is new when NULL.
    name         text,
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    -- The peer id of the key that it let in.
    used_by      text,
    withdrawn_at timestamptz,
    withdrawn_by text,
    CHECK ((used_at IS NULL) = (used_by IS NULL)),
    CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL)),
    CHECK (used_at IS NULL OR withdrawn_at IS NULL)
);
CREATE INDEX join_tokens_by_end ON join_tokens (expires_at);

-- One row a key. A key that was revoked stays so for ever; its machine comes back with another.
CREATE TABLE nodes (
    region            text NOT NULL,
    peer              text NOT NULL,
    name              text NOT NULL,
    role              text NOT NULL CHECK (role IN ('HOST', 'MANAGER')),
    enrolled_at       timestamptz NOT NULL DEFAULT now(),
    renewed_at        timestamptz,
    -- The end of the newest certificate.
    certificate_until timestamptz NOT NULL,
    -- The end of the last of all its certificates: later than the above when lives were made shorter.
    -- Until then a revoked key must be kept out by name.
    dangerous_until   timestamptz NOT NULL,
    revoked_at        timestamptz,
    revoked_by        text,
    reason            text,
    PRIMARY KEY (region, peer),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
-- A name belongs to one key at a time.
CREATE UNIQUE INDEX nodes_one_key_a_name ON nodes (region, name) WHERE revoked_at IS NULL;
CREATE INDEX nodes_revoked ON nodes (region, revoked_at) WHERE revoked_at IS NOT NULL;
