//! What regions report of their hosts.

use crate::hosts::told;
use crate::support::{TestBuilds, new_deployment, on_builds, region, service};
use database::builds::{Events, InstanceRow, RegionProgress};
use database::{Error, Hint};
use model::instance::{InstanceHealth, Transfer};
use model::region_report::{HostInstance, RegionReport};
use model::{DeploymentId, Epoch, Instance, ReleaseNumber, TaskState};

fn said(host: u32, epoch: i64, release: i64, state: TaskState) -> HostInstance {
    let staged = !matches!(state, TaskState::Pending | TaskState::Fetching);
    let transfer = Transfer {
        total_bytes: 1_000,
        seed_bytes: 100,
        peer_bytes: if staged { 900 } else { 0 },
        elapsed_ms: if staged { u64::from(host) * 10 } else { 0 },
        ..Transfer::default()
    };
    HostInstance {
        host: format!("h{host}").parse().unwrap(),
        zone: "east-a".parse().unwrap(),
        instance: Instance {
            service: service(),
            epoch: Epoch(epoch),
            desired_release: ReleaseNumber(release),
            running_release: (state == TaskState::Healthy).then_some(ReleaseNumber(release)),
            active_release: matches!(state, TaskState::Healthy | TaskState::Starting | TaskState::Error)
                .then_some(ReleaseNumber(release)),
            warm_release: None,
            health: match state {
                TaskState::Healthy => InstanceHealth::Healthy,
                TaskState::Error => InstanceHealth::Failed,
                _ => InstanceHealth::Unknown,
            },
            observations: 1,
            state,
            port: Some(8_080),
            transfer,
            reason: None,
        },
    }
}

fn report(term: i64, instances: Vec<HostInstance>) -> RegionReport {
    RegionReport {
        region: region("east"),
        term,
        hosts_alive: 3,
        store_bytes_read: 1_000,
        instances,
        services: Vec::new(),
        hosts: Vec::new(),
        distributions: Vec::new(),
    }
}

async fn deployed(builds: &TestBuilds, number: u8) -> DeploymentId {
    let artifact = builds.verified(number).await;
    builds.deploy(&new_deployment(&artifact)).await.unwrap().id
}

/// Everything that a report may change, but the age of the leader's word.
async fn world(builds: &TestBuilds, id: DeploymentId) -> (Vec<InstanceRow>, Vec<RegionProgress>, Events) {
    let mut progress = builds.region_status(id).await.unwrap();
    for region in &mut progress {
        region.word = None;
    }
    let instances = builds.instances(&service(), None, 1_000).await.unwrap();
    (instances, progress, builds.events(id).await.unwrap())
}

#[test]
fn a_host_is_as_well_as_what_it_runs_while_it_fetches_something_else() {
    on_builds(async |builds| {
        deployed(builds, 1).await;
        told(builds, &[("h1", "{}", true)]).await;
        let status = async |state| {
            let instances = vec![said(1, 1, 1, state)];
            builds.apply_region_report(&report(1, instances)).await.unwrap();
            builds
                .inventory_instance("east.h1")
                .await
                .unwrap()
                .unwrap()
                .status
        };
        assert_eq!(status(TaskState::Fetching).await, InstanceHealth::Healthy);
        assert_eq!(status(TaskState::Staged).await, InstanceHealth::Healthy);
        assert_eq!(status(TaskState::Starting).await, InstanceHealth::Unknown);
        assert_eq!(status(TaskState::Error).await, InstanceHealth::Failed);
        assert_eq!(status(TaskState::Healthy).await, InstanceHealth::Healthy);
    });
}

#[test]
fn reports_are_folded_into_counts_and_a_timeline() {
    on_builds(async |builds| {
        let id = deployed(builds, 1).await;
        let states = [TaskState::Fetching, TaskState::Staged, TaskState::Healthy];
        let instances = (1..)
            .zip(states)
            .map(|(host, state)| said(host, 1, 1, state))
            .collect();
        builds.apply_region_report(&report(1, instances)).await.unwrap();
        let progress = builds.region_status(id).await.unwrap();
        let (east, west) = (&progress[0], &progress[1]);
        let counts = east.counts;
        assert_eq!(
            (
                counts.hosts,
                counts.staged,
                counts.activated,
                counts.healthy,
                counts.errors
            ),
            (3, 2, 1, 1, 0)
        );
        assert_eq!(
            (counts.total_bytes, counts.verified_bytes(), counts.elapsed_ms_max),
            (3_000, 2_100, 30)
        );
        assert_eq!(east.word.as_ref().unwrap().hosts_alive, 3);
        assert_eq!((west.counts.hosts, west.word.is_none()), (0, true));

        let before = builds.events(id).await.unwrap().regions[0].clone();
        let late = vec![said(1, 1, 1, TaskState::Staged), said(2, 1, 1, TaskState::Error)];
        builds.apply_region_report(&report(1, late)).await.unwrap();
        let after = builds.events(id).await.unwrap().regions[0].clone();
        assert_eq!(after.first_staged_at, before.first_staged_at);
        assert!(after.last_staged_at > before.last_staged_at);
        assert_eq!(after.last_healthy_at, before.last_healthy_at);
        let counts = builds.region_status(id).await.unwrap()[0].counts;
        assert_eq!(
            (counts.staged, counts.healthy, counts.errors),
            (3, 1, 1),
            "an error loses no bytes"
        );
    });
}

#[test]
fn a_report_that_comes_twice_changes_nothing_more() {
    on_builds(async |builds| {
        let id = deployed(builds, 1).await;
        let instances = (1..=3).map(|host| said(host, 1, 1, TaskState::Staged)).collect();
        let report = report(1, instances);
        builds.apply_region_report(&report).await.unwrap();
        let once = world(builds, id).await;
        builds.apply_region_report(&report).await.unwrap();
        assert_eq!(world(builds, id).await, once);
    });
}

#[test]
fn a_report_of_an_older_term_is_refused_whole() {
    on_builds(async |builds| {
        let id = deployed(builds, 1).await;
        let new = report(7, vec![said(1, 1, 1, TaskState::Staged)]);
        builds.apply_region_report(&new).await.unwrap();
        let before = world(builds, id).await;
        let old = report(
            6,
            vec![said(1, 1, 1, TaskState::Lost), said(2, 1, 1, TaskState::Staged)],
        );
        let error = builds.apply_region_report(&old).await.unwrap_err();
        assert!(
            matches!(error, Error::StaleTerm { term: 6, seen: 7, .. }),
            "{error}"
        );
        assert_eq!(world(builds, id).await, before);
    });
}

#[test]
fn an_unknown_region_is_refused_and_an_unknown_service_left_out() {
    on_builds(async |builds| {
        let nowhere = RegionReport {
            region: region("nowhere"),
            ..report(1, Vec::new())
        };
        let error = builds.apply_region_report(&nowhere).await.unwrap_err();
        assert!(matches!(error, Error::UnknownRegion(name) if name == region("nowhere")));

        let mut stranger = said(1, 1, 1, TaskState::Healthy);
        stranger.instance.service = "stranger".parse().unwrap();
        builds
            .apply_region_report(&report(1, vec![stranger.clone()]))
            .await
            .unwrap();
        let service = &stranger.instance.service;
        assert_eq!(builds.instances(service, None, 10).await.unwrap(), []);
    });
}

#[test]
fn a_host_never_goes_back_to_an_older_epoch() {
    on_builds(async |builds| {
        deployed(builds, 1).await;
        for epoch in [2, 1] {
            let state = if epoch == 2 {
                TaskState::Healthy
            } else {
                TaskState::Staged
            };
            builds
                .apply_region_report(&report(1, vec![said(1, epoch, 1, state)]))
                .await
                .unwrap();
        }
        let instances = builds.instances(&service(), None, 10).await.unwrap();
        assert_eq!(instances.len(), 1);
        assert_eq!(instances[0].instance, said(1, 2, 1, TaskState::Healthy).instance);
    });
}

#[test]
fn a_release_keeps_its_counts_when_the_next_takes_over() {
    on_builds(async |builds| {
        let first = deployed(builds, 1).await;
        let healthy = (1..=3).map(|host| said(host, 1, 1, TaskState::Healthy)).collect();
        builds.apply_region_report(&report(1, healthy)).await.unwrap();
        let at_the_end = builds.region_status(first).await.unwrap()[0].counts;
        let second = deployed(builds, 2).await;
        let staged = (1..=3).map(|host| said(host, 2, 2, TaskState::Staged)).collect();
        builds.apply_region_report(&report(1, staged)).await.unwrap();
        let (old, new) = (
            builds.region_status(first).await.unwrap(),
            builds.region_status(second).await.unwrap(),
        );
        assert_eq!((old[0].counts, old[0].cursor), (at_the_end, None));
        assert_eq!(at_the_end.healthy, 3);
        assert_eq!((new[0].counts.staged, new[0].counts.healthy), (3, 0));
    });
}

#[test]
fn instances_are_listed_page_by_page() {
    on_builds(async |builds| {
        deployed(builds, 1).await;
        let instances = (1..=5).map(|host| said(host, 1, 1, TaskState::Staged)).collect();
        builds.apply_region_report(&report(1, instances)).await.unwrap();
        let whole = builds.instances(&service(), None, 1_000).await.unwrap();
        assert_eq!(whole.len(), 5);
        let first = builds.instances(&service(), None, 2).await.unwrap();
        let after = Some((&first[1].region, &first[1].host));
        let rest = builds.instances(&service(), after, 1_000).await.unwrap();
        assert_eq!([first.clone(), rest].concat(), whole);
    });
}

#[test]
fn a_report_hints_at_the_deployment_that_it_is_about() {
    on_builds(async |builds| {
        let id = deployed(builds, 1).await;
        let mut hints = builds.listen().await.unwrap();
        let news = report(1, vec![said(1, 1, 1, TaskState::Staged)]);
        builds.apply_region_report(&news).await.unwrap();
        assert_eq!(hints.next().await, Hint::Deployment(id));
    });
}
