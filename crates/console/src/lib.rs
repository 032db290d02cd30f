//! Floor 3: the engineers' way in: the HTTP API under `/v1` and the web console at `/`.
//!
//! What it promises:
//! - Nothing but the login page, static files and the enrolment of nodes is shown or done without a token; a
//!   region's token opens nothing but that region's report and its list of revoked nodes, a worker's nothing but
//!   publishing for an attempt that holds its lease.
//! - Only what is published here is an artifact: workers have neither the main store's credentials nor the key that signs.
//! - A node gets a certificate only for a join token that nobody used before, or for a certificate that has
//!   not expired, and only after it proved its key. The authorities' private keys are known here alone.
//! - A request that is refused changed nothing, names what was wrong and says what to do next; every
//!   refusal is in `refusal.rs`.
//! - A build is enqueued only for a registered repository, a revision that resolves to a commit and,
//!   where the commit's `starling.toml` can be read, a target that it names.
//! - Every page can be read and every button pressed without JavaScript; the script only swaps what
//!   changed, rendered by the same templates.
//! - What one client can make the server hold (bodies, connections, live streams) is bounded.
//!
//! It never builds, copies or runs anything itself: it reads and writes the two databases and the main store, and asks a
//! mirror of each repository, and others act. It keeps no state that a second instance would need, but for the questions
//! about tasks' output that wait for a region (`task_logs`).

mod api;
mod app;
mod assets;
mod attempts;
mod candidate;
mod change;
mod deploy;
mod diff;
mod distributions;
mod enqueue;
mod enrol;
mod extract;
mod format;
mod guard;
mod inventory;
mod live;
mod log;
mod metrics;
mod pages;
mod provenance;
mod publish;
mod read;
mod refusal;
mod router;
mod rows;
mod serve;
mod service;
mod task_logs;
mod token;
pub mod wire;

pub use service::{Config, Error, Parts, Service};
pub use token::{InvalidRole, InvalidTokenHash, Role, TOKENS_MAX, Token, TokenHash};
