//! A release takes over from another behind its host's proxy, while clients ask.

use crate::fixture;
use crate::system::{System, wait_until};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Where the first host of the first region is, as `starling dev` has it.
pub const HOST: Ipv4Addr = Ipv4Addr::new(127, 1, 1, 1);
const CLIENTS: usize = 4;

#[test]
fn a_second_release_takes_over_under_load_and_no_request_fails() {
    take_over("always");
}

#[test]
fn a_release_that_may_not_overlap_follows_another_under_load_and_no_request_fails() {
    take_over("never");
}

#[test]
fn a_release_gets_a_share_first_and_one_that_answers_badly_gets_no_more() {
    let split = "[services.beacon.cutover.split]\npercent = 50\nseconds = 3\n";
    let (system, port) = prepared(&format!("overlap = \"always\"\n{split}"));
    let first = deploy(&system);
    wait_until("the first release answers at the stable port", || {
        ask(HOST, port).is_ok_and(|said| said.contains(&first))
    });
    let stop = Arc::new(AtomicBool::new(false));
    let client = thread::spawn({
        let stop = stop.clone();
        move || load(port, &stop)
    });
    fixture::commit(&system.scratch("beacon"), &[("README", "second")]);
    let second = deploy(&system);
    stop.store(true, Ordering::Relaxed);
    assert!(client.join().unwrap().unwrap() > 0);

    // Healthy, and of no use to its clients.
    let bad = fixture::BEACON.replacen(
        "status: \"200 OK\",\n            content_type: \"application/json\"",
        "status: \"500 Oops\",\n            content_type: \"application/json\"",
        1,
    );
    assert_ne!(bad, fixture::BEACON);
    fixture::commit(&system.scratch("beacon"), &[("main.rs", &bad)]);
    let stop = Arc::new(AtomicBool::new(false));
    let client = thread::spawn({
        let stop = stop.clone();
        move || errors(port, &stop)
    });
    let built = system.build("beacon", "//:beacon");
    let build = built["build"]["id"].as_str().unwrap();
    let said = system.cli(&["--json", "deploy", "beacon", build, "--yes"]);
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["deployment"]["state"], "ROLLED_BACK", "{said}");
    let reason = said["deployment"]["reason"].as_str().unwrap();
    assert!(reason.contains("requests of its share"), "{reason}");
    wait_until("the second release answers everything again", || {
        let well = |_| ask(HOST, port).is_ok_and(|said| said.contains(&second));
        (0..20).all(well)
    });
    stop.store(true, Ordering::Relaxed);
    let (answered, errors) = client.join().unwrap();
    assert!(errors > 0 && errors * 2 < answered, "{errors} of {answered}");
}

/// Asks until told to stop; how many answers there were, and how many of them were errors.
fn errors(port: u16, stop: &AtomicBool) -> (u64, u64) {
    let (mut answered, mut errors) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        if let Ok(said) = ask(HOST, port) {
            answered += 1;
            errors += u64::from(said.starts_with("HTTP/1.1 5"));
        }
    }
    (answered, errors)
}

/// A system with the beacon behind a stable port, and that port.
fn prepared(more: &str) -> (System, u16) {
    let system = System::start(&["--regions", "1", "--hosts", "1", "--workers", "1"]);
    let port = TcpListener::bind((HOST, 0)).unwrap().local_addr().unwrap().port();
    let repository = system.scratch("beacon");
    let toml = format!("{}stable_port = {port}\n{more}", fixture::beacon_toml(1 << 10));
    fixture::repository(
        &repository,
        &[("starling.toml", &toml), ("main.rs", fixture::BEACON)],
    );
    system.register("beacon", &repository);
    let applied = repository.join("starling.toml").display().to_string();
    system.json(&["service", "apply", &applied]);
    (system, port)
}

fn take_over(overlap: &str) {
    let (system, port) = prepared(&format!("overlap = \"{overlap}\"\n"));
    let first = deploy(&system);
    wait_until("the first release answers at the stable port", || {
        ask(HOST, port).is_ok_and(|said| said.contains(&first))
    });
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let stop = stop.clone();
            thread::spawn(move || load(port, &stop))
        })
        .collect();
    fixture::commit(&system.scratch("beacon"), &[("README", "second")]);
    let second = deploy(&system);
    wait_until("the second release answers at the stable port", || {
        ask(HOST, port).is_ok_and(|said| said.contains(&second))
    });
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let answered = client.join().unwrap().unwrap();
        assert!(answered > 0);
    }
}

/// Builds and deploys `main`; the commit that runs.
fn deploy(system: &System) -> String {
    let built = system.build("beacon", "//:beacon");
    let deployed = system.json(&["deploy", "beacon", built["build"]["id"].as_str().unwrap()]);
    assert_eq!(deployed["deployment"]["state"], "SUCCEEDED", "{deployed}");
    built["build"]["commit"].as_str().unwrap().to_owned()
}

/// Asks until told to stop; how many answers there were, or the first that was not good.
fn load(port: u16, stop: &AtomicBool) -> Result<u64, String> {
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        match ask(HOST, port) {
            Ok(said) if said.starts_with("HTTP/1.1 200") => answered += 1,
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(answered)
}

pub fn ask(host: Ipv4Addr, port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /version HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
