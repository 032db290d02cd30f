//! Beside the house: other programs that bring one file to many machines, driven as their users drive them.
//!
//! | program | what it is | how it is asked for its best |
//! |---|---|---|
//! | [`Program::Libtorrent`] | libtorrent-rasterbar, by its Python binding | over TCP, no search for peers but the tracker |
//! | [`Program::Aria2`] | aria2c | the same, and it goes on giving (`--seed-ratio=0`) |
//! | [`Program::Rqbit`] | rqbit, which fetches pieces in the order of the file | the same |
//! | [`Program::Http`] | nginx and one curl a host | `sendfile`, one worker |
//!
//! Those that speak BitTorrent find each other by a [`Tracker`] of ours, which tells everybody of everybody at once: a
//! public tracker's manners would only make them slower. Every downloader goes on giving until the session ends.

mod aria2;
mod http;
mod libtorrent;
mod rqbit;
mod session;
mod tracker;

pub use session::{Session, Setting};
pub use tracker::Tracker;

/// Another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// libtorrent-rasterbar.
    Libtorrent,
    /// aria2.
    Aria2,
    /// rqbit.
    Rqbit,
    /// Plain HTTP from the seed.
    Http,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Libtorrent, Self::Aria2, Self::Rqbit, Self::Http];

    /// What it is called in lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Libtorrent => "libtorrent",
            Self::Aria2 => "aria2",
            Self::Rqbit => "rqbit",
            Self::Http => "http",
        }
    }

    /// Whether it can run here; `scripts/bench` installs all that Debian has.
    fn is_installed(self) -> bool {
        match self {
            Self::Libtorrent => libtorrent::is_installed(),
            Self::Aria2 => std::path::Path::new(aria2::PROGRAM).exists(),
            Self::Rqbit => rqbit::program().is_some(),
            Self::Http => http::is_installed(),
        }
    }

    /// Starts its seed, and whatever lets its hosts begin at one word: [`Session::race`].
    ///
    /// # Errors
    /// When it is not installed, a process does not start, or the seed is not ready in time.
    pub async fn prepare(self, setting: Setting<'_>) -> anyhow::Result<Session> {
        anyhow::ensure!(self.is_installed(), "{} is not installed", self.name());
        setting.tracker.forget();
        if self != Self::Http && !setting.torrent.exists() {
            libtorrent::make_torrent(setting.content, &setting.tracker.url(), setting.torrent)?;
        }
        match self {
            Self::Libtorrent => libtorrent::prepare(setting).await,
            Self::Aria2 => aria2::prepare(setting).await,
            Self::Rqbit => rqbit::prepare(setting).await,
            Self::Http => http::prepare(setting).await,
        }
    }
}
