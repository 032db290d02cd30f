//! What a worker may still write.

use crate::support::{TestJobs, actor, beat, log_here, new_build, on_jobs, worker};
use database::Error;
use database::jobs::{Cancelled, Claim};
use model::{ArtifactId, BuildState, Phase};

/// Tries every write of a worker; the names of those that were not refused.
async fn accepted_writes(jobs: &TestJobs, claim: &Claim) -> Vec<&'static str> {
    let (build, lease) = (claim.build, claim.lease);
    let artifact = ArtifactId([9; 32]);
    let results = [
        ("begin_phase", jobs.begin_phase(build, lease, Phase::Build).await),
        ("progress", jobs.progress(build, lease, 1, 2).await),
        ("append_log", jobs.append_log(build, lease, 77, b"late").await),
        (
            "append_log of nothing",
            jobs.append_log(build, lease, 78, b"").await,
        ),
        ("hand_back", jobs.hand_back(build, lease).await),
        ("fail", jobs.fail(build, lease, "late").await),
        ("succeed", jobs.succeed(build, lease, &artifact, 1).await),
        ("set_out", jobs.set_out(build, lease, &artifact).await.map(drop)),
        ("holding", jobs.holding(build, lease).await.map(drop)),
    ];
    let lost = |result: &Result<(), Error>| matches!(result, Err(Error::LeaseLost { build: b, lease: l }) if (*b, *l) == (build, lease));
    results
        .iter()
        .filter(|(_, result)| !lost(result))
        .map(|(name, _)| *name)
        .collect()
}

#[test]
fn a_stale_lease_is_refused_by_every_write() {
    on_jobs(async |jobs| {
        let none: Vec<&str> = Vec::new();
        let old = jobs.claimed(1, "old").await;
        jobs.hand_back(old.build, old.lease).await.unwrap();
        assert_eq!(accepted_writes(jobs, &old).await, none, "while the build waits");

        let new = jobs.claim(&worker("new")).await.unwrap().unwrap();
        assert!(new.lease > old.lease && new.build == old.build);
        assert_eq!(accepted_writes(jobs, &old).await, none, "while another runs it");
        let crossed = Claim {
            build: jobs.claimed(2, "other").await.build,
            ..new.clone()
        };
        assert_eq!(accepted_writes(jobs, &crossed).await, none, "for another build");

        jobs.succeed(new.build, new.lease, &ArtifactId([1; 32]), 5)
            .await
            .unwrap();
        assert_eq!(accepted_writes(jobs, &old).await, none, "once it has ended");
        assert_eq!(
            accepted_writes(jobs, &new).await,
            none,
            "for the one who ended it"
        );
        let build = jobs.build(old.build).await.unwrap().unwrap();
        assert_eq!(build.artifact, Some(ArtifactId([1; 32])));
        assert_eq!(build.attempt.0, 2);
        assert_eq!(log_here(jobs, old.build, 0, 100).await.bytes, b"");
    });
}

#[test]
fn a_build_can_be_cancelled_while_it_waits_and_while_it_runs_and_not_after() {
    on_jobs(async |jobs| {
        let waiting = jobs.enqueue(&new_build(1)).await.unwrap().build.id;
        assert_eq!(jobs.cancel(waiting, &actor()).await.unwrap(), Cancelled::Now);
        assert_eq!(jobs.claim(&worker("w")).await.unwrap(), None);

        let running = jobs.claimed(2, "w").await;
        assert_eq!(
            jobs.cancel(running.build, &actor()).await.unwrap(),
            Cancelled::Now
        );
        assert_eq!(
            jobs.heartbeat(&beat("w", &[running.lease])).await.unwrap(),
            [running.lease]
        );
        assert_eq!(accepted_writes(jobs, &running).await, Vec::<&str>::new());
        let row = jobs.build(running.build).await.unwrap().unwrap();
        assert_eq!(row.state, BuildState::Cancelled);
        assert_eq!(row.reason.as_deref(), Some("cancelled by ada@example.org"));

        let succeeded = jobs.claimed(3, "w").await;
        jobs.succeed(succeeded.build, succeeded.lease, &ArtifactId([3; 32]), 5)
            .await
            .unwrap();
        let failed = jobs.claimed(4, "w").await;
        jobs.fail(failed.build, failed.lease, "exit code 2")
            .await
            .unwrap();
        for (build, state) in [
            (waiting, BuildState::Cancelled),
            (running.build, BuildState::Cancelled),
            (succeeded.build, BuildState::Succeeded),
            (failed.build, BuildState::Failed),
        ] {
            assert_eq!(
                jobs.cancel(build, &actor()).await.unwrap(),
                Cancelled::Already(state)
            );
            assert_eq!(jobs.build(build).await.unwrap().unwrap().state, state);
        }
        let nobody = model::BuildId(uuid::Uuid::nil());
        assert!(matches!(jobs.cancel(nobody, &actor()).await, Err(Error::UnknownBuild(id)) if id == nobody));
    });
}

#[test]
fn an_attempt_that_holds_its_lease_is_told_from_whom_and_of_what_it_is() {
    on_jobs(async |jobs| {
        jobs.heartbeat(&beat("w", &[])).await.unwrap();
        let claim = jobs.claimed(1, "w").await;
        let held = jobs.holding(claim.build, claim.lease).await.unwrap();
        assert_eq!(
            (held.build, held.lease, held.attempt),
            (claim.build, claim.lease, claim.attempt)
        );
        assert_eq!(
            (held.repository, held.commit, held.target),
            (claim.repository, claim.commit, claim.target)
        );
        assert_eq!((held.url, held.revision), (claim.url, claim.revision));
        let beat = beat("w", &[]);
        assert_eq!(held.worker, beat.worker);
        assert_eq!(
            (held.host, held.worker_version),
            (Some(beat.host), Some(beat.version))
        );
    });
}

#[test]
fn a_heartbeat_returns_the_leases_that_hold_nothing() {
    on_jobs(async |jobs| {
        let kept = jobs.claimed(1, "w").await;
        let ended = jobs.claimed(2, "w").await;
        jobs.fail(ended.build, ended.lease, "no").await.unwrap();
        let never = model::LeaseId(1_000_000);
        let lost = jobs
            .heartbeat(&beat("w", &[kept.lease, ended.lease, never]))
            .await
            .unwrap();
        assert_eq!(lost, [ended.lease, never]);
        assert!(jobs.is_held(kept.build, kept.lease).await.unwrap());
        assert!(!jobs.is_held(ended.build, ended.lease).await.unwrap());
    });
}

#[test]
fn a_log_is_read_by_position_and_a_chunk_that_is_sent_twice_is_stored_once() {
    on_jobs(async |jobs| {
        let first = jobs.claimed(1, "a").await;
        for (sequence, text) in [(0, "one "), (1, "two "), (1, "two "), (2, "three ")] {
            jobs.append_log(first.build, first.lease, sequence, text.as_bytes())
                .await
                .unwrap();
        }
        jobs.hand_back(first.build, first.lease).await.unwrap();
        let second = jobs.claim(&worker("b")).await.unwrap().unwrap();
        jobs.append_log(second.build, second.lease, 0, b"four")
            .await
            .unwrap();
        let whole = b"one two three four";
        for step in 1..=whole.len() + 1 {
            let mut read = Vec::new();
            loop {
                let slice = log_here(jobs, first.build, read.len().try_into().unwrap(), step).await;
                assert!(!slice.finished, "the build still runs");
                if slice.bytes.is_empty() {
                    break;
                }
                read.extend(slice.bytes);
            }
            assert_eq!(read, whole, "in steps of {step}");
        }
        jobs.fail(second.build, second.lease, "no").await.unwrap();
        let slice = log_here(jobs, first.build, 4, 1_000).await;
        assert_eq!(
            (slice.bytes.as_slice(), slice.next, slice.finished),
            (&whole[4..], 18, true)
        );
        let part = log_here(jobs, first.build, 4, 3).await;
        assert_eq!(
            (part.bytes.as_slice(), part.next, part.finished),
            (&b"two"[..], 7, false)
        );
        let beyond = log_here(jobs, first.build, 18, 1_000).await;
        assert_eq!(
            (beyond.bytes.as_slice(), beyond.next, beyond.finished),
            (&b""[..], 18, true)
        );
    });
}

#[test]
fn phases_of_every_attempt_make_a_timeline() {
    on_jobs(async |jobs| {
        let first = jobs.claimed(1, "a").await;
        jobs.begin_phase(first.build, first.lease, Phase::Checkout)
            .await
            .unwrap();
        jobs.hand_back(first.build, first.lease).await.unwrap();
        let second = jobs.claim(&worker("b")).await.unwrap().unwrap();
        for phase in [Phase::Checkout, Phase::Checkout, Phase::Build, Phase::Upload] {
            jobs.begin_phase(second.build, second.lease, phase).await.unwrap();
        }
        jobs.progress(second.build, second.lease, 30, 100).await.unwrap();
        let phases = jobs.phases(first.build).await.unwrap();
        let shape: Vec<_> = phases
            .iter()
            .map(|row| (row.attempt.0, row.phase, row.finished_at.is_some()))
            .collect();
        assert_eq!(
            shape,
            [
                (1, Phase::Checkout, true),
                (2, Phase::Checkout, true),
                (2, Phase::Build, true),
                (2, Phase::Upload, false),
            ]
        );
        let build = jobs.build(first.build).await.unwrap().unwrap();
        assert_eq!(build.phase, Some(Phase::Upload));
        assert_eq!(
            build.progress.map(|p| (p.done_bytes, p.total_bytes)),
            Some((30, 100))
        );
        jobs.succeed(second.build, second.lease, &ArtifactId([1; 32]), 100)
            .await
            .unwrap();
        let phases = jobs.phases(first.build).await.unwrap();
        assert!(phases.iter().all(|row| row.finished_at.is_some()));
    });
}

#[test]
fn published_results_are_followed_in_order() {
    on_jobs(async |jobs| {
        for number in 1..=3 {
            let claim = jobs.claimed(number, "w").await;
            let artifact = ArtifactId([u8::try_from(number).unwrap(); 32]);
            jobs.succeed(claim.build, claim.lease, &artifact, number.into())
                .await
                .unwrap();
        }
        let first = jobs.succeeded_since(0, 2).await.unwrap();
        let rest = jobs.succeeded_since(first[1].cursor, 2).await.unwrap();
        let sizes: Vec<_> = first
            .iter()
            .chain(&rest)
            .map(|result| result.total_bytes)
            .collect();
        assert_eq!(sizes, [1, 2, 3]);
        assert_eq!(jobs.succeeded_since(rest[0].cursor, 2).await.unwrap(), []);
    });
}
