//! The guard before every write of a worker.

use super::Jobs;
use crate::Error;
use model::{BuildId, LeaseId};
use sqlx::{PgConnection, Postgres, Transaction};

impl Jobs {
    /// Begins a transaction in which the build is RUNNING under the lease, and stays so until it
    /// ends: whoever would take the build away waits for the row.
    ///
    /// Fails with [`Error::LeaseLost`].
    pub(super) async fn fenced(
        &self,
        build: BuildId,
        lease: LeaseId,
    ) -> Result<Transaction<'static, Postgres>, Error> {
        let mut transaction = self.pool.begin().await?;
        hold(&mut transaction, build, lease).await?;
        Ok(transaction)
    }

    /// Whether the build is RUNNING under the lease. A `false` is final; a `true` may be past already.
    pub async fn is_held(&self, build: BuildId, lease: LeaseId) -> Result<bool, Error> {
        let held = sqlx::query_scalar("SELECT EXISTS (SELECT FROM leases WHERE build = $1 AND lease = $2)")
            .bind(build.0)
            .bind(lease.0)
            .fetch_one(&self.pool)
            .await?;
        Ok(held)
    }

    /// Whether the build waits or runs. A `false` is final; a `true` may be past already.
    pub async fn is_under_way(&self, build: BuildId) -> Result<bool, Error> {
        let under_way = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM queue WHERE build = $1) OR EXISTS (SELECT FROM leases WHERE build = $1)",
        )
        .bind(build.0)
        .fetch_one(&self.pool)
        .await?;
        Ok(under_way)
    }
}

async fn hold(connection: &mut PgConnection, build: BuildId, lease: LeaseId) -> Result<(), Error> {
    let held = sqlx::query("SELECT FROM leases WHERE build = $1 AND lease = $2 FOR NO KEY UPDATE")
        .bind(build.0)
        .bind(lease.0)
        .execute(connection)
        .await?;
    if held.rows_affected() == 0 {
        return Err(Error::LeaseLost { build, lease });
    }
    Ok(())
}
