//! Random schedules: whatever happens in whatever order, a build ends once and publishes at most once.

use crate::support::{TestJobs, WINDOW, actor, beat, new_build, on_jobs, worker};
use database::Error;
use database::jobs::{ATTEMPTS_MAX, Cancelled, Claim, Fate, NewBuild};
use model::{ArtifactId, BuildId, BuildState, LeaseId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use tokio::runtime::Handle;

const WORKERS: [&str; 3] = ["w0", "w1", "w2"];
const BUILDS: usize = 3;

/// One thing that happens. Workers act on any claim they ever made, also one that was taken from them.
#[derive(Debug, Clone)]
enum Step {
    Claim {
        worker: usize,
    },
    Beat {
        worker: usize,
    },
    /// The worker is restarted under its old name and forgets what it held.
    Restart {
        worker: usize,
    },
    /// The worker was not heard of for an hour.
    Silence {
        worker: usize,
    },
    Expire {
        build: usize,
    },
    Reap,
    Succeed {
        claim: usize,
    },
    Fail {
        claim: usize,
    },
    HandBack {
        claim: usize,
    },
    /// The machine failed it.
    Retry {
        claim: usize,
    },
    /// The build has rested for long enough; the next reaper's round sees it.
    RestOver {
        build: usize,
    },
    Cancel {
        build: usize,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let (worker, build, claim) = (0..WORKERS.len(), 0..BUILDS, 0..16_usize);
    prop_oneof![
        6 => worker.clone().prop_map(|worker| Step::Claim { worker }),
        3 => worker.clone().prop_map(|worker| Step::Beat { worker }),
        1 => worker.clone().prop_map(|worker| Step::Restart { worker }),
        3 => worker.prop_map(|worker| Step::Silence { worker }),
        1 => build.clone().prop_map(|build| Step::Expire { build }),
        4 => Just(Step::Reap),
        3 => claim.clone().prop_map(|claim| Step::Succeed { claim }),
        1 => claim.clone().prop_map(|claim| Step::Fail { claim }),
        1 => claim.clone().prop_map(|claim| Step::HandBack { claim }),
        2 => claim.prop_map(|claim| Step::Retry { claim }),
        1 => build.clone().prop_map(|build| Step::RestOver { build }),
        1 => build.prop_map(|build| Step::Cancel { build }),
    ]
}

/// What should be true of one build.
#[derive(Debug, Clone)]
struct Expected {
    state: BuildState,
    attempt: i32,
    holder: Option<(LeaseId, usize)>,
    claim_is_old: bool,
    overdue: bool,
    rest: Rest,
    artifact: Option<ArtifactId>,
}

/// Whether a build that waits rests after a fault of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    None,
    Going,
    Over,
}

/// The reference: the same rules, said once more, without a database.
struct Reference {
    builds: BTreeMap<BuildId, Expected>,
    order: Vec<BuildId>,
    claims: Vec<Claim>,
    /// The leases that each worker's last heartbeat named, and whether that is an hour ago.
    beats: [(BTreeSet<LeaseId>, bool); WORKERS.len()],
    /// What each worker believes to hold.
    holds: [Vec<LeaseId>; WORKERS.len()],
}

impl Reference {
    fn new(order: Vec<BuildId>) -> Self {
        let queued = Expected {
            state: BuildState::Queued,
            attempt: 0,
            holder: None,
            claim_is_old: false,
            overdue: false,
            rest: Rest::None,
            artifact: None,
        };
        let builds = order.iter().map(|&build| (build, queued.clone())).collect();
        Self {
            builds,
            order,
            claims: Vec::new(),
            beats: Default::default(),
            holds: Default::default(),
        }
    }

    /// The build that a lease holds.
    fn held(&mut self, claim: &Claim) -> Option<&mut Expected> {
        let build = self.builds.get_mut(&claim.build)?;
        (build.holder.map(|(lease, _)| lease) == Some(claim.lease)).then_some(build)
    }

    fn end(build: &mut Expected, state: BuildState, artifact: Option<ArtifactId>) {
        assert!(build.state.may_become(state), "{} → {state}", build.state);
        *build = Expected {
            state,
            holder: None,
            overdue: false,
            rest: Rest::None,
            artifact,
            ..build.clone()
        };
    }

    /// What a reaper takes now, and what becomes of it.
    fn reap(&mut self) -> BTreeMap<BuildId, bool> {
        let mut taken = BTreeMap::new();
        for (&id, build) in &mut self.builds {
            let silent = build.holder.is_some_and(|(lease, worker)| {
                let (named, beat_is_old) = &self.beats[worker];
                build.claim_is_old && (*beat_is_old || !named.contains(&lease))
            });
            if build.state.is_terminal() || !(build.overdue || silent) {
                continue;
            }
            let given_back = !build.overdue && build.attempt < ATTEMPTS_MAX;
            if given_back {
                *build = Expected {
                    state: BuildState::Queued,
                    holder: None,
                    ..build.clone()
                };
            } else {
                Self::end(build, BuildState::Failed, None);
            }
            taken.insert(id, given_back);
        }
        for build in self.builds.values_mut().filter(|build| build.rest == Rest::Over) {
            build.rest = Rest::None;
        }
        taken
    }
}

pub fn accepted(result: Result<(), Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(Error::LeaseLost { .. }) => false,
        Err(error) => panic!("{error:?}"),
    }
}

async fn take(jobs: &TestJobs, reference: &mut Reference, number: usize) {
    let claim = jobs.claim(&worker(WORKERS[number])).await.unwrap();
    let waiting = |id: &&BuildId| {
        let build = &reference.builds[id];
        build.state == BuildState::Queued && !build.overdue && build.rest == Rest::None
    };
    let oldest = reference.order.iter().find(waiting).copied();
    assert_eq!(claim.as_ref().map(|claim| claim.build), oldest);
    let Some(claim) = claim else { return };
    assert!(reference.claims.iter().all(|earlier| earlier.lease < claim.lease));
    let build = reference.builds.get_mut(&claim.build).unwrap();
    build.state = BuildState::Running;
    build.attempt += 1;
    build.holder = Some((claim.lease, number));
    build.claim_is_old = false;
    reference.holds[number].push(claim.lease);
    reference.claims.push(claim);
}

/// Ends or hands back a claim, one that still holds or not, and checks whether that was accepted.
async fn write(jobs: &TestJobs, reference: &mut Reference, claim: usize, step: &Step) {
    let Some(claim) = reference.claims.get(claim).cloned() else {
        return;
    };
    let (build, lease) = (claim.build, claim.lease);
    let artifact = ArtifactId([u8::try_from(lease.0 % 251).unwrap(); 32]);
    let result = match step {
        Step::Succeed { .. } => jobs.succeed(build, lease, &artifact, 1).await,
        Step::Fail { .. } => jobs.fail(build, lease, "exit code 1").await,
        Step::Retry { .. } => jobs.retry(build, lease, "the disk is full").await,
        _ => jobs.hand_back(build, lease).await,
    };
    let held = reference.held(&claim);
    assert_eq!(accepted(result), held.is_some(), "{step:?} of {claim:?}");
    let Some(held) = held else { return };
    match step {
        Step::Succeed { .. } => Reference::end(held, BuildState::Succeeded, Some(artifact)),
        Step::Fail { .. } => Reference::end(held, BuildState::Failed, None),
        Step::Retry { .. } if held.attempt >= ATTEMPTS_MAX => Reference::end(held, BuildState::Failed, None),
        _ => {
            *held = Expected {
                state: BuildState::Queued,
                holder: None,
                overdue: false,
                rest: match step {
                    Step::Retry { .. } => Rest::Going,
                    _ => Rest::None,
                },
                ..held.clone()
            };
        }
    }
}

async fn apply(jobs: &TestJobs, reference: &mut Reference, step: &Step) {
    match *step {
        Step::Claim { worker } => take(jobs, reference, worker).await,
        Step::Beat { worker } => {
            let leases = reference.holds[worker].clone();
            let lost = jobs.heartbeat(&beat(WORKERS[worker], &leases)).await.unwrap();
            let holds = |lease: &LeaseId| {
                let mut builds = reference.builds.values();
                builds.any(|build| build.holder.is_some_and(|(held, _)| held == *lease))
            };
            let expected: Vec<_> = leases.iter().copied().filter(|lease| !holds(lease)).collect();
            assert_eq!(lost, expected);
            reference.beats[worker] = (leases.into_iter().collect(), false);
        }
        Step::Restart { worker } => reference.holds[worker].clear(),
        Step::Silence { worker } => {
            jobs.silence(WORKERS[worker]).await;
            reference.beats[worker].1 = true;
            for build in reference.builds.values_mut() {
                build.claim_is_old |= build.holder.is_some_and(|(_, holder)| holder == worker);
            }
        }
        Step::Expire { build } => {
            let id = reference.order[build];
            jobs.expire(id).await;
            let build = reference.builds.get_mut(&id).unwrap();
            build.overdue = !build.state.is_terminal();
        }
        Step::Reap => {
            jobs.reaper_is_present().await;
            let reaped = jobs.reap(WINDOW).await.unwrap();
            let taken: BTreeMap<_, _> = reaped
                .iter()
                .map(|reaped| (reaped.build, reaped.fate == Fate::GivenBack))
                .collect();
            assert_eq!(taken, reference.reap());
        }
        Step::RestOver { build } => {
            let id = reference.order[build];
            jobs.rest_is_over(id).await;
            let build = reference.builds.get_mut(&id).unwrap();
            if build.rest == Rest::Going {
                build.rest = Rest::Over;
            }
        }
        Step::Succeed { claim } | Step::Fail { claim } | Step::HandBack { claim } | Step::Retry { claim } => {
            write(jobs, reference, claim, step).await;
        }
        Step::Cancel { build } => {
            let id = reference.order[build];
            let outcome = jobs.cancel(id, &actor()).await.unwrap();
            let build = reference.builds.get_mut(&id).unwrap();
            if build.state.is_terminal() {
                assert_eq!(outcome, Cancelled::Already(build.state));
            } else {
                assert_eq!(outcome, Cancelled::Now);
                Reference::end(build, BuildState::Cancelled, None);
            }
        }
    }
}

/// Compares every build with what should be true of it, and what was published after `since` too.
async fn compare(jobs: &TestJobs, reference: &Reference, since: i64) {
    for (&id, expected) in &reference.builds {
        let row = jobs.build(id).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempt.0), (expected.state, expected.attempt));
        assert_eq!(row.artifact, expected.artifact);
        assert_eq!(
            row.reason.is_some(),
            matches!(row.state, BuildState::Failed | BuildState::Cancelled)
        );
    }
    let published = jobs.succeeded_since(since, 100).await.unwrap();
    let published: BTreeMap<_, _> = published
        .iter()
        .map(|result| (result.build, result.artifact))
        .collect();
    let expected: BTreeMap<_, _> = reference
        .builds
        .iter()
        .filter_map(|(&id, build)| build.artifact.map(|artifact| (id, artifact)))
        .collect();
    assert_eq!(published, expected);
}

/// Follows one schedule. They share a database, since each ends all of its builds.
async fn follow(jobs: &TestJobs, steps: &[Step]) {
    // What one that failed has left.
    jobs.run("DELETE FROM queue").await;
    jobs.run("DELETE FROM leases").await;
    let since = last_published(jobs).await;
    let mut order = Vec::new();
    for _ in 0..BUILDS {
        let new = NewBuild {
            force: true,
            ..new_build(1)
        };
        order.push(jobs.enqueue(&new).await.unwrap().build.id);
    }
    let mut reference = Reference::new(order);
    for step in steps {
        apply(jobs, &mut reference, step).await;
    }
    compare(jobs, &reference, since).await;
    // Whatever happened, everything ends.
    for build in 0..BUILDS {
        apply(jobs, &mut reference, &Step::Expire { build }).await;
    }
    apply(jobs, &mut reference, &Step::Reap).await;
    compare(jobs, &reference, since).await;
    assert!(reference.builds.values().all(|build| build.state.is_terminal()));
}

async fn last_published(jobs: &TestJobs) -> i64 {
    jobs.succeeded_since(0, 1).await.unwrap();
    sqlx::query_scalar("SELECT coalesce(max(publication), 0) FROM results")
        .fetch_one(&jobs.sql)
        .await
        .unwrap()
}

/// Follows random schedules, one after the other, on a database of their own.
fn follow_many(cases: u32) {
    on_jobs(async |jobs| {
        tokio::task::block_in_place(|| {
            let mut runner = TestRunner::new(Config {
                cases,
                ..Config::default()
            });
            let schedule = prop::collection::vec(any_step(), 1..40);
            let outcome = runner.run(&schedule, |steps| {
                Handle::current().block_on(follow(jobs, &steps));
                Ok(())
            });
            if let Err(error) = outcome {
                panic!("{error}");
            }
        });
    });
}

/// How many databases there are at once, so that the server and its clients both have something to do.
const LANES: u32 = 4;
/// How many schedules one database sees, and how many databases a lane.
const SCHEDULES: u32 = 100;
const ROUNDS: u32 = 5;

#[test]
fn a_build_ends_once_and_publishes_at_most_once_whatever_happens() {
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| (0..ROUNDS).for_each(|_| follow_many(SCHEDULES)));
        }
    });
}
