//! The arguments of `bwrap`: what a build sees of the machine.
//!
//! Inside, the checkout is always at [`SOURCE`] and the user is always `builder`, whichever worker it
//! is, so that paths and names that end up in an artifact are the same everywhere.

use super::Command;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

/// Both by full path: a build's own `PATH` must never choose the program that is to lock it in.
const BWRAP: &str = "/usr/bin/bwrap";
const PRLIMIT: &str = "/usr/bin/prlimit";

const SOURCE: &str = "/starling/source";
const HOME: &str = "/starling/home";
const SHARED_MEMORY_BYTES_MAX: &str = "268435456";

/// The system's folders below `/`, besides `/usr`: links into `/usr` on most systems today.
const SYSTEM: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What programs need of `/etc`; nothing that differs between users, nothing secret (so not the whole
/// of `/etc/ssl`, which holds private keys).
const ETC: [&str; 10] = [
    "alternatives",
    "ca-certificates",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki/tls/certs",
    "ssl/certs",
    "ssl/openssl.cnf",
];

/// What programs need of `/etc` to speak to others.
const ETC_NETWORK: [&str; 6] = [
    "hosts",
    "nsswitch.conf",
    "protocols",
    "resolv.conf",
    "services",
    "gai.conf",
];

const PASSWD: &str = "root:x:0:0:root:/:/usr/sbin/nologin\n\
    builder:x:1000:1000:builder:/starling/home:/bin/sh\n\
    nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nbuilder:x:1000:\nnogroup:x:65534:\n";

/// The command line that runs `command` locked in. The process itself gets no variable at all, since
/// `LD_PRELOAD` of a build would otherwise load the build's library into `bwrap`, outside of the sandbox.
pub(super) fn process(command: &Command, read_only: &[PathBuf]) -> io::Result<process::Command> {
    let mut process = process::Command::new(PRLIMIT);
    process.env_clear().args(["--core=0:0", BWRAP]);
    namespaces(&mut process, command.network);
    system(&mut process, command.network)?;
    accounts(&mut process, &command.scratch)?;
    process.arg("--bind").arg(&command.writable).arg(SOURCE);
    process.arg("--bind").arg(command.scratch.join("home")).arg(HOME);
    process.arg("--bind").arg(command.scratch.join("tmp")).arg("/tmp");
    // After `/tmp`, so that a folder below it is not hidden.
    for path in read_only {
        process.arg("--ro-bind").args([path, path]);
    }
    // The root was writable for the mount points; it is memory, and nobody's business any more.
    process.args(["--remount-ro", "/", "--chdir"]);
    process.arg(Path::new(SOURCE).join(&command.cwd));
    process.args(["--setenv", "HOME", HOME, "--setenv", "TMPDIR", "/tmp"]);
    for (name, value) in &command.environment {
        process.args(["--setenv", name, value]);
    }
    process.arg("--").arg(&command.program).args(&command.arguments);
    Ok(process)
}

fn namespaces(process: &mut process::Command, network: bool) {
    process.args(["--die-with-parent", "--new-session", "--clearenv"]);
    process.args(["--unshare-user", "--uid", "1000", "--gid", "1000"]);
    // No namespaces within namespaces: they are where kernels are attacked.
    process.args(["--disable-userns", "--cap-drop", "ALL"]);
    process.args(["--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try"]);
    process.args(["--unshare-uts", "--hostname", "builder"]);
    if !network {
        process.arg("--unshare-net");
    }
}

fn system(process: &mut process::Command, network: bool) -> io::Result<()> {
    process.args(["--ro-bind", "/usr", "/usr"]);
    for name in SYSTEM {
        let path = Path::new("/").join(name);
        match fs_err::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                process.arg("--symlink").arg(fs_err::read_link(&path)?).arg(&path);
            }
            Ok(_) => {
                process.arg("--ro-bind").args([&path, &path]);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let etc = ETC
        .iter()
        .chain(if network { ETC_NETWORK.iter() } else { [].iter() });
    for name in etc {
        let path = Path::new("/etc").join(name);
        // Resolved out here: where it is a link (into /run, say), the other end is not there inside.
        if let Ok(real) = fs_err::canonicalize(&path) {
            process.arg("--ro-bind").arg(real).arg(&path);
        }
    }
    process.args(["--proc", "/proc", "--dev", "/dev"]);
    process.args(["--size", SHARED_MEMORY_BYTES_MAX, "--tmpfs", "/dev/shm"]);
    // Where the worker is root, the build's user is root to the kernel behind its mask, and owns
    // `/proc/sys/kernel/core_pattern` and its like.
    process.args(["--remount-ro", "/dev", "--remount-ro", "/proc"]);
    Ok(())
}

fn accounts(process: &mut process::Command, scratch: &Path) -> io::Result<()> {
    let folder = scratch.join("etc");
    fs_err::create_dir_all(&folder)?;
    for (name, text) in [("passwd", PASSWD), ("group", GROUP)] {
        let file = folder.join(name);
        fs_err::write(&file, text)?;
        process
            .arg("--ro-bind")
            .arg(&file)
            .arg(Path::new("/etc").join(name));
    }
    Ok(())
}
