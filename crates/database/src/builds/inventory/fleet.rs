//! Whom a deployment would be for, as far as hosts were heard of.

use super::super::Builds;
use super::label_terms::{LabelTerms, label_terms};
use crate::{Error, PAGE_ROWS_MAX, row};
use model::{RolloutPolicy, Selector, Share};
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

/// The most labels that are looked through for near ones.
const LABELS_MAX: u32 = 200;

/// Why a deployment does not fit the hosts that are there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetMismatch {
    /// It would be for nobody.
    #[error("no host has the labels {selector}; {hosts} hosts are there")]
    Nobody {
        /// Whom it asks for.
        selector: Selector,
        /// How many hosts there are.
        hosts: u64,
        /// The labels that hosts have: those with a key that the selector names first, then those of most hosts.
        known: Vec<KnownLabel>,
    },
    /// A number of hosts that is larger than their number.
    #[error("`{name}` is {asked} and there are {hosts} hosts")]
    TooLarge {
        /// Which number.
        name: &'static str,
        /// What it is.
        asked: u32,
        /// How many hosts it is for.
        hosts: u64,
    },
}

/// A label that some host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLabel {
    /// The label's name.
    pub key: String,
    /// What it says.
    pub value: String,
    /// Of how many hosts.
    pub hosts: u64,
}

impl Builds {
    /// The labels that hosts have, where they stand included: those with a key that `near` names first, then those of
    /// most hosts; at most `limit` and at most [`PAGE_ROWS_MAX`].
    pub async fn known_labels(&self, near: &Selector, limit: u32) -> Result<Vec<KnownLabel>, Error> {
        known_labels(&mut *self.pool.acquire().await?, near, limit).await
    }
}

/// Refuses what could never move or never stop. Before any host was heard of everything fits that asks for no labels:
/// whoever sets a system up may deploy first.
pub(in super::super) async fn check(
    connection: &mut PgConnection,
    selector: &Selector,
    policy: &RolloutPolicy,
) -> Result<(), Error> {
    let (hosts, chosen) = count(connection, selector).await?;
    if chosen == 0 && !selector.is_empty() {
        return Err(FleetMismatch::Nobody {
            selector: selector.clone(),
            hosts,
            known: known_labels(connection, selector, LABELS_MAX).await?,
        }
        .into());
    }
    let waves = policy.waves.iter().filter_map(|wave| wave.batch_size);
    let numbers = [
        ("failure_threshold", policy.failure_threshold),
        ("batch_size", policy.batch_size),
    ];
    let numbers = numbers.into_iter().chain(waves.map(|size| ("batch_size", size)));
    for (name, share) in numbers {
        if let Share::Count(asked) = share
            && u64::from(asked) > chosen
            && chosen > 0
        {
            return Err(FleetMismatch::TooLarge {
                name,
                asked,
                hosts: chosen,
            }
            .into());
        }
    }
    Ok(())
}

/// How many hosts have not retired, and how many of them a selector matches.
async fn count(connection: &mut PgConnection, selector: &Selector) -> Result<(u64, u64), Error> {
    // Nothing has two values of one label.
    let terms = LabelTerms::of(selector);
    let query = match &terms {
        Some(_) => concat!(
            "SELECT count(*) AS hosts, count(*) FILTER (WHERE ",
            label_terms!(),
            ") AS chosen FROM inventory WHERE kind = $1 AND retired_at IS NULL"
        ),
        None => {
            "SELECT count(*) AS hosts, 0::bigint AS chosen FROM inventory WHERE kind = $1 AND retired_at IS NULL"
        }
    };
    let mut query = sqlx::query(query).bind("AGENT");
    if let Some(terms) = terms {
        let (is, is_not) = (Json(terms.is), terms.is_not);
        query = query.bind(is).bind(terms.has).bind(terms.has_not).bind(is_not);
    }
    let row = query.fetch_one(connection).await?;
    Ok((row::size(&row, "hosts")?, row::size(&row, "chosen")?))
}

async fn known_labels(
    connection: &mut PgConnection,
    near: &Selector,
    limit: u32,
) -> Result<Vec<KnownLabel>, Error> {
    let keys: Vec<String> = near.keys().map(ToString::to_string).collect();
    let rows = sqlx::query(
        "SELECT label.key, label.value, count(*) AS hosts
         FROM inventory CROSS JOIN LATERAL jsonb_each_text(inventory.labels) AS label
         WHERE inventory.retired_at IS NULL AND inventory.kind = 'AGENT'
           AND (label.key <> 'host' OR label.key = ANY($1))
         GROUP BY label.key, label.value
         ORDER BY label.key = ANY($1) DESC, hosts DESC, label.key, label.value LIMIT $2",
    )
    .bind(keys)
    .bind(row::limit(limit, PAGE_ROWS_MAX))
    .fetch_all(connection)
    .await?;
    let labels = rows.iter().map(|row| {
        Ok(KnownLabel {
            key: row.try_get("key")?,
            value: row.try_get("value")?,
            hosts: row::size(row, "hosts")?,
        })
    });
    Ok(labels.collect::<sqlx::Result<_>>()?)
}
