//! Somebody else's program: the Lua interpreter, built from C sources that travel in a registry
//! package, fetched when the test runs.

use crate::fixture;
use crate::system::System;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package, and the exact version whose sources the test expects.
const PACKAGE: &str = "lua-src";
const VERSION: &str = "=551.1.0";

/// A program that embeds the interpreter and answers every request with what a script returns.
const SERVER: &str = include_str!("lua_server.c");

#[test]
fn somebody_elses_c_program_is_built_and_deployed() {
    let system = System::start(&["--regions", "1", "--hosts", "2"]);
    let repository = system.scratch("lua");
    copy_sources(&lua_sources(&system.scratch("fetch")), &repository.join("lua"));
    let toml = r#"
[targets."//:lua"]
command = ["make", "-j2"]
outputs = ["bin/lua-server"]

[services.lua]
target = "//:lua"
command = ["bin/lua-server"]
"#;
    let makefile = "SOURCES := $(filter-out lua/lua.c lua/luac.c, $(wildcard lua/*.c))\n\
                    bin/lua-server: server.c $(SOURCES)\n\
                    \tmkdir -p bin && cc -O1 -DLUA_USE_POSIX -Ilua -o $@ $^ -lm\n";
    let files = [
        ("starling.toml", toml),
        ("Makefile", makefile),
        ("server.c", SERVER),
    ];
    fixture::repository(&repository, &files);

    system.register("lua", &repository);
    system.json(&[
        "service",
        "apply",
        &repository.join("starling.toml").display().to_string(),
    ]);
    let built = system.build("lua", "//:lua");
    assert_eq!(built["build"]["state"], "SUCCEEDED", "{built}");
    let deployed = system.json(&["deploy", "lua", built["build"]["id"].as_str().unwrap()]);
    assert_eq!(deployed["deployment"]["state"], "SUCCEEDED", "{deployed}");
    assert_eq!(deployed["regions"][0]["healthy"], 2, "{deployed}");
}

/// Lets cargo fetch the package and returns the folder of its C files.
fn lua_sources(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(folder.join("src/lib.rs"), "").unwrap();
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n{PACKAGE} = \"{VERSION}\"\n[workspace]\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let vendored = folder.join("vendor");
    let status = Command::new("cargo")
        .args(["vendor", "--quiet"])
        .arg(&vendored)
        .current_dir(folder)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cargo fetches {PACKAGE}"
    );
    let package = vendored.join(PACKAGE);
    let mut folders = std::fs::read_dir(&package)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    folders
        .find(|path| path.ends_with("lua-5.4.9"))
        .expect("the package holds the sources of Lua 5.4")
}

fn copy_sources(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "c" || extension == "h")
        {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
