//! Floor 3: the proxy of one host, which lets a service's next release take over from the last without a failed request.
//!
//! It holds the stable port of each service and sends every request to a task on loopback. It is a process of its own,
//! so that neither a kill of the agent nor an upgrade of the agent touches a connection; and it can itself be upgraded
//! without a gap, since the next proxy takes its listening sockets over ([`Service::start`]).
//!
//! The rule is apart from the doing: [`route`] decides, of one service, which request goes where, without I/O, clock or
//! randomness. Around it, lanes (one thread each) move the bytes, and a desk takes commands over the control socket
//! (`proxy_control`).
//!
//! Promises:
//! - A request claims its target and a swap changes targets under the same lock, so none goes to a target that was
//!   swapped out, and a target whose count has come to 0 has nothing left to do.
//! - Bodies stream, both ways; no more of one is held than a connection's buffers.
//! - A request that was not sent yet is sent to whoever is active by then; one without a body whose method may be
//!   repeated (RFC 9110, section 9.2.2) also when its target went away in the middle.
//! - What it was told it keeps on the disk: after a kill -9 it serves as before, without the agent.
//! - Connections, waiting requests, headers, targets and every wait have limits.
//!
//! It never decides which release is healthy or when to swap, never speaks TLS, and never connects beyond loopback.

mod body;
mod claim;
mod config;
mod connection;
mod control;
mod cutoffs;
mod desk;
mod error;
mod exchange;
mod frontend;
mod headers;
mod lane;
mod metrics;
mod pool;
mod refusal;
pub mod route;
mod service;
mod state;
mod sticky;
mod takeover;
mod target;
mod timer;
mod tunnel;

pub use config::Config;
pub use error::Error;
pub use service::Service;
