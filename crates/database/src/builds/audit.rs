//! The audit trail: who did what, written in the transaction of what it tells of.

use super::Builds;
use crate::{Error, PAGE_ROWS_MAX, row};
use model::Actor;
use policy::audit::{Broken, Entry, Kept, Link, Verifier};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// Entries that are verified at a time.
const PORTION: i64 = 1_000;

/// Something that is being done.
#[derive(Debug)]
pub(super) struct Deed<'a> {
    /// Who does it.
    pub(super) actor: &'a Actor,
    /// What, such as `deploy`.
    pub(super) action: &'static str,
    /// To what, such as a service's name.
    pub(super) subject: String,
    /// Everything else that is known of it.
    pub(super) detail: Value,
}

/// An entry, and its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// What was done.
    pub entry: Entry,
    /// The hash of it and of all before.
    pub link: Link,
}

/// Writes an entry down, which is there if the transaction commits. Orders all transactions that write one from here to
/// their end, so it is the last thing that a transaction does before it commits.
pub(super) async fn record(connection: &mut PgConnection, deed: Deed<'_>) -> Result<(), Error> {
    let head = sqlx::query("SELECT number, link, clock_timestamp() AS at FROM audit_head FOR UPDATE")
        .fetch_one(&mut *connection)
        .await?;
    let number = head.try_get::<i64, _>("number")? + 1;
    let canonical = Entry {
        action: deed.action.to_owned(),
        actor: deed.actor.clone(),
        at: row::time(&head, "at")?,
        detail: deed.detail,
        number,
        subject: deed.subject,
    }
    .canonical();
    let link = link(&head)?.next(&canonical);
    sqlx::query("INSERT INTO audit (number, entry, link) VALUES ($1, $2, $3)")
        .bind(number)
        .bind(canonical)
        .bind(&link.0[..])
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE audit_head SET number = $1, link = $2")
        .bind(number)
        .bind(&link.0[..])
        .execute(connection)
        .await?;
    Ok(())
}

fn link(row: &PgRow) -> sqlx::Result<Link> {
    let bytes: Vec<u8> = row.try_get("link")?;
    let bytes = bytes.try_into().map_err(|_| sqlx::Error::ColumnDecode {
        index: "link".to_owned(),
        source: "a link has 32 bytes".into(),
    })?;
    Ok(Link(bytes))
}

impl FromRow<'_, PgRow> for AuditRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let text: &str = row.try_get("entry")?;
        let entry = serde_json::from_str(text).map_err(|reason| sqlx::Error::ColumnDecode {
            index: "entry".to_owned(),
            source: reason.into(),
        })?;
        Ok(Self {
            entry,
            link: link(row)?,
        })
    }
}

impl Builds {
    /// Entries, newest first, at most `limit` and at most [`PAGE_ROWS_MAX`]; only those before `before`, where it is
    /// given.
    pub async fn audit(&self, limit: u32, before: Option<i64>) -> Result<Vec<AuditRow>, Error> {
        let entries = sqlx::query_as(
            "SELECT entry, link FROM audit WHERE $1::bigint IS NULL OR number < $1
             ORDER BY number DESC LIMIT $2",
        )
        .bind(before)
        .bind(row::limit(limit, PAGE_ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(entries)
    }

    /// Follows the trail from its first entry to the last that is there now, and says which that is. Whoever kept an
    /// earlier answer elsewhere finds it again in this trail, or the trail was written anew.
    ///
    /// Fails with [`Error::AuditBroken`].
    pub async fn verify_audit(&self) -> Result<Verifier, Error> {
        let head = sqlx::query("SELECT number, link FROM audit_head")
            .fetch_one(&self.pool)
            .await?;
        let last: i64 = head.try_get("number")?;
        let mut verifier = Verifier::default();
        while verifier.number < last {
            let before = verifier.number;
            let rows = sqlx::query(
                "SELECT entry, link FROM audit WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3",
            )
            .bind(before)
            .bind(last)
            .bind(PORTION)
            .fetch_all(&self.pool)
            .await?;
            for row in &rows {
                let (canonical, link) = (row.try_get("entry")?, link(row)?);
                verifier.take(&Kept { canonical, link })?;
            }
            if verifier.number == before {
                let (number, what) = (before + 1, "it is missing");
                return Err(Broken { number, what }.into());
            }
        }
        if verifier.link != link(&head)? {
            let (number, what) = (last, "the head of the trail is another");
            return Err(Broken { number, what }.into());
        }
        Ok(verifier)
    }
}
