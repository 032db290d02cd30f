//! Small regions, many seeds of chance: every invariant holds at every event.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simulator::{Case, Faults, Link, Store, named, run};

const MIB: u64 = 1 << 20;

/// A small case that nobody chose.
fn random_case(seed: u64) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rate = |rng: &mut ChaCha8Rng| rng.random_range(5..200) * MIB;
    let link = |rng: &mut ChaCha8Rng| Link {
        up: rate(rng),
        down: rate(rng),
    };
    let piece_bytes = rng.random_range(1..8 * MIB);
    let store = Store {
        up: rate(&mut rng),
        latency_us: rng.random_range(0..50_000),
        pullers: rng.random_range(1..=8),
        hands: rng.random_range(1..=2),
        fails_at_ms: rng.random_range(0..4_000),
        back_at_ms: rng.random_range(0..30_000),
    };
    let store = rng.random_bool(0.5).then_some(store);
    let wrong = rng.random_bool(0.7);
    Case {
        seed,
        bytes: rng.random_range(0..60 * piece_bytes),
        piece_bytes,
        seeds: rng.random_range(1..=3),
        seed_link: link(&mut rng),
        store,
        hosts: rng.random_range(1..=24),
        host_link: link(&mut rng),
        spread: rng.random_range(1.0..8.0),
        stragglers: rng.random_range(0.0..0.2),
        late: rng.random_range(0.0..0.3),
        late_until_ms: rng.random_range(0..5_000),
        neighbours: rng.random_range(2..=20),
        zones: rng.random_range(1..=3),
        latency_in_zone_us: rng.random_range(0..1_000),
        latency_across_us: rng.random_range(0..50_000),
        faults: if wrong {
            random_faults(&mut rng, store.is_some())
        } else {
            Faults::default()
        },
        limit_s: 3_600,
        ..Case::default()
    }
}

fn random_faults(rng: &mut ChaCha8Rng, has_store: bool) -> Faults {
    let mut some = |most: f64| {
        if rng.random_bool(0.5) {
            rng.random_range(0.0..most)
        } else {
            0.0
        }
    };
    let [deaths, rejoins] = [some(0.3), some(1.0)];
    let [liars, sly_liars, boasters, stallers, full_disks] =
        [some(0.1), some(0.1), some(0.1), some(0.1), some(0.1)];
    let [loss, clock_jumps] = [some(0.05), some(0.5)];
    Faults {
        deaths,
        deaths_from_ms: 100,
        deaths_until_ms: rng.random_range(100..5_000),
        rejoins,
        rejoin_after_ms: rng.random_range(0..5_000),
        // Without a store nobody could complete then.
        seeds_die_at_ms: (has_store && rng.random_bool(0.3)).then(|| rng.random_range(0..3_000)),
        liars,
        sly_liars,
        boasters,
        stallers,
        loss,
        full_disks,
        zone_cut_at_ms: rng.random_range(0..3_000),
        zone_back_at_ms: rng.random_range(0..10_000),
        clock_jumps,
    }
}

fn replay(case: &Case) -> String {
    let file = toml::to_string(case).expect("a case is plain data");
    format!("replay it by `starling simulate --case FILE` with\n{file}")
}

#[test]
fn six_hundred_random_regions_complete_with_every_invariant_held() {
    for seed in 0..600 {
        let case = random_case(seed);
        if let Err(failure) = run(&case) {
            let cause = std::error::Error::source(&failure);
            panic!("seed {seed}: {failure}: {cause:?}\n{}", replay(&case));
        }
    }
}

#[test]
fn a_run_repeated_is_the_same_to_the_bit() {
    for seed in [3, 77, 90, 91] {
        let case = random_case(seed);
        let (one, two) = (run(&case), run(&case));
        assert_eq!(one, two);
        let seed = seed + 1;
        let other = run(&Case { seed, ..case });
        assert_ne!(one.map(|it| it.trace_hash), other.map(|it| it.trace_hash));
    }
}

#[test]
fn a_case_survives_its_file_and_unknown_keys_are_refused() {
    for case in (0..20)
        .map(random_case)
        .chain(Case::NAMES.iter().filter_map(|name| named(name)))
    {
        let file = toml::to_string(&case).expect("a case is plain data");
        assert_eq!(toml::from_str::<Case>(&file).expect("what was written"), case);
    }
    let error = toml::from_str::<Case>("host = 3").expect_err("no such key");
    assert!(error.to_string().contains("unknown field `host`"), "{error}");
}

/// A region in which every byte must be passed on: 40 hosts, each as fast as the only seed.
fn even_region() -> Case {
    let link = Link::even(125_000_000);
    Case {
        hosts: 40,
        bytes: 1600 * MIB,
        piece_bytes: 8 * MIB,
        seed_link: link,
        host_link: link,
        ..Case::default()
    }
}

#[test]
fn half_the_hosts_die_at_once_and_the_others_complete() {
    let at_ms = 2_000;
    let faults = Faults {
        deaths: 0.5,
        deaths_from_ms: at_ms,
        deaths_until_ms: at_ms,
        ..Faults::default()
    };
    let report = run(&Case {
        faults,
        ..even_region()
    })
    .expect("every invariant holds");
    assert_eq!(report.hosts, 20);
    assert!(report.max_s > at_ms as f64 / 1000.0, "they died while it ran");
    assert!(report.max_over_bound < 1.8, "{report:?}");
}

#[test]
fn peers_give_nearly_every_byte_and_the_last_host_ends_near_the_bound() {
    let case = even_region();
    let report = run(&case).expect("every invariant holds");
    let copies = report.bytes_from_seeds as f64 / case.bytes as f64;
    assert!(
        (1.0..1.5).contains(&copies),
        "the seed sent {copies} copies for 40 hosts"
    );
    assert!(report.max_over_bound < 1.5, "{report:?}");
    let all = report.bytes_from_seeds + report.bytes_from_hosts;
    assert!(report.bytes_wasted < all / 25, "{report:?}");
}

#[test]
fn a_region_whose_manager_dies_ends_and_reads_the_store_a_few_times_only() {
    for (seed, at_ms) in [(1, 0), (2, 1_000), (3, 3_000)] {
        let faults = Faults {
            seeds_die_at_ms: Some(at_ms),
            ..Faults::default()
        };
        let report = run(&Case {
            seed,
            hosts: 200,
            store: Some(Store::default()),
            faults,
            ..even_region()
        })
        .expect("every invariant holds");
        assert!(report.store_reads < 1.1, "{report:?}");
        assert!(report.max_over_bound < 1.4, "{report:?}");
    }
}

#[test]
fn without_shares_and_without_a_manager_a_few_hosts_pull_for_all() {
    let report = run(&Case {
        hosts: 200,
        seeds: 0,
        store: Some(Store {
            // The only share goes to a host that dies before it pulls much.
            pullers: 1,
            ..Store::default()
        }),
        faults: Faults {
            deaths: 0.2,
            deaths_from_ms: 50,
            deaths_until_ms: 100,
            ..Faults::default()
        },
        ..even_region()
    })
    .expect("every invariant holds");
    assert!(report.store_reads < 4.0, "{report:?}");
}

#[test]
fn a_seed_far_away_is_asked_for_as_many_pieces_as_fill_the_way() {
    let link = Link::even(125_000_000);
    let case = Case {
        hosts: 1,
        bytes: 256 * MIB,
        piece_bytes: MIB / 2,
        seed_link: link,
        host_link: link,
        // Host and seed are in two: 24 pieces are on their way in a round trip.
        zones: 2,
        latency_across_us: 50_000,
        ..Case::default()
    };
    let report = run(&case).expect("every invariant holds");
    // One piece a round trip would be 25, eight would be 3.
    assert!(report.max_over_bound < 1.5, "{report:?}");
}

#[test]
fn a_host_alone_with_the_store_completes() {
    let report = run(&Case {
        hosts: 1,
        seeds: 0,
        store: Some(Store::default()),
        ..even_region()
    })
    .expect("every invariant holds");
    assert_eq!(report.hosts, 1);
    assert!((report.store_reads - 1.0).abs() < 0.01, "{report:?}");
}

#[test]
fn a_zone_that_was_cut_off_completes_after_its_return() {
    let report = run(&Case {
        faults: Faults {
            zone_cut_at_ms: 500,
            zone_back_at_ms: 60_000,
            ..Faults::default()
        },
        ..even_region()
    })
    .expect("every invariant holds");
    assert!(report.p50_s < 60.0, "the others went on: {report:?}");
    assert!((60.0..80.0).contains(&report.max_s), "{report:?}");
}

#[test]
fn full_disks_and_stalling_peers_cost_the_others_little() {
    let report = run(&Case {
        faults: Faults {
            full_disks: 0.1,
            stallers: 0.05,
            boasters: 0.05,
            ..Faults::default()
        },
        hosts: 100,
        ..even_region()
    })
    .expect("every invariant holds");
    assert_eq!(report.hosts, 80);
    assert!(report.max_over_bound < 2.5, "{report:?}");
}

#[test]
fn a_case_without_sense_is_refused() {
    let failure = run(&Case {
        seeds: 0,
        ..Case::default()
    })
    .expect_err("no seed");
    assert_eq!(
        failure.to_string(),
        "a case needs a seed, or a store to pull from"
    );
}
