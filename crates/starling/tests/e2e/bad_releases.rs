//! Releases that fail as releases do: each stops, is taken back by itself, and says why.

use crate::fixture;
use crate::system::{System, text, wait_until};
use serde_json::Value;

/// The beacon, behind a script that does what the release's configuration says.
const SCRIPT: &str = r#"#!/bin/sh
echo "release $STARLING_RELEASE in $STARLING_REGION"
case "$BEHAVIOUR" in
exits) echo "cannot open the configuration" >&2; exit 3 ;;
silent) echo "waiting for a database"; exec sleep 1000 ;;
ill) if [ "$STARLING_REGION" = eu-west-1 ]; then export BEACON_ILL=1; fi ;;
esac
exec "$STARLING_ARTIFACT_FOLDER/out/beacon"
"#;

/// The system's regions; releases that are ill are so in the second.
const REGIONS: &[&str] = &["us-east-1", "eu-west-1"];

/// One host after the other, and none may fail.
const POLICY: &str = "strategy = \"rolling\"\nbatch_size = 1\nfailure_threshold = 0\nbake_seconds = 1\nmin_observations = 1\nhealthy_deadline_seconds = 8\n";

/// A system with a good release of [`SCRIPT`], and what the next ones need.
struct Prepared {
    system: System,
    build: String,
    policy: String,
}

impl Prepared {
    fn new() -> Self {
        let system = System::start(&["--regions", "2", "--hosts", "1", "--workers", "1"]);
        let repository = system.scratch("beacon");
        let toml = fixture::beacon_toml(16)
            .replace(
                "out/payload",
                "out/payload && cp run.sh out/run && chmod 755 out/run",
            )
            .replace("command = [\"out/beacon\"]", "command = [\"out/run\"]");
        fixture::repository(
            &repository,
            &[
                ("starling.toml", &toml),
                ("main.rs", fixture::BEACON),
                ("run.sh", SCRIPT),
            ],
        );
        system.register("beacon", &repository);
        let applied = repository.join("starling.toml").display().to_string();
        system.json(&["service", "apply", &applied]);
        let policy = system.scratch("policy.toml");
        std::fs::write(&policy, POLICY).unwrap();
        let built = system.build("beacon", "//:beacon");
        Self {
            build: built["build"]["id"].as_str().unwrap().to_owned(),
            policy: policy.display().to_string(),
            system,
        }
    }

    /// Deploys the build so that it behaves like this; how that ended.
    fn deploy(&self, behaviour: &str) -> Value {
        let (system, variable) = (&self.system, format!("BEHAVIOUR={behaviour}"));
        let kept = system.cli(&["configuration", "set", "beacon", behaviour, &variable]);
        assert!(kept.status.success(), "{}", text(&kept.stderr));
        let deploy = ["--json", "deploy", "beacon", &self.build, "--yes"];
        let policy = ["--configuration", behaviour, "--policy", &self.policy];
        let said = system.cli(&[&deploy[..], &policy[..]].concat());
        let said: Value =
            serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{}", text(&said.stderr)));
        said["deployment"].clone()
    }

    /// What was kept of a release's output.
    fn output(&self, region: &str, release: &str) -> String {
        let host = ["logs", "beacon", "--host", "host-1", "--region", region];
        let said = self.system.cli(&[&host[..], &["--release", release]].concat());
        assert!(said.status.success(), "{}", text(&said.stderr));
        text(&said.stdout)
    }
}

/// Whether a deployment has succeeded and all hosts still say that they are well.
fn are_well(deployment: &Value) -> bool {
    let instances = deployment["instances"].as_array().unwrap();
    let well = |host: &Value| host["instance"]["state"] == "HEALTHY";
    deployment["deployment"]["state"] == "SUCCEEDED"
        && instances.len() == REGIONS.len()
        && instances.iter().all(well)
}

#[test]
fn releases_that_exit_never_answer_or_are_ill_in_one_region_are_taken_back_and_say_why() {
    let prepared = Prepared::new();
    let system = &prepared.system;
    let good = prepared.deploy("good");
    assert_eq!(good["state"], "SUCCEEDED", "{good}");
    for (behaviour, where_it_fails, words) in [
        ("exits", REGIONS, "exit code 3; it wrote"),
        ("silent", REGIONS, "“waiting for a database”"),
        ("ill", &REGIONS[1..], "status 500"),
    ] {
        let bad = prepared.deploy(behaviour);
        assert_eq!(bad["state"], "ROLLED_BACK", "{bad}");
        let reason = bad["reason"].as_str().unwrap();
        let failed = where_it_fails.iter().find(|region| reason.contains(**region));
        let region = failed.unwrap_or_else(|| panic!("{behaviour}: {reason}"));
        assert!(reason.contains(words), "{behaviour}: {reason}");
        // A host that is not well when the next release begins counts against nobody.
        wait_until("every host is well again with what was well", || {
            let newest = &system.json(&["deployments", "--limit", "1"])["deployments"][0];
            newest["rollback"] == true && are_well(&system.status(newest["id"].as_str().unwrap()))
        });
        // What it wrote is still there for whoever asks.
        let release = bad["release"].to_string();
        let output = prepared.output(region, &release);
        let first = format!("\nrelease {release} in {region}\n");
        assert!(
            output.contains(&first) && output.contains("[starling] "),
            "{behaviour}: {output}"
        );
    }
    let unnamed = system.refused(&["logs", "beacon", "--host", "host-1"], 5);
    assert!(
        unnamed.contains("us-east-1") && unnamed.contains("eu-west-1"),
        "{unnamed}"
    );
}
