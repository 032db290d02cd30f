//! Registered repositories.

use super::Jobs;
use crate::{Error, ROWS_MAX, row};
use jiff::Timestamp;
use model::repository::LocalRepositories;
use model::{Actor, RepositoryName, RepositoryUrl};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

/// A registered repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its name.
    pub name: RepositoryName,
    /// Where it is fetched from.
    pub url: RepositoryUrl,
    /// Who registered it, or changed its address last.
    pub actor: Actor,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When its address last changed.
    pub updated_at: Timestamp,
    /// The most builds of it that run at once.
    pub running_max: Option<u32>,
}

/// Reads an address that was checked by the operator's policy when it was registered.
pub(super) fn stored_url(row: &PgRow, column: &str) -> sqlx::Result<RepositoryUrl> {
    let text: &str = row.try_get(column)?;
    RepositoryUrl::parse(text, LocalRepositories::Allowed).map_err(|reason| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: reason.into(),
    })
}

impl FromRow<'_, PgRow> for Repository {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            name: row::word(row, "name")?,
            url: stored_url(row, "url")?,
            actor: row::word(row, "actor")?,
            registered_at: row::time(row, "registered_at")?,
            updated_at: row::time(row, "updated_at")?,
            running_max: row
                .try_get::<Option<i32>, _>("running_max")?
                .and_then(|max| u32::try_from(max).ok()),
        })
    }
}

impl Jobs {
    /// Registers a repository, or changes the address of a registered one. Doing it twice changes
    /// nothing.
    pub async fn register_repository(
        &self,
        name: &RepositoryName,
        url: &RepositoryUrl,
        actor: &Actor,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO repositories (name, url, actor) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET url = excluded.url, actor = excluded.actor, updated_at = now()
             WHERE repositories.url <> excluded.url",
        )
        .bind(name.as_str())
        .bind(url.as_str())
        .bind(actor.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// One repository.
    pub async fn repository(&self, name: &RepositoryName) -> Result<Option<Repository>, Error> {
        let repository = sqlx::query_as("SELECT * FROM repositories WHERE name = $1")
            .bind(name.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(repository)
    }

    /// Registered repositories by name, at most [`ROWS_MAX`].
    pub async fn repositories(&self) -> Result<Vec<Repository>, Error> {
        let repositories = sqlx::query_as("SELECT * FROM repositories ORDER BY name LIMIT $1")
            .bind(i64::from(ROWS_MAX))
            .fetch_all(&self.pool)
            .await?;
        Ok(repositories)
    }
}
