//! The parts of the statements that every build goes through, so that two steps can be one statement.

/// The parts of a statement that takes the first `$limit` waiting builds from rank `$begin` on that nobody
/// else is claiming, for the worker `$worker`: `claimed` holds them. Claimers step over each other's rows
/// instead of waiting for them, and the leases are minted in the same statement, so that one round trip
/// and one commit is all that a claim costs.
macro_rules! claim {
    ($worker:literal, $begin:literal, $limit:literal) => {
        concat!(
            "claimed AS MATERIALIZED (
                 SELECT first.build, nextval('lease_ids') AS lease, first.repository, first.turn, first.rank,
                        first.attempt + 1 AS attempt,
                        now() + make_interval(secs => builds.deadline_seconds) AS expires_at,
                        builds.revision, builds.commit_id, builds.target, builds.version,
                        repositories.url
                 FROM (SELECT * FROM queue
                       WHERE ready AND rank >= ", $begin, " AND expires_at > now()
                       ORDER BY rank, build
                       LIMIT ", $limit, "
                       FOR UPDATE SKIP LOCKED) AS first
                 JOIN builds ON builds.id = first.build
                 JOIN repositories ON repositories.name = first.repository
             ), taken AS (
                 DELETE FROM queue USING claimed WHERE queue.build = claimed.build
             ), leased AS (
                 INSERT INTO leases (build, lease, worker, repository, turn, rank, attempt, expires_at)
                 SELECT build, lease, ", $worker, ", repository, turn, rank, attempt, expires_at FROM claimed
             ), recorded AS (
                 INSERT INTO attempts (lease, build, attempt, worker, turn)
                 SELECT lease, build, attempt, ", $worker, ", turn FROM claimed
             )"
        )
    };
}

/// What a claim returns.
macro_rules! claimed {
    () => {
        "claimed.build, claimed.lease, claimed.attempt, claimed.repository, claimed.rank, claimed.url,
         claimed.revision, claimed.commit_id, claimed.target, claimed.version,
         extract(epoch FROM claimed.expires_at - clock_timestamp())::float8 AS seconds_left"
    };
}

/// The parts of a statement that ends the builds of `$asked` (build, lease, state, artifact, total_bytes,
/// reason) which `$from` removes from where they are: one statement, so that a build that has left is left
/// alone. `ended` holds them.
macro_rules! finish {
    ($asked:expr, $from:expr) => {
        concat!(
            "asked (build, lease, state, artifact, total_bytes, reason) AS (",
            $asked,
            "),
             ended AS (",
            $from,
            "),
             closed AS (
                 UPDATE phases SET finished_at = now() FROM ended
                 WHERE phases.lease = ended.lease AND phases.finished_at IS NULL
             ), freed AS (
                 DELETE FROM identities USING ended JOIN builds ON builds.id = ended.build
                 WHERE ended.state <> 'SUCCEEDED'
                   AND identities.identity = builds.identity AND identities.build = ended.build
             ), noted AS (
                 INSERT INTO results (build, state, lease, artifact, total_bytes, reason)
                 SELECT build, state, lease, artifact, total_bytes, reason FROM ended
             )"
        )
    };
}

/// One build, said without arrays: the server plans this once for each connection. With arrays, whose
/// lengths it does not know, it would plan each time, for more than the work itself.
macro_rules! finish_one {
    () => {
        finish!(
            "VALUES ($1::uuid, $2::bigint, $3::text, $4::text, $5::bigint, $6::text)",
            finish_from_leases!()
        )
    };
}

macro_rules! finish_from_leases {
    () => {
        "DELETE FROM leases USING asked
         WHERE leases.build = asked.build AND leases.lease = asked.lease
         RETURNING asked.*, leases.repository"
    };
}

/// What an end returns, in one row: the builds, and the repositories among theirs that are limited.
macro_rules! ended {
    () => {
        "(SELECT array_agg(build) FROM ended) AS ended,
         (SELECT array_agg(DISTINCT name) FROM ended
          JOIN repositories ON name = repository WHERE running_max IS NOT NULL) AS limited"
    };
}

macro_rules! of_arrays {
    () => {
        "SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[])"
    };
}

pub(super) use {claim, claimed, ended, finish, finish_from_leases, finish_one, of_arrays};
