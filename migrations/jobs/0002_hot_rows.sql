-- Where a build stands is told by where its row lies: in `queue` while it waits, in `leases` while it runs, in
-- `results` once it has ended. A step deletes one narrow row and inserts another. That writes no index of what
-- is left behind, where an update of `jobs` wrote six; and whoever deletes the row is the only one who moves on.
--
-- What these tables say of a build is written by the statements that move it and by no others, so they have no
-- foreign keys, whose check would lock, and so write, the build's own row; and no CHECKs, which are read and
-- prepared anew by each statement (a fifth of what a claim and its completion cost).

-- The order of the queue is a turn: each repository's builds take the turns after its own last one, or after those
-- that are being claimed now, so that a repository with ten thousand builds and one with a single build take turns
-- (start-time fair queueing: Goyal, Vin & Cheng 1996). A priority moves a build some turns ahead or back and no
-- further, so that whatever waits comes to be the first.
CREATE TABLE queue (
    build      uuid PRIMARY KEY,
    repository text NOT NULL,
    turn       bigint NOT NULL,
    -- The turn, moved by the priority.
    rank       bigint NOT NULL,
    -- How often the build was claimed.
    attempt    integer NOT NULL,
    -- Whether it may be claimed: its repository has room, and it does not rest after a fault.
    ready      boolean NOT NULL,
    -- Until when it rests.
    rests_until timestamptz,
    expires_at timestamptz NOT NULL
);
CREATE INDEX queue_order ON queue (rank, build) WHERE ready;
CREATE INDEX queue_by_repository ON queue (repository, turn);
CREATE INDEX queue_resting ON queue (rests_until) WHERE rests_until IS NOT NULL;

-- Who runs what. Never longer than the workers' capacity.
CREATE TABLE leases (
    build      uuid PRIMARY KEY,
    lease      bigint NOT NULL,
    worker     text NOT NULL,
    repository text NOT NULL,
    turn       bigint NOT NULL,
    rank       bigint NOT NULL,
    attempt    integer NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    -- When the attempt, or its upload, has lasted too long.
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- The same target@commit that is queued, running or built is the same build, unless forced.
CREATE TABLE identities (
    -- SHA-256 over repository, commit and target; see `enqueue`.
    identity bytea PRIMARY KEY,
    build    uuid NOT NULL
);

ALTER TABLE builds ADD COLUMN identity bytea, ADD COLUMN priority text NOT NULL DEFAULT 'NORMAL';
UPDATE builds SET identity = jobs.identity FROM jobs WHERE jobs.build = builds.id;
ALTER TABLE builds ALTER COLUMN identity SET NOT NULL;
CREATE INDEX builds_by_identity ON builds (identity, id);

-- The most builds of the repository that run at once; no limit where it is absent.
ALTER TABLE repositories ADD COLUMN running_max integer CHECK (running_max > 0);

ALTER TABLE attempts
    DROP CONSTRAINT attempts_build_fkey,
    DROP CONSTRAINT attempts_phase_check,
    ADD COLUMN turn bigint NOT NULL DEFAULT 0,
    -- When and why the attempt ended without ending its build.
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN reason text;

-- Results are numbered after they were committed, by whoever reads them; see `succeeded_since`. A test makes no
-- artifact.
ALTER TABLE results
    DROP CONSTRAINT results_build_fkey,
    DROP CONSTRAINT results_publication_key,
    DROP CONSTRAINT results_state_check,
    DROP CONSTRAINT success_has_an_artifact;
CREATE UNIQUE INDEX results_by_publication ON results (publication) WHERE publication IS NOT NULL;
CREATE INDEX results_unnumbered ON results (finished_at)
    WHERE artifact IS NOT NULL AND publication IS NULL;

INSERT INTO identities
SELECT identity, build FROM jobs WHERE NOT forced AND state IN ('QUEUED', 'RUNNING', 'SUCCEEDED');
INSERT INTO queue (build, repository, turn, rank, attempt, ready, expires_at)
SELECT jobs.build, builds.repository, place, place, jobs.attempt, true, jobs.expires_at
FROM (SELECT *, row_number() OVER (ORDER BY queued_at, build) AS place FROM jobs WHERE state = 'QUEUED') AS jobs
JOIN builds ON builds.id = jobs.build;
INSERT INTO leases (build, lease, worker, repository, turn, rank, attempt, claimed_at, expires_at)
SELECT jobs.build, jobs.lease, jobs.worker, builds.repository, 0, 0, jobs.attempt, jobs.claimed_at, jobs.expires_at
FROM jobs JOIN builds ON builds.id = jobs.build WHERE jobs.state = 'RUNNING';
DROP TABLE jobs;

-- Deleted rows come and go by the thousand a second: what they leave is to be swept before it is in the way.
ALTER TABLE queue SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
ALTER TABLE leases SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
