//! Floor 2: a node of a region's swarm, over libp2p.
//!
//! The rules of the exchange are `swarm-core`'s, without any I/O; this crate gives them a network, a
//! disk and a clock, and lets hosts and managers ask each other questions. It is the only room that
//! knows libp2p.
//!
//! Where to read:
//!
//! | question | file |
//! |---|---|
//! | what happens, and who deals with it? | `driver/mod.rs`, [`Swarm::run`] |
//! | who may join? | [`Certificate`], `security/mod.rs` |
//! | how does a node get a certificate? | [`EnrolmentRequest`], [`RenewalRequest`] |
//! | how does a piece come in and go out? | `driver/pieces.rs`, then `bulk/mod.rs` and `jobs.rs` |
//! | how is the region's store read? | `driver/store.rs`, then `jobs.rs` |
//! | when is a byte written, flushed, believed? | `disk/mod.rs` |
//! | what goes over a connection, and how long may it be? | `wire/`, `behaviour.rs` |
//!
//! Promises:
//!
//! - **Strangers get nothing.** Both ends of a connection show a certificate of the same region, for the
//!   key that they hold, in the handshake. Without it the handshake fails: no stream opens, and nothing
//!   of the far end is answered or kept.
//! - **Verified before it is placed.** A piece is written, counted, announced and served only after its
//!   hash matched the signed manifest. What lies on a disk is hashed again before it is believed, and
//!   what a remote source reads before it is sent.
//! - **Bounded.** Pieces take at most 96 MiB of memory: 8 come in and wait to be hashed and written
//!   (64 MiB of 8 MiB each), 4 go out (from a remote source whole, 32 MiB; from files three megabytes each).
//!   Unanswered requests of all peers together take at most 16 MiB; frames, queues, connections, calls
//!   and artifacts all have limits of their own.
//! - **Patient.** No fault of a peer ends a fetch. Only its own disk does, and then what was fetched
//!   stays for the next attempt.
//!
//! This crate never hashes or touches a file on the task that owns the network, never trusts an
//! address or a name that a certificate doesn't hold, and never decides which piece to ask for.

mod behaviour;
mod buffers;
mod bulk;
mod certificate;
mod command;
mod config;
mod control;
mod dialer;
mod disk;
mod driver;
mod enrolment;
mod error;
mod fetch;
pub mod fuzzing;
mod handle;
mod identity;
mod jobs;
mod join_secret;
mod metrics;
mod names;
mod node_key;
mod pacer;
mod peer_id;
mod security;
mod session;
mod source;
mod status;
#[cfg(test)]
mod tests;
mod transfer;
mod wire;

pub use certificate::{Authority, AuthorityKey, Certificate, InvalidCertificate, Statement};
pub use config::Config;
pub use driver::Swarm;
pub use enrolment::{EnrolmentRequest, Issued, RenewalRequest, Unproven};
pub use error::Error;
pub use fetch::{Fetch, FetchState};
pub use handle::{CALL_ANSWER_LENGTH_MAX, CALL_REQUEST_LENGTH_MAX, DONORS_MAX, Handle, IncomingCall};
pub use identity::Identity;
pub use join_secret::{InvalidJoinSecret, JoinSecret};
pub use model::node::Role;
pub use node_key::{InvalidKeyText, NodeKey, Signature};
pub use peer_id::PeerId;
pub use source::{Donor, PieceSource, Source};
pub use status::{ArtifactStatus, BannedPeer, PeerStatus, Status};
