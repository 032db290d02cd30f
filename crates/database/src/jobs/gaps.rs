//! Closing the gaps that cancelled builds leave in their repository's turns.
//!
//! A repository's builds take the turns one after the other, so the first of those that wait has the next turn, or one
//! that has passed already. Where those before it were cancelled it has a later one, and would wait for as many builds
//! of others as were cancelled of its own. The reaper moves such a repository's builds up, now and then: done at each
//! cancel, a thousand of them would move ten thousand builds a thousand times.

use super::Jobs;
use super::enqueue::NEWEST_CLAIMS;
use crate::{Error, Hint};

impl Jobs {
    /// Moves each repository's builds up whose first one has a turn beyond the next. Those that somebody claims or ends
    /// at the moment are on their way out and left alone.
    pub(super) async fn close_gaps(&self) -> Result<(), Error> {
        let moved = sqlx::query(
            "WITH present (turn) AS (
                 SELECT coalesce(max(turn), 0)
                 FROM (SELECT turn FROM attempts ORDER BY lease DESC LIMIT $1) AS newest
             ), gaps AS (
                 SELECT repository, min(queue.turn) - present.turn - 1 AS gap
                 FROM queue, present GROUP BY repository, present.turn
                 HAVING min(queue.turn) > present.turn + 1
             ), moving AS (
                 SELECT queue.build, gaps.gap FROM queue JOIN gaps USING (repository)
                 FOR UPDATE OF queue SKIP LOCKED
             )
             UPDATE queue SET turn = turn - gap, rank = rank - gap FROM moving WHERE queue.build = moving.build",
        )
        .bind(NEWEST_CLAIMS)
        .execute(&self.pool)
        .await?;
        if moved.rows_affected() > 0 {
            self.shared.scan().came_in_ahead();
            self.shared.announcer.announce(Hint::Queued);
        }
        Ok(())
    }
}
