//! Statements of provenance: their form, and what is refused.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]

mod common;

use artifact::{
    BuildRun, Envelope, InvalidEnvelope, InvalidStatement, STATEMENT_LENGTH_MAX, SigningKey, Statement,
};
use common::{build, entry};
use proptest::prelude::*;
use serde_json::{Value, json};

fn run() -> BuildRun {
    BuildRun {
        builder: "urn:starling:builder:0123".to_owned(),
        version: Some("0.1.0".to_owned()),
        source: Some("https://example.org/murmuration.git".to_owned()),
        revision: Some("main".to_owned()),
        invocation: Some("build/7".to_owned()),
        started_on: Some("2026-11-25T22:00:00Z".parse().unwrap()),
        finished_on: Some("2026-11-25T22:03:00.5Z".parse().unwrap()),
        environment: [("worker".to_owned(), "worker-1".to_owned())].into(),
    }
}

fn statement(run: BuildRun) -> Statement {
    Statement::new(&build(vec![entry("a", 3)], b"abc"), run)
}

fn document() -> Value {
    serde_json::from_slice(&statement(run()).encode()).unwrap()
}

fn decode(document: &Value) -> Result<Statement, InvalidStatement> {
    Statement::decode(&serde_json::to_vec(document).unwrap())
}

#[test]
fn a_statement_has_the_form_that_in_toto_and_slsa_ask_for() {
    let made = statement(run());
    let provenance = made.provenance();
    let commit = provenance.commit.to_string();
    assert_eq!(
        document(),
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{
                "name": format!("{} {}", provenance.repository, provenance.target),
                "digest": {"blake3": made.artifact().to_string()},
            }],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "urn:starling:build:v1",
                    "externalParameters": {
                        "repository": provenance.repository,
                        "commit": commit,
                        "target": provenance.target,
                        "revision": "main",
                    },
                    "internalParameters": {"worker": "worker-1"},
                    "resolvedDependencies": [{
                        "name": provenance.repository,
                        "uri": "git+https://example.org/murmuration.git",
                        "digest": {"gitCommit": commit},
                    }],
                },
                "runDetails": {
                    "builder": {"id": "urn:starling:builder:0123", "version": {"starling": "0.1.0"}},
                    "metadata": {
                        "invocationId": "build/7",
                        "startedOn": "2026-11-25T22:00:00Z",
                        "finishedOn": "2026-11-25T22:03:00.5Z",
                    },
                },
            },
        })
    );
}

#[test]
fn what_is_not_known_is_ignored_and_what_is_missing_is_named() {
    let mut more = document();
    more["predicate"]["runDetails"]["byproducts"] = json!([{"uri": "x"}]);
    more["extension"] = json!(1);
    assert_eq!(decode(&more).unwrap(), statement(run()));

    let mut two = document();
    two["subject"] = json!([two["subject"][0], two["subject"][0]]);
    assert_eq!(decode(&two), Err(InvalidStatement::Subject));
    let mut unnamed = document();
    unnamed["subject"][0]["digest"] = json!({"sha256": "00"});
    assert_eq!(decode(&unnamed), Err(InvalidStatement::Subject));
    let mut foreign = document();
    foreign["predicateType"] = json!("https://slsa.dev/provenance/v0.2");
    assert!(matches!(decode(&foreign), Err(InvalidStatement::Kind(_))));
    let mut odd = document();
    odd["predicate"]["buildDefinition"]["externalParameters"]["commit"] = json!("main");
    assert_eq!(decode(&odd), Err(InvalidStatement::Parameter("commit")));
}

#[test]
fn a_run_that_says_too_much_is_not_signed() {
    let long = BuildRun {
        revision: Some("x".repeat(STATEMENT_LENGTH_MAX)),
        ..run()
    };
    let key = SigningKey::generate([1; 32]);
    let refused = key.sign(&build(vec![entry("a", 3)], b"abc"), long).unwrap_err();
    assert_eq!(refused, InvalidStatement::TooLong);
}

#[test]
fn an_envelope_has_one_form_and_at_least_one_signature() {
    let key = SigningKey::generate([1; 32]);
    let signed = key.sign(&build(vec![entry("a", 3)], b"abc"), run()).unwrap();
    let bytes = signed.envelope().encode();
    assert_eq!(&Envelope::decode(&bytes).unwrap(), signed.envelope());
    let spaced = [bytes.as_slice(), b" "].concat();
    assert_eq!(Envelope::decode(&spaced), Err(InvalidEnvelope::NotCanonical));
    let mut form: Value = serde_json::from_slice(&bytes).unwrap();
    form["signatures"] = json!([]);
    let bare = serde_json::to_vec(&form).unwrap();
    assert_eq!(Envelope::decode(&bare), Err(InvalidEnvelope::Signatures(0)));
}

proptest! {
    #[test]
    fn whatever_a_run_says_is_read_back(
        text in proptest::option::of(".{0,40}"),
        builder in ".{1,40}",
        environment in proptest::collection::btree_map(".{0,10}", ".{0,20}", 0..5),
        second in proptest::option::of(0..2_000_000_000_i64),
    ) {
        let run = BuildRun {
            builder,
            version: text.clone(),
            source: text.clone(),
            revision: text.clone(),
            invocation: text,
            started_on: second.map(|second| jiff::Timestamp::from_second(second).unwrap()),
            finished_on: None,
            environment,
        };
        let made = statement(run);
        prop_assert_eq!(Statement::decode(&made.encode()).unwrap(), made);
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Statement::decode(&bytes);
        let _ = Envelope::decode(&bytes);
    }

    #[test]
    fn a_statement_with_a_changed_byte_is_read_as_another_or_not_at_all(at in 0..1_000_usize, bit in 0..8_u8) {
        let made = statement(run());
        let mut bytes = made.encode();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(read) = Statement::decode(&bytes) {
            prop_assert_eq!(Statement::decode(&read.encode()).unwrap(), read);
        }
    }
}
