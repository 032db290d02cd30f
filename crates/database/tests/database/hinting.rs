//! Hints arrive, and go on after the connection broke.

use crate::support::{new_build, on_jobs, worker};
use database::Hint;
use model::BuildState;
use std::time::Duration;

/// Ends every connection that listens.
const STOP_LISTENERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                              WHERE datname = current_database() AND query ILIKE 'listen%'";

#[test]
fn a_hint_comes_for_what_was_enqueued_also_after_the_connection_broke() {
    on_jobs(async |jobs| {
        let mut hints = jobs.listen().await.unwrap();
        let build = jobs.enqueue(&new_build(1)).await.unwrap().build.id;
        assert_eq!(hints.next().await, Hint::Queued);
        assert_eq!(hints.next().await, Hint::Build(build));

        jobs.run(STOP_LISTENERS).await;
        assert_eq!(hints.next().await, Hint::Anything);
        jobs.enqueue(&new_build(2)).await.unwrap();
        assert_eq!(hints.next().await, Hint::Queued);
    });
}

#[test]
fn what_was_enqueued_is_found_within_a_period_although_every_hint_is_lost() {
    on_jobs(async |jobs| {
        let mut wakeups = jobs.wakeups(|hint| *hint == Hint::Queued, Duration::from_millis(200));
        let losing = async {
            loop {
                jobs.run(STOP_LISTENERS).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let finding = async {
            for number in 0..10 {
                let build = jobs.enqueue(&new_build(number)).await.unwrap().build.id;
                let claim = loop {
                    wakeups.next().await;
                    if let Some(claim) = jobs.claim(&worker("w0")).await.unwrap() {
                        break claim;
                    }
                };
                assert_eq!(claim.build, build);
            }
        };
        tokio::select! {
            () = losing => {}
            found = tokio::time::timeout(Duration::from_secs(60), finding) => found.unwrap(),
        }
    });
}

#[test]
fn an_end_is_written_by_another_connection_when_one_is_open_at_this_end_alone() {
    on_jobs(async |jobs| {
        let folder = tempfile::tempdir().unwrap();
        let (gate, gated) = jobs.behind_gate(folder.path()).await;
        for number in 0..3 {
            let claim = jobs.claimed(number, "w0").await;
            gated.ping().await.unwrap();
            gate.silence();
            let mut tries = 0;
            while let Err(error) = gated.fail(claim.build, claim.lease, "exit code 1").await {
                assert!(error.is_transient(), "{error:?}");
                tries += 1;
                assert!(tries < 20, "it goes on with the same connection");
            }
            let row = jobs.build(claim.build).await.unwrap().unwrap();
            assert_eq!(row.state, BuildState::Failed);
        }
    });
}
