//! Join tokens: made and taken back by operators, used once by a node; see `enrol`.

use super::Builds;
use crate::{Error, PAGE_ROWS_MAX, row};
use jiff::Timestamp;
use model::node::{JoinTokenRole, JoinTokenState};
use model::{Actor, HostName, JoinTokenId, RegionName};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::time::Duration;
use uuid::Uuid;

/// The most tokens that wait to be used.
pub const JOIN_TOKENS_OPEN_MAX: u32 = 10_000;
/// The longest life of a token. Whoever finds one later finds it useless.
pub const JOIN_TOKEN_LIFE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// For so many days one can see what became of a token.
const KEPT_DAYS: i32 = 30;

/// A token that is wanted.
#[derive(Debug, Clone)]
pub struct NewJoinToken {
    /// The hash of its secret.
    pub secret_hash: [u8; 32],
    /// Where it lets somebody in.
    pub region: RegionName,
    /// Whom.
    pub role: JoinTokenRole,
    /// The only one who may use it, by name; any new one when none.
    pub name: Option<HostName>,
    /// For how long, at most [`JOIN_TOKEN_LIFE_MAX`].
    pub life: Duration,
    /// Who answers for it.
    pub actor: Actor,
}

/// A token, without its secret, which nobody has kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinTokenRow {
    /// What people call it.
    pub id: JoinTokenId,
    /// Where it lets somebody in.
    pub region: RegionName,
    /// Whom.
    pub role: JoinTokenRole,
    /// The only one who may use it, by name, if it says so.
    pub name: Option<HostName>,
    /// What has become of it, by the database's clock.
    pub state: JoinTokenState,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// When its life ends.
    pub expires_at: Timestamp,
    /// Whether its life has not ended, by the database's clock.
    pub is_alive: bool,
    /// When it let somebody in.
    pub used_at: Option<Timestamp>,
    /// Whom: a node's key, or an instance's identifier without hyphens.
    pub used_by: Option<String>,
    /// When it was taken back.
    pub withdrawn_at: Option<Timestamp>,
    /// By whom.
    pub withdrawn_by: Option<Actor>,
}

impl FromRow<'_, PgRow> for JoinTokenRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: JoinTokenId(row.try_get("id")?),
            region: row::word(row, "region")?,
            role: row::word(row, "role")?,
            name: row::word_option(row, "name")?,
            state: row::word(row, "state")?,
            created_by: row::word(row, "created_by")?,
            created_at: row::time(row, "created_at")?,
            expires_at: row::time(row, "expires_at")?,
            is_alive: row.try_get("is_alive")?,
            used_at: row::time_option(row, "used_at")?,
            used_by: row.try_get("used_by")?,
            withdrawn_at: row::time_option(row, "withdrawn_at")?,
            withdrawn_by: row::word_option(row, "withdrawn_by")?,
        })
    }
}

/// The columns of a [`JoinTokenRow`].
macro_rules! token_columns {
    () => {
        "join_tokens.*, expires_at > clock_timestamp() AS is_alive,
         CASE WHEN used_at IS NOT NULL THEN 'USED'
              WHEN withdrawn_at IS NOT NULL THEN 'WITHDRAWN'
              WHEN expires_at <= clock_timestamp() THEN 'EXPIRED'
              ELSE 'OPEN' END AS state"
    };
}
pub(super) use token_columns;

impl Builds {
    /// Makes a token. Those that ended long ago are forgotten on the way.
    ///
    /// Fails with [`Error::TooLarge`] when the life is too long or too many tokens are open.
    pub async fn create_join_token(&self, new: &NewJoinToken) -> Result<JoinTokenRow, Error> {
        let too_large = |what, actual: u64, limit: u64| Error::TooLarge {
            what,
            actual: usize::try_from(actual).unwrap_or(usize::MAX),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        };
        if new.life > JOIN_TOKEN_LIFE_MAX {
            let (actual, limit) = (new.life.as_secs(), JOIN_TOKEN_LIFE_MAX.as_secs());
            return Err(too_large("the life of a join token in seconds", actual, limit));
        }
        sqlx::query("DELETE FROM join_tokens WHERE expires_at < now() - make_interval(days => $1)")
            .bind(KEPT_DAYS)
            .execute(&self.pool)
            .await?;
        let made = sqlx::query_as(concat!(
            "WITH open AS (
                SELECT count(*) AS count FROM join_tokens
                WHERE expires_at > now() AND used_at IS NULL AND withdrawn_at IS NULL
             )
             INSERT INTO join_tokens (id, secret_hash, region, role, name, created_by, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7)
             FROM open WHERE open.count < $8
             RETURNING ",
            token_columns!()
        ))
        .bind(Uuid::now_v7())
        .bind(&new.secret_hash[..])
        .bind(new.region.as_str())
        .bind(new.role.as_str())
        .bind(new.name.as_ref().map(HostName::as_str))
        .bind(new.actor.as_str())
        .bind(new.life.as_secs_f64())
        .bind(i64::from(JOIN_TOKENS_OPEN_MAX))
        .fetch_optional(&self.pool)
        .await?;
        let limit = u64::from(JOIN_TOKENS_OPEN_MAX);
        made.ok_or_else(|| too_large("the number of open join tokens", limit + 1, limit))
    }

    /// Tokens, newest first, at most `limit` and at most [`PAGE_ROWS_MAX`]; only those made before
    /// `before`, when it is given.
    pub async fn join_tokens(
        &self,
        limit: u32,
        before: Option<JoinTokenId>,
    ) -> Result<Vec<JoinTokenRow>, Error> {
        // The identifiers grow with time.
        let tokens = sqlx::query_as(concat!(
            "SELECT ",
            token_columns!(),
            " FROM join_tokens WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"
        ))
        .bind(before.map(|id| id.0))
        .bind(row::limit(limit, PAGE_ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(tokens)
    }

    /// Takes an open token back; whatever else it is, it stays. Answers how it stands now; `None` when
    /// there is no such token.
    pub async fn withdraw_join_token(
        &self,
        id: JoinTokenId,
        actor: &Actor,
    ) -> Result<Option<JoinTokenRow>, Error> {
        sqlx::query(
            "UPDATE join_tokens SET withdrawn_at = now(), withdrawn_by = $2
             WHERE id = $1 AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > clock_timestamp()",
        )
        .bind(id.0)
        .bind(actor.as_str())
        .execute(&self.pool)
        .await?;
        let token = sqlx::query_as(concat!(
            "SELECT ",
            token_columns!(),
            " FROM join_tokens WHERE id = $1"
        ))
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await?;
        Ok(token)
    }
}
