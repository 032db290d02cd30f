//! The rules.

use crate::region::{Region, shortfall};
use crate::step::Step;
use model::DeploymentState;

/// A deployment as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment {
    /// Where it stands.
    pub state: DeploymentState,
    /// Whether its deadline has passed.
    pub overdue: bool,
    /// Whether hosts that lag have held up the others' activation for long enough.
    pub staging_overdue: bool,
}

/// Proposes what to do with a deployment now.
pub fn plan(deployment: &Deployment, regions: &[Region]) -> Step {
    let step = match deployment.state {
        DeploymentState::Pending => pending(regions),
        DeploymentState::Staging => staging(deployment, regions),
        DeploymentState::Activating => activating(regions),
        DeploymentState::Succeeded
        | DeploymentState::Failed
        | DeploymentState::Superseded
        | DeploymentState::Cancelled => return Step::wait("the deployment has ended"),
    };
    let ends = matches!(&step, Step::Become { state, .. } if state.is_terminal());
    if deployment.overdue && !ends {
        return give_up(deployment.state, regions);
    }
    step
}

fn pending(regions: &[Region]) -> Step {
    let told = regions.iter().filter(|region| region.told).count();
    if told == 0 {
        return Step::wait("no region holds a verified replica and was told yet");
    }
    Step::become_state(
        DeploymentState::Staging,
        format!("{told} of {} regions were told", regions.len()),
    )
}

fn staging(deployment: &Deployment, regions: &[Region]) -> Step {
    let hosts: u64 = regions.iter().map(|region| region.hosts).sum();
    if hosts > 0 && regions.iter().all(Region::all_staged) {
        return Step::become_state(
            DeploymentState::Activating,
            format!("all {hosts} hosts have staged the release"),
        );
    }
    let missing = shortfall(regions, |region| region.staged, "staged");
    if !deployment.staging_overdue {
        return Step::wait(format!("staging: {missing}"));
    }
    if regions.iter().all(|region| region.staged == 0) {
        return Step::become_state(
            DeploymentState::Failed,
            format!("no host staged the release in time: {missing}"),
        );
    }
    // Those that lag activate as soon as they have staged: the order stays in their region's etcd.
    Step::become_state(
        DeploymentState::Activating,
        format!("activating without waiting any longer: {missing}"),
    )
}

fn activating(regions: &[Region]) -> Step {
    let hosts: u64 = regions.iter().map(|region| region.hosts).sum();
    if hosts > 0 && regions.iter().all(Region::all_healthy) {
        return Step::become_state(
            DeploymentState::Succeeded,
            format!("all {hosts} hosts run the release and are healthy"),
        );
    }
    let missing = shortfall(regions, |region| region.healthy, "healthy");
    Step::wait(format!("activating: {missing}"))
}

fn give_up(state: DeploymentState, regions: &[Region]) -> Step {
    let missing = match state {
        DeploymentState::Activating => shortfall(regions, |region| region.healthy, "healthy"),
        _ => shortfall(regions, |region| region.staged, "staged"),
    };
    Step::become_state(
        DeploymentState::Failed,
        format!("did not converge before its deadline: {missing}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::deployment::Directive;
    use proptest::prelude::*;

    fn state() -> impl Strategy<Value = DeploymentState> {
        proptest::sample::select(DeploymentState::ALL)
    }

    fn deployment() -> impl Strategy<Value = Deployment> {
        (state(), any::<bool>(), any::<bool>()).prop_map(|(state, overdue, staging_overdue)| Deployment {
            state,
            overdue,
            staging_overdue,
        })
    }

    fn region() -> impl Strategy<Value = Region> {
        let counts = (0..4_u64, 0..4_u64, 0..4_u64, 0..4_u64);
        (any::<bool>(), any::<bool>(), counts).prop_map(|(told, heard, (hosts, staged, healthy, errors))| {
            Region {
                name: "r".parse().unwrap(),
                told,
                heard,
                hosts,
                staged,
                healthy,
                errors,
                error: (errors > 0).then(|| "it failed".to_owned()),
            }
        })
    }

    fn next(deployment: &Deployment, regions: &[Region]) -> Option<DeploymentState> {
        match plan(deployment, regions) {
            Step::Wait { .. } => None,
            Step::Become { state, .. } => Some(state),
        }
    }

    proptest! {
        #[test]
        fn what_has_ended_stays(deployment in deployment(), regions in prop::collection::vec(region(), 0..5)) {
            if deployment.state.is_terminal() {
                prop_assert_eq!(next(&deployment, &regions), None);
            }
        }

        #[test]
        fn nothing_succeeds_with_an_unhealthy_host_or_a_silent_region(
            deployment in deployment(),
            regions in prop::collection::vec(region(), 0..5),
        ) {
            if next(&deployment, &regions) == Some(DeploymentState::Succeeded) {
                prop_assert_eq!(deployment.state, DeploymentState::Activating);
                prop_assert!(regions.iter().all(|region| region.heard));
                prop_assert!(regions.iter().all(|region| region.healthy >= region.hosts));
                prop_assert!(regions.iter().any(|region| region.hosts > 0));
            }
        }

        #[test]
        fn the_deadline_always_ends_it(
            deployment in deployment(),
            regions in prop::collection::vec(region(), 0..5),
        ) {
            let late = Deployment { overdue: true, ..deployment };
            if !late.state.is_terminal() {
                let end = next(&late, &regions);
                prop_assert!(end.is_some_and(DeploymentState::is_terminal), "{:?}", end);
            }
        }

        #[test]
        fn activation_is_ordered_exactly_when_it_begins(
            deployment in deployment(),
            regions in prop::collection::vec(region(), 0..5),
        ) {
            if let Step::Become { state, directive, .. } = plan(&deployment, &regions) {
                let begins = state == DeploymentState::Activating;
                prop_assert_eq!(directive, begins.then_some(Directive::Activate));
                if begins {
                    prop_assert_eq!(deployment.state, DeploymentState::Staging);
                    prop_assert!(regions.iter().any(|region| region.staged > 0 || region.hosts > 0));
                }
            }
        }

        #[test]
        fn every_wait_ends_when_all_hosts_are_done(
            deployment in deployment(),
            regions in prop::collection::vec(region(), 1..5),
        ) {
            let done: Vec<_> = regions
                .into_iter()
                .map(|region| Region {
                    told: true,
                    heard: true,
                    hosts: region.hosts + 1,
                    staged: region.hosts + 1,
                    healthy: region.hosts + 1,
                    ..region
                })
                .collect();
            if !deployment.state.is_terminal() {
                prop_assert!(next(&deployment, &done).is_some());
            }
        }
    }

    fn hosts(hosts: u64, staged: u64, healthy: u64) -> Region {
        Region {
            name: "us-east-1".parse().unwrap(),
            told: true,
            heard: true,
            hosts,
            staged,
            healthy,
            errors: 0,
            error: None,
        }
    }

    fn at(state: DeploymentState, staging_overdue: bool) -> Deployment {
        Deployment {
            state,
            overdue: false,
            staging_overdue,
        }
    }

    #[test]
    fn a_deployment_walks_from_confirmed_to_succeeded() {
        let walk = [
            (
                DeploymentState::Pending,
                hosts(4, 0, 0),
                Some(DeploymentState::Staging),
            ),
            (DeploymentState::Staging, hosts(4, 3, 0), None),
            (
                DeploymentState::Staging,
                hosts(4, 4, 0),
                Some(DeploymentState::Activating),
            ),
            (DeploymentState::Activating, hosts(4, 4, 3), None),
            (
                DeploymentState::Activating,
                hosts(4, 4, 4),
                Some(DeploymentState::Succeeded),
            ),
        ];
        for (state, region, expected) in walk {
            assert_eq!(next(&at(state, false), &[region]), expected, "from {state}");
        }
    }

    #[test]
    fn hosts_that_lag_hold_the_others_up_only_until_the_staging_limit() {
        let lagging = [hosts(4, 4, 0), hosts(4, 1, 0)];
        assert_eq!(next(&at(DeploymentState::Staging, false), &lagging), None);
        assert_eq!(
            next(&at(DeploymentState::Staging, true), &lagging),
            Some(DeploymentState::Activating)
        );
        assert_eq!(
            next(&at(DeploymentState::Staging, true), &[hosts(4, 0, 0)]),
            Some(DeploymentState::Failed),
            "what nobody staged is not activated"
        );
    }

    #[test]
    fn no_hosts_at_all_are_no_success() {
        for state in [DeploymentState::Staging, DeploymentState::Activating] {
            assert_eq!(next(&at(state, false), &[hosts(0, 0, 0)]), None);
            assert_eq!(next(&at(state, false), &[]), None);
        }
    }
}
