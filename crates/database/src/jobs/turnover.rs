//! Ending builds and taking the next, in one statement and one commit.

use super::finish::{Ended, Finish};
use super::statements::{claim, claimed, ended, finish, finish_from_leases, finish_one, of_arrays};
use super::{CLAIMED_MAX, Claim, Jobs};
use crate::{Error, Hint, row};
use model::{BuildId, WorkerName};
use sqlx::{FromRow, Row};
use std::time::Instant;

/// What both forms return: a row for each build that was taken, or one without; what ended is in all.
macro_rules! turned_over {
    () => {
        concat!(
            " SELECT ",
            ended!(),
            ", ",
            claimed!(),
            " FROM (VALUES (1)) AS one LEFT JOIN claimed ON true ORDER BY claimed.lease"
        )
    };
}

/// The build of `$1` ends, and worker `$7` gets one from rank `$8` on.
const ONE: &str = concat!(
    "WITH ",
    finish_one!(),
    ", ",
    claim!("$7", "$8", "1"),
    turned_over!()
);
/// The builds of `$1` end, and worker `$7` gets at most `$9` from rank `$8` on.
const MANY: &str = concat!(
    "WITH ",
    finish!(of_arrays!(), finish_from_leases!()),
    ", ",
    claim!("$7", "$8", "$9"),
    turned_over!()
);

/// What became of a [`Jobs::turn_over`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnedOver {
    /// The builds that have ended now. What is not among them was lost to its lease, and nothing was
    /// written for it.
    pub ended: Vec<BuildId>,
    /// The next builds, as from [`Jobs::claim_many`].
    pub next: Vec<Claim>,
}

impl Jobs {
    /// Ends builds as [`Self::finish_many`] does, and takes for the same worker the next whose turn it is,
    /// at most `limit` and at most [`CLAIMED_MAX`].
    pub async fn turn_over(
        &self,
        finishes: &[Finish],
        worker: &WorkerName,
        limit: u32,
    ) -> Result<TurnedOver, Error> {
        let mut connection = self.pool.acquire().await?;
        let asked = Instant::now();
        let begin = self.shared.scan().begin(asked);
        let query = match finishes {
            [one] if limit <= 1 => one.bind_to(sqlx::query(ONE)).bind(worker.as_str()).bind(begin),
            many => Finish::bind_all(many, sqlx::query(MANY))
                .bind(worker.as_str())
                .bind(begin)
                .bind(row::limit(limit, CLAIMED_MAX)),
        };
        let rows = query.fetch_all(&mut *connection).await?;
        drop(connection);
        let mut next = Vec::new();
        let mut last = None;
        for row in &rows {
            if let Some(rank) = row.try_get::<Option<i64>, _>("rank")? {
                next.push(Claim::from_row(row)?);
                last = last.max(Some(rank));
            }
        }
        self.shared.scan().ended(begin, asked, Instant::now(), last);
        for claim in &next {
            self.shared.announcer.announce(Hint::Build(claim.build));
        }
        let ended = rows.first().map(Ended::from_row).transpose()?.unwrap_or_default();
        self.after(&ended).await;
        Ok(TurnedOver {
            ended: ended.builds,
            next,
        })
    }
}
