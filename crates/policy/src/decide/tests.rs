use super::*;
use crate::scope::Scope;
use proptest::prelude::*;

const BUILD: BuildId = BuildId(uuid::Uuid::from_u128(1));

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn actor(name: &str) -> Actor {
    name.parse().unwrap()
}

fn scope(service: Option<&str>, environment: Option<&str>) -> Scope {
    Scope {
        service: service.map(|name| name.parse().unwrap()),
        environment: environment.map(|name| name.parse().unwrap()),
    }
}

fn subject(environment: Option<&str>) -> Subject {
    Subject {
        service: "web".parse().unwrap(),
        environment: environment.map(|name| name.parse().unwrap()),
    }
}

fn freeze(scope: Scope, from: i64, until: i64) -> Policy {
    Policy::Freeze(Freeze {
        scope,
        from: at(from),
        until: at(until),
        reason: "holidays".to_owned(),
    })
}

fn grant(name: &str, role: Role, scope: Scope) -> Policy {
    let actor = actor(name);
    Policy::Grant(Grant { actor, role, scope })
}

fn approval(name: &str, environment: Option<&str>, until: i64) -> Policy {
    Policy::Approval(Approval {
        actor: actor(name),
        subject: subject(environment),
        build: BUILD,
        until: at(until),
    })
}

fn ask(act: Act, environment: Option<&str>) -> Ask {
    Ask {
        actor: actor("ada"),
        subject: subject(environment),
        act,
        break_glass: None,
    }
}

fn deploys(policies: &[Policy], environment: Option<&str>, now: i64) -> bool {
    decide(policies, &ask(Act::Deploy(BUILD), environment), at(now)).is_ok()
}

#[test]
fn without_policies_everybody_may() {
    assert!(deploys(&[], None, 0));
    assert!(may_govern(&[], &actor("ada")));
}

#[test]
fn a_freeze_counts_from_its_beginning_up_to_its_end_and_says_why() {
    let policies = [freeze(Scope::default(), 10, 20)];
    for (now, open) in [(9, true), (10, false), (19, false), (20, true)] {
        assert_eq!(deploys(&policies, None, now), open, "{now}");
    }
    let denial = decide(&policies, &ask(Act::Advance, None), at(15)).unwrap_err();
    assert_eq!(
        denial.to_string(),
        "deployments of every service are frozen until 1970-01-01T00:00:20Z: holidays"
    );
    assert!(decide(&policies, &ask(Act::RollBack, None), at(15)).is_ok());
}

#[test]
fn a_freeze_forbids_whatever_touches_it_and_a_grant_allows_only_what_it_covers() {
    let frozen = [freeze(scope(None, Some("production")), 0, 100)];
    for (environment, open) in [
        (None, false),
        (Some("production"), false),
        (Some("staging"), true),
    ] {
        assert_eq!(deploys(&frozen, environment, 1), open, "{environment:?}");
    }
    let granted = [grant("ada", Role::Deploy, scope(Some("web"), Some("staging")))];
    for (environment, open) in [
        (None, false),
        (Some("production"), false),
        (Some("staging"), true),
    ] {
        assert_eq!(deploys(&granted, environment, 1), open, "{environment:?}");
    }
    assert!(!deploys(&[grant("bob", Role::Deploy, Scope::default())], None, 1));
}

#[test]
fn a_broken_glass_is_told_what_it_broke_and_replaces_no_role() {
    let broken = |policies: &[Policy], reason: &str| {
        let ask = Ask {
            break_glass: Some(reason.to_owned()),
            ..ask(Act::Deploy(BUILD), None)
        };
        decide(policies, &ask, at(1))
    };
    let rule = Policy::ApprovalRule(ApprovalRule {
        scope: Scope::default(),
        approvals: 1,
    });
    let policies = [freeze(Scope::default(), 0, 100), rule];
    assert_eq!(broken(&policies, "the shop is down").unwrap().broken.len(), 2);
    assert!(matches!(broken(&policies, " "), Err(Denial::Reason(_))));
    let granted = [grant("bob", Role::Deploy, Scope::default())];
    assert!(matches!(
        broken(&granted, "please"),
        Err(Denial::NotGranted { .. })
    ));
}

#[test]
fn an_approval_is_another_persons_for_this_build_and_expires() {
    let rule = Policy::ApprovalRule(ApprovalRule {
        scope: scope(None, Some("production")),
        approvals: 2,
    });
    let with = |approvals: &[Policy]| {
        let policies: Vec<Policy> = [rule.clone()].iter().chain(approvals).cloned().collect();
        deploys(&policies, Some("production"), 5)
    };
    assert!(with(&[
        approval("bob", None, 9),
        approval("eve", Some("production"), 9)
    ]));
    for missing in [
        vec![],
        vec![approval("bob", None, 9), approval("bob", None, 9)],
        vec![approval("bob", None, 9), approval("ada", None, 9)],
        vec![approval("bob", None, 9), approval("eve", None, 5)],
        vec![approval("bob", None, 9), approval("eve", Some("staging"), 9)],
        vec![
            approval("bob", None, 9),
            approval("eve", None, 9),
            grant("bob", Role::Approve, Scope::default()),
        ],
    ] {
        assert!(!with(&missing), "{missing:?}");
    }
    assert!(
        deploys(&[rule], Some("staging"), 5),
        "the rule is about another environment"
    );
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let scopes = || {
        prop::sample::select(vec![
            Scope::default(),
            scope(Some("web"), None),
            scope(Some("db"), None),
            scope(None, Some("production")),
            scope(Some("web"), Some("staging")),
        ])
    };
    let people = || prop::sample::select(vec!["ada", "bob"]);
    let roles = || prop::sample::select(vec![Role::Deploy, Role::Approve, Role::Govern]);
    prop_oneof![
        (scopes(), 0_i64..20, 1_i64..20).prop_map(|(scope, from, long)| freeze(scope, from, from + long)),
        (people(), roles(), scopes()).prop_map(|(name, role, scope)| grant(name, role, scope)),
        (scopes(), 1_u8..3)
            .prop_map(|(scope, approvals)| Policy::ApprovalRule(ApprovalRule { scope, approvals })),
        (people(), 0_i64..20).prop_map(|(name, until)| approval(name, None, until)),
    ]
}

proptest! {
    /// Deny wins: no policy that is added undoes a freeze, and a rollback never minds one.
    #[test]
    fn nothing_that_is_added_undoes_a_freeze(
        policies in prop::collection::vec(any_policy(), 0..8), more in any_policy(), now in 0_i64..20,
    ) {
        let frozen = [freeze(Scope::default(), 0, 20)];
        let all: Vec<Policy> = policies.iter().chain(&frozen).chain([&more]).cloned().collect();
        prop_assert!(!deploys(&all, None, now));
        let back = |policies: &[Policy]| decide(policies, &ask(Act::RollBack, None), at(now)).is_ok();
        let without: Vec<Policy> = policies.iter().chain([&more]).cloned().collect();
        prop_assert_eq!(back(&all), back(&without));
    }

    /// The order in which policies were said means nothing for whether it may be done.
    #[test]
    fn the_order_of_policies_means_nothing(
        policies in prop::collection::vec(any_policy(), 0..8), now in 0_i64..20,
    ) {
        let turned: Vec<Policy> = policies.iter().rev().cloned().collect();
        for environment in [None, Some("production"), Some("staging")] {
            prop_assert_eq!(deploys(&policies, environment, now), deploys(&turned, environment, now));
        }
    }
}
