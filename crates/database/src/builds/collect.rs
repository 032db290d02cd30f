//! Which artifacts are needed, and taking away those that are not: withdrawn first, collected at the end.

use super::Builds;
use crate::{Error, Hint, ROWS_MAX, hints, row};
use jiff::Timestamp;
use model::{Actor, ArtifactId, BuildId, Commit, ReleaseNumber, RepositoryName, ServiceName, Target};
use retention::{Artifact, Plan, Policy, References, Release};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The most artifacts that one look considers, those recorded longest ago first.
const ARTIFACTS_MAX: i64 = 10_000;
/// The most references of one kind; with more, nothing is collected rather than too much.
const REFERENCES_MAX: i64 = 100_000;

/// An artifact that was withdrawn and of which stores may still hold something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// Which artifact.
    pub artifact: ArtifactId,
    /// The builds that made it, as far as they were recorded.
    pub builds: Vec<BuildId>,
    /// When it was withdrawn.
    pub withdrawn_at: Timestamp,
}

impl FromRow<'_, PgRow> for Withdrawn {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let builds: Vec<uuid::Uuid> = row.try_get("builds")?;
        Ok(Self {
            artifact: row::word(row, "id")?,
            builds: builds.into_iter().map(BuildId).collect(),
            withdrawn_at: row::time(row, "withdrawn_at")?,
        })
    }
}

/// What was seen of artifacts and of who needs them. What is being built is for the caller to add.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// The artifacts that nobody has withdrawn.
    pub artifacts: Vec<Artifact>,
    /// Who needs them.
    pub references: References,
}

impl Builds {
    /// Looks at everything, and changes nothing.
    pub async fn inventory(&self) -> Result<Inventory, Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut *transaction)
            .await?;
        inventory(&mut transaction).await
    }

    /// Withdraws what `choose` picks of everything that it is shown: from the commit on nobody can deploy or
    /// copy it. Nobody can begin to need an artifact between the look and the commit, since deployments and
    /// the regions' orders wait meanwhile, for as long as `choose` takes.
    pub async fn withdraw(
        &self,
        actor: &Actor,
        choose: impl FnOnce(Inventory) -> Vec<ArtifactId>,
    ) -> Result<Vec<ArtifactId>, Error> {
        let mut transaction = self.pool.begin().await?;
        // Whoever deploys waits behind this one while this one waits.
        sqlx::query("SET LOCAL lock_timeout = '5s'")
            .execute(&mut *transaction)
            .await?;
        sqlx::query("LOCK TABLE artifact_builds, deployments, outbox IN SHARE MODE")
            .execute(&mut *transaction)
            .await?;
        let chosen = choose(inventory(&mut transaction).await?);
        let names: Vec<String> = chosen.iter().map(ToString::to_string).collect();
        sqlx::query(
            "UPDATE artifacts SET withdrawn_at = now(), withdrawn_by = $2
             WHERE id = ANY($1) AND withdrawn_at IS NULL",
        )
        .bind(&names)
        .bind(actor.as_str())
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM replicas WHERE artifact = ANY($1)")
            .bind(&names)
            .execute(&mut *transaction)
            .await?;
        for artifact in &chosen {
            hints::send(&mut transaction, Hint::Replica(*artifact)).await?;
        }
        transaction.commit().await?;
        Ok(chosen)
    }

    /// Withdraws what a policy lets go, and says what becomes of everything. What is `building` is kept; it must have been
    /// looked at before.
    pub async fn withdraw_by(
        &self,
        actor: &Actor,
        policy: &Policy,
        building: BTreeSet<(RepositoryName, Commit, Target)>,
    ) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        let choose = |mut inventory: Inventory| {
            inventory.references.building = building;
            plan = retention::plan(inventory.artifacts, &inventory.references, policy);
            plan.collected.iter().map(|artifact| artifact.id).collect()
        };
        self.withdraw(actor, choose).await?;
        tracing::info!(
            artifacts.withdrawn = plan.collected.len(),
            artifacts.bytes = plan.freed_bytes(),
            actor = %actor,
            "artifacts were withdrawn to be collected"
        );
        Ok(plan)
    }

    /// What was withdrawn and is to be removed from every store now, oldest first: what never was, and once
    /// more what was withdrawn longer than `settle` ago, when no copy that was under way can arrive any more.
    pub async fn withdrawn(&self, settle: Duration, limit: u32) -> Result<Vec<Withdrawn>, Error> {
        let withdrawn = sqlx::query_as(
            "SELECT id, withdrawn_at,
                    ARRAY(SELECT build FROM artifact_builds WHERE artifact = artifacts.id) AS builds
             FROM artifacts WHERE withdrawn_at IS NOT NULL AND collected_at IS NULL
               AND (removed_at IS NULL OR withdrawn_at <= now() - make_interval(secs => $1))
             ORDER BY withdrawn_at LIMIT $2",
        )
        .bind(settle.as_secs_f64())
        .bind(row::limit(limit, ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(withdrawn)
    }

    /// How many artifacts were withdrawn and are not collected yet.
    pub async fn withdrawn_count(&self) -> Result<u64, Error> {
        let row = sqlx::query(
            "SELECT count(*) AS withdrawn FROM artifacts WHERE withdrawn_at IS NOT NULL AND collected_at IS NULL",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row::size(&row, "withdrawn")?)
    }

    /// Records that an artifact was removed from every store. Whether it is collected with that: it was withdrawn
    /// longer than `settle` ago, and was not brought back meanwhile.
    pub async fn removed(&self, withdrawn: &Withdrawn, settle: Duration) -> Result<bool, Error> {
        let collected: Option<bool> = sqlx::query_scalar(
            "UPDATE artifacts
             SET removed_at = now(),
                 collected_at = CASE WHEN withdrawn_at <= now() - make_interval(secs => $3) THEN now() END
             WHERE id = $1 AND withdrawn_at = $2 AND collected_at IS NULL
             RETURNING collected_at IS NOT NULL",
        )
        .bind(withdrawn.artifact.to_string())
        .bind(jiff_sqlx::Timestamp::from(withdrawn.withdrawn_at))
        .bind(settle.as_secs_f64())
        .fetch_optional(&self.pool)
        .await?;
        Ok(collected.unwrap_or(false))
    }
}

/// Refuses an artifact that was withdrawn. Asked after the deployment's rows were written: writing them waits
/// for whoever withdraws, so whatever it withdrew is seen here.
pub(super) async fn refuse_withdrawn(
    connection: &mut PgConnection,
    artifact: &ArtifactId,
) -> Result<(), Error> {
    let withdrawn: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM artifacts WHERE id = $1 AND withdrawn_at IS NOT NULL)",
    )
    .bind(artifact.to_string())
    .fetch_one(connection)
    .await?;
    if withdrawn {
        return Err(Error::Withdrawn(*artifact));
    }
    Ok(())
}

async fn inventory(connection: &mut PgConnection) -> Result<Inventory, Error> {
    let artifacts = artifacts(connection).await?;
    let references = References {
        told: named(
            connection,
            "SELECT artifact, service FROM outbox
             UNION
             SELECT layer->>'artifact', service FROM outbox, jsonb_array_elements(below) AS layer LIMIT $1",
        )
        .await?,
        in_flight: named(
            connection,
            "SELECT artifact, service FROM deployments
             WHERE state NOT IN ('SUCCEEDED', 'ROLLED_BACK', 'FAILED', 'SUPERSEDED', 'CANCELLED') LIMIT $1",
        )
        .await?,
        running: named(
            connection,
            "SELECT DISTINCT deployments.artifact, deployments.service
             FROM (SELECT DISTINCT service, release
                   FROM instances, unnest(ARRAY[running_release, desired_release, active_release, warm_release]) AS release) AS said
             JOIN deployments ON deployments.service = said.service AND deployments.release = said.release
             LIMIT $1",
        )
        .await?,
        released: released(connection).await?,
        ..References::default()
    };
    Ok(Inventory {
        artifacts,
        references,
    })
}

async fn artifacts(connection: &mut PgConnection) -> Result<Vec<Artifact>, Error> {
    let rows = sqlx::query(
        "SELECT artifacts.*, extract(epoch FROM clock_timestamp() - greatest(recorded_at, built.at))::float8
                    AS age_seconds,
                row_number() OVER (PARTITION BY repository, target
                                   ORDER BY greatest(recorded_at, built.at) DESC, id) - 1 AS newer
         FROM artifacts
         LEFT JOIN LATERAL (SELECT max(recorded_at) AS at FROM artifact_builds
                            WHERE artifact_builds.artifact = artifacts.id) AS built ON true
         WHERE withdrawn_at IS NULL
         ORDER BY age_seconds DESC LIMIT $1",
    )
    .bind(ARTIFACTS_MAX)
    .fetch_all(connection)
    .await?;
    let artifact = |row: &PgRow| {
        Ok(Artifact {
            id: row::word(row, "id")?,
            repository: row::word(row, "repository")?,
            commit: row::word(row, "commit_id")?,
            target: row::word(row, "target")?,
            total_bytes: row::size(row, "total_bytes")?,
            age: seconds(row, "age_seconds")?,
            newer: row::size(row, "newer")?,
        })
    };
    let artifacts = rows.iter().map(artifact).collect::<sqlx::Result<_>>()?;
    Ok(artifacts)
}

/// Artifacts that something needs, and a service on whose behalf.
async fn named(
    connection: &mut PgConnection,
    query: &'static str,
) -> Result<BTreeMap<ArtifactId, ServiceName>, Error> {
    let rows = sqlx::query(query)
        .bind(REFERENCES_MAX + 1)
        .fetch_all(connection)
        .await?;
    whole(rows.len())?;
    let pair = |row: &PgRow| Ok((row::word(row, "artifact")?, row::word(row, "service")?));
    let named = rows.iter().map(pair).collect::<sqlx::Result<_>>()?;
    Ok(named)
}

async fn released(connection: &mut PgConnection) -> Result<Vec<Release>, Error> {
    let rows = sqlx::query(
        "SELECT * FROM (
             SELECT service, release, artifact,
                    extract(epoch FROM clock_timestamp() - changed_at)::float8 AS age_seconds,
                    row_number() OVER (PARTITION BY service ORDER BY release DESC) - 1 AS newer
             FROM deployments WHERE state = 'SUCCEEDED'
         ) AS succeeded WHERE newer < $1 LIMIT $2",
    )
    .bind(i64::from(Policy::RELEASES_MAX))
    .bind(REFERENCES_MAX + 1)
    .fetch_all(connection)
    .await?;
    whole(rows.len())?;
    let release = |row: &PgRow| {
        Ok(Release {
            service: row::word(row, "service")?,
            number: ReleaseNumber(row.try_get("release")?),
            artifact: row::word(row, "artifact")?,
            age: seconds(row, "age_seconds")?,
            newer: row::size(row, "newer")?,
        })
    };
    let releases = rows.iter().map(release).collect::<sqlx::Result<_>>()?;
    Ok(releases)
}

/// Refuses to go on with a part of the references.
fn whole(rows: usize) -> Result<(), Error> {
    let limit = usize::try_from(REFERENCES_MAX).unwrap_or(usize::MAX);
    if rows > limit {
        return Err(Error::TooLarge {
            what: "the number of references to artifacts",
            actual: rows,
            limit,
        });
    }
    Ok(())
}

fn seconds(row: &PgRow, column: &str) -> sqlx::Result<Duration> {
    let seconds: f64 = row.try_get(column)?;
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
