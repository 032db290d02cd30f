//! Taking builds from workers that are gone.

use crate::support::{WINDOW, beat, new_build, on_jobs, worker};
use database::Error;
use database::jobs::{ATTEMPTS_MAX, Fate};
use model::{ArtifactId, BuildState, Phase};
use std::time::Duration;

#[test]
fn a_lost_build_is_given_back_and_fails_after_the_last_attempt() {
    on_jobs(async |jobs| {
        let build = jobs.enqueue(&new_build(1)).await.unwrap().build.id;
        for attempt in 1..=ATTEMPTS_MAX {
            let claim = jobs.claim(&worker("w")).await.unwrap().unwrap();
            assert_eq!((claim.build, claim.attempt.0), (build, attempt));
            jobs.reaper_is_present().await;
            assert_eq!(jobs.reap(WINDOW).await.unwrap(), [], "it has only just begun");
            jobs.silence("w").await;
            let reaped = jobs.reap(WINDOW).await.unwrap();
            assert_eq!(reaped.len(), 1);
            assert_eq!(reaped[0].held_by, Some((claim.lease, worker("w"))));
            let given_back = reaped[0].fate == Fate::GivenBack;
            assert_eq!(given_back, attempt < ATTEMPTS_MAX, "{:?}", reaped[0].fate);
        }
        let row = jobs.build(build).await.unwrap().unwrap();
        assert_eq!(row.state, BuildState::Failed);
        assert_eq!(
            row.reason.as_deref(),
            Some("worker w was lost in attempt 3, the last")
        );
        assert_eq!(jobs.reap(WINDOW).await.unwrap(), []);
    });
}

#[test]
fn a_completion_after_the_build_was_given_away_is_refused() {
    on_jobs(async |jobs| {
        let old = jobs.claimed(1, "old").await;
        jobs.silence("old").await;
        jobs.reaper_is_present().await;
        jobs.reap(WINDOW).await.unwrap();
        let new = jobs.claim(&worker("new")).await.unwrap().unwrap();
        let late = jobs.succeed(old.build, old.lease, &ArtifactId([1; 32]), 1).await;
        assert!(matches!(late, Err(Error::LeaseLost { .. })), "{late:?}");
        jobs.succeed(new.build, new.lease, &ArtifactId([2; 32]), 2)
            .await
            .unwrap();
        let published = jobs.succeeded_since(0, 10).await.unwrap();
        assert_eq!(published.len(), 1);
        assert_eq!(published[0].artifact, ArtifactId([2; 32]));
    });
}

#[test]
fn a_heartbeat_keeps_alive_only_the_leases_that_it_names() {
    on_jobs(async |jobs| {
        let kept = jobs.claimed(1, "w").await;
        let forgotten = jobs.claimed(2, "w").await;
        jobs.silence("w").await;
        // As a worker does that was restarted under its old name.
        jobs.heartbeat(&beat("w", &[kept.lease])).await.unwrap();
        jobs.reaper_is_present().await;
        let reaped = jobs.reap(WINDOW).await.unwrap();
        let builds: Vec<_> = reaped.iter().map(|reaped| reaped.build).collect();
        assert_eq!(builds, [forgotten.build]);
        assert!(jobs.is_held(kept.build, kept.lease).await.unwrap());
    });
}

#[test]
fn a_heartbeat_and_a_reaper_that_meet_agree_on_who_won() {
    on_jobs(async |jobs| {
        let mut kept = 0;
        for number in 0..60 {
            let claim = jobs.claimed(number, "w").await;
            jobs.heartbeat(&beat("w", &[claim.lease])).await.unwrap();
            jobs.silence("w").await;
            jobs.reaper_is_present().await;
            let beating = beat("w", &[claim.lease]);
            let (lost, reaped) = tokio::join!(jobs.heartbeat(&beating), jobs.reap(WINDOW));
            let (lost, reaped) = (lost.unwrap(), reaped.unwrap());
            assert_eq!(
                lost.len(),
                reaped.len(),
                "told it holds the build: {lost:?}, took it: {reaped:?}"
            );
            let held = jobs.is_held(claim.build, claim.lease).await.unwrap();
            assert_eq!(held, reaped.is_empty());
            kept += u32::from(held);
            // Leave nothing behind that the next round could claim.
            jobs.cancel(claim.build, &crate::support::actor()).await.unwrap();
        }
        println!("the heartbeat won {kept} of 60");
    });
}

#[test]
fn a_build_that_runs_or_waits_too_long_fails() {
    on_jobs(async |jobs| {
        let running = jobs.claimed(1, "w").await;
        let waiting = jobs.enqueue(&new_build(2)).await.unwrap().build.id;
        for build in [running.build, waiting] {
            jobs.expire(build).await;
        }
        assert_eq!(
            jobs.claim(&worker("w")).await.unwrap(),
            None,
            "an overdue build is not begun"
        );
        jobs.heartbeat(&beat("w", &[running.lease])).await.unwrap();
        jobs.reaper_is_present().await;
        assert_eq!(jobs.reap(WINDOW).await.unwrap().len(), 2);
        for (build, reason) in [
            (running.build, "it ran longer than its deadline of 900 s"),
            (waiting, "it waited too long for a worker"),
        ] {
            let row = jobs.build(build).await.unwrap().unwrap();
            assert_eq!(
                (row.state, row.reason.as_deref()),
                (BuildState::Failed, Some(reason))
            );
        }
        assert_eq!(
            jobs.heartbeat(&beat("w", &[running.lease])).await.unwrap(),
            [running.lease]
        );
    });
}

#[test]
fn the_reaper_takes_nothing_until_a_whole_window_after_it_came_back() {
    on_jobs(async |jobs| {
        jobs.claimed(1, "w").await;
        jobs.silence("w").await;
        assert_eq!(jobs.reap(WINDOW).await.unwrap(), [], "it has only just come");

        // It could not reach the database for more than half a window.
        jobs.reaper_is_present().await;
        jobs.run("UPDATE reaper SET last_seen_at = last_seen_at - interval '400 s'")
            .await;
        for _ in 0..2 {
            assert_eq!(jobs.reap(WINDOW).await.unwrap(), [], "it had been away");
        }

        // The server was restarted since it was last here.
        let day = Duration::from_secs(86_400);
        jobs.silence("w").await;
        jobs.run(
            "UPDATE reaper SET last_seen_at = pg_postmaster_start_time() - interval '1 s',
                               present_since = pg_postmaster_start_time() - interval '2 days'",
        )
        .await;
        for _ in 0..2 {
            assert_eq!(jobs.reap(day).await.unwrap(), [], "the server had been away");
        }

        jobs.run("UPDATE reaper SET present_since = now() - interval '601 s'")
            .await;
        assert_eq!(
            jobs.reap(WINDOW).await.unwrap().len(),
            1,
            "a whole window has passed"
        );
    });
}

#[test]
fn an_upload_has_a_deadline_of_its_own() {
    on_jobs(async |jobs| {
        let claim = jobs.claimed(1, "w0").await;
        jobs.reaper_is_present().await;
        jobs.expire(claim.build).await;
        let limit = Some(Duration::from_secs(3_600));
        jobs.begin_phase_within(claim.build, claim.lease, Phase::Upload, limit)
            .await
            .unwrap();
        assert_eq!(jobs.reap(WINDOW).await.unwrap(), []);
        // Publishing is its end.
        jobs.begin_phase(claim.build, claim.lease, Phase::Publish)
            .await
            .unwrap();
        jobs.expire(claim.build).await;
        let reaped = jobs.reap(WINDOW).await.unwrap();
        let reason = "worker w0 did not end its upload in time".to_owned();
        assert_eq!(reaped[0].fate, Fate::Failed(reason));
    });
}
