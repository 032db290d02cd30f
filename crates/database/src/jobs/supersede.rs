//! A newer commit of the same branch makes the build of an older one that nobody has begun useless.

use super::{
    Jobs,
    enqueue::NewBuild,
    finish::{Ended, Ending, finish_queued},
};
use crate::Error;
use model::BuildId;
use sqlx::PgConnection;

impl Jobs {
    /// Cancels what waits for an older commit of what is asked for; what runs goes on.
    pub(super) async fn supersede(
        &self,
        connection: &mut PgConnection,
        by: BuildId,
        new: &NewBuild,
    ) -> Result<Ended, Error> {
        let older: Vec<uuid::Uuid> = sqlx::query_scalar(
            "SELECT queue.build FROM queue JOIN builds ON builds.id = queue.build
             WHERE queue.repository = $1 AND builds.revision = $2 AND builds.target = $3
               AND builds.commit_id <> $4",
        )
        .bind(new.repository.as_str())
        .bind(new.revision.as_str())
        .bind(new.target.as_str())
        .bind(new.commit.as_str())
        .fetch_all(&mut *connection)
        .await?;
        let ending = Ending::Cancelled(format!(
            "superseded by build {by} of commit {}",
            new.commit.short()
        ));
        let older: Vec<_> = older.into_iter().map(BuildId).collect();
        finish_queued(connection, &older, &ending).await
    }
}
