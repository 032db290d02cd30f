//! Workers and a reaper that get in each other's way as much as they can.

use crate::schedules::accepted;
use crate::support::{WINDOW, beat, new_build, on_jobs, worker};
use database::Jobs;
use database::jobs::Claim;
use model::{ArtifactId, BuildId};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a worker does with a build that it claimed.
async fn work(jobs: &Jobs, name: &str, claim: &Claim) -> Option<(BuildId, ArtifactId)> {
    let (build, lease) = (claim.build, claim.lease);
    let artifact = ArtifactId([u8::try_from(lease.0 % 251).unwrap(); 32]);
    // By the lease, so that every way out is taken by many.
    match lease.0 % 4 {
        // Dies without a word.
        0 => return None,
        1 => {
            jobs.heartbeat(&beat(name, &[lease])).await.unwrap();
        }
        2 => {
            accepted(jobs.append_log(build, lease, 0, b"hello").await);
        }
        _ => {}
    }
    accepted(jobs.succeed(build, lease, &artifact, 1).await).then_some((build, artifact))
}

#[test]
fn eight_workers_and_a_merciless_reaper_end_every_build_once() {
    on_jobs(async |jobs| {
        let mut builds = Vec::new();
        for number in 0..60 {
            builds.push(jobs.enqueue(&new_build(number)).await.unwrap().build.id);
        }
        let all_ended = CancellationToken::new();
        let mut workers = JoinSet::new();
        for number in 0..8 {
            let (jobs, all_ended) = ((*jobs).clone(), all_ended.clone());
            workers.spawn(async move {
                let name = format!("w{number}");
                let mut published = Vec::new();
                while !all_ended.is_cancelled() {
                    match jobs.claim(&worker(&name)).await.unwrap() {
                        Some(claim) => published.extend(work(&jobs, &name, &claim).await),
                        None => tokio::task::yield_now().await,
                    }
                }
                published
            });
        }
        let unfinished = "SELECT (SELECT count(*) FROM queue) + (SELECT count(*) FROM leases)";
        while sqlx::query_scalar::<_, i64>(unfinished)
            .fetch_one(&jobs.sql)
            .await
            .unwrap()
            > 0
        {
            jobs.reaper_is_present().await;
            // Every claim is stale at once, unless its worker has just spoken for it.
            jobs.run("UPDATE leases SET claimed_at = claimed_at - interval '1 hour'")
                .await;
            jobs.reap(WINDOW).await.unwrap();
        }
        all_ended.cancel();
        let mut accepted: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
        accepted.sort_unstable();
        let mut stored = Vec::new();
        for build in builds {
            let row = jobs.build(build).await.unwrap().unwrap();
            assert!(row.state.is_terminal());
            stored.extend(row.artifact.map(|artifact| (build, artifact)));
        }
        stored.sort_unstable();
        assert_eq!(
            accepted, stored,
            "each success that a worker was told of is the one that is stored"
        );
    });
}
