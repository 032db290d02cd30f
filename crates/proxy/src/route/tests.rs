use super::*;
use proptest::prelude::*;
use proxy_control::{Protocol, Share};

const LIMITS: Limits = Limits {
    held_max: 3,
    in_flight_max: 5,
};

fn target(number: u16) -> Target {
    Target {
        port: 3000 + number,
        release: ReleaseNumber(number.into()),
    }
}

fn point(active: u16, split: &[(u16, u8)]) -> Point {
    let share = |&(number, percent)| Share {
        target: target(number),
        percent,
    };
    Point {
        service: "web".parse().unwrap(),
        stable_port: 80,
        active: target(active),
        protocol: Protocol::Http1,
        split: split.iter().map(share).collect(),
        sticky: None,
    }
}

fn route(active: u16, split: &[(u16, u8)]) -> Route {
    Route::new(point(active, split), Mode::Serve, LIMITS)
}

fn wish(bucket: u32) -> Wish {
    Wish {
        release: None,
        bucket,
    }
}

#[test]
fn after_a_swap_nobody_claims_the_old_target_and_it_drains_to_nothing() {
    let mut route = route(1, &[]);
    assert_eq!(route.claim(wish(0)), Verdict::Go(target(1)));
    assert_eq!(route.drain(target(1)), Err(Error::InUse(target(1))));
    route.set_point(point(2, &[])).unwrap();
    assert_eq!(route.claim(wish(0)), Verdict::Go(target(2)));
    assert_eq!(route.drain(target(1)), Ok((1, 0)));
    assert!(!route.release(target(1), false));
    assert_eq!(route.drain(target(1)), Ok((0, 0)));
    let standings: Vec<_> = route.status().targets.iter().map(|of| of.standing).collect();
    assert_eq!(standings, [Standing::Active, Standing::Warm]);
    assert_eq!(route.status().swaps, 1);
}

#[test]
fn a_split_takes_its_percentage_and_a_client_that_knows_its_release_stays_there() {
    let mut route = route(1, &[(2, 10), (3, 5)]);
    let mut counts = [0; 4];
    for bucket in 0..BUCKETS {
        let Verdict::Go(to) = route.claim(wish(bucket)) else {
            panic!("refused");
        };
        counts[usize::from(to.port) - 3000] += 1;
        route.release(to, false);
    }
    assert_eq!(counts, [0, 85, 10, 5]);
    let stays = |release| Wish {
        release: Some(ReleaseNumber(release)),
        bucket: 99,
    };
    assert_eq!(route.claim(stays(3)), Verdict::Go(target(3)));
    // One that no longer takes part is drawn anew.
    assert_eq!(route.claim(stays(7)), Verdict::Go(target(1)));
}

#[test]
fn a_pause_holds_so_many_and_maintenance_holds_none() {
    let mut route = route(1, &[]);
    route.set_mode(Mode::Pause);
    for _ in 0..LIMITS.held_max {
        assert_eq!(route.claim(wish(0)), Verdict::Hold);
    }
    assert_eq!(route.claim(wish(0)), Verdict::Refuse(Refusal::HeldMax));
    route.set_mode(Mode::Serve);
    route.let_go();
    assert_eq!(route.claim(wish(0)), Verdict::Go(target(1)));
    route.set_mode(Mode::Maintenance);
    assert_eq!(route.claim(wish(0)), Verdict::Refuse(Refusal::Maintenance));
    let status = route.status();
    assert_eq!((status.held, status.held_now, status.failures), (3, 2, 2));
}

#[test]
fn a_target_gets_no_more_than_it_may() {
    let mut route = route(1, &[]);
    for _ in 0..LIMITS.in_flight_max {
        assert_eq!(route.claim(wish(0)), Verdict::Go(target(1)));
    }
    assert_eq!(route.claim(wish(0)), Verdict::Refuse(Refusal::InFlightMax));
    // Tunnels are a load like requests.
    route.upgrade(target(1));
    assert_eq!(route.claim(wish(0)), Verdict::Refuse(Refusal::InFlightMax));
    route.close_tunnel(target(1));
    assert_eq!(route.claim(wish(0)), Verdict::Go(target(1)));
}

#[test]
fn a_release_too_many_is_refused_while_the_others_drain_and_idle_ones_are_forgotten() {
    let mut route = route(1, &[]);
    for number in 2..=20 {
        route.set_point(point(number, &[])).unwrap();
    }
    assert_eq!(route.status().targets.len(), TARGETS_MAX);
    let mut busy = self::route(1, &[]);
    for number in 2.. {
        busy.claim(wish(0));
        if let Err(error) = busy.set_point(point(number, &[])) {
            assert_eq!((error, usize::from(number)), (Error::TargetsMax, TARGETS_MAX + 1));
            assert_eq!(busy.claim(wish(0)), Verdict::Go(target(number - 1)));
            break;
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Claim(u32),
    Release(usize),
    Upgrade(usize),
    CloseTunnel(usize),
    Point(u16, Option<(u16, u8)>),
    Mode(Mode),
    LetGo,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..BUCKETS).prop_map(Step::Claim),
        6 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Upgrade),
        1 => any::<usize>().prop_map(Step::CloseTunnel),
        3 => (1..6u16, prop::option::of((6..9u16, 0..=100u8))).prop_map(|(to, split)| Step::Point(to, split)),
        1 => prop_oneof![Just(Mode::Serve), Just(Mode::Pause), Just(Mode::Maintenance)].prop_map(Step::Mode),
        1 => Just(Step::LetGo),
    ]
}

proptest! {
    /// Whatever happens in whatever order: no claim goes to a target that takes no part, and what a target is counted
    /// to have is what was claimed and not given back.
    #[test]
    fn claims_go_where_the_point_says_and_counts_are_true(steps in prop::collection::vec(step(), 1..200)) {
        let mut route = route(1, &[]);
        let (mut requests, mut tunnels, mut held) = (Vec::new(), Vec::new(), 0);
        for step in steps {
            match step {
                Step::Claim(bucket) => match route.claim(wish(bucket)) {
                    Verdict::Go(target) => {
                        prop_assert!(route.point().targets().any(|part| part == target));
                        prop_assert_eq!(route.mode(), Mode::Serve);
                        requests.push(target);
                    }
                    Verdict::Hold => held += 1,
                    Verdict::Refuse(_) => {}
                },
                Step::Release(index) if !requests.is_empty() => {
                    let target = requests.swap_remove(index % requests.len());
                    prop_assert_eq!(route.release(target, false), route.gets_requests(target));
                }
                Step::Upgrade(index) if !requests.is_empty() => {
                    let target = requests.swap_remove(index % requests.len());
                    route.upgrade(target);
                    tunnels.push(target);
                }
                Step::CloseTunnel(index) if !tunnels.is_empty() => {
                    route.close_tunnel(tunnels.swap_remove(index % tunnels.len()));
                }
                Step::Point(active, split) => {
                    let split: Vec<_> = split.into_iter().collect();
                    prop_assert_eq!(route.set_point(point(active, &split)), Ok(()));
                }
                Step::Mode(mode) => route.set_mode(mode),
                Step::LetGo if held > 0 => {
                    route.let_go();
                    held -= 1;
                }
                _ => {}
            }
            let status = route.status();
            prop_assert_eq!(status.held_now, held);
            prop_assert!(status.targets.len() <= TARGETS_MAX);
            for of in &status.targets {
                let count = |list: &[Target]| list.iter().filter(|target| **target == of.target).count() as u64;
                prop_assert_eq!((of.in_flight, of.tunnels), (count(&requests), count(&tunnels)));
                prop_assert!(of.in_flight + of.tunnels <= LIMITS.in_flight_max);
            }
            let counted: u64 = status.targets.iter().map(|of| of.in_flight + of.tunnels).sum();
            prop_assert_eq!(counted, (requests.len() + tunnels.len()) as u64);
        }
    }
}
