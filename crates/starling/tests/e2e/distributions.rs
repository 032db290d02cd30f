//! What an engineer sees of bytes on their way, and what they can do to them.

use crate::fixture;
use crate::system::{System, text};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const HOSTS: u64 = 3;
/// Half a minute's work under the lowest limit.
const LARGE: u64 = 64 << 20;

#[test]
fn bytes_on_their_way_are_seen_limited_paused_resumed_and_aborted() {
    let system = System::start(&["--regions", "1", "--hosts", "3"]);
    let repository = system.scratch("beacon");
    fixture::beacon(&repository, 1 << 20);
    system.register("beacon", &repository);
    let file = repository.join("starling.toml");
    system.json(&["service", "apply", &file.display().to_string()]);
    let first = deploy(&system);
    succeeds(&system, &first);
    let region = first["regions"][0]["region"].as_str().unwrap().to_owned();

    limit(&system, &["--region", &region, "--download", "2MiB"]);
    fixture::commit(&repository, &[("starling.toml", &fixture::beacon_toml(LARGE))]);
    let second = deploy(&system);
    let artifact = second["deployment"]["artifact"].as_str().unwrap();
    let under_way = shows(&system, artifact, "all hosts fetch", |summary| {
        summary["hosts"]["fetching"] == HOSTS && taken(summary) > 0 && !summary["left_ms"].is_null()
    });
    let bound = &under_way["bound"];
    assert_eq!(
        (&bound["down_is_limit"], &bound["down_bytes_per_s"]),
        (&true.into(), &(2 << 20).into())
    );
    // Each host's limit, and what a window of ten seconds may blur.
    assert!(
        taken(&under_way) < HOSTS * (5 << 19),
        "the limit holds: {under_way}"
    );
    is_on_the_page(&system, &second);
    let id = second["deployment"]["id"].as_str().unwrap();
    let status = text(&system.cli(&["status", id]).stdout);
    assert!(
        status.contains("TIME LEFT") && status.contains("/3 hosts, "),
        "{status}"
    );

    paused_and_resumed(&system, artifact);
    limit(&system, &["--region", &region, "--none"]);
    succeeds(&system, &second);
    shows(&system, artifact, "all hosts have it", |summary| {
        summary["hosts"]["complete"] == HOSTS
    });
    aborted(&system, &repository, &region);
}

fn paused_and_resumed(system: &System, artifact: &str) {
    system.json(&["distribution", "pause", artifact]);
    // A rate is taken over some ten seconds, so one of nothing says that nothing moved for as long.
    let resting = shows(system, artifact, "nothing moves", |summary| {
        summary["hosts"]["paused"] == HOSTS && taken(summary) == 0
    });
    assert!(held(&resting) > 0, "what came before stays: {resting}");
    assert!(
        resting["left_ms"].is_null(),
        "nobody knows when it ends: {resting}"
    );
    system.json(&["distribution", "resume", artifact]);
    shows(system, artifact, "it goes on", |summary| {
        held(summary) > held(&resting)
    });
}

/// Aborts the next release on its way: its bytes go, and the release before goes on running.
fn aborted(system: &System, repository: &std::path::Path, region: &str) {
    limit(system, &["--region", region, "--download", "2MiB"]);
    fixture::commit(repository, &[("README", "another payload")]);
    let third = deploy(system);
    let artifact = third["deployment"]["artifact"].as_str().unwrap();
    shows(system, artifact, "bytes come", |summary| held(summary) > 0);
    system.json(&["distribution", "abort", artifact, "--region", region]);
    shows(system, artifact, "its bytes are gone", |summary| {
        summary["hosts"]["aborted"] == HOSTS && held(summary) == 0
    });
    let status = system.status(third["deployment"]["id"].as_str().unwrap());
    for place in status["instances"].as_array().unwrap() {
        let instance = &place["instance"];
        assert_eq!(instance["running_release"], 2, "{instance}");
        assert_eq!(
            instance["reason"], "an operator aborted the distribution",
            "{instance}"
        );
        let port = instance["port"].as_u64().unwrap();
        assert!(
            get(port, "/version", "").contains("200 OK"),
            "release 2 answers at {port}"
        );
    }
}

fn deploy(system: &System) -> Value {
    let built = system.build("beacon", "//:beacon");
    assert_eq!(built["build"]["state"], "SUCCEEDED", "{built}");
    let build = built["build"]["id"].as_str().unwrap();
    let deployment = system.json(&["deploy", "--detach", "beacon", build]);
    system.status(deployment["id"].as_str().unwrap())
}

fn succeeds(system: &System, deployment: &Value) {
    let id = deployment["deployment"]["id"].as_str().unwrap();
    system.wait(id, "the deployment succeeds", |status| {
        status["deployment"]["state"] == "SUCCEEDED"
    });
}

fn limit(system: &System, arguments: &[&str]) {
    system.json(&[&["limits", "set"], arguments].concat());
}

/// Waits until the only region's summary of a distribution is like this, and returns it.
fn shows(system: &System, artifact: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    crate::system::wait_until(what, || {
        let output = system.cli(&["--json", "distribution", "show", artifact]);
        // Until a host has told that it lacks it, there is no such distribution.
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        last = shown["regions"][0]["progress"]["summary"].clone();
        !last.is_null() && fits(&last)
    });
    last
}

fn sum(value: &Value, parts: &[&str]) -> u64 {
    parts.iter().filter_map(|part| value[part].as_u64()).sum()
}

/// Bytes a second that all hosts take in.
fn taken(summary: &Value) -> u64 {
    sum(&summary["rates"], &["seed", "peer", "store"])
}

/// Verified bytes on all hosts.
fn held(summary: &Value) -> u64 {
    sum(
        &summary["transfer"],
        &["seed_bytes", "peer_bytes", "store_bytes", "local_bytes"],
    )
}

fn is_on_the_page(system: &System, deployment: &Value) {
    let context = std::fs::read_to_string(system.data().join("context.toml")).unwrap();
    let value = |key: &str| {
        let line = context.lines().find(|line| line.starts_with(key)).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let token = std::fs::read_to_string(value("token_file")).unwrap();
    let port = value("api").rsplit(':').next().unwrap().parse().unwrap();
    let path = format!(
        "/deployments/{}",
        deployment["deployment"]["id"].as_str().unwrap()
    );
    let page = get(
        port,
        &path,
        &format!("Authorization: Bearer {}\r\n", token.trim()),
    );
    for words in [
        "Time left",
        "with 2.0 MiB/s a host, the limit",
        "Slowest hosts",
        "value=\"pause\"",
    ] {
        assert!(page.contains(words), "the page does not say {words:?}:\n{page}");
    }
}

fn get(port: u64, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    text(&answer)
}
