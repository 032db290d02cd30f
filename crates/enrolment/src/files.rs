//! The files of enrolment, read and written off the runtime.

use crate::Config;
use crate::Error;
use fs_err as fs;
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use swarm::{Certificate, JoinSecret};

/// A certificate and when it was put where it lies.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) certificate: Certificate,
    pub(crate) since: Timestamp,
}

/// What the certificate file holds; none when it is not there or holds something else.
pub(crate) async fn certificate(path: &Path) -> Result<Option<Kept>, Error> {
    let file = path.to_owned();
    let read = on_a_thread(move || {
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let Ok(certificate) = text.parse() else {
            tracing::warn!(certificate.file = %file.display(), "the certificate file holds no certificate");
            return Ok(None);
        };
        let modified = fs::metadata(&file)?.modified()?;
        let since = Timestamp::try_from(modified).map_err(io::Error::other)?;
        Ok(Some(Kept { certificate, since }))
    });
    read.await.map_err(|error: io::Error| unusable(path, error))
}

/// Keeps a certificate, whole or not at all.
pub(crate) async fn keep(path: &Path, certificate: &Certificate) -> Result<(), Error> {
    let (file, certificate) = (path.to_owned(), certificate.clone());
    on_a_thread(move || certificate.store(&file))
        .await
        .map_err(|error| unusable(path, error))
}

/// The join token that an operator left.
pub(crate) async fn join_token(config: &Config) -> Result<JoinSecret, Error> {
    let file = config.join_token_file.clone();
    let read = on_a_thread(move || {
        let text = fs::read_to_string(&file)?;
        text.parse().map_err(io::Error::other)
    });
    read.await.map_err(|error| Error::NoToken {
        path: config.join_token_file.clone(),
        command: config.token_command(),
        source: Box::new(error),
    })
}

/// A used token opens nothing any more, so that it may as well stay where nobody can delete it.
pub(crate) async fn forget_join_token(path: &Path) {
    let file: PathBuf = path.to_owned();
    if let Err(error) = on_a_thread(move || fs::remove_file(file)).await {
        tracing::debug!(%error, "a used join token could not be deleted");
    }
}

fn unusable(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::CertificateFile {
        path: path.to_owned(),
        source: Box::new(error),
    }
}

/// Runs what waits for the disk where it keeps nobody waiting.
async fn on_a_thread<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
