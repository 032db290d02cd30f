//! Everything after a build: artifacts and their replicas, services and their releases, and what each
//! region should run and does run.

mod artifacts;
mod audit;
mod collect;
mod configurations;
mod confirm;
mod controls;
mod cursors;
mod deploy;
mod deployments;
mod distributions;
mod enrol;
mod events;
mod governed;
mod instances;
mod inventory;
mod join_tokens;
mod nodes;
mod outbox;
mod overlapping;
mod policies;
mod progress;
mod queue;
mod regions;
mod replicas;
mod replication_times;
mod report;
mod roll_back;
mod running;
mod services;
mod standing;
mod steering;
mod terms;
mod watch;

pub use artifacts::Artifact;
pub use audit::AuditRow;
pub use collect::{Inventory, Withdrawn};
pub use configurations::ConfigurationRow;
pub use controls::{ControlsRow, DistributionChange};
pub use deploy::NewDeployment;
pub use deployments::{DeploymentKind, DeploymentRow};
pub use distributions::DistributionRow;
pub use enrol::{Enrolment, EnrolmentRefused};
pub use events::{Events, RegionEvents, StateEntered};
pub use instances::InstanceRow;
pub use inventory::{
    Beat, FleetMismatch, Heard, Heartbeats, InstanceSecret, InventoryFilter, InventoryPosition, InventoryRow,
    KnownLabel, RegisteredRow, Registration, RegistrationRefused, RunningService,
};
pub use join_tokens::{JOIN_TOKEN_LIFE_MAX, JOIN_TOKENS_OPEN_MAX, JoinTokenRow, NewJoinToken};
pub use nodes::NodeRow;
pub use outbox::OutboxRow;
pub use policies::{POLICIES_MAX, PolicyRefused, PolicyRow};
pub use progress::{Counts, RegionProgress};
pub use regions::{RegionRow, RegionWord};
pub use replicas::ReplicaRow;
pub use replication_times::{REPLICATION_PROMISE, REPLICATION_TIMES_WINDOW, ReplicationTimes};
pub use roll_back::{HoldRow, RollBack};
pub use running::RunningRelease;
pub use services::ServiceRow;
pub use standing::Standing;
pub use steering::Steered;
pub use terms::Term;
pub use watch::WatchRow;

use crate::{Error, Hint, Hints, Leadership, Limits, Singleton, Wakeups, pool};
use sqlx::PgPool;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The builds database. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Builds {
    pool: PgPool,
    /// In which what is written of replicas is valid; always, where there is none.
    term: Option<Term>,
}

impl Builds {
    /// Opens a connection to the database at `url` (`postgres://…`).
    pub async fn connect(url: &str, limits: Limits) -> Result<Self, Error> {
        let pool = pool::connect(url, limits, &[]).await?;
        Ok(Self { pool, term: None })
    }

    /// Brings the schema up to date. Safe to call from several processes at once.
    pub async fn migrate(&self) -> Result<(), Error> {
        sqlx::migrate!("../../migrations/builds").run(&self.pool).await?;
        Ok(())
    }

    /// Whether the database answers; for `/readyz`.
    pub async fn ping(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Listens for [`Hint::Replica`](crate::Hint::Replica) and
    /// [`Hint::Deployment`](crate::Hint::Deployment), on a connection of its own.
    pub async fn listen(&self) -> Result<Hints, Error> {
        Hints::listen(&self.pool).await
    }

    /// Wakes a reconciler on the hints that it wants, and at least once in every `period`.
    pub fn wakeups(&self, wanted: fn(&Hint) -> bool, period: Duration) -> Wakeups {
        Wakeups::new(self.pool.clone(), wanted, period)
    }

    /// Waits until this process alone does `what`; `None` when `stop` came first.
    pub async fn lead(&self, what: Singleton, stop: &CancellationToken) -> Option<Leadership> {
        Leadership::acquire(&self.pool.connect_options(), what, stop).await
    }
}
