//! Watching what has succeeded: for a while, and until another release begins that is for some of the same instances.

use super::{
    Builds, DeploymentRow,
    audit::{self, Deed},
    deployments::deployment_rows,
    regions::{RegionWord, word_columns, word_of},
};
use crate::{Error, Hint, ROWS_MAX, hints, row};
use model::{Actor, DeploymentId, RegionName};
use policy::Subject;
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// One region's hosts that have a release which has succeeded. What each number means, `rollout::WatchedRegion` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchRow {
    /// Which region.
    pub region: RegionName,
    /// The last word of its leader.
    pub word: Option<RegionWord>,
    /// Hosts that have the release.
    pub hosts: u64,
    /// Those that became unhealthy, and have been so for the policy's `healthy_deadline_seconds`.
    pub unwell: u64,
    /// Those not heard of.
    pub unknown: u64,
    /// What one that is unwell says.
    pub error: Option<String>,
}

impl FromRow<'_, PgRow> for WatchRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            region: row::word(row, "region")?,
            word: word_of(row)?,
            hosts: row::size(row, "hosts")?,
            unwell: row::size(row, "unwell")?,
            unknown: row::size(row, "unknown")?,
            error: row.try_get("error")?,
        })
    }
}

impl Builds {
    /// Every deployment that has succeeded and is watched still, oldest first, at most [`ROWS_MAX`].
    pub async fn watched_deployments(&self) -> Result<Vec<DeploymentRow>, Error> {
        let watched = sqlx::query_as(deployment_rows!(
            "WHERE deployments.state = 'SUCCEEDED' AND deployments.watched_until > clock_timestamp()
             ORDER BY deployments.watched_until, deployments.id LIMIT $1"
        ))
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(watched)
    }

    /// How the hosts are that have a deployment's release, by region.
    pub async fn watch(&self, deployment: &DeploymentRow) -> Result<Vec<WatchRow>, Error> {
        let rows = sqlx::query_as(concat!(
            "SELECT said.*, ",
            word_columns!(),
            " FROM (
                 SELECT region, count(*) AS hosts, count(*) FILTER (WHERE unwell) AS unwell,
                        count(*) FILTER (WHERE state = 'LOST') AS unknown,
                        min(host || ': ' || reason) FILTER (WHERE unwell) AS error
                 FROM (SELECT *, state NOT IN ('HEALTHY', 'LOST') AND (was_healthy OR healthy_at IS NOT NULL)
                                 AND unwell_since <= now() - make_interval(secs => $3) AS unwell
                       FROM instances WHERE service = $1 AND active_release = $2) AS classes
                 GROUP BY region
             ) AS said
             LEFT JOIN region_reports ON region_reports.region = said.region
             ORDER BY said.region LIMIT $4"
        ))
        .bind(deployment.service.as_str())
        .bind(deployment.release.0)
        .bind(f64::from(deployment.policy.healthy_deadline_seconds))
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Keeps, once, what should not be seen of a deployment that is watched, there and in the audit trail; whether it
    /// was news. Nothing is written once it is not watched any more.
    pub async fn raise_alarm(&self, deployment: &DeploymentRow, words: &str) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        let raised = sqlx::query(
            "UPDATE deployments SET alarm = $2
             WHERE id = $1 AND state = 'SUCCEEDED' AND alarm IS NULL AND watched_until > clock_timestamp()",
        )
        .bind(deployment.id.0)
        .bind(words)
        .execute(&mut *transaction)
        .await?;
        if raised.rows_affected() == 0 {
            return Ok(false);
        }
        hints::send(&mut transaction, Hint::Deployment(deployment.id)).await?;
        let deed = Deed {
            actor: &Actor::rollout(),
            action: "alarm",
            subject: deployment.service.to_string(),
            detail: json!({ "deployment": deployment.id, "release": deployment.release, "reason": words }),
        };
        audit::record(&mut transaction, deed).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Begins to watch a deployment that has just succeeded, for as long as its policy says.
pub(super) async fn begin(connection: &mut PgConnection, id: DeploymentId) -> Result<(), Error> {
    sqlx::query(
        "UPDATE deployments
         SET watched_until = clock_timestamp() + make_interval(secs => (policy->>'watch_seconds')::float8)
         WHERE id = $1 AND (policy->>'watch_seconds')::float8 > 0",
    )
    .bind(id.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the watch of every release that is for some of the same instances: another one of theirs begins, and its rollout
/// counts failures from now on.
pub(super) async fn end(connection: &mut PgConnection, subject: &Subject) -> Result<(), Error> {
    let watched: Vec<DeploymentRow> = sqlx::query_as(deployment_rows!(
        "WHERE deployments.service = $1 AND deployments.state = 'SUCCEEDED'
           AND deployments.watched_until > clock_timestamp()"
    ))
    .bind(subject.service.as_str())
    .fetch_all(&mut *connection)
    .await?;
    let over = watched.iter().filter(|row| row.subject().meets(subject));
    sqlx::query("UPDATE deployments SET watched_until = clock_timestamp() WHERE id = ANY($1)")
        .bind(over.map(|row| row.id.0).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
