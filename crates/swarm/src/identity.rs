//! A node's own key, and the file that keeps it.

use crate::{Error, PeerId};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use libp2p::identity::{Keypair, ed25519};
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// A node's ed25519 key pair. Its hash is the node's [`PeerId`], so whoever holds the file is the
/// node.
#[derive(Clone)]
pub struct Identity(pub(crate) Keypair);

impl Identity {
    /// Makes a new key from the system's randomness and keeps it nowhere.
    pub fn generate() -> Self {
        Self(Keypair::generate_ed25519())
    }

    /// Reads the key from a file, or makes one and writes it there first, readable by its owner
    /// only.
    ///
    /// # Errors
    ///
    /// If the file holds something else, or cannot be read or written.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        load_or_create(path).map(Self)
    }

    /// The name by which other nodes know this one.
    pub fn peer(&self) -> PeerId {
        PeerId(self.0.public().to_peer_id())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.peer())
    }
}

/// A key file is the 32 secret bytes as 64 hexadecimal digits and a line feed.
pub(crate) fn load_or_create(path: &Path) -> Result<Keypair, Error> {
    let failed = |doing: &str, source: io::Error| Error::Io {
        doing: format!("{doing} the key file"),
        source: Arc::new(source),
    };
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).ok_or_else(|| Error::KeyFile {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = ed25519::SecretKey::generate();
            write(path, &hex::encode(&secret)).map_err(|error| failed("write", error))?;
            Ok(ed25519::Keypair::from(secret).into())
        }
        Err(error) => Err(failed("read", error)),
    }
}

fn parse(text: &str) -> Option<Keypair> {
    let mut secret = [0; 32];
    hex::decode_to_slice(text.trim_end(), &mut secret).ok()?;
    Keypair::ed25519_from_bytes(secret).ok()
}

/// Writes one line beside and renames, so that a crash never leaves half a key behind.
pub(crate) fn write(path: &Path, line: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_second_start_finds_the_key_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/identity");
        let first = Identity::load_or_create(&path).unwrap();
        let second = Identity::load_or_create(&path).unwrap();
        assert_eq!(first.peer(), second.peer());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_without_a_key_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity");
        for bad in ["", "zz", "00", &"0".repeat(66)] {
            fs::write(&path, bad).unwrap();
            assert!(
                matches!(Identity::load_or_create(&path), Err(Error::KeyFile { .. })),
                "{bad:?}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let identity = Identity::generate();
        assert_eq!(format!("{identity:?}"), format!("Identity({})", identity.peer()));
    }
}
