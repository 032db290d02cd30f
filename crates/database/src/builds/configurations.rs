//! Versions of a service's configuration.

use super::Builds;
use crate::{Error, ROWS_MAX, row};
use jiff::Timestamp;
use model::{Actor, Configuration, ConfigurationVersion, ServiceName};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};

/// One version of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationRow {
    /// The version and its variables.
    pub configuration: Configuration,
    /// Who made it.
    pub actor: Actor,
    /// When.
    pub created_at: Timestamp,
}

impl FromRow<'_, PgRow> for ConfigurationRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Json(variables) = row.try_get("variables")?;
        Ok(Self {
            configuration: Configuration {
                version: Some(row::word(row, "version")?),
                variables,
            },
            actor: row::word(row, "actor")?,
            created_at: row::time(row, "created_at")?,
        })
    }
}

impl Builds {
    /// Keeps a version of a service's configuration. Once kept it never changes: `false`, with nothing written, when
    /// the version is there with other variables.
    ///
    /// Fails with [`Error::UnknownService`].
    pub async fn put_configuration(
        &self,
        service: &ServiceName,
        version: &ConfigurationVersion,
        configuration: &Configuration,
        actor: &Actor,
    ) -> Result<bool, Error> {
        let kept: Option<bool> = sqlx::query_scalar(
            "WITH added AS (
                 INSERT INTO configurations (service, version, variables, actor)
                 SELECT name, $2, $3, $4 FROM services WHERE name = $1
                 ON CONFLICT DO NOTHING RETURNING true
             )
             SELECT coalesce((SELECT true FROM added), (SELECT variables = $3 FROM configurations
                                                        WHERE service = $1 AND version = $2))",
        )
        .bind(service.as_str())
        .bind(version.as_str())
        .bind(Json(&configuration.variables))
        .bind(actor.as_str())
        .fetch_one(&self.pool)
        .await?;
        kept.ok_or_else(|| Error::UnknownService(service.clone()))
    }

    /// A service's configurations, newest first, at most [`ROWS_MAX`].
    pub async fn configurations(&self, service: &ServiceName) -> Result<Vec<ConfigurationRow>, Error> {
        let rows = sqlx::query_as(
            "SELECT * FROM configurations WHERE service = $1 ORDER BY created_at DESC, version LIMIT $2",
        )
        .bind(service.as_str())
        .bind(i64::from(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}

/// The variables of one version.
pub(super) async fn of_version(
    connection: &mut PgConnection,
    service: &ServiceName,
    version: &ConfigurationVersion,
) -> Result<Configuration, Error> {
    let found: Option<ConfigurationRow> =
        sqlx::query_as("SELECT * FROM configurations WHERE service = $1 AND version = $2")
            .bind(service.as_str())
            .bind(version.as_str())
            .fetch_optional(connection)
            .await?;
    found
        .map(|row| row.configuration)
        .ok_or_else(|| Error::UnknownConfiguration {
            service: service.clone(),
            version: version.clone(),
        })
}
