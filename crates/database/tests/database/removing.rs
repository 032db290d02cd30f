//! Publishing an artifact and removing it from the stores: never both at once.

use crate::support::{TestJobs, WINDOW, new_build, on_jobs, worker};
use database::Error;
use database::jobs::{Claim, NewBuild, REMOVAL_LASTS_MAX};
use model::{ArtifactId, BuildId};

const ARTIFACT: ArtifactId = ArtifactId([7; 32]);

/// A build that made [`ARTIFACT`].
async fn built(jobs: &TestJobs) -> BuildId {
    let claim = jobs.claimed(1, "w0").await;
    assert!(jobs.set_out(claim.build, claim.lease, &ARTIFACT).await.unwrap());
    jobs.succeed(claim.build, claim.lease, &ARTIFACT, 1)
        .await
        .unwrap();
    claim.build
}

/// Another build of the same, claimed.
async fn built_again(jobs: &TestJobs) -> Claim {
    let forced = NewBuild {
        force: true,
        ..new_build(1)
    };
    jobs.enqueue(&forced).await.unwrap();
    jobs.claim(&worker("w0")).await.unwrap().unwrap()
}

/// Makes every removal older than any order of it can be.
async fn removals_are_over(jobs: &TestJobs) {
    let ago = 2 * REMOVAL_LASTS_MAX.as_secs() + 1;
    sqlx::query("UPDATE removals SET begun_at = begun_at - make_interval(secs => $1)")
        .bind(ago as f64)
        .execute(&jobs.sql)
        .await
        .unwrap();
}

#[test]
fn what_is_removed_is_published_by_nobody_until_that_has_ended() {
    on_jobs(async |jobs| {
        let made = built(jobs).await;
        let claim = built_again(jobs).await;
        let removal = jobs.begin_removal(&ARTIFACT, &[made]).await.unwrap().unwrap();
        for _ in 0..2 {
            assert!(!jobs.set_out(claim.build, claim.lease, &ARTIFACT).await.unwrap());
        }
        let other = ArtifactId([8; 32]);
        assert!(jobs.set_out(claim.build, claim.lease, &other).await.unwrap());
        jobs.end_removal(&removal).await.unwrap();
        assert!(jobs.set_out(claim.build, claim.lease, &ARTIFACT).await.unwrap());
        // The same is a new build, and not the one that was forgotten.
        jobs.fail(claim.build, claim.lease, "exit code 1").await.unwrap();
        assert!(jobs.enqueue(&new_build(1)).await.unwrap().fresh);
    });
}

#[test]
fn what_an_attempt_means_to_publish_or_another_build_has_published_is_not_removed() {
    on_jobs(async |jobs| {
        let made = built(jobs).await;
        assert_eq!(
            jobs.begin_removal(&ARTIFACT, &[]).await.unwrap(),
            None,
            "it has a build"
        );
        let claim = built_again(jobs).await;
        assert!(jobs.set_out(claim.build, claim.lease, &ARTIFACT).await.unwrap());
        assert_eq!(
            jobs.begin_removal(&ARTIFACT, &[made]).await.unwrap(),
            None,
            "it runs"
        );
        jobs.succeed(claim.build, claim.lease, &ARTIFACT, 1)
            .await
            .unwrap();
        assert_eq!(
            jobs.begin_removal(&ARTIFACT, &[made]).await.unwrap(),
            None,
            "it has ended"
        );
        // Nothing was forgotten by the way.
        let same = jobs.enqueue(&new_build(1)).await.unwrap();
        assert_eq!((same.fresh, same.build.id), (false, claim.build));
        let both = [made, claim.build];
        let removal = jobs.begin_removal(&ARTIFACT, &both).await.unwrap().unwrap();
        jobs.end_removal(&removal).await.unwrap();
        assert!(
            jobs.begin_removal(&ARTIFACT, &[]).await.unwrap().is_some(),
            "twice"
        );
    });
}

#[test]
fn an_attempt_that_was_lost_keeps_nothing_and_may_not_set_out() {
    on_jobs(async |jobs| {
        let claim = jobs.claimed(1, "w0").await;
        assert!(jobs.set_out(claim.build, claim.lease, &ARTIFACT).await.unwrap());
        jobs.reaper_is_present().await;
        jobs.silence("w0").await;
        jobs.reap(WINDOW).await.unwrap();
        assert!(jobs.begin_removal(&ARTIFACT, &[]).await.unwrap().is_some());
        let refused = jobs.set_out(claim.build, claim.lease, &ARTIFACT).await;
        assert!(matches!(refused, Err(Error::LeaseLost { .. })));
    });
}

#[test]
fn a_removal_that_was_left_holds_up_nobody_for_ever_and_is_gone_on_with() {
    on_jobs(async |jobs| {
        let made = built(jobs).await;
        let left = jobs.begin_removal(&ARTIFACT, &[made]).await.unwrap().unwrap();
        assert_eq!(
            jobs.begin_removal(&ARTIFACT, &[made]).await.unwrap(),
            None,
            "somebody else's"
        );
        removals_are_over(jobs).await;
        let next = jobs.begin_removal(&ARTIFACT, &[made]).await.unwrap().unwrap();
        let claim = built_again(jobs).await;
        // Who was left behind ends nothing.
        jobs.end_removal(&left).await.unwrap();
        assert!(!jobs.set_out(claim.build, claim.lease, &ARTIFACT).await.unwrap());
        removals_are_over(jobs).await;
        assert!(jobs.set_out(claim.build, claim.lease, &ARTIFACT).await.unwrap());
        assert_eq!(jobs.begin_removal(&ARTIFACT, &[made]).await.unwrap(), None);
        jobs.end_removal(&next).await.unwrap();
        assert_eq!(jobs.begin_removal(&ARTIFACT, &[made]).await.unwrap(), None);
    });
}

#[test]
fn of_a_removal_and_a_publication_at_the_same_moment_one_waits_for_the_other() {
    on_jobs(async |jobs| {
        let mut made = vec![built(jobs).await];
        for round in 0..40 {
            let claim = built_again(jobs).await;
            let (removal, free) = tokio::join!(
                jobs.begin_removal(&ARTIFACT, &made),
                jobs.set_out(claim.build, claim.lease, &ARTIFACT)
            );
            let removal = removal.unwrap();
            assert_eq!(removal.is_some(), !free.unwrap(), "round {round}");
            if let Some(removal) = removal {
                jobs.end_removal(&removal).await.unwrap();
            }
            let succeeding = jobs.succeed(claim.build, claim.lease, &ARTIFACT, 1);
            let (succeeded, removal) = tokio::join!(succeeding, jobs.begin_removal(&ARTIFACT, &made));
            succeeded.unwrap();
            assert_eq!(
                removal.unwrap(),
                None,
                "round {round}: it is wanted before and after"
            );
            made.push(claim.build);
        }
    });
}
