//! Who is let into a region's swarm, and who is put out of it.

use crate::fixture;
use crate::processes::{pid, signal};
use crate::system::{System, wait_until};
use serde_json::Value;
use std::path::PathBuf;

const REGION: &str = "us-east-1";
const ONE_REGION: [&str; 4] = ["--regions", "1", "--hosts", "2"];

/// A file of a host's, among the secrets.
fn secret(system: &System, host: &str, kind: &str) -> PathBuf {
    let name = format!("{REGION}.host.{host}.{kind}");
    system.data().join("secrets").join(name)
}

fn node(system: &System, name: &str) -> Option<Value> {
    let list = system.json(&["node", "list", "--region", REGION]);
    let nodes = list["nodes"].as_array().cloned().unwrap_or_default();
    let living = |node: &&Value| node["name"] == name && node["revoked_at"].is_null();
    nodes.iter().find(living).cloned()
}

fn log(system: &System, process: &str) -> String {
    let file = system.data().join("logs").join(format!("{process}.log"));
    std::fs::read_to_string(file).unwrap_or_default()
}

fn hosts_alive(system: &System) -> u64 {
    let overview = system.json(&["status"]);
    overview["regions"][0]["hosts_alive"].as_u64().unwrap_or_default()
}

fn make_token(system: &System, arguments: &[&str]) -> String {
    let command = ["join-token", "create", "--region", REGION];
    let created = system.json(&[&command, arguments].concat());
    created["secret"].as_str().unwrap().to_owned()
}

#[test]
fn nodes_enrol_by_themselves_once_and_a_second_start_finds_their_certificates() {
    let mut system = System::start(&ONE_REGION);
    for name in ["host-1", "host-2", "manager-1"] {
        assert!(node(&system, name).is_some(), "{name} is enrolled");
    }
    let certificate = |system: &System| std::fs::read(secret(system, "host-1", "certificate")).ok();
    assert!(!secret(&system, "host-1", "join-token").exists());
    let first = certificate(&system);
    assert!(first.is_some());
    system.restart(&ONE_REGION);
    assert_eq!(certificate(&system), first);

    // As after weeks in a drawer: what is there does not open the door any more.
    let useless = "expired";
    std::fs::write(secret(&system, "host-1", "certificate"), useless).unwrap();
    system.restart(&ONE_REGION);
    // What is known of the hosts may be from before the restart.
    wait_until("host-1 has another certificate", || {
        certificate(&system).is_some_and(|now| Some(&now) != first.as_ref() && now != useless.as_bytes())
    });
}

#[test]
fn certificates_of_a_short_life_are_renewed_while_the_swarm_stays_up() {
    let life = [("STARLING_API_CERTIFICATE_LIFE_SECONDS", "20")];
    let system = System::start_with(&ONE_REGION, &life);
    let renewed = |name: &str| {
        let node = node(&system, name).expect("it is enrolled");
        assert_eq!(node["expired"], false, "{node}");
        node["renewed_at"].as_str().map(str::to_owned)
    };
    let names = ["host-1", "host-2", "manager-1"];
    let pids: Vec<_> = names
        .iter()
        .map(|name| pid(&system, &format!("{REGION}.{name}")))
        .collect();
    // The second time is later than the end of every first certificate.
    for _ in 0..2 {
        let before: Vec<_> = names.iter().map(|name| renewed(name)).collect();
        for (name, before) in names.iter().zip(&before) {
            wait_until(&format!("{name} renews its certificate"), || {
                renewed(name) > *before
            });
        }
    }
    let repository = system.scratch("beacon");
    fixture::beacon(&repository, 4 << 20);
    system.register("beacon", &repository);
    let spec = repository.join("starling.toml").display().to_string();
    system.json(&["service", "apply", &spec]);
    let built = system.build("beacon", "//:beacon");
    let deployed = system.json(&["deploy", "beacon", built["build"]["id"].as_str().unwrap()]);
    assert_eq!(deployed["deployment"]["state"], "SUCCEEDED", "{deployed}");
    let now: Vec<_> = names
        .iter()
        .map(|name| pid(&system, &format!("{REGION}.{name}")))
        .collect();
    assert_eq!(now, pids, "nobody had to start again");
}

#[test]
fn a_revoked_host_is_put_out_and_its_machine_comes_back_only_with_another_key_and_token() {
    let system = System::start(&ONE_REGION);
    let former = node(&system, "host-1").unwrap()["peer"]
        .as_str()
        .unwrap()
        .to_owned();
    let process = format!("{REGION}.host-1");
    let times_left_alone = || log(&system, &process).matches("no manager gives orders").count();
    let before = times_left_alone();
    system.json(&["node", "revoke", REGION, "host-1", "--reason", "it was stolen"]);
    wait_until("the region counts without it", || hosts_alive(&system) == 1);
    wait_until("its neighbour drops it", || {
        log(&system, &format!("{REGION}.host-2")).contains("a revoked peer is disconnected")
    });
    wait_until("it gets no orders any more", || times_left_alone() > before);

    // Its certificate is good by its date, and is worth nothing any more.
    let before = times_left_alone();
    signal(&system, &process, "KILL");
    wait_until("it starts again and gets no orders", || {
        times_left_alone() > before
    });
    assert_eq!(hosts_alive(&system), 1);

    // Another key needs a token.
    std::fs::remove_file(secret(&system, "host-1", "identity")).unwrap();
    signal(&system, &process, "KILL");
    wait_until("it says that it needs a token", || {
        log(&system, &process)
            .contains("starling join-token create --region us-east-1 --role host --name host-1")
    });
    let token = make_token(&system, &["--name", "host-1"]);
    std::fs::write(secret(&system, "host-1", "join-token"), &token).unwrap();
    wait_until("it is back", || hosts_alive(&system) == 2);
    assert_ne!(node(&system, "host-1").unwrap()["peer"], former.as_str());

    used_token_is_refused(&system, &token);
}

/// A third host comes with the token that another has used.
fn used_token_is_refused(system: &System, token: &str) {
    let folder = system.scratch("thief");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = system.data().join("roles").join(format!("{REGION}.host-1.toml"));
    let settings = std::fs::read_to_string(settings).unwrap();
    let own = folder.display().to_string();
    let theirs = system
        .data()
        .join("secrets")
        .join(format!("{REGION}.host.host-1"));
    let settings = settings.replace(&theirs.display().to_string(), &format!("{own}/host"));
    let config = folder.join("agent.toml");
    std::fs::write(&config, settings).unwrap();
    std::fs::write(folder.join("host.join-token"), token).unwrap();
    let said = system.refused(&["agent", "--config", &config.display().to_string()], 1);
    assert!(
        said.contains("is USED") && said.contains("join-token create"),
        "{said}"
    );
}
