//! Fleets of other sizes under one controller: what is written does not grow with them.

use crate::support::{World, eventually, region};
use desired_state::DesiredState;
use model::instance::{InstanceHealth, TaskState, Transfer};
use model::region_report::{HostInstance, RegionReport, ServiceWord};
use model::{
    DeploymentState, HostName, Instance, RegionService, ReleaseNumber, RolloutPolicy, Share, ZoneName,
};
use rollout::{Candidate, Turns};

/// A quarter of the fleet at a time, so four steps whatever its size.
const BATCH: Share = Share::percent(25);

/// The hosts of one region. All of them do at once what they are told, so that the window can't slide between two.
struct Lockstep {
    hosts: Vec<HostName>,
    zone: ZoneName,
    turns: Turns,
    active: Vec<Option<ReleaseNumber>>,
}

impl Lockstep {
    fn new(hosts: usize) -> Self {
        Self {
            hosts: (0..hosts)
                .map(|number| format!("host-{number}").parse().unwrap())
                .collect(),
            zone: "zone".parse().unwrap(),
            turns: Turns::default(),
            active: vec![None; hosts],
        }
    }

    /// Does what the region was told; how many hosts got their turn by it.
    fn obey(&mut self, service: &RegionService) -> usize {
        let release = service.newest().unwrap().release;
        let candidates: Vec<Candidate<'_>> = self
            .hosts
            .iter()
            .zip(&self.active)
            .map(|(host, active)| Candidate {
                host,
                zone: &self.zone,
                active: *active,
                staged: true,
                lost: false,
            })
            .collect();
        let new = self.turns.take(service, &candidates, true).len();
        for (host, active) in self.hosts.iter().zip(&mut self.active) {
            if self.turns.has(host) {
                *active = Some(release);
            }
        }
        new
    }

    /// What all of them say in one report: who has the release is healthy, the others wait for their turn.
    fn report(&self, service: &RegionService) -> RegionReport {
        let newest = service.newest().unwrap();
        let says = |(host, active): (&HostName, &Option<ReleaseNumber>)| HostInstance {
            host: host.clone(),
            zone: self.zone.clone(),
            instance: Instance {
                service: service.service.clone(),
                epoch: newest.epoch,
                desired_release: newest.release,
                running_release: *active,
                active_release: *active,
                warm_release: None,
                state: match active {
                    Some(_) => TaskState::Healthy,
                    None => TaskState::Staged,
                },
                health: InstanceHealth::Healthy,
                observations: 1,
                port: None,
                transfer: Transfer::default(),
                reason: None,
            },
        };
        RegionReport {
            region: region("east"),
            term: 1,
            hosts_alive: u32::try_from(self.hosts.len()).unwrap(),
            store_bytes_read: 0,
            instances: self.hosts.iter().zip(&self.active).map(says).collect(),
            services: vec![ServiceWord {
                service: service.service.clone(),
                epoch: service.epoch,
                hosts: [(self.zone.clone(), self.hosts.len() as u64)].into(),
                admitted: self.turns.count(),
            }],
            hosts: Vec::new(),
            distributions: Vec::new(),
        }
    }
}

/// Rolls a release out over so many hosts; how often etcd was written, and how many got their turn by each step.
async fn writes_and_steps(hosts: usize) -> (i64, Vec<usize>) {
    let world = World::new().await;
    let store = world.store("east").await;
    let before = store.list().await.unwrap().revision;
    let (stop, running) = world.start_controller().await;
    let artifact = world.artifact(1).await;
    world.verify(&artifact).await;
    let policy = RolloutPolicy {
        batch_size: BATCH,
        ..RolloutPolicy::default()
    };
    let deployment = world.deploy(&artifact, policy).await;
    let west = world.told("west", &deployment, Some(0)).await;
    let nobody = RegionReport {
        region: region("west"),
        ..Lockstep::new(0).report(&west)
    };
    world.builds.apply_region_report(&nobody).await.unwrap();

    let mut fleet = Lockstep::new(hosts);
    let (mut seen, mut steps) = (None, Vec::new());
    loop {
        let service = eventually("the region is told more", async || told_since(&store, seen).await).await;
        seen = Some(service.epoch);
        steps.push(fleet.obey(&service));
        world
            .builds
            .apply_region_report(&fleet.report(&service))
            .await
            .unwrap();
        if service.newest().unwrap().cursor.hosts.is_none() {
            break;
        }
    }
    world.reaches(&deployment, DeploymentState::Succeeded).await;
    stop.cancel();
    running.await.unwrap();
    (store.list().await.unwrap().revision - before, steps)
}

/// What the region is told of the service, if that is news.
async fn told_since(store: &DesiredState, seen: Option<model::Epoch>) -> Option<RegionService> {
    let service = store.list().await.ok()?.services.pop()?;
    (Some(service.epoch) != seen).then_some(service)
}

#[tokio::test]
async fn a_fleet_fifty_times_as_large_costs_etcd_no_write_more_and_each_step_is_exactly_a_batch() {
    let (writes_of_few, few) = writes_and_steps(20).await;
    let (writes_of_many, many) = writes_and_steps(1_000).await;
    assert_eq!(
        few,
        [0, 5, 5, 5, 5, 0],
        "nobody yet, four batches, and whoever comes later"
    );
    assert_eq!(many, [0, 250, 250, 250, 250, 0]);
    assert_eq!(writes_of_few, 6, "one write a step");
    assert_eq!(writes_of_many, writes_of_few);
}
