//! Policies: kept, ended, and asked by the transaction that wants to change something.

use super::Builds;
use super::audit::{self, Deed};
use crate::{Error, row};
use jiff::Timestamp;
use model::Actor;
use policy::{Allowed, Ask, Policy, decide, may_govern};
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Row};
use uuid::Uuid;

/// The most policies that count at a time; each decision looks at all of them.
pub const POLICIES_MAX: usize = 1_000;

/// A policy, and who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    /// What people call it.
    pub id: Uuid,
    /// What it says.
    pub policy: Policy,
    /// Who said it.
    pub actor: Actor,
    /// When.
    pub created_at: Timestamp,
}

impl FromRow<'_, PgRow> for PolicyRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Json(policy) = row.try_get("policy")?;
        Ok(Self {
            id: row.try_get("id")?,
            policy,
            actor: row::word(row, "actor")?,
            created_at: row::time(row, "created_at")?,
        })
    }
}

/// Why a policy was not kept or ended. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefused {
    /// It says something impossible.
    #[error(transparent)]
    Invalid(#[from] policy::InvalidPolicy),
    /// Others may change policies, and this one may not.
    #[error("{0} may not change policies")]
    NotGranted(Actor),
    /// Nobody would be left who may change policies.
    #[error("the first who is granted to change policies is whoever grants it")]
    LocksOut,
    /// There is none of this name that counts.
    #[error("there is no policy {0} that has not ended")]
    Unknown(Uuid),
}

async fn active(connection: &mut PgConnection) -> Result<Vec<PolicyRow>, Error> {
    let rows = sqlx::query_as(
        "SELECT id, policy, actor, created_at FROM policies
         WHERE ended_at IS NULL AND (until IS NULL OR until > clock_timestamp())
         ORDER BY id LIMIT $1",
    )
    .bind(i64::try_from(POLICIES_MAX).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

fn policies(rows: Vec<PolicyRow>) -> Vec<Policy> {
    rows.into_iter().map(|row| row.policy).collect()
}

/// Whether something may be done now, by the database's clock; for the transaction that does it.
///
/// Fails with [`Error::Denied`].
pub(super) async fn check(connection: &mut PgConnection, ask: &Ask) -> Result<Allowed, Error> {
    let policies = policies(active(connection).await?);
    let now = sqlx::query("SELECT clock_timestamp() AS now")
        .fetch_one(connection)
        .await?;
    Ok(decide(&policies, ask, row::time(&now, "now")?)?)
}

impl Builds {
    /// Whether something may be done now, by the database's clock: what a deployment is asked again before each wave.
    ///
    /// Fails with [`Error::Denied`].
    pub async fn may(&self, ask: &Ask) -> Result<Allowed, Error> {
        check(&mut *self.pool.acquire().await?, ask).await
    }

    /// The policies that count, oldest first, at most [`POLICIES_MAX`].
    pub async fn policies(&self) -> Result<Vec<PolicyRow>, Error> {
        active(&mut *self.pool.acquire().await?).await
    }

    /// Keeps a policy. Consent may be given by everybody, and is looked at when it is needed.
    ///
    /// Fails with [`Error::Policy`], and [`Error::TooLarge`] above [`POLICIES_MAX`].
    pub async fn add_policy(&self, policy: &Policy, actor: &Actor) -> Result<PolicyRow, Error> {
        policy.validate().map_err(PolicyRefused::from)?;
        let mut transaction = self.pool.begin().await?;
        let known = active(&mut transaction).await?;
        if known.len() >= POLICIES_MAX {
            return Err(Error::TooLarge {
                what: "the number of policies",
                actual: known.len() + 1,
                limit: POLICIES_MAX,
            });
        }
        let mut after = policies(known);
        if !matches!(policy, Policy::Approval(_)) {
            refuse_stranger(&after, actor)?;
            after.push(policy.clone());
            if !may_govern(&after, actor) {
                return Err(PolicyRefused::LocksOut.into());
            }
        }
        let kept: PolicyRow = sqlx::query_as(
            "INSERT INTO policies (id, policy, actor, until) VALUES ($1, $2, $3, $4)
             RETURNING id, policy, actor, created_at",
        )
        .bind(Uuid::now_v7())
        .bind(Json(policy))
        .bind(actor.as_str())
        .bind(policy.until().map(jiff_sqlx::ToSqlx::to_sqlx))
        .fetch_one(&mut *transaction)
        .await?;
        let deed = Deed {
            actor,
            action: "policy.add",
            subject: kept.id.to_string(),
            detail: json!(policy),
        };
        audit::record(&mut transaction, deed).await?;
        transaction.commit().await?;
        Ok(kept)
    }

    /// Ends a policy. Whoever gave consent may take it back.
    ///
    /// Fails with [`Error::Policy`].
    pub async fn end_policy(&self, id: Uuid, actor: &Actor) -> Result<PolicyRow, Error> {
        let mut transaction = self.pool.begin().await?;
        let known = active(&mut transaction).await?;
        let found = known.iter().find(|row| row.id == id).cloned();
        let row = found.ok_or(PolicyRefused::Unknown(id))?;
        let own = matches!(&row.policy, Policy::Approval(approval) if approval.actor == *actor);
        if !own {
            refuse_stranger(&policies(known), actor)?;
        }
        let ended = sqlx::query(
            "UPDATE policies SET ended_at = clock_timestamp(), ended_by = $2 WHERE id = $1 AND ended_at IS NULL",
        )
        .bind(id)
        .bind(actor.as_str())
        .execute(&mut *transaction)
        .await?;
        if ended.rows_affected() == 0 {
            return Err(PolicyRefused::Unknown(id).into());
        }
        let deed = Deed {
            actor,
            action: "policy.end",
            subject: id.to_string(),
            detail: json!(row.policy),
        };
        audit::record(&mut transaction, deed).await?;
        transaction.commit().await?;
        Ok(row)
    }
}

fn refuse_stranger(policies: &[Policy], actor: &Actor) -> Result<(), PolicyRefused> {
    if may_govern(policies, actor) {
        Ok(())
    } else {
        Err(PolicyRefused::NotGranted(actor.clone()))
    }
}
