//! Who builds what, and whether there are enough of them.

use crate::support::{TestJobs, WINDOW, beat, new_build, on_jobs, worker};
use database::jobs::Demand;
use model::{ArtifactId, InputKey, Phase};
use std::time::Duration;

async fn demand(jobs: &TestJobs) -> Demand {
    jobs.demand(WINDOW).await.unwrap()
}

#[test]
fn a_worker_is_listed_with_what_it_is_and_holds() {
    on_jobs(async |jobs| {
        assert_eq!(jobs.workers().await.unwrap(), []);
        for number in 0..3 {
            jobs.enqueue(&new_build(number)).await.unwrap();
        }
        let claim = jobs.claim(&worker("w")).await.unwrap().unwrap();
        jobs.begin_phase(claim.build, claim.lease, Phase::Build)
            .await
            .unwrap();
        jobs.heartbeat(&beat("w", &[claim.lease])).await.unwrap();
        jobs.heartbeat(&beat("idle", &[])).await.unwrap();
        jobs.heartbeat(&beat("gone", &[])).await.unwrap();
        jobs.run("UPDATE heartbeats SET beat_at = now() - interval '25 h' WHERE worker = 'gone'")
            .await;

        let workers = jobs.workers().await.unwrap();
        let names: Vec<_> = workers.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["idle", "w"]);
        assert!(workers[0].running.is_empty());
        let one = &workers[1];
        assert!(one.silent_for < WINDOW, "{one:?}");
        let [running] = one.running.as_slice() else {
            panic!("{one:?}")
        };
        assert_eq!((running.build, running.phase), (claim.build, Some(Phase::Build)));
        assert_eq!((&running.target, running.attempt.0), (&claim.target, 1));
    });
}

#[test]
fn demand_tells_what_more_workers_could_take_and_since_when() {
    on_jobs(async |jobs| {
        let nothing = Demand {
            queued: 0,
            ready: 0,
            oldest_wait: None,
            running: 0,
            workers: 0,
            slots: 0,
        };
        assert_eq!(demand(jobs).await, nothing);
        for number in 0..3 {
            jobs.enqueue(&new_build(number)).await.unwrap();
        }
        jobs.heartbeat(&beat("w", &[])).await.unwrap();
        jobs.claim(&worker("w")).await.unwrap().unwrap();
        jobs.run(
            "UPDATE builds SET created_at = now() - interval '90 s'
             WHERE id = (SELECT build FROM queue ORDER BY build LIMIT 1)",
        )
        .await;
        let now = demand(jobs).await;
        assert_eq!((now.queued, now.ready, now.running, now.workers), (2, 2, 1, 1));
        assert!(now.slots >= 1);
        assert_eq!(now.slots_wanted(), 3);
        let oldest = now.oldest_wait.unwrap();
        assert!((90..600).contains(&oldest.as_secs()), "{oldest:?}");

        // Its repository may run one at a time, so that more workers would not help.
        jobs.limit_repository(&"here".parse().unwrap(), Some(1))
            .await
            .unwrap();
        let now = demand(jobs).await;
        assert_eq!((now.queued, now.ready, now.oldest_wait), (2, 0, None));
        jobs.run("UPDATE heartbeats SET beat_at = now() - interval '1 h'")
            .await;
        assert_eq!(jobs.demand(Duration::from_secs(60)).await.unwrap().slots, 0);
    });
}

#[test]
fn what_was_built_from_the_same_inputs_is_found_once_it_has_succeeded() {
    on_jobs(async |jobs| {
        let (key, other) = (InputKey([1; 32]), InputKey([2; 32]));
        let artifact = ArtifactId([7; 32]);
        for number in 0..2 {
            jobs.enqueue(&new_build(number)).await.unwrap();
        }
        let first = jobs.claim(&worker("w")).await.unwrap().unwrap();
        jobs.note_inputs(first.build, first.lease, &key, None)
            .await
            .unwrap();
        assert_eq!(jobs.built_from(&key).await.unwrap(), None, "it still runs");
        jobs.succeed(first.build, first.lease, &artifact, 10)
            .await
            .unwrap();
        let found = jobs.built_from(&key).await.unwrap().unwrap();
        assert_eq!((found.build, &found.commit), (first.build, &first.commit));
        assert_eq!(found.made.unwrap().artifact, artifact);
        assert_eq!(jobs.built_from(&other).await.unwrap(), None);

        let second = jobs.claim(&worker("w")).await.unwrap().unwrap();
        jobs.note_inputs(second.build, second.lease, &key, Some(first.build))
            .await
            .unwrap();
        jobs.succeed(second.build, second.lease, &artifact, 10)
            .await
            .unwrap();
        assert_eq!(jobs.reused_from(second.build).await.unwrap(), Some(first.build));
        assert_eq!(jobs.reused_from(first.build).await.unwrap(), None);
        // The one that really ran is what later builds are told of.
        assert_eq!(jobs.built_from(&key).await.unwrap().unwrap().build, first.build);
        let late = jobs.note_inputs(second.build, second.lease, &other, None).await;
        assert!(matches!(late, Err(database::Error::LeaseLost { .. })), "{late:?}");
    });
}

#[test]
fn a_test_succeeds_without_an_artifact_and_an_attempt_that_was_lost_leaves_no_inputs() {
    on_jobs(async |jobs| {
        let key = InputKey([1; 32]);
        jobs.enqueue(&new_build(0)).await.unwrap();
        let lost = jobs.claim(&worker("w")).await.unwrap().unwrap();
        jobs.note_inputs(lost.build, lost.lease, &key, None)
            .await
            .unwrap();
        jobs.hand_back(lost.build, lost.lease).await.unwrap();
        let claim = jobs.claim(&worker("w")).await.unwrap().unwrap();
        jobs.succeed_with(claim.build, claim.lease, None).await.unwrap();
        let row = jobs.build(claim.build).await.unwrap().unwrap();
        assert_eq!(row.state, model::BuildState::Succeeded);
        assert_eq!((row.artifact, row.total_bytes, row.reason), (None, None, None));
        assert_eq!(jobs.built_from(&key).await.unwrap(), None);
        assert!(
            jobs.succeeded_since(0, 10).await.unwrap().is_empty(),
            "nothing to copy"
        );
    });
}
