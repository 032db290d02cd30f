//! The arguments of `bwrap`: what a build sees of the machine.
//!
//! Inside, the checkout is always at [`SOURCE`] and the user is always `builder`, whichever worker it
//! is, so that paths and names that end up in an artifact are the same everywhere.
//!
//! The arguments travel through a pipe and not on the command line: they hold the build's variables,
//! secrets among them, and a command line can be read by every user of the machine.

use super::{CACHES_VARIABLE, Command, entry};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// By full path: a build's own `PATH` must never choose the program that is to lock it in.
const BWRAP: &str = "/usr/bin/bwrap";

const SOURCE: &str = "/starling/source";
const HOME: &str = "/starling/home";
const CACHES: &str = "/starling/caches";
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

/// The program that locks a build in, and what it is to do then.
pub(super) fn wrapped(command: &Command) -> Vec<OsString> {
    let lock = [BWRAP, "--args", entry::INPUT_FD, "--"].map(OsString::from);
    let inside = std::iter::once(&command.program).chain(&command.arguments);
    lock.into_iter().chain(inside.map(OsString::from)).collect()
}

/// What `bwrap` reads: each argument, ended by a NUL.
pub(super) fn input(command: &Command, read_only: &[PathBuf]) -> io::Result<Vec<u8>> {
    let mut arguments = Arguments::default();
    namespaces(&mut arguments, command.network);
    system(&mut arguments, command.network)?;
    accounts(&mut arguments, &command.scratch)?;
    arguments.arg("--bind").arg(&command.writable).arg(SOURCE);
    arguments
        .arg("--bind")
        .arg(command.scratch.join("home"))
        .arg(HOME);
    arguments
        .arg("--bind")
        .arg(command.scratch.join("tmp"))
        .arg("/tmp");
    if let Some(caches) = &command.caches {
        arguments.arg("--bind").arg(caches).arg(CACHES);
        arguments.args(["--setenv", CACHES_VARIABLE, CACHES]);
    }
    // After `/tmp`, so that a folder below it is not hidden.
    for path in read_only {
        arguments.arg("--ro-bind").args([path, path]);
    }
    // The root was writable for the mount points; it is memory, and nobody's business any more.
    arguments.args(["--remount-ro", "/", "--chdir"]);
    arguments.arg(Path::new(SOURCE).join(&command.cwd));
    arguments.args(["--setenv", "HOME", HOME, "--setenv", "TMPDIR", "/tmp"]);
    for (name, value) in &command.environment {
        arguments.args(["--setenv", name, value]);
    }
    arguments.finish()
}

/// Arguments as `bwrap --args` reads them.
#[derive(Default)]
struct Arguments {
    bytes: Vec<u8>,
    /// Whether one of them holds a NUL itself, and so would be read as several.
    split: bool,
}

impl Arguments {
    fn arg(&mut self, argument: impl Into<OsString>) -> &mut Self {
        let argument = argument.into().into_vec();
        self.split |= argument.contains(&0);
        self.bytes.extend(argument);
        self.bytes.push(0);
        self
    }

    fn args(&mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> &mut Self {
        for argument in arguments {
            self.arg(argument);
        }
        self
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        if self.split {
            let words = "a variable or path of the build holds a NUL";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
        Ok(self.bytes)
    }
}

fn namespaces(arguments: &mut Arguments, network: bool) {
    arguments.args(["--die-with-parent", "--new-session", "--clearenv"]);
    arguments.args(["--unshare-user", "--uid", "1000", "--gid", "1000"]);
    // No namespaces within namespaces: they are where kernels are attacked.
    arguments.args(["--disable-userns", "--cap-drop", "ALL"]);
    arguments.args(["--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try"]);
    arguments.args(["--unshare-uts", "--hostname", "builder"]);
    if !network {
        arguments.arg("--unshare-net");
    }
}

fn system(arguments: &mut Arguments, network: bool) -> io::Result<()> {
    arguments.args(["--ro-bind", "/usr", "/usr"]);
    for name in SYSTEM {
        let path = Path::new("/").join(name);
        match fs_err::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                arguments
                    .arg("--symlink")
                    .arg(fs_err::read_link(&path)?)
                    .arg(&path);
            }
            Ok(_) => {
                arguments.arg("--ro-bind").args([&path, &path]);
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
            arguments.arg("--ro-bind").arg(real).arg(&path);
        }
    }
    arguments.args(["--proc", "/proc", "--dev", "/dev"]);
    arguments.args(["--size", SHARED_MEMORY_BYTES_MAX, "--tmpfs", "/dev/shm"]);
    // Where the worker is root, the build's user is root to the kernel behind its mask, and owns
    // `/proc/sys/kernel/core_pattern` and its like.
    arguments.args(["--remount-ro", "/dev", "--remount-ro", "/proc"]);
    Ok(())
}

fn accounts(arguments: &mut Arguments, scratch: &Path) -> io::Result<()> {
    let folder = scratch.join("etc");
    fs_err::create_dir_all(&folder)?;
    for (name, text) in [("passwd", PASSWD), ("group", GROUP)] {
        let file = folder.join(name);
        fs_err::write(&file, text)?;
        arguments
            .arg("--ro-bind")
            .arg(&file)
            .arg(Path::new("/etc").join(name));
    }
    Ok(())
}
