-- The jobs database: what was asked to be built, and the queue that gets it done.
--
-- A build's row is split by how often it changes. `builds` is wide and never changes; `jobs` is narrow and
-- changes a handful of times; `attempts` and `heartbeats` change every second or so and have no index on
-- what changes, so that Postgres can update them in place (HOT).

CREATE TABLE repositories (
    name          text PRIMARY KEY,
    url           text NOT NULL,
    actor         text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

-- What was asked. Immutable.
CREATE TABLE builds (
    id               uuid PRIMARY KEY,
    repository       text NOT NULL REFERENCES repositories (name),
    revision         text NOT NULL,
    commit_id        text NOT NULL,
    target           text NOT NULL,
    actor            text NOT NULL,
    forced           boolean NOT NULL,
    -- How long one attempt may run.
    deadline_seconds integer NOT NULL CHECK (deadline_seconds > 0),
    created_at       timestamptz NOT NULL DEFAULT now()
);

-- Names one claim of one build. A later claim always has a larger lease, across restarts and attempts.
CREATE SEQUENCE lease_ids AS bigint;

-- Where each build stands.
CREATE TABLE jobs (
    build      uuid PRIMARY KEY REFERENCES builds (id),
    -- SHA-256 over repository, commit and target; see `enqueue`.
    identity   bytea NOT NULL,
    forced     boolean NOT NULL,
    state      text NOT NULL DEFAULT 'QUEUED'
               CHECK (state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    -- How often the build was claimed.
    attempt    integer NOT NULL DEFAULT 0,
    queued_at  timestamptz NOT NULL DEFAULT now(),
    -- Held only while RUNNING.
    lease      bigint UNIQUE,
    worker     text,
    claimed_at timestamptz,
    -- When the present state has lasted too long. Every state that is not terminal has one.
    expires_at timestamptz,
    CONSTRAINT running_has_a_lease CHECK (
        CASE WHEN state = 'RUNNING' THEN lease IS NOT NULL AND worker IS NOT NULL AND claimed_at IS NOT NULL
             ELSE lease IS NULL AND worker IS NULL AND claimed_at IS NULL END),
    CONSTRAINT unfinished_has_a_deadline CHECK ((state IN ('QUEUED', 'RUNNING')) = (expires_at IS NOT NULL))
) WITH (fillfactor = 70);

-- The order in which builds are claimed.
CREATE INDEX jobs_queue ON jobs (queued_at, build) WHERE state = 'QUEUED';
-- What the reaper looks at; never longer than the workers' capacity.
CREATE INDEX jobs_running ON jobs (build) WHERE state = 'RUNNING';
-- The same target@commit that is queued, running or built is the same build, unless forced.
CREATE UNIQUE INDEX jobs_one_per_identity ON jobs (identity)
    WHERE state IN ('QUEUED', 'RUNNING', 'SUCCEEDED') AND NOT forced;
CREATE INDEX jobs_by_identity ON jobs (identity, build);

-- One row a claim. `phase` and the progress are what changes often.
CREATE TABLE attempts (
    lease       bigint PRIMARY KEY,
    build       uuid NOT NULL REFERENCES builds (id),
    attempt     integer NOT NULL,
    worker      text NOT NULL,
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    phase       text CHECK (phase IN ('CHECKOUT', 'BUILD', 'UPLOAD', 'PUBLISH')),
    done_bytes  bigint NOT NULL DEFAULT 0,
    total_bytes bigint NOT NULL DEFAULT 0,
    UNIQUE (build, lease)
) WITH (fillfactor = 50);

-- One row a phase of an attempt, for the timeline.
CREATE TABLE phases (
    lease       bigint NOT NULL REFERENCES attempts (lease),
    phase       text NOT NULL CHECK (phase IN ('CHECKOUT', 'BUILD', 'UPLOAD', 'PUBLISH')),
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (lease, phase)
);

-- How each build ended. The primary key is the promise: one terminal state, one published result.
CREATE TABLE results (
    build       uuid PRIMARY KEY REFERENCES builds (id),
    state       text NOT NULL CHECK (state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')),
    -- The lease whose result this is; absent when the build ended in the queue.
    lease       bigint,
    artifact    text,
    total_bytes bigint,
    reason      text,
    finished_at timestamptz NOT NULL DEFAULT now(),
    -- Numbers the published results in the order in which they were committed.
    publication bigint UNIQUE,
    CONSTRAINT success_has_an_artifact CHECK (
        CASE WHEN state = 'SUCCEEDED'
             THEN artifact IS NOT NULL AND total_bytes IS NOT NULL AND lease IS NOT NULL
                  AND publication IS NOT NULL AND reason IS NULL
             ELSE artifact IS NULL AND total_bytes IS NULL AND publication IS NULL AND reason IS NOT NULL END)
);
CREATE SEQUENCE publications AS bigint;

-- The log of a build, across its attempts. `position` is the chunk's first byte in the whole.
CREATE TABLE log_chunks (
    build    uuid NOT NULL REFERENCES builds (id),
    position bigint NOT NULL,
    lease    bigint NOT NULL,
    -- Given by the worker, so that a chunk that is sent twice is stored once.
    sequence bigint NOT NULL,
    bytes    bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 262144),
    PRIMARY KEY (build, position),
    UNIQUE (lease, sequence)
);

-- What each worker is. Changes when a worker is upgraded.
CREATE TABLE workers (
    name          text PRIMARY KEY,
    version       text NOT NULL,
    host          text NOT NULL,
    capacity      integer NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now()
);

-- When each worker was last heard of, and which leases it said it works on. One narrow row a worker,
-- updated in place.
CREATE TABLE heartbeats (
    worker  text PRIMARY KEY,
    beat_at timestamptz NOT NULL DEFAULT now(),
    leases  bigint[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

-- Since when the reaper has reached the database without a gap; see `reap`.
CREATE TABLE reaper (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_seen_at  timestamptz NOT NULL,
    present_since timestamptz NOT NULL
);
