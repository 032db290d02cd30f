//! The demo's tables, and what falls short.

use super::{Outcome, rollouts};
use crate::output::{between, bytes, seconds, table};
use model::{Phase, ReplicaState, TaskState};

/// What no worker, replicator, manager or agent may exceed, whatever the artifact's size.
const MEMORY_MAX: u64 = 256 << 20;
/// The processes of `starling dev` that the limit is promised for.
const BOUNDED: [&str; 4] = ["worker", "synchronizer", "manager", "host"];

/// Every phase with its time, the bytes by source, and the memory.
pub fn tables(outcome: &Outcome) -> String {
    let artifact = outcome
        .build
        .build
        .artifact
        .map(|id| id.to_string())
        .unwrap_or_default();
    let size = outcome.build.build.total_bytes.map(bytes).unwrap_or_default();
    [
        format!("\ncommit    {}\nartifact  {artifact} ({size})\n", outcome.commit),
        phases(outcome),
        sources(outcome),
        memory(outcome),
        rollouts_table(outcome),
        load(outcome),
        hosts(outcome),
    ]
    .join("\n")
}

fn phases(outcome: &Outcome) -> String {
    let build = &outcome.build.build;
    let mut rows = Vec::new();
    let mut row = |phase: &str, place: &str, took: Option<f64>| {
        rows.push([
            phase.to_owned(),
            place.to_owned(),
            took.map_or_else(|| "?".to_owned(), seconds),
        ]);
    };
    let first = outcome.build.phases.first().map(|phase| phase.started_at);
    row("queue", "", between(Some(build.queued_at), first));
    for (phase, name) in [
        (Phase::Checkout, "checkout"),
        (Phase::Build, "build"),
        (Phase::Upload, "hash + upload"),
        (Phase::Publish, "publish"),
    ] {
        let done = outcome.build.phases.iter().rev().find(|done| done.phase == phase);
        row(
            name,
            "",
            done.and_then(|done| between(Some(done.started_at), done.finished_at)),
        );
    }
    for region in &outcome.deployment.regions {
        let (name, at) = (region.region.as_str(), &region.moments);
        // A region may hold its replica before somebody presses Deploy.
        let due = at.verified_at.max(Some(outcome.deployment.deployment.created_at));
        row("replicate", name, between(build.finished_at, at.verified_at));
        row("etcd", name, between(due, at.stage_told_at));
        row("swarm", name, between(at.stage_told_at, at.last_staged_at));
        row("start", name, between(at.activate_told_at, at.first_healthy_at));
        row("healthy", name, between(at.first_healthy_at, at.last_healthy_at));
    }
    row(
        "whole way",
        "",
        between(Some(build.queued_at), outcome.deployment.deployment.finished_at),
    );
    table(["PHASE", "REGION", "TOOK"], rows) + "\n"
}

fn sources(outcome: &Outcome) -> String {
    let rows = outcome.deployment.regions.iter().map(|region| {
        let transfer = &region.transfer;
        [
            region.region.to_string(),
            region.hosts.to_string(),
            bytes(transfer.seed_bytes),
            bytes(transfer.peer_bytes),
            bytes(transfer.store_bytes),
            bytes(transfer.local_bytes),
            bytes(transfer.wasted_bytes),
        ]
    });
    table(
        [
            "REGION",
            "HOSTS",
            "FROM SEED",
            "FROM PEERS",
            "FROM STORE",
            "FOUND",
            "WASTED",
        ],
        rows,
    ) + "\n"
}

fn memory(outcome: &Outcome) -> String {
    let rows = outcome
        .memory
        .iter()
        .map(|peak| [peak.process.clone(), bytes(peak.bytes)]);
    table(["PROCESS", "PEAK MEMORY"], rows) + "\n"
}

fn rollouts_table(outcome: &Outcome) -> String {
    let rows = outcome.shown.rollouts.iter().map(|rollout| {
        let one = &rollout.detail.deployment;
        [
            one.release.to_string(),
            rollout.what.to_owned(),
            one.state.to_string(),
            between(Some(one.created_at), one.finished_at).map_or_else(|| "?".to_owned(), seconds),
            rollout.way(),
        ]
    });
    table(["RELEASE", "ROLLOUT", "ENDED", "TOOK", "ITS WAY"], rows) + "\n"
}

fn load(outcome: &Outcome) -> String {
    let rows = outcome.shown.load.iter().map(|load| {
        let seen = &load.seen;
        [
            load.during.to_owned(),
            seen.total.to_string(),
            seen.failed.to_string(),
            format!("{:.0}/s", seen.rate),
            format!("{:.0} ms", seen.p99_ms),
            seen.changes.to_string(),
            seen.out_of_order.to_string(),
        ]
    });
    table(
        [
            "LOAD DURING",
            "REQUESTS",
            "FAILED",
            "ANSWERED",
            "P99",
            "VERSION CHANGES",
            "OUT OF ORDER",
        ],
        rows,
    ) + "\n"
}

fn hosts(outcome: &Outcome) -> String {
    let rows = outcome.answers.iter().map(|answer| {
        let (commit, configuration) = match &answer.version {
            Ok(version) => (
                version.commit.clone(),
                version.configuration.clone().unwrap_or_default(),
            ),
            Err(error) => (format!("failed: {error}"), String::new()),
        };
        [answer.host.clone(), commit, configuration]
    });
    table(["HOST", "RUNS, ASKED OVER HTTP", "CONFIGURATION"], rows)
}

/// Everything that is not as it must be, in words.
pub fn shortfalls(outcome: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    for answer in &outcome.answers {
        let wanted = (outcome.commit.as_str(), Some(rollouts::GOOD));
        match &answer.version {
            Ok(version) if (version.commit.as_str(), version.configuration.as_deref()) == wanted => {}
            Ok(version) => found.push(format!("{} runs {version:?}", answer.host)),
            Err(error) => found.push(format!("{} did not answer: {error}", answer.host)),
        }
    }
    for place in &outcome.deployment.instances {
        if place.instance.state != TaskState::Healthy {
            found.push(format!(
                "{}/{} is {}",
                place.region, place.host, place.instance.state
            ));
        }
    }
    for region in &outcome.deployment.regions {
        if region.replica != Some(ReplicaState::Verified) {
            found.push(format!("the replica in {} is not verified", region.region));
        }
    }
    for rollout in outcome
        .shown
        .rollouts
        .iter()
        .filter(|rollout| !rollout.ended_as_it_must())
    {
        let one = &rollout.detail.deployment;
        found.push(format!(
            "release {} ({}) ended {}: {}",
            one.release,
            rollout.what,
            one.state,
            one.reason.as_deref().unwrap_or("no reason given")
        ));
    }
    found.extend(outcome.shown.load.iter().filter_map(lacking));
    let bounded = |name: &str| BOUNDED.iter().any(|kind| name.contains(kind));
    for peak in outcome
        .memory
        .iter()
        .filter(|peak| peak.bytes > MEMORY_MAX && bounded(&peak.process))
    {
        found.push(format!("{} held {} of memory", peak.process, bytes(peak.bytes)));
    }
    found
}

/// What clients saw that they must not see.
fn lacking(load: &rollouts::Load) -> Option<String> {
    let (during, seen) = (load.during, &load.seen);
    let lacking = if seen.failed > 0 {
        let reasons: Vec<_> = seen.reasons.keys().map(String::as_str).collect();
        format!(
            "{} of {} requests failed: {}",
            seen.failed,
            seen.total,
            reasons.join("; ")
        )
    } else if seen.total == 0 {
        "nobody asked".to_owned()
    } else if load.changes && seen.changes == 0 {
        "nobody saw another release".to_owned()
    } else {
        return None;
    };
    Some(format!("during {during}, {lacking}"))
}
