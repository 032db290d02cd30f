//! Leases, held against random services, strangers and times.

use super::*;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

fn name(number: u8) -> ServiceName {
    format!("service-{number}").parse().unwrap()
}

fn lease(ports: &mut Ports, service: u8, busy: &[u16], strangers: &[u16], now: u64) -> Result<u16, NoPort> {
    let free = |port: u16| !strangers.contains(&port);
    let ground = Ground {
        allowed: FIRST..=LAST,
        ephemeral: EPHEMERAL,
        free: &free,
        now,
    };
    ports.lease(&name(service), busy, &ground)
}

#[test]
fn each_service_begins_in_a_block_of_its_own_and_keeps_its_port() {
    let mut ports = Ports::default();
    assert_eq!(lease(&mut ports, 1, &[], &[], 0), Ok(3_000));
    assert_eq!(lease(&mut ports, 2, &[], &[], 0), Ok(3_100));
    assert_eq!(lease(&mut ports, 1, &[], &[], 9), Ok(3_000), "kept while stopped");
    assert_eq!(
        lease(&mut ports, 1, &[3_000], &[], 9),
        Ok(3_001),
        "a second one beside it"
    );
    assert_eq!(lease(&mut ports, 1, &[3_001], &[], 9), Ok(3_000));
}

#[test]
fn a_stranger_on_a_port_is_passed_over_and_a_full_block_spills_into_the_next_free_one() {
    let mut ports = Ports::default();
    assert_eq!(lease(&mut ports, 1, &[], &[], 0), Ok(3_000));
    assert_eq!(lease(&mut ports, 2, &[], &[], 0), Ok(3_100));
    assert_eq!(
        lease(&mut ports, 1, &[], &[3_000], 0),
        Ok(3_200),
        "the lease in the block was given up"
    );
    let block: Vec<u16> = (3_201..3_300).collect();
    assert_eq!(lease(&mut ports, 1, &[3_200], &block, 0), Ok(3_300));
}

#[test]
fn what_is_freed_rests_before_anybody_gets_it_and_the_cursor_wraps() {
    let mut ports = Ports {
        cursor: BLOCKS - 1,
        ..Ports::default()
    };
    assert_eq!(lease(&mut ports, 1, &[], &[], 100), Ok(LAST - BLOCK_LENGTH + 1));
    ports.keep_only(|_| false, 100);
    assert!(ports.of(&name(1)).is_empty());
    assert_eq!(
        lease(&mut ports, 1, &[], &[], 101),
        Ok(FIRST),
        "behind the last block comes the first"
    );
    ports.keep_only(|_| false, 101);
    ports.cursor = 0;
    assert_eq!(lease(&mut ports, 2, &[], &[], 160), Ok(FIRST + 1));
    ports.keep_only(|_| false, 160);
    ports.cursor = 0;
    assert_eq!(lease(&mut ports, 2, &[], &[], 161), Ok(FIRST));
    // A clock that was a year ahead once.
    ports.cooling.insert(FIRST + 2, 161 + 31_536_000);
    ports.cool(161);
    assert!(!ports.cooling.contains_key(&(FIRST + 2)));
}

#[test]
fn a_host_whose_ports_all_lie_in_the_kernels_range_gets_them_all_the_same() {
    let ground = |ephemeral| Ground {
        allowed: 40_000..=40_001,
        ephemeral,
        free: &|_| true,
        now: 0,
    };
    let mut ports = Ports::default();
    assert_eq!(ports.lease(&name(1), &[], &ground(1_024..=65_535)), Ok(40_000));
    let none = ports.lease(&name(2), &[], &ground(40_000..=40_000));
    assert_eq!(none, Ok(40_001));
    let none = ports.lease(&name(3), &[], &ground(1_024..=65_535)).unwrap_err();
    assert!(none.to_string().contains("from 40000 to 40001"), "{none}");
}

#[test]
fn ports_of_an_older_ledger_are_held_wherever_they_lie() {
    let mut ports = Ports::default();
    ports.hold(&name(1), 80);
    ports.hold(&name(1), 3_000);
    assert_eq!(lease(&mut ports, 2, &[], &[], 0), Ok(3_100));
    assert_eq!(lease(&mut ports, 1, &[80], &[], 0), Ok(3_000));
    let json = r#"{"cursor":65535,"unknown":1}"#;
    let mut damaged: Ports = serde_json::from_str(json).unwrap();
    assert!(lease(&mut damaged, 1, &[], &[], 0).is_ok());
}

#[derive(Debug, Clone)]
enum Event {
    Lease { service: u8, beside: bool },
    Destroy { service: u8 },
    Strangers(BTreeSet<u16>),
    Wait { seconds: u64 },
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..8_u8, any::<bool>()).prop_map(|(service, beside)| Event::Lease { service, beside }),
        2 => (0..8_u8).prop_map(|service| Event::Destroy { service }),
        2 => btree_set(32_740..32_770_u16, 0..30).prop_map(Event::Strangers),
        2 => (0..100_u64).prop_map(|seconds| Event::Wait { seconds }),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    /// In a range so narrow that everything happens: blocks are shared, ports run out, the range touches the kernel's.
    #[test]
    fn whatever_happens_a_port_has_one_owner_and_only_fit_ports_are_given(events in vec(event(), 1..120)) {
        let (mut ports, mut strangers, mut now) = (Ports::default(), BTreeSet::new(), 1_000_u64);
        let mut freed: BTreeMap<u16, u64> = BTreeMap::new();
        for event in events {
            match event {
                Event::Lease { service, beside } => {
                    let service = name(service);
                    let before = ports.of(&service);
                    let busy: Vec<u16> = before.iter().copied().take(usize::from(beside)).collect();
                    let free = |port: u16| !strangers.contains(&port);
                    let ground = Ground { allowed: 32_740..=32_780, ephemeral: EPHEMERAL, free: &free, now };
                    let others: BTreeSet<u16> = ports.leases.keys().copied().collect();
                    let result = ports.lease(&service, &busy, &ground);
                    for port in before.iter().filter(|port| !ports.of(&service).contains(port)) {
                        prop_assert!(strangers.contains(port), "only a stranger takes a lease away");
                        freed.insert(*port, now);
                    }
                    let rests = |port: &u16| freed.get(port).is_some_and(|since| now - since < COOL_DOWN_SECONDS);
                    match result {
                        Ok(port) => {
                            prop_assert!((32_740..32_768).contains(&port) && !strangers.contains(&port));
                            prop_assert!(!busy.contains(&port) && !rests(&port));
                            prop_assert!(before.contains(&port) || !others.contains(&port), "nobody else's");
                            prop_assert!(ports.of(&service).contains(&port));
                            let kept = before.iter().any(|old| !busy.contains(old) && !strangers.contains(old));
                            prop_assert!(!kept || before.contains(&port), "a lease is kept while it can be");
                        }
                        Err(_) => {
                            let fit = (32_740..32_768_u16).find(|port| {
                                !strangers.contains(port) && !rests(port) && !ports.leases.contains_key(port)
                            });
                            prop_assert_eq!(fit, None, "a fit port was left");
                        }
                    }
                }
                Event::Destroy { service } => {
                    let service = name(service);
                    freed.extend(ports.of(&service).into_iter().map(|port| (port, now)));
                    ports.keep_only(|other| *other != service, now);
                    prop_assert!(ports.of(&service).is_empty());
                }
                Event::Strangers(now_here) => strangers = now_here,
                Event::Wait { seconds } => now += seconds,
                Event::Restart => {
                    let json = serde_json::to_string(&ports).unwrap();
                    prop_assert_eq!(&serde_json::from_str::<Ports>(&json).unwrap(), &ports);
                }
            }
        }
    }
}
