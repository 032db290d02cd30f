//! Beside the house: one whole region for benches, of the roles that an operator runs.
//!
//! [`Region::start`] starts an etcd, the `starling store` and the `starling region` on one node, and [`Region::host`]
//! a `starling agent` on another; each is a process of its own with a written configuration, as in production.
//! [`Region::upload`] puts a signed artifact into the store and [`Region::race`] tells etcd that the region should
//! have it; what happens then is the shipped code's business. There is no API: the manager's reports go nowhere, which
//! it only warns about.
//!
//! It never tells a role anything but its configuration, and everything that it started ends when it is dropped.

mod host;
mod keys;
mod metrics;
mod order;
mod region;
mod role;

pub use host::Host;
pub use metrics::{answers, scrape};
pub use order::PROGRAM;
pub use region::Region;

/// The binary whose roles are started: it lies beside the bench's own, where `scripts/bench` builds both.
///
/// # Errors
/// When it is not there.
pub fn starling() -> anyhow::Result<std::path::PathBuf> {
    let path = std::env::current_exe()?.with_file_name("starling");
    anyhow::ensure!(
        path.exists(),
        "{} is not built: use scripts/bench",
        path.display()
    );
    Ok(path)
}
