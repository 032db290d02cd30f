//! Small regions, many seeds of chance: every invariant holds at every event.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simulator::{Case, Faults, Link, run};

const MIB: u64 = 1 << 20;

/// A small case that nobody chose.
fn random_case(seed: u64) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rate = |rng: &mut ChaCha8Rng| rng.random_range(5..200) * MIB;
    let link = |rng: &mut ChaCha8Rng| Link {
        up: rate(rng),
        down: rate(rng),
    };
    let faults = Faults {
        deaths: rng.random_range(0.0..0.5),
        deaths_from_ms: 100,
        deaths_until_ms: rng.random_range(100..5_000),
        rejoins: rng.random_range(0.0..=1.0),
        rejoin_after_ms: rng.random_range(0..5_000),
        liars: rng.random_range(0.0..0.2),
        stallers: rng.random_range(0.0..0.2),
    };
    Case {
        seed,
        pieces: rng.random_range(0..60),
        piece_bytes: rng.random_range(1..8 * MIB),
        seeds: rng.random_range(1..=3),
        seed_link: link(&mut rng),
        hosts: rng.random_range(1..=24),
        host_link: link(&mut rng),
        spread: rng.random_range(1.0..8.0),
        neighbours: rng.random_range(2..=20),
        zones: rng.random_range(1..=3),
        latency_in_zone_us: rng.random_range(0..1_000),
        latency_across_us: rng.random_range(0..50_000),
        faults: if rng.random_bool(0.7) {
            faults
        } else {
            Faults::default()
        },
        limit_s: 3_600,
    }
}

#[test]
fn two_hundred_random_regions_complete_with_every_invariant_held() {
    for seed in 0..200 {
        let case = random_case(seed);
        if let Err(failure) = run(&case) {
            panic!("{failure}: {:?}\n{case:#?}", std::error::Error::source(&failure));
        }
    }
}

#[test]
fn a_run_repeated_is_the_same_to_the_bit() {
    for seed in [3, 77] {
        let case = random_case(seed);
        let (one, two) = (run(&case), run(&case));
        assert_eq!(one, two);
        let other = run(&Case {
            seed: seed + 1,
            ..case
        });
        assert_ne!(one.map(|it| it.trace_hash), other.map(|it| it.trace_hash));
    }
}

#[test]
fn half_the_hosts_die_at_once_and_the_others_complete() {
    let deaths_ms = 2_000;
    let case = Case {
        hosts: 40,
        pieces: 100,
        piece_bytes: 8 * MIB,
        faults: Faults {
            deaths: 0.5,
            deaths_from_ms: deaths_ms,
            deaths_until_ms: deaths_ms,
            ..Faults::default()
        },
        ..Case::default()
    };
    let report = run(&case).expect("every invariant holds");
    assert_eq!(report.hosts, 20);
    assert!(report.max_s > deaths_ms as f64 / 1000.0, "they died while it ran");
    assert!(report.max_over_bound < 1.6, "{report:?}");
}

#[test]
fn peers_give_nearly_every_byte_and_the_last_host_ends_near_the_bound() {
    let link = Link {
        up: 125_000_000,
        down: 125_000_000,
    };
    let case = Case {
        hosts: 40,
        pieces: 200,
        piece_bytes: 8 * MIB,
        seed_link: link,
        host_link: link,
        ..Case::default()
    };
    let report = run(&case).expect("every invariant holds");
    let copies = report.bytes_from_seeds as f64 / (case.pieces as u64 * case.piece_bytes) as f64;
    assert!(
        (1.0..2.0).contains(&copies),
        "the seed sent {copies} copies for 40 hosts"
    );
    assert!(report.max_over_bound < 1.4, "{report:?}");
    let all = report.bytes_from_seeds + report.bytes_from_hosts;
    assert!(report.bytes_wasted < all / 20, "{report:?}");
}

#[test]
fn a_case_without_sense_is_refused() {
    let failure = run(&Case {
        seeds: 0,
        ..Case::default()
    })
    .expect_err("no seed");
    assert_eq!(failure.to_string(), "a case needs at least one host and one seed");
}
