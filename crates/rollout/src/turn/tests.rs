use super::*;
use model::{ArtifactId, Configuration, Cursor, Epoch, Layer};
use proptest::prelude::*;

fn layer(number: u8, artifact: u8, hosts: Option<u64>, order: Order) -> Layer {
    let spec = serde_json::json!({ "target": "//a:b", "command": ["run"] });
    Layer {
        deployment: DeploymentId(uuid::Uuid::from_u128(number.into())),
        epoch: Epoch(number.into()),
        release: ReleaseNumber(number.into()),
        artifact: ArtifactId([artifact; 32]),
        spec: serde_json::from_value(spec).unwrap(),
        configuration: Configuration::default(),
        selector: model::Selector::default(),
        cursor: Cursor { order, hosts },
        warm: false,
    }
}

fn service(layers: Vec<Layer>) -> RegionService {
    RegionService {
        service: "web".parse().unwrap(),
        epoch: Epoch(9),
        layers,
    }
}

struct Fleet(Vec<(HostName, ZoneName, Option<ReleaseNumber>, bool)>);

impl Fleet {
    fn new(hosts: usize) -> Self {
        let host = |number: usize| {
            let name = format!("host-{number}").parse().unwrap();
            let zone = format!("zone-{}", number % 3).parse().unwrap();
            (name, zone, Some(ReleaseNumber(1)), false)
        };
        Self((0..hosts).map(host).collect())
    }

    fn candidates(&self) -> Vec<Candidate<'_>> {
        self.0
            .iter()
            .map(|(host, zone, active, lost)| Candidate {
                host,
                zone,
                active: *active,
                staged: true,
                lost: *lost,
            })
            .collect()
    }
}

proptest! {
    #[test]
    fn exactly_as_many_have_their_turn_as_the_cursor_says_and_all_managers_agree(
        hosts in 0..60_usize, cursors in prop::collection::vec(0..70_u64, 1..6),
    ) {
        let fleet = Fleet::new(hosts);
        let (mut turns, mut other) = (Turns::default(), Turns::default());
        let mut highest = 0;
        for cursor in cursors {
            let order = service(vec![layer(2, 2, Some(cursor), Order::Hash), layer(1, 1, None, Order::Hash)]);
            highest = highest.max(cursor);
            let new = turns.take(&order, &fleet.candidates(), true);
            prop_assert_eq!(turns.count(), highest.min(hosts as u64));
            prop_assert!(new.iter().all(|host| turns.has(host)));
        }
        let order = service(vec![layer(2, 2, Some(highest), Order::Hash), layer(1, 1, None, Order::Hash)]);
        other.take(&order, &fleet.candidates(), true);
        prop_assert_eq!(turns.admitted, other.admitted);
    }
}

#[test]
fn who_runs_it_already_keeps_it_and_counts_and_a_stopped_cursor_lets_nobody_in() {
    let mut fleet = Fleet::new(6);
    fleet.0[4].2 = Some(ReleaseNumber(2));
    fleet.0[5].2 = Some(ReleaseNumber(2));
    let at = |cursor| {
        service(vec![
            layer(2, 2, Some(cursor), Order::Hash),
            layer(1, 1, None, Order::Hash),
        ])
    };
    let mut turns = Turns::default();
    turns.take(&at(0), &fleet.candidates(), true);
    assert_eq!(turns.count(), 2);
    turns.take(&at(3), &fleet.candidates(), false);
    assert_eq!(
        turns.count(),
        2,
        "a manager that has just begun lets nobody else in"
    );
    let new = turns.take(&at(3), &fleet.candidates(), true);
    assert_eq!((turns.count(), new.len()), (3, 1));
}

#[test]
fn a_rollback_leaves_the_whole_batch_to_those_that_have_something_to_change() {
    let mut fleet = Fleet::new(6);
    for host in &mut fleet.0[..2] {
        host.2 = Some(ReleaseNumber(2));
    }
    // Release 3 is release 1 again.
    let back = service(vec![
        layer(3, 1, Some(1), Order::Hash),
        layer(1, 1, None, Order::Hash),
    ]);
    let mut turns = Turns::default();
    turns.take(&back, &fleet.candidates(), true);
    let changed = fleet.0[..2].iter().filter(|(host, ..)| turns.has(host)).count();
    assert_eq!((turns.count(), changed), (5, 1));
}

#[test]
fn zones_come_one_after_the_other_and_lost_hosts_wait() {
    let mut fleet = Fleet::new(9);
    fleet.0[0].3 = true;
    let order = service(vec![
        layer(2, 2, Some(5), Order::Zones),
        layer(1, 1, None, Order::Hash),
    ]);
    let mut turns = Turns::default();
    turns.take(&order, &fleet.candidates(), true);
    let of = |zone: &str| {
        let hosts = fleet.0.iter().filter(|(_, of, ..)| of.as_str() == zone);
        hosts.filter(|(host, ..)| turns.has(host)).count()
    };
    assert_eq!((of("zone-0"), of("zone-1"), of("zone-2")), (2, 3, 0));
    assert!(!turns.has(&fleet.0[0].0));
}
