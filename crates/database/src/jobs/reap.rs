//! Giving a lost worker's builds back, and ending what has lasted too long.

use super::{
    Jobs,
    finish::{Ended, Ending, finish_queued, finish_running},
    requeue::{ATTEMPTS_MAX, requeue},
};
use crate::Error;
use model::{BuildId, LeaseId, WorkerName};
use sqlx::{PgConnection, Row};
use std::time::Duration;

/// The most builds that one round looks at.
const ROUND_MAX: i64 = 1_000;

/// What became of a build that the reaper took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It waits for its next attempt.
    GivenBack,
    /// It is FAILED, for this reason.
    Failed(String),
}

/// A build that the reaper took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    /// Which build.
    pub build: BuildId,
    /// The lease that held it, and whose; `None` for a build that only ever waited.
    pub held_by: Option<(LeaseId, WorkerName)>,
    /// What became of it.
    pub fate: Fate,
}

/// A build that looked lost or overdue when the round began.
struct Suspect {
    build: BuildId,
    held_by: Option<(LeaseId, WorkerName)>,
}

/// What is true of a suspect once its row is locked.
struct Finding {
    attempt: i32,
    overdue: bool,
    stale: bool,
    /// It was past its build, so that the deadline was its upload's.
    uploads: bool,
    deadline_seconds: i32,
}

/// Whether nobody has spoken for a lease within `$1` seconds. A claim counts as a sign of life, and a
/// heartbeat counts only for the leases that it names.
macro_rules! stale {
    () => {
        "(leases.claimed_at < clock_timestamp() - make_interval(secs => $1)
          AND NOT EXISTS (SELECT FROM heartbeats
                          WHERE heartbeats.worker = leases.worker AND leases.lease = ANY (heartbeats.leases)
                            AND heartbeats.beat_at >= clock_timestamp() - make_interval(secs => $1)))"
    };
}

impl Jobs {
    /// Takes every build whose worker was not heard of for `window`, or whose deadline has passed: back
    /// to the queue for its next attempt, or FAILED after the last or the deadline.
    ///
    /// To be called at least four times a window, by one process. When it was not (the database was
    /// away, or this is the first call), nobody's silence means anything yet, and it takes nothing until
    /// a whole window has passed since.
    ///
    /// It also lets builds into the queue's order that have rested, or whose room nobody else gave them, and closes the
    /// gaps in it that cancelled builds have left.
    pub async fn reap(&self, window: Duration) -> Result<Vec<Reaped>, Error> {
        if !self.note_presence(window).await? {
            return Ok(Vec::new());
        }
        let mut reaped = Vec::new();
        for suspect in self.suspects(window).await? {
            reaped.extend(self.take(suspect, window).await?);
        }
        self.admit_everywhere().await?;
        self.close_gaps().await?;
        Ok(reaped)
    }

    /// Notes that the reaper reached the database, and says whether it has done so for a whole window
    /// without a gap of half a window or a restart of the server.
    async fn note_presence(&self, window: Duration) -> Result<bool, Error> {
        let waited = sqlx::query_scalar(
            "INSERT INTO reaper AS mine (last_seen_at, present_since)
             VALUES (clock_timestamp(), clock_timestamp())
             ON CONFLICT (only_row) DO UPDATE
             SET last_seen_at = excluded.last_seen_at,
                 present_since = CASE
                     WHEN mine.last_seen_at < excluded.last_seen_at - make_interval(secs => $1 / 2)
                          OR mine.last_seen_at < pg_postmaster_start_time()
                     THEN excluded.last_seen_at
                     ELSE mine.present_since END
             RETURNING present_since <= clock_timestamp() - make_interval(secs => $1)",
        )
        .bind(window.as_secs_f64())
        .fetch_one(&self.pool)
        .await?;
        Ok(waited)
    }

    async fn suspects(&self, window: Duration) -> Result<Vec<Suspect>, Error> {
        let rows = sqlx::query(concat!(
            "(SELECT build, lease, worker FROM leases WHERE expires_at <= clock_timestamp() OR ",
            stale!(),
            " LIMIT $2)
             UNION ALL
             (SELECT build, NULL, NULL FROM queue WHERE expires_at <= clock_timestamp() LIMIT $2)"
        ))
        .bind(window.as_secs_f64())
        .bind(ROUND_MAX)
        .fetch_all(&self.pool)
        .await?;
        let suspects = rows.iter().map(Suspect::from_row).collect::<sqlx::Result<_>>()?;
        Ok(suspects)
    }

    /// Takes one suspect if it still is one, by all that is true once both of its rows are locked. The
    /// worker's heartbeat comes first: a beat either came before, and is seen here, or waits, and then
    /// finds its lease lost.
    async fn take(&self, suspect: Suspect, window: Duration) -> Result<Option<Reaped>, Error> {
        let mut transaction = self.pool.begin().await?;
        if let Some((_, worker)) = &suspect.held_by {
            sqlx::query("SELECT FROM heartbeats WHERE worker = $1 FOR NO KEY UPDATE")
                .bind(worker.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        let Some(finding) = examine(&mut transaction, &suspect, window).await? else {
            return Ok(None);
        };
        let fate = suspect.fate(&finding);
        let ended = suspect.meet(&mut transaction, &fate).await?;
        transaction.commit().await?;
        self.after(&ended).await;
        if fate == Fate::GivenBack {
            self.announce_requeued(suspect.build);
        }
        Ok(Some(Reaped {
            build: suspect.build,
            held_by: suspect.held_by,
            fate,
        }))
    }
}

impl Suspect {
    fn from_row(row: &sqlx::postgres::PgRow) -> sqlx::Result<Self> {
        let lease: Option<i64> = row.try_get("lease")?;
        let worker: Option<WorkerName> = crate::row::word_option(row, "worker")?;
        Ok(Self {
            build: BuildId(row.try_get("build")?),
            held_by: lease.map(LeaseId).zip(worker),
        })
    }

    /// Lets the fate of a build whose row is locked come about.
    async fn meet(&self, connection: &mut PgConnection, fate: &Fate) -> Result<Ended, Error> {
        match (fate, &self.held_by) {
            (Fate::GivenBack, Some((lease, worker))) => {
                let reason = format!("worker {worker} was lost");
                requeue(connection, self.build, *lease, &reason, None).await?;
                Ok(Ended::default())
            }
            // A build that waits can be overdue only, and that fails it.
            (Fate::GivenBack, None) => Ok(Ended::default()),
            (Fate::Failed(reason), Some((lease, _))) => {
                let ending = Ending::Failed(reason.clone());
                finish_running(connection, self.build, *lease, ending).await
            }
            (Fate::Failed(reason), None) => {
                let ending = Ending::Failed(reason.clone());
                finish_queued(connection, &[self.build], &ending).await
            }
        }
    }

    fn fate(&self, finding: &Finding) -> Fate {
        let Some((_, worker)) = &self.held_by else {
            return Fate::Failed("it waited too long for a worker".to_owned());
        };
        if finding.overdue && finding.uploads {
            return Fate::Failed(format!("worker {worker} did not end its upload in time"));
        }
        if finding.overdue {
            let seconds = finding.deadline_seconds;
            return Fate::Failed(format!("it ran longer than its deadline of {seconds} s"));
        }
        if finding.attempt >= ATTEMPTS_MAX {
            let attempt = finding.attempt;
            return Fate::Failed(format!("worker {worker} was lost in attempt {attempt}, the last"));
        }
        Fate::GivenBack
    }
}

/// Locks the suspect's row and looks again; `None` when it moved on, or its worker spoke meanwhile.
async fn examine(
    connection: &mut PgConnection,
    suspect: &Suspect,
    window: Duration,
) -> Result<Option<Finding>, Error> {
    let row = match &suspect.held_by {
        Some((lease, _)) => {
            sqlx::query(concat!(
                "SELECT leases.attempt, builds.deadline_seconds,
                        leases.expires_at <= clock_timestamp() AS overdue,
                        coalesce((SELECT phase IN ('UPLOAD', 'PUBLISH') FROM attempts
                                  WHERE attempts.lease = leases.lease), false) AS uploads, ",
                stale!(),
                " AS stale
                 FROM leases JOIN builds ON builds.id = leases.build
                 WHERE leases.build = $2 AND leases.lease = $3
                 FOR UPDATE OF leases"
            ))
            .bind(window.as_secs_f64())
            .bind(suspect.build.0)
            .bind(lease.0)
            .fetch_optional(connection)
            .await?
        }
        None => {
            sqlx::query(
                "SELECT attempt, 0 AS deadline_seconds, expires_at <= clock_timestamp() AS overdue,
                        false AS uploads, false AS stale
                 FROM queue WHERE build = $1 FOR UPDATE",
            )
            .bind(suspect.build.0)
            .fetch_optional(connection)
            .await?
        }
    };
    let Some(row) = row else { return Ok(None) };
    let finding = Finding {
        attempt: row.try_get("attempt")?,
        overdue: row.try_get("overdue")?,
        stale: row.try_get("stale")?,
        uploads: row.try_get("uploads")?,
        deadline_seconds: row.try_get("deadline_seconds")?,
    };
    Ok((finding.overdue || finding.stale).then_some(finding))
}
