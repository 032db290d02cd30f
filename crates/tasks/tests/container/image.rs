//! An archive of an image that holds one program, Debian's busybox, made without any network.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes an archive, as `docker save` does, of an image that runs this script.
pub fn archive(folder: &Path, name: &str, script: &str) -> PathBuf {
    let root = folder.join(format!("{name}.root"));
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::create_dir_all(root.join("tmp")).unwrap();
    std::fs::set_permissions(
        root.join("tmp"),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for program in ["sh", "cat", "id", "sleep", "touch", "httpd", "mkdir", "wget"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(program)).unwrap();
    }
    let made = folder.join(format!("{name}.made"));
    std::fs::create_dir_all(&made).unwrap();
    tar(&[
        "--owner=0",
        "--group=0",
        "-C",
        text(&root),
        "-cf",
        text(&made.join("layer.tar")),
        ".",
    ]);
    let layer = sha256(&made.join("layer.tar"));
    let config = serde_json::json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Env": ["PATH=/bin"], "Cmd": ["/bin/sh", "-c", script] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
    });
    std::fs::write(made.join("config.json"), config.to_string()).unwrap();
    let id = format!("{}.json", sha256(&made.join("config.json")));
    std::fs::rename(made.join("config.json"), made.join(&id)).unwrap();
    let manifest = serde_json::json!([{
        "Config": id, "RepoTags": [format!("starling-test/{name}:1")], "Layers": ["layer.tar"],
    }]);
    std::fs::write(made.join("manifest.json"), manifest.to_string()).unwrap();
    let archive = folder.join(format!("{name}.tar"));
    tar(&[
        "-C",
        text(&made),
        "-cf",
        text(&archive),
        "manifest.json",
        &id,
        "layer.tar",
    ]);
    archive
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn tar(arguments: &[&str]) {
    assert!(Command::new("tar").args(arguments).status().unwrap().success());
}

fn sha256(file: &Path) -> String {
    let said = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(said.stdout).unwrap()[..64].to_owned()
}
