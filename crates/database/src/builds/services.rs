//! Services and their specs.

use super::Builds;
use crate::{Error, ROWS_MAX, row};
use jiff::Timestamp;
use model::{Actor, ReleaseNumber, ServiceName, ServiceSpec};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRow {
    /// Its name.
    pub name: ServiceName,
    /// How its next release will run.
    pub spec: ServiceSpec,
    /// Who changed the spec last.
    pub actor: Actor,
    /// Its newest release, once there is one.
    pub release: Option<ReleaseNumber>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its spec last changed.
    pub updated_at: Timestamp,
}

impl FromRow<'_, PgRow> for ServiceRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Json(spec) = row.try_get("spec")?;
        let release: i64 = row.try_get("release")?;
        Ok(Self {
            name: row::word(row, "name")?,
            spec,
            actor: row::word(row, "actor")?,
            release: (release > 0).then_some(ReleaseNumber(release)),
            created_at: row::time(row, "created_at")?,
            updated_at: row::time(row, "updated_at")?,
        })
    }
}

impl Builds {
    /// Makes a service or changes its spec. Running releases keep the spec they were made with.
    ///
    /// Fails with [`Error::InvalidSpec`].
    pub async fn put_service(
        &self,
        name: &ServiceName,
        spec: &ServiceSpec,
        actor: &Actor,
    ) -> Result<(), Error> {
        spec.validate()?;
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO services (name, spec, actor) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, actor = excluded.actor, updated_at = now()
             WHERE services.spec <> excluded.spec",
        )
        .bind(name.as_str())
        .bind(Json(spec))
        .bind(actor.as_str())
        .execute(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO service_counters (service) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// One service.
    pub async fn service(&self, name: &ServiceName) -> Result<Option<ServiceRow>, Error> {
        let service = sqlx::query_as(
            "SELECT * FROM services JOIN service_counters ON service_counters.service = services.name
             WHERE services.name = $1",
        )
        .bind(name.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(service)
    }

    /// Services by name, at most [`ROWS_MAX`].
    pub async fn services(&self) -> Result<Vec<ServiceRow>, Error> {
        let services = sqlx::query_as(
            "SELECT * FROM services JOIN service_counters ON service_counters.service = services.name
             ORDER BY services.name LIMIT $1",
        )
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(services)
    }
}
