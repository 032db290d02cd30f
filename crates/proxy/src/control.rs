//! The control socket.

use crate::desk::{Desk, Phase};
use crate::takeover::STEP_MAX;
use crate::{Config, Error};
use proxy_control::{Command, Reply, handover, line};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

/// The most conversations at once.
const CONVERSATIONS_MAX: usize = 64;

/// Opens the control socket in the place of an older proxy's, whose conversations go on.
pub(crate) fn bind(config: &Config) -> Result<UnixListener, Error> {
    let path = &config.control_socket;
    let fresh = config.folder.join(format!("control-{}", std::process::id()));
    let bound = || {
        remove(&fresh)?;
        let listener = UnixListener::bind(&fresh)?;
        fs_err::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
        fs_err::rename(&fresh, path)?;
        Ok(listener)
    };
    bound().map_err(|source| Error::Folder {
        path: path.clone(),
        source,
    })
}

/// Deletes a socket's file, if it is there.
pub(crate) fn remove(path: &Path) -> std::io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Takes commands until the process ends. `replaced` is cancelled when a newer proxy has taken over.
pub(crate) async fn run(listener: UnixListener, desk: Arc<Mutex<Desk>>, replaced: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONVERSATIONS_MAX));
    loop {
        let slot = slots.clone().acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let (desk, replaced) = (desk.clone(), replaced.clone());
                tokio::spawn(async move {
                    if let Err(error) = talk(stream, desk, replaced).await {
                        tracing::warn!(%error, "a conversation on the control socket broke off");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept on the control socket");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn talk(
    mut stream: UnixStream,
    desk: Arc<Mutex<Desk>>,
    replaced: CancellationToken,
) -> Result<(), proxy_control::Error> {
    // Whether the other side is the proxy that took over.
    let mut successor = false;
    while let Some(command) = line::read(&mut stream).await? {
        if command == Command::TakeOver {
            successor = hand_over(&mut stream, &desk).await?;
            if successor {
                replaced.cancel();
            }
            continue;
        }
        let reply = {
            let mut desk = desk.lock().await;
            match desk.phase() {
                Phase::Replaced if !successor => Reply::Busy,
                Phase::HandingOver => Reply::Busy,
                Phase::Serving | Phase::Replaced => desk.execute(command).await,
            }
        };
        line::write(&mut stream, &reply).await?;
    }
    Ok(())
}

/// Hands everything to a newer proxy; whether it took it.
async fn hand_over(stream: &mut UnixStream, desk: &Mutex<Desk>) -> Result<bool, proxy_control::Error> {
    let services = {
        let mut desk = desk.lock().await;
        if desk.phase() != Phase::Serving {
            let reason = "another proxy takes over already".to_owned();
            line::write(stream, &Reply::Refused { reason }).await?;
            return Ok(false);
        }
        let services = desk.handover()?;
        desk.set_phase(Phase::HandingOver);
        services
    };
    let handing = async {
        let named = services.iter().map(|(point, mode, _)| (point.clone(), *mode));
        let reply = Reply::Handover {
            services: named.collect(),
        };
        line::write(stream, &reply).await?;
        for (_, _, listener) in &services {
            handover::send(stream, listener).await?;
        }
        match line::read(stream).await? {
            Some(Command::Taken) => Ok(()),
            _ => Err(proxy_control::Error::Closed),
        }
    };
    let handed = tokio::time::timeout(STEP_MAX, handing).await;
    let mut desk = desk.lock().await;
    match handed {
        Ok(Ok(())) => {
            desk.set_phase(Phase::Replaced);
            line::write(stream, &Reply::Done).await?;
            Ok(true)
        }
        failed => {
            desk.set_phase(Phase::Serving);
            Err(match failed {
                Ok(Err(error)) => error,
                _ => proxy_control::Error::Slow {
                    seconds: STEP_MAX.as_secs(),
                },
            })
        }
    }
}
