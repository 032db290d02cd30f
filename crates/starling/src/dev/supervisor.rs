//! Keeps the processes running: each is started again when it ends by itself, and all are stopped in
//! order.

use super::board::{Board, ProcessStatus};
use super::layout::Layout;
use super::server::Server;
use local_services::{Child, ParentDeath};
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a role may take to stop: an agent waits for its tasks.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// Before a role that ended is started again: short at first, so that a kill is healed at once.
const RESTART_DELAY_MIN: Duration = Duration::from_millis(200);
const RESTART_DELAY_MAX: Duration = Duration::from_secs(5);
/// A role that ran this long is healthy, and its next failure counts as its first.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// One process to keep running.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its name in logs and in `processes.json`.
    pub name: String,
    /// The role's subcommand.
    pub role: &'static str,
    /// Its configuration.
    pub config: PathBuf,
}

/// All processes of the system.
#[derive(Debug)]
pub struct Supervisor {
    layout: Layout,
    board: Board,
    groups: Vec<(CancellationToken, TaskTracker)>,
}

impl Supervisor {
    /// With nothing running yet.
    pub fn new(layout: Layout) -> Self {
        let board = Board::new(layout.processes());
        Self {
            layout,
            board,
            groups: Vec::new(),
        }
    }

    /// Takes charge of servers that run already.
    pub fn keep(&mut self, servers: Vec<(String, Server)>) {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        for (name, server) in servers {
            tasks.spawn(server.keep(name, self.board.clone(), stop.clone()));
        }
        tasks.close();
        self.groups.push((stop, tasks));
    }

    /// Starts a group of processes. Groups are stopped in the opposite order of their start.
    pub fn start(&mut self, processes: Vec<Process>) {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        for process in processes {
            let keeper = Keeper {
                process,
                layout: self.layout.clone(),
                board: self.board.clone(),
                stop: stop.clone(),
            };
            tasks.spawn(keeper.run());
        }
        tasks.close();
        self.groups.push((stop, tasks));
    }

    /// Stops everything and waits for it.
    pub async fn stop(self) {
        for (stop, tasks) in self.groups.into_iter().rev() {
            stop.cancel();
            tasks.wait().await;
        }
    }
}

/// The owner of one process.
struct Keeper {
    process: Process,
    layout: Layout,
    board: Board,
    stop: CancellationToken,
}

impl Keeper {
    async fn run(self) {
        let name = &self.process.name;
        let mut delay = RESTART_DELAY_MIN;
        for restarts in 0.. {
            let began = tokio::time::Instant::now();
            match self.start() {
                Err(error) => tracing::error!(process = name, %error, "a role could not be started"),
                Ok(mut child) => {
                    self.board.note(
                        name,
                        ProcessStatus {
                            pid: child.id(),
                            restarts,
                        },
                    );
                    let ended = tokio::select! {
                        ended = child.wait() => ended,
                        () = self.stop.cancelled() => {
                            if let Err(error) = child.stop(Signal::TERM, STOP_GRACE).await {
                                tracing::warn!(process = name, %error, "a role could not be stopped");
                            }
                            return self.board.note(name, ProcessStatus { pid: None, restarts });
                        }
                    };
                    let log = self.layout.log(name).display().to_string();
                    let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                    tracing::warn!(process = name, status, log, "a role ended and is started again");
                    self.board.note(name, ProcessStatus { pid: None, restarts });
                }
            }
            delay = if began.elapsed() > HEALTHY_AFTER {
                RESTART_DELAY_MIN
            } else {
                RESTART_DELAY_MAX.min(delay * 2)
            };
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    fn start(&self) -> anyhow::Result<Child> {
        let program = std::env::current_exe()?;
        let config = self.process.config.as_os_str();
        let arguments = [self.process.role.as_ref(), "--config".as_ref(), config];
        let log = self.layout.log(&self.process.name);
        Ok(Child::start(
            &program,
            arguments,
            &[],
            ParentDeath::Terminate,
            &log,
        )?)
    }
}
