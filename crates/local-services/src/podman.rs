//! Podman, with containers and images of its own, behind the Docker API on a Unix socket.

use crate::Error;
use crate::child::{Child, ParentDeath};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::net::UnixStream;

/// How long a start may take; a second on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const ENV: &str = "/usr/bin/env";
const PODMAN: &str = "/usr/bin/podman";
const RUNC: &str = "/usr/sbin/runc";

/// A running Podman service. Its containers live without it, and end when this value is dropped.
#[derive(Debug)]
pub struct Podman {
    child: Child,
    folder: PathBuf,
}

impl Podman {
    /// Starts the service; everything of its containers lies in `folder`. Only root can.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        for (program, package) in [(PODMAN, "podman"), (RUNC, "runc")] {
            if !Path::new(program).exists() {
                return Err(Error::NotInstalled { program, package });
            }
        }
        fs_err::create_dir_all(folder)?;
        // No systemd, no overlay file system and no bridge are needed. crun refuses machines with groups of both versions.
        let containers = format!(
            "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
             [engine.runtimes]\nrunc = [\"{RUNC}\"]\n\
             [containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1000:1000\"]\n"
        );
        fs_err::write(folder.join("containers.conf"), containers)?;
        let place = |name: &str| folder.join(name).display().to_string();
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = {:?}\nrunroot = {:?}\n",
            place("graph"),
            place("run")
        );
        fs_err::write(folder.join("storage.conf"), storage)?;
        let child = serve(folder).await?;
        Ok(Self {
            child,
            folder: folder.to_owned(),
        })
    }

    /// Where the Docker API is asked.
    pub fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    /// Kills the service, while its containers go on, and starts it again.
    pub async fn restart(&mut self) -> Result<(), Error> {
        if let Some(pid) = self.child.id() {
            tracing::debug!(process.id = pid, "a Podman service is killed");
        }
        self.child.signal(rustix::process::Signal::KILL);
        // How it ended is known.
        let _ = self.child.wait().await;
        self.child = serve(&self.folder).await?;
        Ok(())
    }

    /// What the command says with these arguments, about the same containers.
    pub fn says(&self, arguments: &[&str]) -> std::io::Result<String> {
        let output = Command::new(ENV)
            .args(variables(&self.folder))
            .arg(PODMAN)
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if let Err(error) = self.says(&["rm", "--all", "--force", "--time=0"]) {
            tracing::warn!(%error, "failed to end the containers of a Podman");
        }
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("podman.sock")
}

/// What `env` is told. What watches a container leaves a file where it was started when memory runs out.
fn variables(folder: &Path) -> [String; 3] {
    let place = |name: &str| folder.join(name).display().to_string();
    [
        format!("--chdir={}", folder.display()),
        format!("CONTAINERS_CONF={}", place("containers.conf")),
        format!("CONTAINERS_STORAGE_CONF={}", place("storage.conf")),
    ]
}

async fn serve(folder: &Path) -> Result<Child, Error> {
    let socket = socket(folder);
    // What an earlier one left would seem to be there already.
    let _ = fs_err::remove_file(&socket);
    let mut arguments = variables(folder).to_vec();
    arguments.extend([PODMAN, "system", "service", "--time=0"].map(str::to_owned));
    arguments.push(format!("unix://{}", socket.display()));
    let log = folder.join("podman.log");
    let mut child = Child::start(Path::new(ENV), arguments, &[], ParentDeath::Kill, &log)?;
    let answers = || async { UnixStream::connect(&socket).await.is_ok() };
    child.wait_until(START_LIMIT, answers).await?;
    Ok(child)
}
