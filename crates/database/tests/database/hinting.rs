//! Hints arrive, and go on after the connection broke.

use crate::support::{new_build, on_jobs};
use database::Hint;

#[test]
fn a_hint_comes_for_what_was_enqueued_also_after_the_connection_broke() {
    on_jobs(async |jobs| {
        let mut hints = jobs.listen().await.unwrap();
        let build = jobs.enqueue(&new_build(1)).await.unwrap().build.id;
        assert_eq!(hints.next().await, Hint::Queued);
        assert_eq!(hints.next().await, Hint::Build(build));

        jobs.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND query ILIKE 'listen%'",
        )
        .await;
        assert_eq!(hints.next().await, Hint::Anything);
        jobs.enqueue(&new_build(2)).await.unwrap();
        assert_eq!(hints.next().await, Hint::Queued);
    });
}
