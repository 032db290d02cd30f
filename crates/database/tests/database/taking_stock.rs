//! Who takes part, how it is, and whose word counts.

use crate::hosts::told;
use crate::support::{TestBuilds, actor, on_builds, region};
use database::Error;
use database::builds::{
    Beat, Heard, Heartbeats, InventoryFilter, InventoryPosition, InventoryRow, NewJoinToken, RegisteredRow,
    Registration, RegistrationRefused,
};
use model::node::{JoinTokenRole, JoinTokenState};
use model::{InstanceHealth, InstanceId, Labels};
use proptest::prelude::*;
use std::time::Duration;

fn token(secret: u8) -> NewJoinToken {
    NewJoinToken {
        secret_hash: [secret; 32],
        region: region("east"),
        role: JoinTokenRole::Instance,
        name: None,
        life: Duration::from_secs(3_600),
        actor: actor(),
    }
}

fn labels(text: &str) -> Labels {
    serde_json::from_str(text).unwrap()
}

/// A program shows token `token` and wants `name`; its secret's hash is `secret` many times over.
fn registration(token: u8, name: &str, secret: u8) -> Registration {
    Registration {
        token_hash: [token; 32],
        name: name.parse().unwrap(),
        address: "10.0.0.1".parse().unwrap(),
        zone: Some("east-a".parse().unwrap()),
        labels: labels(r#"{"role": "db"}"#),
        secret_hash: [secret; 32],
    }
}

async fn registered(builds: &TestBuilds, secret: u8, name: &str) -> RegisteredRow {
    builds.create_join_token(&token(secret)).await.unwrap();
    let wanted = registration(secret, name, secret);
    builds.register_instance(&wanted).await.unwrap()
}

fn refused(result: Result<RegisteredRow, Error>) -> RegistrationRefused {
    match result {
        Err(Error::Registration(reason)) => reason,
        other => panic!("it was not refused: {other:?}"),
    }
}

fn beat(instance: InstanceId, sequence: u64, status: InstanceHealth) -> Beat {
    Beat {
        instance,
        registration: 1,
        sequence: Some(sequence),
        status: Some(status),
        code_version: Some("1.0".parse().unwrap()),
        configuration_version: None,
    }
}

async fn written(builds: &TestBuilds, beat: Beat) -> Heard {
    builds.write_heartbeats(&[beat]).await.unwrap()[0]
}

async fn all(builds: &TestBuilds, labels: &str) -> Vec<InventoryRow> {
    let filter = InventoryFilter {
        labels: labels.parse().unwrap(),
        ..InventoryFilter::default()
    };
    builds.list_inventory(&filter, None, 100).await.unwrap()
}

async fn names(builds: &TestBuilds, labels: &str) -> Vec<String> {
    let rows = all(builds, labels).await;
    rows.iter().map(|row| row.name.to_string()).collect()
}

async fn status(builds: &TestBuilds, name: &str) -> InstanceHealth {
    builds.inventory_instance(name).await.unwrap().unwrap().status
}

#[test]
fn a_token_lets_one_program_in_and_opens_no_other_door() {
    on_builds(async |builds| {
        let instance = registered(builds, 1, "db-1").await;
        assert_eq!(instance.region, region("east"));
        let token_id = builds.join_tokens(1, None).await.unwrap()[0].id;
        let again = refused(builds.register_instance(&registration(1, "db-2", 9)).await);
        let (id, state) = (token_id, JoinTokenState::Used);
        assert_eq!(again, RegistrationRefused::Ended { id, state });
        let unknown = refused(builds.register_instance(&registration(7, "db-2", 9)).await);
        assert_eq!(unknown, RegistrationRefused::UnknownToken);

        let host = NewJoinToken {
            role: JoinTokenRole::Host,
            ..token(2)
        };
        builds.create_join_token(&host).await.unwrap();
        let other = refused(builds.register_instance(&registration(2, "db-2", 9)).await);
        assert!(
            matches!(other, RegistrationRefused::OtherDoor { .. }),
            "{other:?}"
        );
        assert_eq!(names(builds, "").await, ["db-1"]);
    });
}

#[test]
fn an_answer_that_was_lost_costs_nothing_until_the_program_has_spoken() {
    on_builds(async |builds| {
        let first = registered(builds, 1, "db-1").await;
        let second = builds
            .register_instance(&registration(1, "db-1", 2))
            .await
            .unwrap();
        assert_eq!(first, second);
        let secret = builds.instance_secret("db-1").await.unwrap().unwrap();
        assert_eq!((secret.hash, secret.registration), ([2; 32], 2));
        let old = beat(first.id, 1, InstanceHealth::Healthy);
        assert_eq!(written(builds, old.clone()).await, Heard::Replaced);
        let new = Beat {
            registration: 2,
            ..old
        };
        assert_eq!(written(builds, new).await, Heard::Newest(1));
        let late = refused(builds.register_instance(&registration(1, "db-1", 3)).await);
        assert!(matches!(late, RegistrationRefused::Ended { .. }), "{late:?}");
    });
}

#[test]
fn a_name_is_given_away_only_by_a_token_that_was_made_for_it() {
    on_builds(async |builds| {
        let first = registered(builds, 1, "db-1").await;
        let one = beat(first.id, 1, InstanceHealth::Healthy);
        assert_eq!(written(builds, one.clone()).await, Heard::Newest(1));
        builds.create_join_token(&token(2)).await.unwrap();
        let taken = refused(builds.register_instance(&registration(2, "db-1", 2)).await);
        assert_eq!(taken, RegistrationRefused::NameTaken("db-1".parse().unwrap()));

        let own = NewJoinToken {
            name: Some("db-1".parse().unwrap()),
            ..token(3)
        };
        builds.create_join_token(&own).await.unwrap();
        let heir = builds
            .register_instance(&registration(3, "db-1", 3))
            .await
            .unwrap();
        assert_eq!(heir.id, first.id, "the instance stays the same");
        let next = Beat {
            sequence: Some(2),
            ..one
        };
        assert_eq!(written(builds, next).await, Heard::Replaced);
    });
}

#[test]
fn late_and_repeated_heartbeats_change_nothing() {
    on_builds(async |builds| {
        let id = registered(builds, 1, "db-1").await.id;
        assert_eq!(status(builds, "db-1").await, InstanceHealth::Unknown);
        let failed = beat(id, 5, InstanceHealth::Failed);
        assert_eq!(written(builds, failed.clone()).await, Heard::Newest(5));
        assert_eq!(written(builds, failed).await, Heard::Again(5));
        let late = beat(id, 4, InstanceHealth::Healthy);
        assert_eq!(written(builds, late).await, Heard::Late(5));
        assert_eq!(status(builds, "db-1").await, InstanceHealth::Failed);

        let uncounted = Beat {
            sequence: None,
            status: Some(InstanceHealth::Healthy),
            code_version: None,
            ..beat(id, 0, InstanceHealth::Unknown)
        };
        assert_eq!(written(builds, uncounted).await, Heard::Newest(6));
        let row = builds.inventory_instance("db-1").await.unwrap().unwrap();
        assert_eq!(row.status, InstanceHealth::Healthy);
        assert_eq!(
            row.code_version.unwrap().as_str(),
            "1.0",
            "what is left out stays"
        );
    });
}

#[test]
fn a_retired_instance_is_not_heard_and_its_name_is_free() {
    on_builds(async |builds| {
        let id = registered(builds, 1, "db-1").await.id;
        let heartbeats = Heartbeats::start(builds);
        let healthy = |sequence| beat(id, sequence, InstanceHealth::Healthy);
        assert_eq!(heartbeats.hear(healthy(1)).await.unwrap(), Heard::Newest(1));
        let retired = builds.retire_instance("db-1", &actor(), "sold").await.unwrap();
        assert_eq!(retired, Some(id));
        heartbeats.forget(id).await;
        assert_eq!(heartbeats.hear(healthy(2)).await.unwrap(), Heard::Retired);
        assert_eq!(
            builds.retire_instance("db-1", &actor(), "sold").await.unwrap(),
            None
        );

        let heir = registered(builds, 2, "db-1").await;
        assert_ne!(heir.id, id);
        let old = builds.inventory_instance(&id.to_string()).await.unwrap().unwrap();
        assert_eq!(old.retired_reason.as_deref(), Some("sold"));
        assert_eq!(names(builds, "").await, ["db-1"]);
    });
}

#[test]
fn silence_makes_a_status_unknown_by_the_databases_clock() {
    on_builds(async |builds| {
        let id = registered(builds, 1, "db-1").await.id;
        written(builds, beat(id, 1, InstanceHealth::Healthy)).await;
        assert_eq!(status(builds, "db-1").await, InstanceHealth::Healthy);
        builds
            .run("UPDATE inventory_heartbeats SET heard_at = heard_at - interval '10 minutes'")
            .await;
        let row = builds.inventory_instance("db-1").await.unwrap().unwrap();
        assert_eq!(row.status, InstanceHealth::Unknown);
        assert!(row.silent_for.unwrap() >= Duration::from_secs(600));
    });
}

#[test]
fn heartbeats_of_one_moment_are_each_answered_by_what_they_are() {
    on_builds(async |builds| {
        let one = registered(builds, 1, "db-1").await.id;
        let other = registered(builds, 2, "db-2").await.id;
        let stranger = InstanceId(uuid::Uuid::from_u128(7));
        let heartbeats = Heartbeats::start(builds);
        let hear = |instance, sequence, status| heartbeats.hear(beat(instance, sequence, status));
        let answers = tokio::join!(
            hear(one, 2, InstanceHealth::Healthy),
            hear(other, 1, InstanceHealth::Failed),
            hear(one, 1, InstanceHealth::Failed),
            hear(one, 3, InstanceHealth::Degraded),
            hear(stranger, 1, InstanceHealth::Healthy),
        );
        assert_eq!(answers.0.unwrap(), Heard::Newest(2));
        assert_eq!(answers.1.unwrap(), Heard::Newest(1));
        assert_eq!(answers.2.unwrap(), Heard::Late(2));
        assert_eq!(answers.3.unwrap(), Heard::Newest(3));
        assert_eq!(answers.4.unwrap(), Heard::Replaced);
        assert_eq!(status(builds, "db-1").await, InstanceHealth::Degraded);
    });
}

#[test]
fn hosts_with_an_agent_and_programs_are_listed_together_by_label_and_in_pages() {
    on_builds(async |builds| {
        told(
            builds,
            &[("h1", r#"{"ring": "canary"}"#, true), ("h2", "{}", true)],
        )
        .await;
        registered(builds, 1, "db-1").await;
        assert_eq!(names(builds, "").await, ["db-1", "east.h1", "east.h2"]);
        for (selector, expected) in [
            ("ring=canary", vec!["east.h1"]),
            ("ring!=canary", vec!["db-1", "east.h2"]),
            ("role", vec!["db-1"]),
            ("!role,host", vec!["east.h1", "east.h2"]),
            ("region=east,zone=east-a,ring", vec!["east.h1"]),
            ("ring=canary,ring=fleet", vec![]),
        ] {
            assert_eq!(names(builds, selector).await, expected, "{selector}");
        }
        let mut after = None;
        for expected in ["db-1", "east.h1", "east.h2"] {
            let page = builds
                .list_inventory(&InventoryFilter::default(), after.as_ref(), 1)
                .await;
            let [row] = &page.unwrap()[..] else {
                panic!("one row a page")
            };
            assert_eq!(row.name.as_str(), expected);
            after = Some(InventoryPosition {
                name: row.name.clone(),
                id: row.id,
            });
        }
        let known = builds.known_labels(&"ring=cannary".parse().unwrap(), 10).await;
        let known: Vec<_> = known
            .unwrap()
            .into_iter()
            .map(|label| (label.key, label.value, label.hosts))
            .collect();
        let label = |key: &str, value: &str, hosts| (key.to_owned(), value.to_owned(), hosts);
        let (ring, region) = (label("ring", "canary", 1), label("region", "east", 2));
        assert_eq!(
            (known.contains(&ring), &known[1]),
            (true, &region),
            "what was asked for comes first: {known:?}"
        );
    });
}

#[test]
fn a_host_that_is_lost_is_unknown_and_may_retire_and_come_back() {
    on_builds(async |builds| {
        told(builds, &[("h1", "{}", true)]).await;
        assert_eq!(status(builds, "east.h1").await, InstanceHealth::Healthy);
        let kept = builds.retire_instance("east.h1", &actor(), "gone").await.unwrap();
        assert_eq!(kept, None, "its agent is heard");
        told(builds, &[("h1", "{}", false)]).await;
        assert_eq!(status(builds, "east.h1").await, InstanceHealth::Unknown);
        assert!(
            builds
                .retire_instance("east.h1", &actor(), "gone")
                .await
                .unwrap()
                .is_some()
        );
        told(builds, &[("h1", "{}", false)]).await;
        assert_eq!(
            names(builds, "").await,
            [""; 0],
            "by being lost nobody comes back"
        );
        told(builds, &[("h1", "{}", true)]).await;
        assert_eq!(names(builds, "").await, ["east.h1"]);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// The database and `model::labels` mean the same by a selector.
    #[test]
    fn the_database_picks_whom_a_selector_matches(
        hosts in prop::collection::vec(
            prop::collection::btree_map("[ab]", "[xy]", 0..3), 1..6),
        selectors in prop::collection::vec(
            prop::collection::vec(prop_oneof!["[ab]=[xy]", "[ab]!=[xy]", "[ab]", "![ab]"], 0..4), 1..8),
    ) {
        on_builds(async |builds| {
            let said: Vec<String> = hosts.iter().map(|map| serde_json::to_string(map).unwrap()).collect();
            let facts: Vec<(String, &String)> =
                said.iter().enumerate().map(|(number, said)| (format!("h{number}"), said)).collect();
            let facts: Vec<(&str, &str, bool)> =
                facts.iter().map(|(name, said)| (name.as_str(), said.as_str(), true)).collect();
            told(builds, &facts).await;
            let everybody = all(builds, "").await;
            for terms in &selectors {
                let text = terms.join(",");
                let selector: model::Selector = text.parse().unwrap();
                let matching = everybody.iter().filter(|row| selector.matches(&row.labels));
                let expected: Vec<String> = matching.map(|row| row.name.to_string()).collect();
                assert_eq!(names(builds, &text).await, expected, "{text}");
            }
        });
    }
}
