use super::*;
use model::instance::Transfer;
use model::{Epoch, Labels, ReleaseNumber};
use proptest::prelude::*;

fn region() -> RegionName {
    "r".parse().unwrap()
}

fn peer() -> swarm::PeerId {
    swarm::Identity::generate().peer()
}

fn instance(service: &str, epoch: i64, state: TaskState) -> Instance {
    Instance {
        service: service.parse().unwrap(),
        epoch: Epoch(epoch),
        desired_release: ReleaseNumber(epoch),
        running_release: None,
        active_release: None,
        warm_release: None,
        state,
        health: InstanceHealth::Unknown,
        observations: 0,
        port: None,
        transfer: Transfer::default(),
        reason: None,
    }
}

fn report(host: &str, zone: &str, instances: Vec<Instance>) -> HostReport {
    HostReport {
        host: host.parse().unwrap(),
        zone: zone.parse().unwrap(),
        labels: Labels::default(),
        addresses: vec![format!("/ip4/127.0.0.1/tcp/1")],
        instances,
        complete: Vec::new(),
        arrivals: Vec::new(),
        trouble: None,
    }
}

fn states(changes: &[HostInstance]) -> Vec<TaskState> {
    changes.iter().map(|said| said.instance.state).collect()
}

#[test]
fn only_what_changed_since_it_was_accepted_is_told() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let staged = report("a", "z", vec![instance("web", 1, TaskState::Staged)]);
    roster.hear(&region(), peer(), staged.clone(), now).unwrap();
    let told = roster.changes();
    assert_eq!(states(&told), [TaskState::Staged]);
    assert_eq!(roster.changes(), told, "until it is accepted it is told again");

    roster.accept(told);
    roster.hear(&region(), peer(), staged, now).unwrap();
    assert_eq!(roster.changes(), [], "the same word again is no news");

    let healthy = report("a", "z", vec![instance("web", 1, TaskState::Healthy)]);
    roster.hear(&region(), peer(), healthy, now).unwrap();
    assert_eq!(states(&roster.changes()), [TaskState::Healthy]);
}

#[test]
fn a_revoked_host_is_lost_at_once_and_its_name_comes_back_with_another_key() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let say = |host| report(host, "z", vec![instance("web", 1, TaskState::Healthy)]);
    let (old, new) = (peer(), peer());
    roster.hear(&region(), old, say("a"), now).unwrap();
    roster.hear(&region(), peer(), say("b"), now).unwrap();
    assert_eq!(roster.neighbours(&"b".parse().unwrap()).len(), 1);

    roster.revoke(|peer| *peer == old);
    assert_eq!((roster.alive(), roster.peers().contains(&old)), (1, false));
    assert_eq!(roster.neighbours(&"b".parse().unwrap()), []);
    assert_eq!(states(&roster.changes()), [TaskState::Lost, TaskState::Healthy]);

    roster.hear(&region(), new, say("a"), now).unwrap();
    roster.revoke(|peer| *peer == old);
    assert_eq!(roster.alive(), 2);
}

#[test]
fn what_a_host_says_while_its_earlier_word_is_under_way_is_not_lost() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let say = |state| report("a", "z", vec![instance("web", 1, state)]);
    roster
        .hear(&region(), peer(), say(TaskState::Starting), now)
        .unwrap();
    let under_way = roster.changes();
    roster
        .hear(&region(), peer(), say(TaskState::Healthy), now)
        .unwrap();
    roster.accept(under_way);
    assert_eq!(states(&roster.changes()), [TaskState::Healthy]);
}

#[test]
fn a_host_that_falls_silent_is_lost_and_comes_back_when_it_speaks() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let said = report("a", "z", vec![instance("web", 1, TaskState::Healthy)]);
    roster.hear(&region(), peer(), said.clone(), now).unwrap();
    roster
        .hear(&region(), peer(), report("b", "z", Vec::new()), now + LOST_AFTER)
        .unwrap();
    let told = roster.changes();
    roster.accept(told);
    assert_eq!(roster.expire(now + LOST_AFTER), 1);
    assert_eq!(roster.expire(now + LOST_AFTER), 0);
    assert_eq!(roster.alive(), 1);
    assert_eq!(states(&roster.changes()), [TaskState::Lost]);
    assert_eq!(
        roster.neighbours(&"b".parse().unwrap()),
        [],
        "nobody is sent to a lost host"
    );

    roster.hear(&region(), peer(), said, now + LOST_AFTER).unwrap();
    assert_eq!(roster.alive(), 2);
    assert_eq!(
        roster.changes(),
        [],
        "the control plane still believes what it said before"
    );
    assert_eq!(roster.neighbours(&"b".parse().unwrap()).len(), 1);

    assert_eq!(roster.expire(now + LOST_AFTER + FORGOTTEN_AFTER), 2);
    assert_eq!(roster.hosts.len(), 0);
}

#[test]
fn a_host_that_moves_to_another_zone_is_counted_once() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    for zone in ["z1", "z2", "z1"] {
        roster
            .hear(&region(), peer(), report("a", zone, Vec::new()), now)
            .unwrap();
        assert_eq!(roster.alive(), 1);
    }
    roster.expire(now + LOST_AFTER);
    assert_eq!(roster.alive(), 0);
    assert_eq!(roster.topology, Topology::default());
}

#[test]
fn a_busy_host_pushes_nobody_aside() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let services = |epoch| {
        (0..200)
            .map(|n| instance(&format!("s-{n}"), epoch, TaskState::Fetching))
            .collect()
    };
    let mut told = std::collections::BTreeSet::new();
    for epoch in 0..4 {
        for host in 0..12 {
            let host = format!("host-{host}");
            roster
                .hear(&region(), peer(), report(&host, "z", services(epoch)), now)
                .unwrap();
        }
        let changes = roster.changes();
        assert_eq!(changes.len(), REPORT_INSTANCES_MAX);
        told.extend(changes.iter().map(|said| said.host.clone()));
        roster.accept(changes);
    }
    assert_eq!(told.len(), 12);
}

proptest! {
    /// Whatever hosts say, in whatever order batches are accepted or fail, the control plane ends up
    /// knowing each host's last word, and no batch is too large.
    #[test]
    fn the_control_plane_ends_up_with_every_hosts_last_word(
        words in prop::collection::vec((0..6_u8, 0..3_u8, 0..4_i64, any::<bool>()), 1..80),
    ) {
        let (mut roster, now) = (Roster::default(), Instant::now());
        let who = peer();
        let mut last = BTreeMap::new();
        let mut known = BTreeMap::new();
        let mut accept = |roster: &mut Roster| {
            let changes = roster.changes();
            assert!(changes.len() <= REPORT_INSTANCES_MAX);
            for said in &changes {
                known.insert((said.host.clone(), said.instance.service.clone()), said.instance.clone());
            }
            roster.accept(changes);
        };
        for (host, service, epoch, accepted) in words {
            let host = format!("host-{host}");
            let instance = instance(&format!("service-{service}"), epoch, TaskState::Staged);
            let mut instances: BTreeMap<_, _> = last.get(&host).cloned().unwrap_or_default();
            instances.insert(instance.service.clone(), instance);
            let report = report(&host, "z", instances.values().cloned().collect());
            last.insert(host, instances);
            roster.hear(&region(), who, report, now).unwrap();
            if accepted {
                accept(&mut roster);
            }
        }
        accept(&mut roster);
        prop_assert_eq!(roster.changes(), []);
        let last: BTreeMap<_, _> = last
            .into_iter()
            .flat_map(|(host, instances)| {
                let host: HostName = host.parse().unwrap();
                instances.into_iter().map(move |(service, instance)| ((host.clone(), service), instance))
            })
            .collect();
        prop_assert_eq!(known, last);
    }
}
