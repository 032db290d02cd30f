//! Whose turn it is: fairness between repositories, priorities, and their bound.

use crate::support::{TestJobs, WINDOW, actor, new_build, on_jobs, repository_url, worker};
use database::jobs::NewBuild;
use model::{ArtifactId, BuildId, Priority};

async fn register(jobs: &TestJobs, name: &str) {
    let name = name.parse().unwrap();
    jobs.register_repository(&name, &repository_url("file:///srv/there"), &actor())
        .await
        .unwrap();
}

async fn ask(jobs: &TestJobs, repository: &str, number: u32, priority: Priority) -> BuildId {
    let new = NewBuild {
        repository: repository.parse().unwrap(),
        priority,
        ..new_build(number)
    };
    jobs.enqueue(&new).await.unwrap().build.id
}

/// Claims and completes the next build; its repository.
async fn next(jobs: &TestJobs) -> (BuildId, String) {
    let claim = jobs.claim(&worker("w")).await.unwrap().unwrap();
    jobs.succeed(claim.build, claim.lease, &ArtifactId([1; 32]), 1)
        .await
        .unwrap();
    (claim.build, claim.repository.to_string())
}

#[test]
fn a_flood_of_one_repository_does_not_hold_up_the_builds_of_another() {
    on_jobs(async |jobs| {
        register(jobs, "there").await;
        for number in 0..100 {
            ask(jobs, "here", number, Priority::Normal).await;
        }
        for _ in 0..20 {
            next(jobs).await;
        }
        for number in 0..10 {
            ask(jobs, "there", number, Priority::Normal).await;
        }
        let mut order = String::new();
        for _ in 0..20 {
            order += &next(jobs).await.1[..1];
        }
        let theirs = order.matches('t').count();
        assert!((9..=10).contains(&theirs), "turn by turn: {order}");
        assert!(
            !order.contains("hhh") && !order.contains("ttt"),
            "turn by turn: {order}"
        );
    });
}

#[test]
fn a_repository_that_floods_an_idle_fleet_is_not_made_to_wait_for_it_later() {
    on_jobs(async |jobs| {
        register(jobs, "there").await;
        for number in 0..60 {
            ask(jobs, "here", number, Priority::Normal).await;
            next(jobs).await;
        }
        // Both ask now; what one of them had while nobody else wanted it does not count.
        for number in 100..110 {
            ask(jobs, "there", number, Priority::Normal).await;
            ask(jobs, "here", number, Priority::Normal).await;
        }
        let mut order = String::new();
        for _ in 0..10 {
            order += &next(jobs).await.1[..1];
        }
        assert_eq!(order.matches('h').count(), 5, "{order}");
    });
}

#[test]
fn an_urgent_build_comes_first_and_a_low_one_last() {
    on_jobs(async |jobs| {
        let mut asked = Vec::new();
        for (number, &priority) in (0..).zip(Priority::ALL) {
            asked.push(ask(jobs, "here", number, priority).await);
        }
        let mut claimed = Vec::new();
        for _ in 0..asked.len() {
            claimed.push(next(jobs).await.0);
        }
        asked.reverse();
        assert_eq!(claimed, asked);
    });
}

#[test]
fn a_low_build_gets_its_turn_under_an_endless_stream_of_urgent_ones() {
    on_jobs(async |jobs| {
        let repositories: Vec<_> = (0..5).map(|number| format!("r{number}")).collect();
        for name in &repositories {
            register(jobs, name).await;
        }
        let low = ask(jobs, "here", 0, Priority::Low).await;
        // Each repository always has an urgent build waiting.
        for name in &repositories {
            ask(jobs, name, 0, Priority::Urgent).await;
        }
        // It lets the others have as many turns as lie between the two priorities, and then some.
        let turns = Priority::Urgent.turns_ahead() - Priority::Low.turns_ahead() + 2;
        let bound = u32::try_from(turns).unwrap() * 5;
        for number in 1..=bound {
            let (build, repository) = next(jobs).await;
            if build == low {
                println!("after {number} of {bound}");
                return;
            }
            ask(jobs, &repository, number, Priority::Urgent).await;
        }
        panic!("it still waits after {bound} urgent ones");
    });
}

#[test]
fn a_build_that_is_given_back_has_its_old_place() {
    on_jobs(async |jobs| {
        let first = jobs.claimed(1, "w").await;
        for number in 2..5 {
            ask(jobs, "here", number, Priority::Normal).await;
        }
        let (second, _) = next(jobs).await;
        jobs.hand_back(first.build, first.lease).await.unwrap();
        assert_eq!(next(jobs).await.0, first.build);
        assert_ne!(next(jobs).await.0, second);
    });
}

#[test]
fn what_is_left_of_a_repository_does_not_wait_for_what_was_cancelled_of_it() {
    on_jobs(async |jobs| {
        register(jobs, "there").await;
        let mut ours = Vec::new();
        for number in 0..60 {
            ours.push(ask(jobs, "here", number, Priority::Normal).await);
            ask(jobs, "there", number, Priority::Normal).await;
        }
        next(jobs).await;
        for build in &ours[..50] {
            jobs.cancel(*build, &actor()).await.unwrap();
        }
        jobs.reaper_is_present().await;
        jobs.reap(WINDOW).await.unwrap();
        let (mut builds, mut order) = (Vec::new(), String::new());
        for _ in 0..20 {
            let (build, repository) = next(jobs).await;
            order += &repository[..1];
            builds.extend((repository == "here").then_some(build));
        }
        let own = order.matches('h').count();
        assert!((9..=10).contains(&own), "turn by turn: {order}");
        assert_eq!(builds, ours[50..50 + own], "in their own order");
        // Where nothing was cancelled nothing moves.
        let ranks = "SELECT coalesce(sum(rank), 0)::bigint FROM queue";
        let before: i64 = sqlx::query_scalar(ranks).fetch_one(&jobs.sql).await.unwrap();
        jobs.reap(WINDOW).await.unwrap();
        let after: i64 = sqlx::query_scalar(ranks).fetch_one(&jobs.sql).await.unwrap();
        assert_eq!(before, after);
    });
}
