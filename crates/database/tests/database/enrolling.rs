//! Who is let into a region's swarm, and who is kept out again.

use crate::support::{TestBuilds, actor, on_builds, region};
use database::Error;
use database::builds::{Enrolment, EnrolmentRefused, JOIN_TOKEN_LIFE_MAX, NewJoinToken, NodeRow};
use model::node::{JoinTokenRole, JoinTokenState, Role};
use model::{HostName, PeerName};
use std::time::Duration;
use tokio::task::JoinSet;

const LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

fn peer(name: &str) -> PeerName {
    name.parse().unwrap()
}

/// A token for any new host of `east`; `secret` is its hash many times over.
fn token(secret: u8) -> NewJoinToken {
    NewJoinToken {
        secret_hash: [secret; 32],
        region: region("east"),
        role: JoinTokenRole::Host,
        name: None,
        life: Duration::from_secs(3_600),
        actor: actor(),
    }
}

fn token_for(secret: u8, name: &str) -> NewJoinToken {
    NewJoinToken {
        name: Some(host(name)),
        ..token(secret)
    }
}

/// The key `key` asks to become host `name` of `east`.
fn enrolment(secret: u8, name: &str, key: &str) -> Enrolment {
    Enrolment {
        secret_hash: [secret; 32],
        region: region("east"),
        role: Role::Host,
        name: host(name),
        peer: peer(key),
        life: LIFE,
    }
}

fn refused(result: Result<NodeRow, Error>) -> EnrolmentRefused {
    match result {
        Err(Error::Enrolment(reason)) => reason,
        other => panic!("it was not refused: {other:?}"),
    }
}

async fn enrolled(builds: &TestBuilds, secret: u8, name: &str, key: &str) -> NodeRow {
    builds.create_join_token(&token_for(secret, name)).await.unwrap();
    builds.enrol(&enrolment(secret, name, key)).await.unwrap()
}

async fn state(builds: &TestBuilds) -> JoinTokenState {
    builds.join_tokens(1, None).await.unwrap()[0].state
}

#[test]
fn a_token_lets_one_node_in_once_and_says_whom() {
    on_builds(async |builds| {
        let made = builds.create_join_token(&token(1)).await.unwrap();
        assert_eq!(made.state, JoinTokenState::Open);
        let node = builds.enrol(&enrolment(1, "h1", "key1")).await.unwrap();
        assert_eq!(
            (node.name, node.peer, node.role),
            (host("h1"), peer("key1"), Role::Host)
        );
        let life = node.certificate_until.duration_since(node.enrolled_at);
        assert_eq!(life.as_secs(), i64::try_from(LIFE.as_secs()).unwrap());

        let again = refused(builds.enrol(&enrolment(1, "h2", "key2")).await);
        let (id, state) = (made.id, JoinTokenState::Used);
        assert_eq!(again, EnrolmentRefused::Ended { id, state });
        let tokens = builds.join_tokens(10, None).await.unwrap();
        assert_eq!(tokens[0].used_by, Some("key1".to_owned()));
        assert_eq!(builds.nodes(None, None, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn of_many_keys_at_once_a_token_lets_exactly_one_in() {
    on_builds(async |builds| {
        for round in 1..=5 {
            builds.create_join_token(&token(round)).await.unwrap();
            let mut applicants = JoinSet::new();
            for number in 0..32 {
                let database = (**builds).clone();
                let wanted = enrolment(
                    round,
                    &format!("h{round}-{number}"),
                    &format!("key{round}x{number}"),
                );
                applicants.spawn(async move { database.enrol(&wanted).await });
            }
            let (mut let_in, mut kept_out) = (0, 0);
            while let Some(result) = applicants.join_next().await {
                match result.unwrap() {
                    Ok(_) => let_in += 1,
                    Err(Error::Enrolment(EnrolmentRefused::Ended { .. })) => kept_out += 1,
                    Err(error) => panic!("{error:?}"),
                }
            }
            assert_eq!((let_in, kept_out), (1, 31));
        }
        assert_eq!(builds.nodes(None, None, 100).await.unwrap().len(), 5);
    });
}

#[test]
fn of_many_keys_at_once_exactly_one_gets_a_name_and_the_others_keep_their_tokens() {
    on_builds(async |builds| {
        let mut applicants = JoinSet::new();
        for number in 0..16 {
            builds.create_join_token(&token(number)).await.unwrap();
            let database = (**builds).clone();
            let wanted = enrolment(number, "h1", &format!("key{number}"));
            applicants.spawn(async move { database.enrol(&wanted).await });
        }
        let mut let_in = 0;
        while let Some(result) = applicants.join_next().await {
            match result.unwrap() {
                Ok(_) => let_in += 1,
                Err(error) => assert!(
                    matches!(error, Error::Enrolment(EnrolmentRefused::NameTaken { .. })),
                    "{error:?}"
                ),
            }
        }
        let open = builds.join_tokens(100, None).await.unwrap();
        let open = open.iter().filter(|token| token.state == JoinTokenState::Open);
        assert_eq!((let_in, open.count()), (1, 15));
    });
}

#[test]
fn the_key_that_used_a_token_may_come_again_because_an_answer_may_get_lost() {
    on_builds(async |builds| {
        builds.create_join_token(&token(1)).await.unwrap();
        builds.enrol(&enrolment(1, "h1", "key1")).await.unwrap();
        let again = builds.enrol(&enrolment(1, "h1", "key1")).await.unwrap();
        assert_eq!(again.name, host("h1"));
        let other_name = refused(builds.enrol(&enrolment(1, "h2", "key1")).await);
        assert!(matches!(other_name, EnrolmentRefused::KeyTaken { name, .. } if name == host("h1")));
    });
}

#[test]
fn a_token_that_expired_or_was_withdrawn_or_never_was_lets_nobody_in() {
    on_builds(async |builds| {
        let unknown = refused(builds.enrol(&enrolment(9, "h1", "key1")).await);
        assert_eq!(unknown, EnrolmentRefused::UnknownToken);

        let made = builds.create_join_token(&token(1)).await.unwrap();
        let withdrawn = builds
            .withdraw_join_token(made.id, &actor())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(withdrawn.state, JoinTokenState::Withdrawn);
        assert_eq!(withdrawn.withdrawn_by, Some(actor()));
        let (id, state) = (made.id, JoinTokenState::Withdrawn);
        let reason = refused(builds.enrol(&enrolment(1, "h1", "key1")).await);
        assert_eq!(reason, EnrolmentRefused::Ended { id, state });

        let made = builds.create_join_token(&token(2)).await.unwrap();
        sqlx::query("UPDATE join_tokens SET expires_at = clock_timestamp() WHERE id = $1")
            .bind(made.id.0)
            .execute(&builds.sql)
            .await
            .unwrap();
        let (id, state) = (made.id, JoinTokenState::Expired);
        let reason = refused(builds.enrol(&enrolment(2, "h1", "key1")).await);
        assert_eq!(reason, EnrolmentRefused::Ended { id, state });
        let late = builds
            .withdraw_join_token(made.id, &actor())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            late.state,
            JoinTokenState::Expired,
            "what has ended stays as it is"
        );
        assert_eq!(builds.nodes(None, None, 10).await.unwrap(), []);
    });
}

#[test]
fn a_token_lives_a_day_at_most() {
    on_builds(async |builds| {
        let long = NewJoinToken {
            life: JOIN_TOKEN_LIFE_MAX + Duration::from_secs(1),
            ..token(1)
        };
        let error = builds.create_join_token(&long).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    });
}

#[test]
fn a_token_for_another_node_says_so_and_stays_open() {
    on_builds(async |builds| {
        builds.create_join_token(&token_for(1, "h1")).await.unwrap();
        for wrong in [
            enrolment(1, "h2", "key1"),
            Enrolment {
                region: region("west"),
                ..enrolment(1, "h1", "key1")
            },
            Enrolment {
                role: Role::Manager,
                ..enrolment(1, "h1", "key1")
            },
        ] {
            let reason = refused(builds.enrol(&wrong).await);
            let EnrolmentRefused::OtherNode { wanted, given, .. } = reason else {
                panic!("{reason}");
            };
            assert_eq!(wanted, "host h1 in region east");
            assert_ne!(given, wanted);
            assert_eq!(state(builds).await, JoinTokenState::Open);
        }
    });
}

#[test]
fn a_name_moves_to_another_key_only_by_a_token_made_for_it_which_revokes_the_former() {
    on_builds(async |builds| {
        enrolled(builds, 1, "h1", "old").await;
        builds.create_join_token(&token(2)).await.unwrap();
        let reason = refused(builds.enrol(&enrolment(2, "h1", "new")).await);
        assert!(matches!(reason, EnrolmentRefused::NameTaken { .. }), "{reason}");
        assert_eq!(state(builds).await, JoinTokenState::Open);

        enrolled(builds, 3, "h1", "new").await;
        let former = builds.node(&region("east"), &peer("old")).await.unwrap().unwrap();
        assert!(former.revoked_at.is_some());
        assert_eq!(former.revoked_by, Some(actor()));
        assert_eq!(
            builds.revoked_peers(&region("east")).await.unwrap(),
            [peer("old")]
        );
        assert_eq!(builds.revoked_peers(&region("west")).await.unwrap(), []);
    });
}

#[test]
fn a_renewal_lengthens_the_certificate_of_a_node_that_lives() {
    on_builds(async |builds| {
        let node = enrolled(builds, 1, "h1", "key1").await;
        let longer = LIFE + Duration::from_secs(60);
        let renewed = builds
            .renew_node(&region("east"), &peer("key1"), longer)
            .await
            .unwrap();
        assert!(renewed.certificate_until > node.certificate_until);
        assert!(renewed.renewed_at.is_some());

        let unknown = refused(builds.renew_node(&region("west"), &peer("key1"), LIFE).await);
        assert_eq!(unknown, EnrolmentRefused::UnknownNode(region("west")));

        builds.run("UPDATE nodes SET certificate_until = now()").await;
        let late = refused(builds.renew_node(&region("east"), &peer("key1"), LIFE).await);
        assert!(matches!(late, EnrolmentRefused::Expired(_)), "{late}");
    });
}

#[test]
fn a_revoked_key_is_out_for_ever_and_its_name_is_free() {
    on_builds(async |builds| {
        enrolled(builds, 1, "h1", "key1").await;
        let east = region("east");
        let revoked = builds
            .revoke_node(&east, &host("h1"), &actor(), "stolen")
            .await
            .unwrap();
        let revoked = revoked.unwrap();
        assert_eq!(revoked.reason.as_deref(), Some("stolen"));
        let again = builds
            .revoke_node(&east, &host("h1"), &actor(), "lost")
            .await
            .unwrap();
        assert_eq!(again, Some(revoked), "the first word stays");
        let nobody = builds
            .revoke_node(&east, &host("h9"), &actor(), "stolen")
            .await
            .unwrap();
        assert_eq!(nobody, None);

        let renewal = refused(builds.renew_node(&east, &peer("key1"), LIFE).await);
        assert!(matches!(renewal, EnrolmentRefused::Revoked { .. }), "{renewal}");
        builds.create_join_token(&token_for(2, "h1")).await.unwrap();
        let return_ = refused(builds.enrol(&enrolment(2, "h1", "key1")).await);
        assert!(matches!(return_, EnrolmentRefused::Revoked { .. }), "{return_}");
        let node = builds.enrol(&enrolment(2, "h1", "key2")).await.unwrap();
        assert_eq!((node.name, node.peer), (host("h1"), peer("key2")));
    });
}

#[test]
fn a_revoked_key_is_listed_until_the_last_of_all_its_certificates_has_expired() {
    on_builds(async |builds| {
        enrolled(builds, 1, "h1", "key1").await;
        let east = region("east");
        // An operator made certificates shorter; the first one is still good for days.
        builds
            .renew_node(&east, &peer("key1"), Duration::from_secs(10))
            .await
            .unwrap();
        builds
            .revoke_node(&east, &host("h1"), &actor(), "stolen")
            .await
            .unwrap();
        builds.run("UPDATE nodes SET certificate_until = now()").await;
        assert_eq!(builds.revoked_peers(&east).await.unwrap(), [peer("key1")]);
        builds.run("UPDATE nodes SET dangerous_until = now()").await;
        assert_eq!(builds.revoked_peers(&east).await.unwrap(), []);
    });
}

#[test]
fn nodes_are_listed_page_by_page() {
    on_builds(async |builds| {
        for number in 1..=5 {
            enrolled(builds, number, &format!("h{number}"), &format!("key{number}")).await;
        }
        let whole = builds.nodes(Some(&region("east")), None, 100).await.unwrap();
        assert_eq!(whole.len(), 5);
        let first = builds.nodes(None, None, 2).await.unwrap();
        let last = &first[1];
        let after = Some((&last.region, &last.name, &last.peer));
        let rest = builds.nodes(None, after, 100).await.unwrap();
        assert_eq!([first.clone(), rest].concat(), whole);
        assert_eq!(builds.nodes(Some(&region("west")), None, 100).await.unwrap(), []);
    });
}
