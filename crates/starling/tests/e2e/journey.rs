//! The way of a commit that nothing disturbs.

use crate::fixture;
use crate::processes::matching;
use crate::system::System;
use serde_json::Value;

#[test]
fn a_commit_reaches_every_host_and_a_newer_one_replaces_it() {
    let mut system = System::start(&["--regions", "2", "--hosts", "3"]);
    let repository = system.scratch("beacon");
    fixture::beacon(&repository, 6 << 20);
    system.register("beacon", &repository);
    system.json(&[
        "service",
        "apply",
        &repository.join("starling.toml").display().to_string(),
    ]);

    let first = deploy(&system, 1);
    assert_eq!(first["instances"].as_array().map(Vec::len), Some(6));
    for region in first["regions"].as_array().unwrap() {
        let from = |source: &str| region["transfer"][source].as_u64().unwrap();
        let total = region["transfer"]["total_bytes"].as_u64().unwrap();
        assert!(from("peer_bytes") > 0, "hosts exchange pieces: {region}");
        assert!(
            from("seed_bytes") < total,
            "the seed does not serve every host by itself: {region}"
        );
    }

    fixture::commit(&repository, &[("README", "second")]);
    let second = deploy(&system, 2);
    let before = first["deployment"]["artifact"].clone();
    assert_ne!(second["deployment"]["artifact"], before);

    // The same target and commit is the same build.
    let again = system.json(&["build", "--detach", "beacon", "main", "//:beacon"]);
    assert_eq!(again["fresh"], false);

    system.restart(&["--regions", "2", "--hosts", "3"]);
    let id = second["deployment"]["id"].as_str().unwrap();
    let found = system.wait(id, "every host runs its release again", |status| {
        let healthy = |place: &Value| place["instance"]["state"] == "HEALTHY";
        status["instances"]
            .as_array()
            .is_some_and(|places| places.iter().all(healthy))
            && answers(status).is_ok()
    });
    assert_eq!(found["deployment"]["release"], 2);

    let data = system.data().display().to_string();
    drop(system);
    assert_eq!(matching(&data), Vec::<u64>::new(), "nothing is left behind");
}

/// Builds `main`, deploys it as `release`, and asks every host over HTTP.
fn deploy(system: &System, release: u64) -> Value {
    let built = system.build("beacon", "//:beacon");
    assert_eq!(built["build"]["state"], "SUCCEEDED", "{built}");
    let deployed = system.json(&["deploy", "beacon", built["build"]["id"].as_str().unwrap()]);
    assert_eq!(deployed["deployment"]["state"], "SUCCEEDED", "{deployed}");
    assert_eq!(deployed["deployment"]["release"], release);
    let commit = built["build"]["commit"].as_str().unwrap();
    for said in answers(&deployed).expect("every host answers") {
        assert!(said.contains(commit), "{said} names {commit}");
    }
    deployed
}

/// What every instance says of itself over HTTP.
fn answers(deployment: &Value) -> Result<Vec<String>, std::io::Error> {
    let places = deployment["instances"].as_array().cloned().unwrap_or_default();
    let port = |place: &Value| place["instance"]["port"].as_u64();
    places
        .iter()
        .map(|place| get(port(place).unwrap_or_default(), "/version"))
        .collect()
}

fn get(port: u64, path: &str) -> std::io::Result<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}"))?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
