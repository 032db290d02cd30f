//! One Postgres server on a Unix socket.

use crate::child::{Child, ParentDeath};
use crate::{Error, Gate};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::Command;

/// How long a start may take; recovery after a crash is the long case.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(20);
/// The socket's name in its folder.
const SOCKET: &str = ".s.PGSQL.5432";
/// The longest folder of a Unix socket, so that `/.s.PGSQL.5432` still fits into `sun_path` (unix(7)).
const SOCKET_FOLDER_LENGTH_MAX: usize = 90;
/// Many roles on one machine, each with a few connections to two databases.
const CONNECTIONS_MAX: u32 = 300;

/// A running Postgres server. It ends when this value is dropped.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    programs: PathBuf,
    folder: PathBuf,
    socket: PathBuf,
    /// Holds the socket where the data folder's own path is too long for one.
    _short_folder: Option<tempfile::TempDir>,
}

impl Postgres {
    /// Starts a server whose data lives in `folder`, making the cluster at the first start. Trusts
    /// every connection: only those who may open the socket reach it.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        let programs = programs()?;
        fs_err::create_dir_all(folder)?;
        let folder = fs_err::canonicalize(folder)?;
        let (socket, short_folder) = socket_folder(&folder)?;
        let owner = Owner::of_this_machine()?;
        let data = folder.join("data");
        if !data.join("PG_VERSION").exists() {
            make_cluster(&programs, &data, &owner).await?;
        }
        fs_err::create_dir_all(&socket)?;
        owner.takes(&socket)?;
        let child = launch(&programs, &folder, &socket, &owner).await?;
        Ok(Self {
            child,
            programs,
            folder,
            socket,
            _short_folder: short_folder,
        })
    }

    /// Waits until the server ends, which it does by itself only when something is wrong.
    pub async fn ended(&mut self) {
        // An error means that it was waited for already.
        let _ = self.child.wait().await;
    }

    /// Starts the server again at the same address, after it ended.
    pub async fn restart(&mut self) -> Result<(), Error> {
        let owner = Owner::of_this_machine()?;
        self.child = launch(&self.programs, &self.folder, &self.socket, &owner).await?;
        Ok(())
    }

    /// The address of one database, for sqlx.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres:///{database}?host={}&user=postgres",
            self.socket.display()
        )
    }

    /// The address of one database by way of a [`Gate`], whose socket is made in `folder`.
    ///
    /// # Errors
    /// Fails when the socket cannot be made.
    pub async fn behind_gate(&self, database: &str, folder: &Path) -> Result<(Gate, String), Error> {
        let gate = Gate::before_socket(&self.socket.join(SOCKET), &folder.join(SOCKET)).await?;
        let folder = folder.display();
        Ok((
            gate,
            format!("postgres:///{database}?host={folder}&user=postgres"),
        ))
    }

    /// Makes a database unless it is there.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        let output = Command::new(self.programs.join("createdb"))
            .arg("--host")
            .arg(&self.socket)
            .args(["--username=postgres", "--", name])
            .stdin(Stdio::null())
            .output()
            .await?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        if output.status.success() || complaint.contains("already exists") {
            return Ok(());
        }
        Err(std::io::Error::other(format!("createdb: {}", complaint.trim())).into())
    }

    /// The process id, for fault tests.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Stops the server; clients are disconnected, committed data is kept.
    pub async fn stop(self) -> Result<(), Error> {
        self.child.stop(Signal::INT, STOP_GRACE).await
    }
}

/// Who owns the cluster: Postgres refuses to run as root.
struct Owner {
    /// The `postgres` user's ids, when this process is root.
    postgres: Option<(u32, u32)>,
}

impl Owner {
    fn of_this_machine() -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { postgres: None });
        }
        let users = fs_err::read_to_string("/etc/passwd")?;
        let ids = users.lines().find_map(|line| {
            let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        });
        let ids = ids.ok_or(Error::NotInstalled {
            program: "the postgres user",
            package: "postgresql",
        })?;
        Ok(Self { postgres: Some(ids) })
    }

    /// Options of setpriv. The read-and-search capability lets the server reach its own folder below
    /// one that others may not enter, such as root's home.
    fn privileges(&self) -> Vec<String> {
        let Some((user, group)) = self.postgres else {
            return Vec::new();
        };
        vec![
            format!("--reuid={user}"),
            format!("--regid={group}"),
            "--clear-groups".to_owned(),
            "--inh-caps=+dac_read_search".to_owned(),
            "--ambient-caps=+dac_read_search".to_owned(),
        ]
    }

    fn takes(&self, folder: &Path) -> Result<(), Error> {
        if let Some((user, group)) = self.postgres {
            std::os::unix::fs::chown(folder, Some(user), Some(group))?;
        }
        Ok(())
    }
}

async fn launch(programs: &Path, folder: &Path, socket: &Path, owner: &Owner) -> Result<Child, Error> {
    let settings = [
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", socket.display()),
        format!("max_connections={CONNECTIONS_MAX}"),
    ];
    let mut arguments = vec!["-D".to_owned(), folder.join("data").display().to_string()];
    arguments.extend(
        settings
            .into_iter()
            .flat_map(|setting| ["-c".to_owned(), setting]),
    );
    let log = folder.join("postgres.log");
    let program = programs.join("postgres");
    let mut child = Child::start(
        &program,
        arguments,
        &owner.privileges(),
        ParentDeath::Interrupt,
        &log,
    )?;
    child
        .wait_until(START_LIMIT, || accepts_connections(programs, socket))
        .await?;
    Ok(child)
}

async fn make_cluster(programs: &Path, data: &Path, owner: &Owner) -> Result<(), Error> {
    // Made beside and renamed, so that a start that was cut off leaves nothing that looks like a cluster.
    let unfinished = data.with_extension("unfinished");
    if unfinished.exists() {
        fs_err::remove_dir_all(&unfinished)?;
    }
    fs_err::create_dir_all(&unfinished)?;
    owner.takes(&unfinished)?;
    let output = Command::new("setpriv")
        .args(owner.privileges())
        .arg("--")
        .arg(programs.join("initdb"))
        .args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "--no-instructions",
            "-E",
            "UTF8",
            "--locale=C",
            "-D",
        ])
        .arg(&unfinished)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source| Error::Start {
            program: "initdb".to_owned(),
            source,
        })?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(std::io::Error::other(format!("initdb: {}", complaint.trim())).into());
    }
    fs_err::rename(&unfinished, data)?;
    Ok(())
}

fn socket_folder(folder: &Path) -> Result<(PathBuf, Option<tempfile::TempDir>), Error> {
    let own = folder.join("socket");
    if own.as_os_str().len() <= SOCKET_FOLDER_LENGTH_MAX {
        return Ok((own, None));
    }
    let short = tempfile::Builder::new().prefix("starling-postgres-").tempdir()?;
    // The server, which may be another user, must be able to enter.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(short.path(), permissions)?;
    Ok((short.path().join("socket"), Some(short)))
}

async fn accepts_connections(programs: &Path, socket: &Path) -> bool {
    if UnixStream::connect(socket.join(SOCKET)).await.is_err() {
        return false;
    }
    let check = Command::new(programs.join("pg_isready"))
        .args(["--quiet", "--username=postgres", "--host"])
        .arg(socket)
        .stdin(Stdio::null())
        .status()
        .await;
    check.is_ok_and(|status| status.success())
}

/// The folder of the newest installed server's programs; Debian keeps them out of the path.
fn programs() -> Result<PathBuf, Error> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    versions
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("postgres").exists())
        .max_by_key(|folder| {
            let version = folder
                .parent()
                .and_then(Path::file_name)
                .and_then(|name| name.to_str());
            version.and_then(|version| version.parse::<u32>().ok())
        })
        .ok_or(Error::NotInstalled {
            program: "postgres",
            package: "postgresql",
        })
}
