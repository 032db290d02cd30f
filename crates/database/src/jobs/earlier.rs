//! What was built before of the same.

use super::Jobs;
use crate::Error;
use model::{ArtifactId, BuildId};

impl Jobs {
    /// The newest artifact that another build of the same target at the same commit has made. There is one only
    /// where this build was forced.
    pub async fn earlier_artifact(&self, build: BuildId) -> Result<Option<ArtifactId>, Error> {
        let found: Option<String> = sqlx::query_scalar(
            "SELECT results.artifact
             FROM builds AS ours JOIN builds AS earlier USING (identity) JOIN results ON results.build = earlier.id
             WHERE ours.id = $1 AND earlier.id <> $1 AND results.artifact IS NOT NULL
             ORDER BY earlier.id DESC LIMIT 1",
        )
        .bind(build.0)
        .fetch_optional(&self.pool)
        .await?;
        // What is no artifact's id was never written there; it is as good as none.
        Ok(found.and_then(|id| id.parse().ok()))
    }
}
