//! Git repositories made for a test.

use std::path::Path;
use std::process::{Command, Stdio};

/// The beacon's source, which fixtures build their services from.
pub const BEACON: &str = include_str!("../../../beacon/src/main.rs");

/// A repository whose `main` holds `files`.
pub fn repository(folder: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(folder).unwrap();
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    commit(folder, files);
}

/// One more commit; returns its name.
pub fn commit(folder: &Path, files: &[(&str, &str)]) -> String {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).unwrap();
        std::fs::write(path, text).unwrap();
    }
    git(folder, &["add", "--all"]);
    let author = ["-c", "user.name=Test", "-c", "user.email=test@localhost"];
    git(
        folder,
        &[
            &author[..],
            &["commit", "--quiet", "--message", "A test's commit"],
        ]
        .concat(),
    );
    git(folder, &["rev-parse", "HEAD"])
}

/// A repository with the beacon as target `//:beacon` and service `beacon`, with a payload of so many bytes.
pub fn beacon(folder: &Path, payload_bytes: u64) {
    let toml = beacon_toml(payload_bytes);
    repository(folder, &[("starling.toml", &toml), ("main.rs", BEACON)]);
}

/// The `starling.toml` of [`beacon`].
pub fn beacon_toml(payload_bytes: u64) -> String {
    let compile = "rustc --edition 2024 -o out/beacon main.rs";
    let payload = format!("head -c {payload_bytes} /dev/urandom > out/payload");
    format!(
        r#"
[targets."//:beacon"]
command = ["sh", "-c", "mkdir -p out && {compile} && {payload}"]
outputs = ["out"]

[services.beacon]
target = "//:beacon"
command = ["out/beacon"]
"#
    )
}

/// A repository with one target, `//:it`, that runs a shell line and declares `out`.
pub fn shell(folder: &Path, line: &str, more: &str) {
    let toml = format!(
        "[targets.\"//:it\"]\ncommand = [\"sh\", \"-c\", '''{line}''']\noutputs = [\"out\"]\n{more}\n"
    );
    repository(folder, &[("starling.toml", &toml)]);
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("git is installed");
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
