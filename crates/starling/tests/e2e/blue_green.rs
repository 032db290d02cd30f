//! Blue/green over two hosts, behind their proxies and under load: the switch fails no request, and a green that is bad
//! gets none.

use crate::cutover::{HOST, ask};
use crate::fixture;
use crate::system::{System, text, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Both hosts of the first region, as `starling dev` has them.
const HOSTS: [Ipv4Addr; 2] = [HOST, Ipv4Addr::new(127, 1, 1, 2)];
/// A green that is not healthy in time is a bad one.
const POLICY: &str =
    "strategy = \"blue-green\"\nfailure_threshold = 0\nbake_seconds = 2\nhealthy_deadline_seconds = 15\n";

#[test]
fn the_switch_fails_no_request_and_a_bad_green_gets_none() {
    let (system, port) = prepared();
    let first = deploy(&system, &[]);
    assert_eq!(first["state"], "SUCCEEDED", "{first}");
    wait_until_everywhere(port, &first);
    let stop = Arc::new(AtomicBool::new(false));
    let clients = HOSTS.map(|host| {
        let stop = stop.clone();
        thread::spawn(move || load(host, port, &stop))
    });
    fixture::commit(&system.scratch("beacon"), &[("README", "second")]);
    let second = deploy(&system, &[]);
    assert_eq!(second["state"], "SUCCEEDED", "{second}");
    let waves = second["waves"].as_array().unwrap().iter();
    let waves: Vec<_> = waves.map(|wave| &wave["name"]).collect();
    assert_eq!(waves, ["green beside blue", "the switch"]);
    wait_until_everywhere(port, &second);

    let ill = system.cli(&["configuration", "set", "beacon", "ill", "BEACON_ILL=1"]);
    assert!(ill.status.success(), "{}", text(&ill.stderr));
    let bad = deploy(&system, &["--configuration", "ill"]);
    assert_eq!(bad["state"], "FAILED", "{bad}");
    let reason = bad["reason"].as_str().unwrap();
    assert!(
        reason.contains("hosts failed") && reason.contains("status 500"),
        "{reason}"
    );
    wait_until("green is gone from both hosts", || {
        let status = system.status(bad["id"].as_str().unwrap());
        let instances = status["instances"].as_array().unwrap();
        let waits = |place: &Value| place["instance"]["state"] == "STAGED";
        instances.len() == HOSTS.len() && instances.iter().all(waits)
    });
    stop.store(true, Ordering::Relaxed);
    let expected: BTreeSet<i64> = [&first, &second].iter().filter_map(|one| number(one)).collect();
    for client in clients {
        let answered = client.join().unwrap();
        assert_eq!(answered, Ok(expected.clone()), "every release that ever answered");
    }
}

/// A system with the beacon behind a stable port, and that port.
fn prepared() -> (System, u16) {
    let system = System::start(&["--regions", "1", "--hosts", "2", "--workers", "1"]);
    let port = TcpListener::bind((HOST, 0)).unwrap().local_addr().unwrap().port();
    let repository = system.scratch("beacon");
    let toml = format!(
        "{}stable_port = {port}\noverlap = \"always\"\n",
        fixture::beacon_toml(1 << 10)
    );
    fixture::repository(
        &repository,
        &[("starling.toml", &toml), ("main.rs", fixture::BEACON)],
    );
    system.register("beacon", &repository);
    let applied = repository.join("starling.toml").display().to_string();
    system.json(&["service", "apply", &applied]);
    std::fs::write(system.scratch("policy.toml"), POLICY).unwrap();
    (system, port)
}

fn wait_until_everywhere(port: u16, deployment: &Value) {
    wait_until("the release answers on both hosts", || {
        let answers = |host| ask(host, port).is_ok_and(|said| release(&said) == number(deployment));
        HOSTS.into_iter().all(answers)
    });
}

fn number(deployment: &Value) -> Option<i64> {
    deployment["release"].as_i64()
}

/// Builds and deploys `main`; the deployment as it ended.
fn deploy(system: &System, options: &[&str]) -> Value {
    let built = system.build("beacon", "//:beacon");
    let build = built["build"]["id"].as_str().unwrap();
    let policy = system.scratch("policy.toml").display().to_string();
    let deploy = ["--json", "deploy", "beacon", build, "--yes", "--policy", &policy];
    let said = system.cli(&[&deploy[..], options].concat());
    let said: Value =
        serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{}", text(&said.stderr)));
    said["deployment"].clone()
}

/// Asks until told to stop; which releases answered, or the first answer that was not good.
fn load(host: Ipv4Addr, port: u16, stop: &AtomicBool) -> Result<BTreeSet<i64>, String> {
    let mut releases = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        match ask(host, port) {
            Ok(said) if said.starts_with("HTTP/1.1 200") => releases.extend(release(&said)),
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(releases)
}

/// The release that the process which answered was started for.
fn release(answer: &str) -> Option<i64> {
    let (_, after) = answer.split_once("\"release\":\"")?;
    after.split_once('"')?.0.parse().ok()
}
