//! Who may be claimed: limits of repositories, rests after faults, and what a newer commit makes useless.

use crate::support::{TestJobs, WINDOW, actor, new_build, on_jobs, worker};
use database::Error;
use database::jobs::{ATTEMPTS_MAX, Ending, Finish, Made, NewBuild};
use model::{ArtifactId, BuildState, LeaseId};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::task::JoinSet;

/// Lets the rest of everything that rests be over, and the reaper do its round.
async fn rested(jobs: &TestJobs) {
    jobs.run("UPDATE queue SET rests_until = now() - interval '1 s' WHERE rests_until IS NOT NULL")
        .await;
    jobs.reaper_is_present().await;
    jobs.reap(WINDOW).await.unwrap();
}

#[test]
fn no_more_builds_of_a_repository_run_at_once_than_its_limit_whoever_claims() {
    on_jobs(async |jobs| {
        let here = "here".parse().unwrap();
        jobs.limit_repository(&here, Some(3)).await.unwrap();
        for number in 0..60 {
            jobs.enqueue(&new_build(number)).await.unwrap();
        }
        static RUNNING: AtomicU32 = AtomicU32::new(0);
        static DONE: AtomicU32 = AtomicU32::new(0);
        let mut workers = JoinSet::new();
        for number in 0..8 {
            let jobs = (*jobs).clone();
            workers.spawn(async move {
                while DONE.load(Ordering::SeqCst) < 60 {
                    let claims = jobs.claim_many(&worker(&format!("w{number}")), 5).await.unwrap();
                    for claim in claims {
                        let running = 1 + RUNNING.fetch_add(1, Ordering::SeqCst);
                        assert!(running <= 3, "{running} run at once");
                        tokio::task::yield_now().await;
                        RUNNING.fetch_sub(1, Ordering::SeqCst);
                        jobs.fail(claim.build, claim.lease, "no").await.unwrap();
                        DONE.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        workers.join_all().await;
    });
}

#[test]
fn a_limit_holds_for_what_waits_and_is_lifted_at_once() {
    on_jobs(async |jobs| {
        let here = "here".parse().unwrap();
        for number in 0..6 {
            jobs.enqueue(&new_build(number)).await.unwrap();
        }
        jobs.limit_repository(&here, Some(2)).await.unwrap();
        assert_eq!(jobs.claim_many(&worker("w"), 10).await.unwrap().len(), 2);
        assert_eq!(jobs.claim(&worker("w")).await.unwrap(), None);
        jobs.limit_repository(&here, None).await.unwrap();
        assert_eq!(jobs.claim_many(&worker("w"), 10).await.unwrap().len(), 4);
        assert_eq!(jobs.repository(&here).await.unwrap().unwrap().running_max, None);
        let nowhere = "nowhere".parse().unwrap();
        let refused = jobs.limit_repository(&nowhere, Some(1)).await;
        assert!(matches!(refused, Err(Error::UnknownRepository(_))));
    });
}

#[test]
fn room_that_nobody_passed_on_is_found_by_the_reaper() {
    on_jobs(async |jobs| {
        let here = "here".parse().unwrap();
        jobs.limit_repository(&here, Some(1)).await.unwrap();
        for number in 0..2 {
            jobs.enqueue(&new_build(number)).await.unwrap();
        }
        jobs.claim(&worker("w")).await.unwrap().unwrap();
        // As if whoever ended it had died before it let the next one in.
        jobs.run("DELETE FROM leases").await;
        assert_eq!(jobs.claim(&worker("w")).await.unwrap(), None);
        rested(jobs).await;
        assert!(jobs.claim(&worker("w")).await.unwrap().is_some());
    });
}

#[test]
fn a_build_rests_after_a_fault_of_the_machine_and_fails_after_the_last_attempt() {
    on_jobs(async |jobs| {
        let build = jobs.enqueue(&new_build(1)).await.unwrap().build.id;
        for attempt in 1..=ATTEMPTS_MAX {
            let claim = jobs.claim(&worker("w")).await.unwrap().unwrap();
            assert_eq!((claim.build, claim.attempt.0), (build, attempt));
            jobs.retry(claim.build, claim.lease, "failed to reach the store")
                .await
                .unwrap();
            let late = jobs.retry(claim.build, claim.lease, "again").await;
            assert!(matches!(late, Err(Error::LeaseLost { .. })), "{late:?}");
            assert_eq!(
                jobs.claim(&worker("w")).await.unwrap(),
                None,
                "it rests or has ended"
            );
            rested(jobs).await;
        }
        let row = jobs.build(build).await.unwrap().unwrap();
        assert_eq!(row.state, BuildState::Failed);
        assert_eq!(
            row.reason.as_deref(),
            Some("attempt 3, the last, failed: failed to reach the store")
        );
    });
}

#[test]
fn a_newer_commit_supersedes_what_waits_of_its_branch_and_nothing_else() {
    on_jobs(async |jobs| {
        let running = jobs.claimed(1, "w").await;
        let waiting = jobs.enqueue(&new_build(2)).await.unwrap().build.id;
        let other = NewBuild {
            revision: "release".parse().unwrap(),
            ..new_build(3)
        };
        let other = jobs.enqueue(&other).await.unwrap().build.id;
        let newer = NewBuild {
            supersede: true,
            ..new_build(4)
        };
        let newer = jobs.enqueue(&newer).await.unwrap().build.id;
        let mut states = Vec::new();
        for build in [running.build, waiting, other, newer] {
            let row = jobs.build(build).await.unwrap().unwrap();
            states.push((row.state, row.reason));
        }
        let superseded = format!("superseded by build {newer} of commit 000000000000");
        assert_eq!(
            states,
            [
                (BuildState::Running, None),
                (BuildState::Cancelled, Some(superseded)),
                (BuildState::Queued, None),
                (BuildState::Queued, None),
            ]
        );
    });
}

#[test]
fn ten_thousand_queued_builds_are_cancelled_at_once_while_workers_claim_them() {
    on_jobs(async |jobs| {
        // By hand: to enqueue each takes a minute, and is not what is looked at.
        jobs.run(
            "WITH request AS (
                 INSERT INTO builds (id, repository, revision, commit_id, target, actor, forced, deadline_seconds,
                                     identity)
                 SELECT gen_random_uuid(), 'here', 'main', repeat('0', 40), '//a:b', 'ada@example.org', true, 900,
                        sha256(number::text::bytea)
                 FROM generate_series(1, 10000) AS number RETURNING id
             )
             INSERT INTO queue (build, repository, turn, rank, attempt, ready, expires_at)
             SELECT id, 'here', row_number() OVER (), row_number() OVER (), 0, true, now() + interval '1 day'
             FROM request",
        )
        .await;
        let full = jobs.enqueue(&new_build(1)).await;
        assert!(matches!(full, Err(Error::QueueFull(_))), "{full:?}");

        let claimer = {
            let jobs = (*jobs).clone();
            async move {
                let mut claimed = 0_u64;
                while let Some(claim) = jobs.claim(&worker("w")).await.unwrap() {
                    jobs.fail(claim.build, claim.lease, "no").await.unwrap();
                    claimed += 1;
                }
                claimed
            }
        };
        let engineer = actor();
        let (cancelled, claimed) = tokio::join!(jobs.cancel_queued(None, &engineer), claimer);
        assert_eq!(cancelled.unwrap() + claimed, 10_000);
        let ended: i64 = sqlx::query_scalar("SELECT count(*) FROM results")
            .fetch_one(&jobs.sql)
            .await
            .unwrap();
        assert_eq!(ended, 10_000, "each has ended, once");
    });
}

#[test]
fn builds_are_claimed_and_ended_together_and_a_lost_one_is_left_out() {
    on_jobs(async |jobs| {
        for number in 0..10 {
            jobs.enqueue(&new_build(number)).await.unwrap();
        }
        let claims = jobs.claim_many(&worker("w"), 8).await.unwrap();
        assert_eq!(claims.len(), 8);
        assert!(claims.windows(2).all(|pair| pair[0].lease < pair[1].lease));
        jobs.hand_back(claims[3].build, claims[3].lease).await.unwrap();
        let finishes: Vec<_> = claims
            .iter()
            .zip(0..)
            .map(|(claim, number)| Finish {
                build: claim.build,
                lease: claim.lease,
                ending: match number {
                    0 => Ending::Failed("exit code 1".to_owned()),
                    1 => Ending::Succeeded(None),
                    _ => Ending::Succeeded(Some(Made {
                        artifact: ArtifactId([number; 32]),
                        total_bytes: number.into(),
                    })),
                },
            })
            .collect();
        let ended: BTreeSet<_> = jobs.finish_many(&finishes).await.unwrap().into_iter().collect();
        let expected: BTreeSet<_> = claims
            .iter()
            .map(|claim| claim.build)
            .filter(|id| *id != claims[3].build)
            .collect();
        assert_eq!(ended, expected);
        assert_eq!(jobs.finish_many(&finishes).await.unwrap(), [], "once");
        let published = jobs.succeeded_since(0, 100).await.unwrap();
        assert_eq!(published.len(), 5, "what made no artifact is not followed");
        let lost = jobs.build(claims[3].build).await.unwrap().unwrap();
        assert_eq!(lost.state, BuildState::Queued);
    });
}

#[test]
fn ends_that_come_at_once_are_each_told_what_became_of_their_own() {
    on_jobs(async |jobs| {
        let here = "here".parse().unwrap();
        jobs.limit_repository(&here, Some(40)).await.unwrap();
        for number in 0..60 {
            jobs.enqueue(&new_build(number)).await.unwrap();
        }
        let claims = jobs.claim_many(&worker("w"), 60).await.unwrap();
        assert_eq!(claims.len(), 40);
        let mut ending = JoinSet::new();
        for (claim, number) in claims.iter().cloned().zip(0..) {
            let jobs = (*jobs).clone();
            ending.spawn(async move {
                // Every fourth says another's lease.
                let lease = if number % 4 == 0 { LeaseId(0) } else { claim.lease };
                let ended = jobs.fail(claim.build, lease, "exit code 1").await;
                (number % 4 == 0, ended)
            });
        }
        for (is_late, ended) in ending.join_all().await {
            assert_eq!(
                matches!(ended, Err(Error::LeaseLost { .. })),
                is_late,
                "{ended:?}"
            );
        }
        let next = jobs.claim_many(&worker("w"), 60).await.unwrap();
        assert_eq!(next.len(), 20, "the room that they made is given on");
    });
}
