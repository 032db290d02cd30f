//! A worker's steps through one attempt, and how far each has come.

use super::Jobs;
use crate::{Error, Hint, ROWS_MAX, row};
use jiff::Timestamp;
use model::{Attempt, BuildId, LeaseId, Phase, WorkerName};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::time::Duration;

/// One phase of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseRow {
    /// Which attempt.
    pub attempt: Attempt,
    /// The attempt's lease.
    pub lease: LeaseId,
    /// Who worked on it.
    pub worker: WorkerName,
    /// Which phase.
    pub phase: Phase,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, well or not.
    pub finished_at: Option<Timestamp>,
}

impl FromRow<'_, PgRow> for PhaseRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            attempt: Attempt(row.try_get("attempt")?),
            lease: LeaseId(row.try_get("lease")?),
            worker: row::word(row, "worker")?,
            phase: row::word(row, "phase")?,
            started_at: row::time(row, "started_at")?,
            finished_at: row::time_option(row, "finished_at")?,
        })
    }
}

impl Jobs {
    /// Ends the attempt's present phase and begins the next. Beginning a phase twice changes nothing.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn begin_phase(&self, build: BuildId, lease: LeaseId, phase: Phase) -> Result<(), Error> {
        self.begin_phase_within(build, lease, phase, None).await
    }

    /// The same; and from now on the attempt is overdue when `limit` has passed, and no longer by the build's
    /// deadline.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn begin_phase_within(
        &self,
        build: BuildId,
        lease: LeaseId,
        phase: Phase,
        limit: Option<Duration>,
    ) -> Result<(), Error> {
        let mut transaction = self.fenced(build, lease).await?;
        if let Some(limit) = limit {
            sqlx::query("UPDATE leases SET expires_at = now() + make_interval(secs => $2) WHERE build = $1")
                .bind(build.0)
                .bind(limit.as_secs_f64())
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(
            "UPDATE phases SET finished_at = now() WHERE lease = $1 AND phase <> $2 AND finished_at IS NULL",
        )
        .bind(lease.0)
        .bind(phase.as_str())
        .execute(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO phases (lease, phase) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(lease.0)
            .bind(phase.as_str())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "UPDATE attempts SET phase = $2, done_bytes = 0, total_bytes = 0
             WHERE lease = $1 AND phase IS DISTINCT FROM $2",
        )
        .bind(lease.0)
        .bind(phase.as_str())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.shared.announcer.announce(Hint::Build(build));
        Ok(())
    }

    /// Records how many bytes of the present phase are done.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub async fn progress(&self, build: BuildId, lease: LeaseId, done: u64, total: u64) -> Result<(), Error> {
        let mut transaction = self.fenced(build, lease).await?;
        sqlx::query("UPDATE attempts SET done_bytes = $2, total_bytes = $3 WHERE lease = $1")
            .bind(lease.0)
            .bind(row::signed(done))
            .bind(row::signed(total))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.shared.announcer.announce(Hint::Build(build));
        Ok(())
    }

    /// Every phase of every attempt, oldest first.
    pub async fn phases(&self, build: BuildId) -> Result<Vec<PhaseRow>, Error> {
        let phases = sqlx::query_as(
            "SELECT attempts.attempt, attempts.lease, attempts.worker, phases.phase, phases.started_at,
                    phases.finished_at
             FROM attempts JOIN phases ON phases.lease = attempts.lease
             WHERE attempts.build = $1
             ORDER BY attempts.lease, phases.started_at LIMIT $2",
        )
        .bind(build.0)
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(phases)
    }
}
