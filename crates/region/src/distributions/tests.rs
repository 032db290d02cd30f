use super::*;
use model::distribution::Hindrance;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

fn artifact(number: u8) -> ArtifactId {
    ArtifactId([number; 32])
}

fn arrival(state: ArrivalState, total: u64, held: u64, taken: u64) -> Arrival {
    Arrival {
        artifact: artifact(1),
        state,
        transfer: Transfer {
            total_bytes: total,
            peer_bytes: held,
            ..Transfer::default()
        },
        rates: Rates {
            peer: taken,
            ..Rates::default()
        },
        rejected_pieces: 0,
        lacking_bytes: 0,
        hindrance: None,
    }
}

/// A region of hosts with these arrivals, which wants artifact 1.
struct World {
    hosts: Vec<(HostName, ZoneName, Arrival)>,
    wanted: BTreeSet<ArtifactId>,
    limits: Limits,
    rarity: BTreeMap<ArtifactId, Rarity>,
}

impl World {
    fn new(arrivals: Vec<Arrival>) -> Self {
        let named = |(number, arrival)| {
            let host = format!("host-{number}").parse().unwrap();
            (host, "zone-a".parse().unwrap(), arrival)
        };
        Self {
            hosts: arrivals.into_iter().enumerate().map(named).collect(),
            wanted: [artifact(1)].into(),
            limits: Limits::default(),
            rarity: BTreeMap::new(),
        }
    }

    fn fold(&self, distributions: &mut Distributions, now: Instant) -> Vec<Distribution> {
        let seen = self
            .hosts
            .iter()
            .map(|(host, zone, arrival)| Seen { host, zone, arrival });
        let around = Around {
            wanted: &self.wanted,
            limits: self.limits,
            rarity: &self.rarity,
        };
        distributions.fold(seen, &around, now)
    }

    fn one(&self) -> Distribution {
        self.fold(&mut Distributions::default(), Instant::now()).remove(0)
    }
}

#[test]
fn a_summary_is_told_until_it_is_accepted_and_again_when_it_changes() {
    let (mut distributions, start) = (Distributions::default(), Instant::now());
    let mut world = World::new(vec![arrival(ArrivalState::Fetching, 10 * MIB, MIB, MIB)]);
    let told = world.fold(&mut distributions, start);
    assert_eq!((told.len(), told[0].elapsed_ms), (1, 0));
    let later = start + Duration::from_secs(2);
    let again = world.fold(&mut distributions, later);
    assert_eq!((again.len(), again[0].elapsed_ms), (1, 2_000));
    distributions.accept(again, later);
    assert_eq!(world.fold(&mut distributions, later), []);

    world.hosts[0].2 = arrival(ArrivalState::Complete, 10 * MIB, 10 * MIB, 0);
    let last = world.fold(&mut distributions, later);
    assert!(last[0].is_complete());
    distributions.accept(last, later);
    world.hosts[0].2.rates.given = 7;
    assert_eq!(
        world.fold(&mut distributions, later),
        [],
        "what is done is told once"
    );

    // Much later a host joins that lacks it.
    world.hosts[0].2 = arrival(ArrivalState::Fetching, 10 * MIB, 0, 0);
    let anew = world.fold(&mut distributions, later + ANEW_AFTER);
    assert_eq!(anew[0].elapsed_ms, 0);
}

#[test]
fn a_distribution_that_is_over_before_the_first_fold_is_told_once() {
    let (mut distributions, start) = (Distributions::default(), Instant::now());
    distributions.begin(artifact(1), start);
    let world = World::new(vec![arrival(ArrivalState::Complete, MIB, MIB, 0)]);
    let later = start + Duration::from_millis(700);
    let told = world.fold(&mut distributions, later);
    assert_eq!(
        (told.len(), told[0].elapsed_ms, told[0].is_complete()),
        (1, 700, true)
    );
    distributions.accept(told, later);
    assert_eq!(world.fold(&mut distributions, later), []);
    distributions.begin(artifact(1), later + ANEW_AFTER);
    assert_eq!(world.fold(&mut distributions, later + ANEW_AFTER), []);
}

#[test]
fn what_every_host_has_from_the_start_or_nobody_wants_is_not_told() {
    let (mut distributions, now) = (Distributions::default(), Instant::now());
    let mut world = World::new(vec![arrival(ArrivalState::Complete, MIB, MIB, 0)]);
    assert_eq!(world.fold(&mut distributions, now), []);
    world.hosts[0].2 = arrival(ArrivalState::Fetching, MIB, 0, 0);
    world.wanted = [artifact(2)].into();
    assert_eq!(world.fold(&mut distributions, now), []);
}

#[test]
fn the_time_left_is_that_of_the_slowest_tenth_and_unknown_while_they_stand_still() {
    let fetching = |held, taken| arrival(ArrivalState::Fetching, 100, held, taken);
    let left = |arrivals| World::new(arrivals).one().left_ms;
    assert_eq!(left(vec![fetching(50, 100), fetching(20, 10)]), Some(8_000));
    assert_eq!(left(vec![fetching(50, 100), fetching(20, 0)]), None);
    let full = arrival(ArrivalState::DiskFull, 100, 0, 0);
    assert_eq!(
        left(vec![full.clone(), fetching(20, 10)]),
        Some(8_000),
        "a full disk has no rate"
    );
    assert_eq!(left(vec![full]), None);
}

#[test]
fn the_bound_is_the_regions_limit_or_the_fastest_that_was_seen() {
    let fetching = |taken| arrival(ArrivalState::Fetching, 100 * MIB, 0, taken);
    let mut world = World::new(vec![fetching(5 * MIB), fetching(10 * MIB)]);
    let bound = world.one().bound.unwrap();
    assert_eq!((bound.least_ms, bound.down_is_limit), (10_000, false));
    world.limits.download_bytes_per_s = Some(20 * MIB);
    let bound = world.one().bound.unwrap();
    assert_eq!((bound.least_ms, bound.down_is_limit), (5_000, true));
    world.limits.upload_bytes_per_s = Some(MIB);
    let bound = world.one().bound.unwrap();
    assert_eq!(
        bound.least_ms,
        200_000 / 22,
        "two copies, from a seed at 20 and two hosts at 1"
    );
    world = World::new(vec![fetching(0)]);
    assert_eq!(world.one().bound, None);
}

#[test]
fn a_slow_host_says_why() {
    let mut slow = arrival(ArrivalState::Fetching, 100, 1, 1);
    slow.hindrance = Some(Hindrance::Disk);
    let mut full = arrival(ArrivalState::DiskFull, 100, 0, 0);
    full.lacking_bytes = 7;
    let world = World::new(vec![arrival(ArrivalState::Fetching, 100, 1, 50), slow, full]);
    let slowest = world.one().slowest;
    let named: Vec<_> = slowest
        .iter()
        .map(|host| (host.host.as_str(), host.hindrance, host.lacking_bytes))
        .collect();
    let expected = [
        ("host-2", None, 7),
        ("host-1", Some(Hindrance::Disk), 0),
        ("host-0", None, 0),
    ];
    assert_eq!(named, expected);
}

fn any_arrival() -> impl Strategy<Value = Arrival> {
    let states = proptest::sample::select(ArrivalState::ALL);
    (states, 0..1_000_u64, 0..100_u64).prop_map(|(state, held, taken)| {
        let held = if state == ArrivalState::Complete {
            1_000
        } else {
            held
        };
        arrival(state, 1_000, held, taken)
    })
}

proptest! {
    /// Whatever hosts say and in whichever order, nobody is counted twice or left out, the summary is
    /// bounded, and its numbers are the sums.
    #[test]
    fn a_fold_counts_every_host_once(mut arrivals in proptest::collection::vec(any_arrival(), 1..60), turn in 0..60_usize) {
        let waiting = arrival(ArrivalState::Waiting, 1_000, 0, 0);
        arrivals.push(waiting);
        let one = World::new(arrivals.clone()).one();
        let hosts = one.hosts;
        let states = hosts.waiting + hosts.fetching + hosts.paused + hosts.aborted + hosts.disk_full
            + hosts.failed + hosts.complete;
        prop_assert_eq!((hosts.all as usize, states), (arrivals.len(), hosts.all));
        let held: u64 = arrivals.iter().map(|arrival| arrival.transfer.verified_bytes()).sum();
        prop_assert_eq!(one.transfer.verified_bytes(), held);
        prop_assert!(held <= one.artifact_bytes * u64::from(hosts.all));
        prop_assert!(one.slowest.len() <= SLOWEST_MAX);
        prop_assert!(one.slowest.is_sorted_by_key(|host| host.taken_bytes_per_s));
        prop_assert!(one.left_ms.is_none() || hosts.waiting + hosts.fetching > 0);

        let places = arrivals.len();
        arrivals.rotate_left(turn % places);
        let turned = World::new(arrivals).one();
        let nameless = |distribution: Distribution| Distribution { slowest: Vec::new(), ..distribution };
        prop_assert_eq!(nameless(turned), nameless(one));
    }
}
