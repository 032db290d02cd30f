-- Every instance that takes part: hosts for which an agent of ours speaks, and programs that speak for themselves.

-- A token may also let a program into the inventory, and nowhere else.
ALTER TABLE join_tokens
    DROP CONSTRAINT join_tokens_role_check,
    ADD CONSTRAINT join_tokens_role_check CHECK (role IN ('HOST', 'MANAGER', 'INSTANCE'));

-- What each is. Heartbeats do not touch this table.
CREATE TABLE inventory (
    id             uuid PRIMARY KEY,
    -- REGION.HOST where an agent speaks, else a name without a dot. "C", so that pages come in the order of bytes.
    name           text COLLATE "C" NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('AGENT', 'EXTERNAL')),
    region         text NOT NULL,
    zone           text,
    -- Where an agent speaks: which host.
    host           text,
    -- Where a program speaks for itself: the address that it gave.
    address        text,
    -- Its own labels, and where it stands.
    labels         jsonb NOT NULL,
    -- An agent's host that its region's manager hears of.
    alive          boolean NOT NULL DEFAULT true,
    -- Of the secret that a program shows with its heartbeats.
    secret_hash    bytea CHECK (octet_length(secret_hash) = 32),
    registered_at  timestamptz NOT NULL DEFAULT now(),
    changed_at     timestamptz NOT NULL DEFAULT now(),
    retired_at     timestamptz,
    retired_by     text,
    retired_reason text,
    CHECK ((kind = 'AGENT') = (host IS NOT NULL)),
    CHECK ((kind = 'EXTERNAL') = (secret_hash IS NOT NULL)),
    CHECK ((retired_at IS NULL) = (retired_by IS NULL))
);
CREATE UNIQUE INDEX inventory_one_a_name ON inventory (name) WHERE retired_at IS NULL;
CREATE INDEX inventory_in_order ON inventory (name, id);
CREATE INDEX inventory_by_label ON inventory USING gin (labels);

-- The last heartbeat of each program. Narrow, and no index but the key, so that rows change in place.
CREATE TABLE inventory_heartbeats (
    instance              uuid PRIMARY KEY,
    -- Grows with each secret; a heartbeat with an older one is refused.
    registration          integer NOT NULL,
    retired               boolean NOT NULL DEFAULT false,
    -- The number of the last heartbeat; 0 before the first.
    sequence              bigint NOT NULL DEFAULT 0,
    -- 0 UNKNOWN, 1 HEALTHY, 2 DEGRADED, 3 FAILED.
    status                smallint NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 3),
    code_version          text,
    configuration_version text,
    heard_at              timestamptz
) WITH (fillfactor = 50);

-- What runs on one host.
CREATE INDEX instances_by_host ON instances (region, host);
