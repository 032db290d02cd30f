//! The processes of a system under test, to be killed, stopped and continued.

use crate::system::{System, wait_until};
use serde_json::Value;
use std::process::Command;

/// The process id of a role's process, as `processes.json` has it now.
pub fn pid(system: &System, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(system.data().join("processes.json")).ok()?;
    serde_json::from_str::<Value>(&text).ok()?[name]["pid"].as_u64()
}

/// Sends a signal to a role's process and returns the process id that it went to.
pub fn signal(system: &System, name: &str, signal: &str) -> u64 {
    let pid = pid(system, name).unwrap_or_else(|| panic!("{name} runs"));
    send(pid, signal);
    pid
}

/// Kills a role's process with SIGKILL and waits until `starling dev` has started it again.
pub fn kill_and_await_restart(system: &System, name: &str) {
    let before = signal(system, name, "KILL");
    wait_until(&format!("{name} runs again"), || {
        pid(system, name).is_some_and(|now| now != before)
    });
}

/// Sends a signal to any process.
pub fn send(pid: u64, signal: &str) {
    let sent = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(pid.to_string())
        .status();
    assert!(
        sent.is_ok_and(|status| status.success()),
        "process {pid} takes SIG{signal}"
    );
}

/// The processes whose command line holds `needle`.
pub fn matching(needle: &str) -> Vec<u64> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u64>() else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(needle) {
            found.push(pid);
        }
    }
    found
}
