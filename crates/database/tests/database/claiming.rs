//! Asking for builds and taking them.

use crate::support::{actor, new_build, on_jobs, repository_url, worker};
use database::Error;
use database::jobs::NewBuild;
use model::{BuildState, RepositoryName};
use std::collections::BTreeSet;
use tokio::task::JoinSet;

#[test]
fn one_build_is_claimed_once_by_sixteen_claimers() {
    on_jobs(async |jobs| {
        for round in 0..5 {
            jobs.enqueue(&new_build(round)).await.unwrap();
            let mut claimers = JoinSet::new();
            for number in 0..16 {
                let jobs = (*jobs).clone();
                claimers.spawn(async move { jobs.claim(&worker(&format!("w{number}"))).await.unwrap() });
            }
            let claims = claimers.join_all().await;
            assert_eq!(claims.into_iter().flatten().count(), 1);
        }
    });
}

#[test]
fn sixteen_claimers_share_forty_builds_and_every_lease_is_new() {
    on_jobs(async |jobs| {
        let mut enqueued = BTreeSet::new();
        for number in 0..40 {
            enqueued.insert(jobs.enqueue(&new_build(number)).await.unwrap().build.id);
        }
        let mut claimers = JoinSet::new();
        for number in 0..16 {
            let jobs = (*jobs).clone();
            claimers.spawn(async move {
                let mut claims = Vec::new();
                while let Some(claim) = jobs.claim(&worker(&format!("w{number}"))).await.unwrap() {
                    claims.push(claim);
                }
                claims
            });
        }
        let claims: Vec<_> = claimers.join_all().await.into_iter().flatten().collect();
        let leases: BTreeSet<_> = claims.iter().map(|claim| claim.lease).collect();
        let builds: BTreeSet<_> = claims.iter().map(|claim| claim.build).collect();
        assert_eq!((claims.len(), leases.len()), (40, 40));
        assert_eq!(builds, enqueued);
    });
}

#[test]
fn builds_are_claimed_in_the_order_in_which_they_were_asked_for() {
    on_jobs(async |jobs| {
        let mut asked = Vec::new();
        for number in [7, 3, 9] {
            asked.push(jobs.enqueue(&new_build(number)).await.unwrap().build.id);
        }
        let mut claimed = Vec::new();
        while let Some(claim) = jobs.claim(&worker("w")).await.unwrap() {
            claimed.push(claim.build);
        }
        assert_eq!(claimed, asked);
    });
}

#[test]
fn a_claim_says_everything_that_a_worker_needs() {
    on_jobs(async |jobs| {
        let claim = jobs.claimed(1, "w").await;
        assert_eq!(claim.attempt.0, 1);
        assert_eq!(claim.url, repository_url("file:///srv/here"));
        assert_eq!(claim.commit, new_build(1).commit);
        assert!(
            (890..=900).contains(&claim.time_left.as_secs()),
            "{:?}",
            claim.time_left
        );
        let build = jobs.build(claim.build).await.unwrap().unwrap();
        assert_eq!(build.state, BuildState::Running);
        assert_eq!(
            (build.lease, build.worker),
            (Some(claim.lease), Some(worker("w")))
        );
    });
}

#[test]
fn the_same_commit_and_target_is_the_same_build_unless_forced() {
    on_jobs(async |jobs| {
        let first = jobs.enqueue(&new_build(1)).await.unwrap();
        let again = jobs.enqueue(&new_build(1)).await.unwrap();
        assert!(first.fresh && !again.fresh);
        assert_eq!(first.build.id, again.build.id);

        let other_target = NewBuild {
            target: "//web:other".parse().unwrap(),
            ..new_build(1)
        };
        assert!(jobs.enqueue(&other_target).await.unwrap().fresh);

        let forced = NewBuild {
            force: true,
            ..new_build(1)
        };
        let forced = jobs.enqueue(&forced).await.unwrap();
        assert!(forced.fresh && forced.build.forced);
        // Whoever asks after that gets the newest.
        assert_eq!(
            jobs.enqueue(&new_build(1)).await.unwrap().build.id,
            forced.build.id
        );
    });
}

#[test]
fn a_build_that_succeeded_is_not_built_again_and_one_that_failed_is() {
    on_jobs(async |jobs| {
        let claim = jobs.claimed(1, "w").await;
        let artifact = model::ArtifactId([1; 32]);
        jobs.succeed(claim.build, claim.lease, &artifact, 10)
            .await
            .unwrap();
        let again = jobs.enqueue(&new_build(1)).await.unwrap();
        assert_eq!((again.build.id, again.fresh), (claim.build, false));

        let claim = jobs.claimed(2, "w").await;
        jobs.fail(claim.build, claim.lease, "no rule to make target")
            .await
            .unwrap();
        assert!(jobs.enqueue(&new_build(2)).await.unwrap().fresh);
    });
}

#[test]
fn sixteen_who_ask_at_once_for_the_same_get_one_build() {
    on_jobs(async |jobs| {
        let mut askers = JoinSet::new();
        for _ in 0..16 {
            let jobs = (*jobs).clone();
            askers.spawn(async move { jobs.enqueue(&new_build(1)).await.unwrap() });
        }
        let answers = askers.join_all().await;
        let builds: BTreeSet<_> = answers.iter().map(|answer| answer.build.id).collect();
        assert_eq!(builds.len(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.fresh).count(), 1);
    });
}

#[test]
fn an_unknown_repository_is_refused_by_name_and_nothing_is_enqueued() {
    on_jobs(async |jobs| {
        let nowhere: RepositoryName = "nowhere".parse().unwrap();
        let new = NewBuild {
            repository: nowhere.clone(),
            ..new_build(1)
        };
        let error = jobs.enqueue(&new).await.unwrap_err();
        assert!(matches!(error, Error::UnknownRepository(name) if name == nowhere));
        assert_eq!(jobs.list_builds(10, None).await.unwrap(), []);
    });
}

#[test]
fn registering_a_repository_again_changes_its_address() {
    on_jobs(async |jobs| {
        let name = "here".parse().unwrap();
        let moved = repository_url("https://example.org/here.git");
        for _ in 0..2 {
            jobs.register_repository(&name, &moved, &actor()).await.unwrap();
        }
        let repository = jobs.repository(&name).await.unwrap().unwrap();
        assert_eq!(repository.url, moved);
        assert_eq!(jobs.repositories().await.unwrap(), [repository]);
    });
}

#[test]
fn builds_are_listed_newest_first_page_by_page() {
    on_jobs(async |jobs| {
        for number in 0..5 {
            jobs.enqueue(&new_build(number)).await.unwrap();
        }
        let whole = jobs.list_builds(200, None).await.unwrap();
        assert!(whole.windows(2).all(|pair| pair[0].id > pair[1].id));
        let first = jobs.list_builds(2, None).await.unwrap();
        let rest = jobs.list_builds(200, Some(first[1].id)).await.unwrap();
        assert_eq!([first, rest].concat(), whole);
    });
}
