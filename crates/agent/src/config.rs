//! What an agent is told when it starts.

use crate::users;
use artifact::TrustedKeys;
use model::control::Limits;
use model::{HostName, Labels, RegionName, ZoneName};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use tasks::container::Containers;
use tasks::task::TaskGroups;

/// How one host takes part in its region.
#[derive(Debug, Clone)]
pub struct Config {
    /// The host's name, the one in its certificate.
    pub host: HostName,
    /// Where it stands.
    pub zone: ZoneName,
    /// Where the zone is.
    pub region: RegionName,
    /// What people say of the host, by which deployments and lists pick it.
    pub labels: Labels,
    /// The agent's own folder, on one file system: artifacts, logs, and the ledger of what it was told and did.
    pub folder: PathBuf,
    /// Every manager of the region; one of them leads.
    pub managers: Vec<Manager>,
    /// Whose signatures under a manifest count.
    pub trusted_keys: TrustedKeys,
    /// Where tasks may listen, as far as [`ports`](crate::ports) goes. What lies in the kernel's own range is left out.
    pub ports: RangeInclusive<u16>,
    /// The value of `PATH` for tasks.
    pub path: String,
    /// How often the manager is asked when nothing happens.
    pub poll_period: Duration,
    /// The pause before a task that ended by itself is started again the first time; it doubles every time.
    pub restart_delay_min: Duration,
    /// The longest such pause. A task that ran longer than this counts as sound again.
    pub restart_delay_max: Duration,
    /// What becomes of running tasks when the agent is told to stop.
    pub tasks_on_exit: TasksOnExit,
    /// Limits of this host's own; of these and the region's, the lower count.
    pub limits: Limits,
    /// The users that tasks run as, one a service, where the agent is root and tasks are kept apart from it and from each
    /// other. Without, they are not kept apart. Checked by [`users::validate`](crate::users::validate).
    pub task_users: Option<RangeInclusive<u32>>,
    /// Files of the agent's outside of its folder that no task is to see, such as its key.
    pub hidden: Vec<PathBuf>,
    /// Who runs those tasks that are containers.
    pub containers: Containers,
    /// What holds tasks to their limits, if anything does.
    pub groups: Option<TaskGroups>,
    /// How long one file of a task's log may become, in bytes; there are two.
    pub log_length_max: u64,
}

/// Where a manager is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// Its key's hash, which its connection must prove.
    pub peer: swarm::PeerId,
    /// Multiaddresses to dial it at.
    pub addresses: Vec<String>,
}

/// What becomes of running tasks when the agent is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TasksOnExit {
    /// They are stopped: `starling dev` leaves nothing behind.
    Stop,
    /// They go on serving, and the next agent adopts them: how an agent is upgraded.
    Keep,
}

impl Config {
    /// An agent with the usual limits.
    pub fn new(
        host: HostName,
        zone: ZoneName,
        region: RegionName,
        folder: PathBuf,
        managers: Vec<Manager>,
        trusted_keys: TrustedKeys,
    ) -> Self {
        let containers = Containers::new(&format!("{region}/{host}"), Vec::new());
        Self {
            host,
            zone,
            region,
            labels: Labels::default(),
            folder,
            managers,
            trusted_keys,
            ports: crate::ports::FIRST..=crate::ports::LAST,
            path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
            poll_period: Duration::from_secs(2),
            restart_delay_min: Duration::from_secs(1),
            restart_delay_max: Duration::from_secs(60),
            tasks_on_exit: TasksOnExit::Keep,
            limits: Limits::default(),
            task_users: Some(users::FIRST..=users::FIRST + users::COUNT - 1),
            hidden: Vec::new(),
            containers,
            groups: None,
            log_length_max: 16 << 20,
        }
    }
}
