//! What the proxy was told, on the disk: it serves by it after a kill, without whoever told it.

use crate::Error;
use proxy_control::{Mode, Point};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The file's name in the proxy's folder.
const FILE: &str = "state.json";

/// Everything that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Every service and its mode.
    pub(crate) services: Vec<(Point, Mode)>,
}

impl State {
    /// What was kept last; nothing at first.
    pub(crate) async fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        match fs_err::tokio::read(&path).await {
            Ok(text) => serde_json::from_slice(&text).map_err(|source| Error::State { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(Error::Folder { path, source }),
        }
    }

    /// Keeps this instead of what was kept; on the disk when it returns.
    pub(crate) async fn save(&self, folder: &Path) -> Result<(), Error> {
        let folder = folder.to_owned();
        let failed = |source| Error::Folder {
            path: folder.join(FILE),
            source,
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        let written = {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || write(&folder, &text))
        };
        let written = written.await.map_err(std::io::Error::other);
        written.and_then(|written| written).map_err(failed)
    }
}

fn write(folder: &PathBuf, text: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(FILE))?;
    fs_err::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_saved_is_loaded_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::load(folder.path()).await.unwrap(), State::default());
        let point = r#"{"service":"web","stable_port":80,"active":{"port":3000,"release":1}}"#;
        let state = State {
            services: vec![(serde_json::from_str(point).unwrap(), Mode::Pause)],
        };
        state.save(folder.path()).await.unwrap();
        state.save(folder.path()).await.unwrap();
        assert_eq!(State::load(folder.path()).await.unwrap(), state);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let damaged = State::load(folder.path()).await.unwrap_err();
        assert!(damaged.to_string().contains("is damaged"), "{damaged}");
    }
}
