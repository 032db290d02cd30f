//! What is forbidden and by whom, and the trail that tells of it.

use crate::support::{TestBuilds, actor, new_deployment, on_builds, service};
use database::Error;
use database::builds::{NewDeployment, PolicyRefused};
use jiff::{SignedDuration, Timestamp};
use model::{Actor, BuildId};
use policy::audit::Link;
use policy::{Act, Approval, Ask, Denial, Freeze, Grant, Policy, Role, Scope, Subject};
use tokio::task::JoinSet;

fn named(name: &str) -> Actor {
    name.parse().unwrap()
}

fn freeze(from: i64, until: i64) -> Policy {
    let at = |seconds| Timestamp::now() + SignedDuration::from_secs(seconds);
    Policy::Freeze(Freeze {
        scope: Scope::default(),
        from: at(from),
        until: at(until),
        reason: "holidays".to_owned(),
    })
}

fn grant(name: &str, role: Role) -> Policy {
    Policy::Grant(Grant {
        actor: named(name),
        role,
        scope: Scope::default(),
    })
}

fn subject() -> Subject {
    Subject {
        service: service(),
        environment: None,
    }
}

async fn denial(builds: &TestBuilds) -> Option<Denial> {
    let ask = Ask {
        actor: actor(),
        subject: subject(),
        act: Act::Deploy(BuildId(uuid::Uuid::from_u128(1))),
        break_glass: None,
    };
    match builds.may(&ask).await {
        Ok(_) => None,
        Err(Error::Denied(denial)) => Some(denial),
        Err(error) => panic!("{error:?}"),
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> PolicyRefused {
    match result {
        Err(Error::Policy(reason)) => reason,
        other => panic!("it was not refused: {other:?}"),
    }
}

async fn actions(builds: &TestBuilds) -> Vec<String> {
    let rows = builds.audit(100, None).await.unwrap();
    rows.into_iter().map(|row| row.entry.action).collect()
}

#[test]
fn a_freeze_counts_by_the_databases_clock_until_it_is_ended_and_both_are_recorded() {
    on_builds(async |builds| {
        builds.add_policy(&freeze(-100, -50), &actor()).await.unwrap();
        assert_eq!(denial(builds).await, None);
        let row = builds.add_policy(&freeze(-100, 100), &actor()).await.unwrap();
        assert!(matches!(denial(builds).await, Some(Denial::Frozen { .. })));
        builds.end_policy(row.id, &named("bob")).await.unwrap();
        assert_eq!(denial(builds).await, None);
        let again = refused(builds.end_policy(row.id, &actor()).await);
        assert_eq!(again, PolicyRefused::Unknown(row.id));
        assert_eq!(actions(builds).await, ["policy.end", "policy.add", "policy.add"]);
        assert_eq!(builds.verify_audit().await.unwrap().number, 3);
    });
}

#[test]
fn whoever_may_not_change_policies_changes_none_and_nobody_locks_himself_out() {
    on_builds(async |builds| {
        let others = refused(builds.add_policy(&grant("bob", Role::Govern), &actor()).await);
        assert_eq!(others, PolicyRefused::LocksOut);
        let own = grant(actor().as_str(), Role::Govern);
        let own = builds.add_policy(&own, &actor()).await.unwrap();
        let bob = named("bob");
        let stranger = refused(builds.add_policy(&freeze(0, 100), &bob).await);
        assert_eq!(stranger, PolicyRefused::NotGranted(bob.clone()));
        assert_eq!(
            refused(builds.end_policy(own.id, &bob).await),
            PolicyRefused::NotGranted(bob.clone())
        );
        let consent = Policy::Approval(Approval {
            actor: bob.clone(),
            subject: subject(),
            build: BuildId(uuid::Uuid::from_u128(1)),
            until: Timestamp::now() + SignedDuration::from_secs(100),
        });
        let consent = builds.add_policy(&consent, &bob).await.unwrap();
        builds.end_policy(consent.id, &bob).await.unwrap();
        assert_eq!(actions(builds).await.len(), 3, "what was refused is no deed");
    });
}

#[test]
fn the_trail_is_only_added_to_and_a_change_around_that_is_found() {
    on_builds(async |builds| {
        assert_eq!(builds.verify_audit().await.unwrap().link, Link::NONE);
        for _ in 0..3 {
            builds.add_policy(&freeze(0, 100), &actor()).await.unwrap();
        }
        for statement in [
            "UPDATE audit SET entry = '' WHERE number = 2",
            "DELETE FROM audit WHERE number = 2",
            "TRUNCATE audit",
        ] {
            let error = sqlx::query(statement).execute(&builds.sql).await.unwrap_err();
            assert!(error.to_string().contains("only added to"), "{error}");
        }
        let good = builds.verify_audit().await.unwrap();
        builds
            .run("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
            .await;
        builds
            .run("UPDATE audit SET entry = replace(entry, 'holidays', 'weekend') WHERE number = 2")
            .await;
        let Err(Error::AuditBroken(broken)) = builds.verify_audit().await else {
            panic!("a change was not found");
        };
        assert_eq!(broken.number, 2);
        builds
            .run("UPDATE audit SET entry = replace(entry, 'weekend', 'holidays') WHERE number = 2")
            .await;
        assert_eq!(builds.verify_audit().await.unwrap(), good);
        builds.run("DELETE FROM audit WHERE number = 3").await;
        let Err(Error::AuditBroken(broken)) = builds.verify_audit().await else {
            panic!("a missing end was not found");
        };
        assert_eq!((broken.number, broken.what), (3, "it is missing"));
    });
}

#[test]
fn many_deeds_at_once_make_one_chain_without_a_gap() {
    on_builds(async |builds| {
        let mut tasks = JoinSet::new();
        for _ in 0..40 {
            let builds = (**builds).clone();
            tasks.spawn(async move { builds.add_policy(&freeze(0, 100), &actor()).await });
        }
        while let Some(result) = tasks.join_next().await {
            result.unwrap().unwrap();
        }
        assert_eq!(builds.verify_audit().await.unwrap().number, 40);
    });
}

#[test]
fn a_freeze_stops_deployments_that_would_begin_and_that_would_go_on_but_for_a_broken_glass() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let plain = new_deployment(&artifact);
        let began = builds.deploy(&plain).await.unwrap();
        builds.may_advance(&began).await.unwrap();
        builds.add_policy(&freeze(-100, 100), &actor()).await.unwrap();
        assert!(matches!(builds.may_advance(&began).await, Err(Error::Denied(_))));
        assert!(matches!(builds.deploy(&plain).await, Err(Error::Denied(_))));

        let urgent = NewDeployment {
            break_glass: Some("the shop is down".to_owned()),
            ..plain
        };
        let urgent = builds.deploy(&urgent).await.unwrap();
        assert_eq!(
            urgent.release.0,
            began.release.0 + 1,
            "what was denied took no number"
        );
        builds.may_advance(&urgent).await.unwrap();
        let rows = builds.audit(1, None).await.unwrap();
        assert_eq!(rows[0].entry.action, "deploy");
        assert_eq!(rows[0].entry.detail["break_glass"], "the shop is down");
        assert_eq!(rows[0].entry.detail["broken"].as_array().unwrap().len(), 1);
        assert_eq!(actions(builds).await, ["deploy", "policy.add", "deploy"]);
    });
}

#[test]
fn a_process_finds_the_version_of_its_build() {
    on_builds(async |builds| {
        let artifact = builds.verified(1).await;
        let new = NewDeployment {
            version: Some("release-v1.2.3".parse().unwrap()),
            ..new_deployment(&artifact)
        };
        let row = builds.deploy(&new).await.unwrap();
        assert_eq!(row.spec.environment["STARLING_VERSION"], "release-v1.2.3");
    });
}

#[test]
fn whoever_steers_a_deployment_is_recorded_and_needs_the_role_for_it() {
    on_builds(async |builds| {
        let row = builds
            .deploy(&new_deployment(&builds.verified(1).await))
            .await
            .unwrap();
        let bob = named("bob");
        builds.pause_deployment(row.id, &bob).await.unwrap();
        builds.resume_deployment(row.id, &bob).await.unwrap();
        builds.resume_deployment(row.id, &bob).await.unwrap();
        builds.allow_step(row.id, &bob).await.unwrap();
        builds
            .add_policy(&grant(actor().as_str(), Role::Deploy), &actor())
            .await
            .unwrap();
        let refused = builds.cancel_deployment(row.id, &bob).await.unwrap_err();
        assert!(matches!(refused, Error::Denied(_)), "{refused}");
        let refused = builds.pause_deployment(row.id, &bob).await.unwrap_err();
        assert!(matches!(refused, Error::Denied(_)), "{refused}");
        builds.cancel_deployment(row.id, &actor()).await.unwrap();
        assert_eq!(
            actions(builds).await,
            ["abort", "policy.add", "step", "resume", "pause", "deploy"],
            "what changed nothing is no deed"
        );
        let rows = builds.audit(100, None).await.unwrap();
        let step = &rows[2].entry;
        assert_eq!((step.actor.as_str(), step.subject.as_str()), ("bob", "web"));
        assert_eq!(step.detail["deployment"], row.id.to_string());
        assert!(builds.verify_audit().await.is_ok());
    });
}
