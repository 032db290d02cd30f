//! What is known of attempts and waits.

use crate::support::{beat, on_jobs, worker};
use model::{ArtifactId, Phase};
use std::time::Duration;

#[test]
fn every_attempt_tells_where_it_ran_and_why_it_ended() {
    on_jobs(async |jobs| {
        let first = jobs.claimed(1, "a").await;
        jobs.heartbeat(&beat("a", &[first.lease])).await.unwrap();
        jobs.hand_back(first.build, first.lease).await.unwrap();
        sqlx::query("UPDATE queue SET ready = true, rests_until = NULL")
            .execute(&jobs.sql)
            .await
            .unwrap();
        let second = jobs.claim(&worker("b")).await.unwrap().unwrap();
        let running = jobs.attempts(first.build).await.unwrap();
        assert_eq!(running[1].ended_at, None);
        jobs.fail(second.build, second.lease, "it broke").await.unwrap();
        let attempts = jobs.attempts(first.build).await.unwrap();
        let told: Vec<_> = attempts
            .iter()
            .map(|row| {
                (
                    row.attempt.0,
                    row.worker.as_str(),
                    row.host.is_some(),
                    row.reason.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (1, "a", true, Some("the worker stopped")),
                (2, "b", false, Some("it broke"))
            ]
        );
        assert!(attempts.iter().all(|row| row.ended_at.is_some()));
    });
}

#[test]
fn what_is_usual_is_the_median_of_earlier_successes_of_the_same_target() {
    on_jobs(async |jobs| {
        // Three that succeeded, one that failed, and one of which we ask.
        for (number, seconds, well) in [(1, 10, true), (2, 20, true), (3, 90, true), (4, 5, false)] {
            let claim = jobs.claimed(number, "a").await;
            jobs.begin_phase(claim.build, claim.lease, Phase::Build)
                .await
                .unwrap();
            if well {
                let artifact = ArtifactId([1; 32]);
                jobs.succeed(claim.build, claim.lease, &artifact, 5)
                    .await
                    .unwrap();
            } else {
                jobs.fail(claim.build, claim.lease, "no").await.unwrap();
            }
            sqlx::query(
                "UPDATE phases SET finished_at = started_at + make_interval(secs => $2) WHERE lease = $1",
            )
            .bind(claim.lease.0)
            .bind(f64::from(seconds))
            .execute(&jobs.sql)
            .await
            .unwrap();
        }
        let asked = jobs.claimed(5, "a").await;
        let usual = jobs.usual_times(asked.build).await.unwrap();
        let build = usual
            .iter()
            .find(|time| time.phase == Some(Phase::Build))
            .unwrap();
        assert_eq!((build.duration, build.builds), (Duration::from_secs(20), 3));
        assert!(usual.iter().any(|time| time.phase.is_none()));
        assert_eq!(usual.len(), 2);
    });
}

#[test]
fn a_build_that_waits_knows_for_what() {
    on_jobs(async |jobs| {
        let running = jobs.claimed(1, "a").await;
        assert_eq!(jobs.waiting(running.build).await.unwrap(), None);
        jobs.retry(running.build, running.lease, "the disk is full")
            .await
            .unwrap();
        jobs.heartbeat(&beat("a", &[])).await.unwrap();
        let waiting = jobs.waiting(running.build).await.unwrap().unwrap();
        assert!(waiting.rests_until.is_some() && !waiting.ready);
        assert_eq!((waiting.ahead, waiting.running, waiting.workers), (0, 0, 1));
    });
}
