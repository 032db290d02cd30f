//! Floor 0: the words of Starling.
//!
//! Typed identifiers, names, states with their legal transitions, and the specs and reports that
//! travel between roles. Everything here is plain data that is checked when it is made, so that a
//! floor above can trust what it is handed.
//!
//! This crate never does I/O, reads no clock and knows no database, network or process.

pub mod actor;
pub mod artifact_id;
pub mod build;
pub mod byte_size;
pub mod code;
pub mod commit;
pub mod configuration;
pub mod control;
pub mod deployment;
pub mod distribution;
pub mod host;
pub mod inputs;
pub mod instance;
pub mod inventory;
pub mod labels;
pub mod limits;
mod macros;
pub mod name;
pub mod node;
pub mod project;
pub mod refusal;
pub mod region_report;
pub mod region_service;
pub mod replica;
pub mod repository;
pub mod rollout;
pub mod secret_name;
pub mod service;
pub mod share;
pub mod target;
pub mod task_log;
pub mod text;
pub mod version;

pub use actor::Actor;
pub use artifact_id::ArtifactId;
pub use build::{Attempt, BuildId, BuildState, LeaseId, Phase, Priority};
pub use byte_size::ByteSize;
pub use commit::{Commit, Revision};
pub use configuration::Configuration;
pub use deployment::{DeploymentId, DeploymentState, DesiredService, Epoch, ReleaseNumber, WhenBusy};
pub use inputs::InputKey;
pub use instance::{Instance, InstanceHealth, TaskState};
pub use inventory::{InstanceId, InstanceName, ReportedVersion};
pub use labels::{Labels, Selector};
pub use name::{
    CacheName, ConfigurationVersion, HostName, RegionName, RepositoryName, ServiceName, WorkerName, ZoneName,
};
pub use node::{JoinTokenId, PeerName};
pub use region_service::{Cursor, Layer, RegionService};
pub use replica::ReplicaState;
pub use repository::RepositoryUrl;
pub use rollout::RolloutPolicy;
pub use secret_name::SecretName;
pub use service::ServiceSpec;
pub use share::Share;
pub use target::Target;
pub use version::{BuildVersion, VersionRules};
