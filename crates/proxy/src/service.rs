//! The proxy's life.

use crate::desk::Desk;
use crate::lane::{self, Ending};
use crate::state::State;
use crate::{Config, Error, control, metrics, takeover};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the counts are published.
const PUBLISH_PERIOD: Duration = Duration::from_secs(1);
/// How long requests may take to end when a proxy is stopped that nobody replaces.
const STOP_MAX: Duration = Duration::from_secs(10);

/// A proxy that serves.
#[derive(Debug)]
pub struct Service {
    config: Config,
    desk: Arc<Mutex<Desk>>,
    control: UnixListener,
    replaced: CancellationToken,
}

impl Service {
    /// Starts to serve: by what the proxy that runs already hands over, else by what the last one wrote down.
    ///
    /// # Errors
    /// See [`Error`]. If another proxy runs, it goes on as before.
    pub async fn start(config: Config) -> Result<Self, Error> {
        metrics::describe();
        make_folder(&config)?;
        let taken = takeover::take_over(&config.control_socket).await?;
        let lanes = (0..config.threads.max(1)).map(|number| lane::Handle::start(number, &config));
        let lanes = lanes.collect::<Result<Vec<_>, _>>()?;
        let desk = match taken {
            Some(taken) => {
                let mut desk = Desk::new(config.clone(), lanes, Some(taken.predecessor));
                for (point, mode, listener) in taken.services {
                    desk.serve(point, mode, listener).await?;
                }
                desk
            }
            None => {
                let mut desk = Desk::new(config.clone(), lanes, None);
                for (point, mode) in State::load(&config.folder).await?.services {
                    let listener = desk.bind(&point)?;
                    desk.serve(point, mode, listener).await?;
                }
                desk
            }
        };
        // Commands wait in the new socket's queue until the older proxy knows that it is replaced.
        let control = control::bind(&config)?;
        let desk = Arc::new(Mutex::new(desk));
        desk.lock().await.announce().await;
        Ok(Self {
            config,
            desk,
            control,
            replaced: CancellationToken::new(),
        })
    }

    /// Cancelled when a newer proxy has taken over.
    pub fn replaced(&self) -> CancellationToken {
        self.replaced.clone()
    }

    /// Serves until it is told to stop or replaced, and then until its connections have ended or their time is over.
    ///
    /// # Errors
    /// If its control socket can't be deleted.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let mut tasks = JoinSet::new();
        tasks.spawn(control::run(
            self.control,
            self.desk.clone(),
            self.replaced.clone(),
        ));
        tasks.spawn(publish(self.desk.clone()));
        let ending = tokio::select! {
            () = self.replaced.cancelled() => Ending {
                polite_max: self.config.drain_max,
                requests_max: STOP_MAX,
                tunnels_max: self.config.tunnels_max,
            },
            () = stop.cancelled() => {
                let path = self.config.control_socket.clone();
                control::remove(&path).map_err(|source| Error::Folder { path, source })?;
                Ending {
                    polite_max: Duration::ZERO,
                    requests_max: STOP_MAX,
                    tunnels_max: STOP_MAX,
                }
            }
        };
        let lanes = self.desk.lock().await.close();
        let mut ends: JoinSet<()> = lanes.into_iter().map(|lane| lane.end(ending)).collect();
        while ends.join_next().await.is_some() {}
        self.desk.lock().await.publish();
        Ok(())
    }
}

async fn publish(desk: Arc<Mutex<Desk>>) {
    loop {
        tokio::time::sleep(PUBLISH_PERIOD).await;
        desk.lock().await.publish();
    }
}

/// Makes the proxy's folder, which only the owner may enter.
fn make_folder(config: &Config) -> Result<(), Error> {
    let made = || {
        fs_err::create_dir_all(&config.folder)?;
        fs_err::set_permissions(&config.folder, std::fs::Permissions::from_mode(0o700))
    };
    made().map_err(|source| Error::Folder {
        path: config.folder.clone(),
        source,
    })
}
