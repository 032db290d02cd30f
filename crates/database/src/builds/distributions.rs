//! Distributions as regions' leaders report them: the last summary of each, and how it went.

use super::Builds;
use crate::{Error, row};
use jiff::Timestamp;
use model::distribution::{Curve, CurvePoint, Distribution};
use model::{ArtifactId, RegionName};
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};

/// The most distributions that are remembered a region; older ones make place.
const REMEMBERED_MAX: i64 = 64;
/// A distribution that began so long after the last word on the one before is another one, in milliseconds.
const ANEW_AFTER_MS: f64 = 60_000.0;

/// One distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionRow {
    /// To which region's hosts.
    pub region: RegionName,
    /// How it stood when the region's leader last spoke of it.
    pub summary: Distribution,
    /// How it went.
    pub curve: Curve,
    /// When the first host was heard of that lacked it.
    pub began_at: Timestamp,
    /// When the region's leader last spoke of it.
    pub reported_at: Timestamp,
}

/// A row, unless another version wrote what this one does not understand: it is a picture, not a truth.
struct Readable(Option<DistributionRow>);

impl FromRow<'_, PgRow> for Readable {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (summary, curve) = (readable(row, "summary")?, readable(row, "curve")?);
        let (region, began_at) = (row::word(row, "region")?, row::time(row, "began_at")?);
        let reported_at = row::time(row, "reported_at")?;
        Ok(Self(summary.zip(curve).map(|(summary, curve)| DistributionRow {
            region,
            summary,
            curve,
            began_at,
            reported_at,
        })))
    }
}

fn readable<T: DeserializeOwned>(row: &PgRow, column: &str) -> sqlx::Result<Option<T>> {
    let value: serde_json::Value = row.try_get(column)?;
    Ok(serde_json::from_value(value).ok())
}

impl Builds {
    /// What is remembered of an artifact's distributions, by region.
    pub async fn distributions_of(&self, artifact: &ArtifactId) -> Result<Vec<DistributionRow>, Error> {
        let rows: Vec<Readable> =
            sqlx::query_as("SELECT * FROM distributions WHERE artifact = $1 ORDER BY region")
                .bind(artifact.to_string())
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().filter_map(|row| row.0).collect())
    }

    /// The distributions of the artifacts that were distributed last, at most `artifacts_max` of them; the
    /// latest first, then by region.
    pub async fn distributions(&self, artifacts_max: u32) -> Result<Vec<DistributionRow>, Error> {
        let rows: Vec<Readable> = sqlx::query_as(
            "WITH latest AS (
                 SELECT artifact, max(began_at) AS began FROM distributions
                 GROUP BY artifact ORDER BY began DESC, artifact LIMIT $1
             )
             SELECT distributions.* FROM distributions JOIN latest USING (artifact)
             ORDER BY latest.began DESC, artifact, region",
        )
        .bind(row::limit(artifacts_max, crate::ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().filter_map(|row| row.0).collect())
    }
}

/// What is known of a distribution before the next word on it: the curve, and in milliseconds how long ago it
/// began and was last spoken of.
#[derive(FromRow)]
struct Before {
    curve: serde_json::Value,
    began_ms: f64,
    silent_ms: f64,
}

/// Takes one summary in. The caller holds the region's row, so that one report is taken in after the other,
/// and has refused those of older leaders. A new leader's summaries continue the curve.
pub(super) async fn take_in(
    connection: &mut PgConnection,
    region: &RegionName,
    summary: &Distribution,
) -> Result<(), Error> {
    let artifact = summary.artifact.to_string();
    let before: Option<Before> = sqlx::query_as(
        "SELECT curve, extract(epoch FROM now() - began_at)::float8 * 1000 AS began_ms,
                extract(epoch FROM now() - reported_at)::float8 * 1000 AS silent_ms
         FROM distributions WHERE region = $1 AND artifact = $2",
    )
    .bind(region.as_str())
    .bind(&artifact)
    .fetch_optional(&mut *connection)
    .await?;
    let elapsed_ms = summary.elapsed_ms as f64;
    let same = before.filter(|before| before.silent_ms - elapsed_ms < ANEW_AFTER_MS);
    let fresh = same.is_none();
    let (mut curve, began_ms) = match same {
        // A curve that another version wrote begins anew; the time does not.
        Some(before) => (
            serde_json::from_value(before.curve).unwrap_or_default(),
            before.began_ms,
        ),
        None => (Curve::default(), elapsed_ms),
    };
    curve.push(CurvePoint {
        // Positive; a float that does not fit is cut to what does.
        at_ms: began_ms as u64,
        complete_hosts: summary.hosts.complete,
        hosts: summary.hosts.all,
        held_bytes: summary.transfer.verified_bytes(),
    });
    sqlx::query(
        "INSERT INTO distributions AS known (region, artifact, summary, curve, began_at)
         VALUES ($1, $2, $3, $4, now() - make_interval(secs => $5 / 1000.0))
         ON CONFLICT (region, artifact) DO UPDATE
         SET summary = excluded.summary, curve = excluded.curve, reported_at = now(),
             began_at = CASE WHEN $6 THEN excluded.began_at ELSE known.began_at END",
    )
    .bind(region.as_str())
    .bind(&artifact)
    .bind(Json(summary))
    .bind(Json(&curve))
    .bind(began_ms)
    .bind(fresh)
    .execute(&mut *connection)
    .await?;
    if fresh {
        forget_oldest(connection, region).await?;
    }
    Ok(())
}

async fn forget_oldest(connection: &mut PgConnection, region: &RegionName) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM distributions WHERE region = $1 AND artifact IN (
             SELECT artifact FROM distributions WHERE region = $1
             ORDER BY reported_at DESC, artifact OFFSET $2)",
    )
    .bind(region.as_str())
    .bind(REMEMBERED_MAX)
    .execute(connection)
    .await?;
    Ok(())
}
