//! What people get wrong: each refusal names the thing, and nothing is left half done.

use crate::fixture;
use crate::processes::matching;
use crate::system::{System, wait_until};
use std::path::Path;

const NOBODY: &str = "01900000-0000-7000-8000-000000000000";

#[test]
fn what_does_not_exist_is_named_and_nothing_is_enqueued() {
    let system = System::start(&["--regions", "1", "--hosts", "1"]);
    let repository = system.scratch("repository");
    fixture::shell(&repository, "mkdir out; echo hello > out/hello", "");
    system.register("known", &repository);

    let unknown = 4;
    let said = system.refused(&["build", "nowhere", "main", "//:it"], unknown);
    assert!(said.contains("nowhere") && said.contains("next:"), "{said}");
    let said = system.refused(&["build", "known", "no-such-branch", "//:it"], unknown);
    assert!(said.contains("no-such-branch"), "{said}");
    let said = system.refused(&["build", "known", &"0".repeat(40), "//:it"], unknown);
    assert!(said.contains(&"0".repeat(12)), "{said}");
    let said = system.refused(&["build", "known", "main", "//:other"], unknown);
    assert!(
        said.contains("//:other") && said.contains("//:it"),
        "it lists what there is: {said}"
    );
    let said = system.refused(&["deploy", "no-such-service", NOBODY], unknown);
    assert!(
        said.contains("no-such-service") || said.contains(NOBODY),
        "{said}"
    );
    system.refused(&["status", NOBODY], unknown);
    system.refused(&["logs", NOBODY], unknown);
    assert_eq!(
        system.json(&["builds"])["builds"].as_array().map(Vec::len),
        Some(0)
    );

    refuses_what_git_could_misread(&system);
    refuses_to_deploy_a_build_that_failed(&system);
}

fn refuses_what_git_could_misread(system: &System) {
    let (wrong_arguments, refused) = (2, 5);
    for revision in ["--upload-pack=touch /tmp/x", "-x", "a b", "a\nb", "HEAD~1"] {
        system.refused(&["build", "known", "--", revision, "//:it"], wrong_arguments);
    }
    for url in [
        "ext::sh -c whoami",
        "--upload-pack=x",
        "-x",
        "ssh://-oProxyCommand=x/y",
        "https://u:p@host/x",
        "https://h/\u{7}",
    ] {
        let said = system.refused(&["repository", "add", "evil", "--", url], refused);
        assert!(said.contains("repository address"), "{url}: {said}");
    }
    assert_eq!(
        system.json(&["repository", "list"])["repositories"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

fn refuses_to_deploy_a_build_that_failed(system: &System) {
    let repository = system.scratch("failing");
    let service = "[services.failing]\ntarget = \"//:it\"\ncommand = [\"out/it\"]";
    fixture::shell(&repository, "echo first; echo the reason >&2; exit 3", service);
    system.register("failing", &repository);
    system.json(&[
        "service",
        "apply",
        &repository.join("starling.toml").display().to_string(),
    ]);
    let failed = system.build("failing", "//:it");
    assert_eq!(failed["build"]["state"], "FAILED");
    assert!(reason(&failed).contains("exit code 3"), "{failed}");
    let id = failed["build"]["id"].as_str().unwrap();
    let log = system.cli(&["logs", id]);
    let log = crate::system::text(&log.stdout);
    assert!(log.contains("first") && log.contains("the reason"), "{log}");
    let said = system.refused(&["deploy", "failing", id], 5);
    assert!(said.contains("FAILED"), "{said}");
    assert_eq!(
        system.json(&["deployments"])["deployments"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
}

#[test]
fn a_project_file_that_is_wrong_fails_the_build_with_line_and_reason() {
    let system = System::start(&["--regions", "1", "--hosts", "1"]);
    let good = "[targets.\"//:it\"]\ncommand = [\"true\"]\noutputs = [\"out\"]\n";
    let cases: [(&str, Option<String>, &[&str]); 6] = [
        ("missing", None, &["starling.toml"]),
        (
            "malformed",
            Some("[targets]\n\nx = = 1\n".to_owned()),
            &["line 3"],
        ),
        (
            "unknown-key",
            Some(good.replace("outputs", "output")),
            &["line", "output"],
        ),
        (
            "leaves",
            Some(good.replace("\"out\"", "\"../../etc/passwd\"")),
            &["leaves the target's folder"],
        ),
        (
            "absolute",
            Some(good.replace("\"out\"", "\"/etc/passwd\"")),
            &["leaves the target's folder"],
        ),
        ("no-output", Some(good.to_owned()), &["out", "exist"]),
    ];
    for (name, toml, words) in cases {
        let repository = system.scratch(name);
        match &toml {
            Some(text) => fixture::repository(&repository, &[("starling.toml", text)]),
            None => fixture::repository(&repository, &[("README", "nothing to build")]),
        }
        system.register(name, &repository);
        let build = system.build(name, "//:it");
        assert_eq!(build["build"]["state"], "FAILED", "{name}: {build}");
        for word in words {
            assert!(
                reason(&build).contains(word),
                "{name}: {:?} says {word:?}",
                reason(&build)
            );
        }
    }
}

#[test]
fn a_build_that_floods_hangs_or_leaves_children_is_contained() {
    let system = System::start(&["--regions", "1", "--hosts", "1"]);

    let flood = "echo the head; yes flood | head -c 40000000; echo the tail; mkdir out; echo x > out/x";
    let log = log_of(&system, "flood", flood, "", "SUCCEEDED");
    assert!(
        log.contains("the head") && log.contains("the tail"),
        "both ends are kept"
    );
    assert!(
        log.len() < 20_000_000 && log.contains("dropped"),
        "the gap is said: {} bytes",
        log.len()
    );

    // Unique numbers, so that the test finds exactly its own processes.
    let hang = "sleep 86399";
    log_of(&system, "hang", hang, "timeout_seconds = 2", "FAILED");
    let children = "setsid sleep 86398 & (sleep 86397 &) ; mkdir out; echo x > out/x";
    log_of(&system, "children", children, "", "SUCCEEDED");
    for sleeper in ["86399", "86398", "86397"] {
        let line = format!("sleep\0{sleeper}");
        wait_until("every process of the build is gone", || {
            matching(&line).is_empty()
        });
    }
}

/// Builds a shell line to the end that it must have, and returns the log.
fn log_of(system: &System, name: &str, line: &str, more: &str, state: &str) -> String {
    let repository = system.scratch(name);
    fixture::shell(Path::new(&repository), line, more);
    system.register(name, &repository);
    let build = system.build(name, "//:it");
    assert_eq!(build["build"]["state"], state, "{name}: {build}");
    let log = system.cli(&["logs", build["build"]["id"].as_str().unwrap()]);
    crate::system::text(&log.stdout)
}

fn reason(build: &serde_json::Value) -> &str {
    build["build"]["reason"].as_str().unwrap_or_default()
}
