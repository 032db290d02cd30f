//! Keys, tokens and certificates of a `starling dev`, made at the first start and kept.

use super::layout::Layout;
use anyhow::Context as _;
use artifact::SigningKey;
use jiff::{SignedDuration, Timestamp};
use model::{HostName, RegionName};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use swarm::{Authority, Identity, Role, Statement};

/// How long a certificate of the development system is valid; each start issues new ones.
const CERTIFICATE_LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// The files that a node of a swarm needs, and who it is.
#[derive(Debug)]
pub struct NodeFiles {
    /// Its key.
    pub identity: PathBuf,
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its peer id.
    pub peer: String,
    /// Its region's authority.
    pub authority: String,
}

/// A random secret of 32 bytes in hexadecimal, kept in a file that only the owner reads.
pub fn token(layout: &Layout, name: &str) -> anyhow::Result<(PathBuf, String)> {
    let path = layout.secret(name);
    if !path.exists() {
        write_private(&path, &hex::encode(rand::random::<[u8; 32]>()))?;
    }
    let text = fs_err::read_to_string(&path)?;
    Ok((path, text.trim().to_owned()))
}

/// The key that signs manifests, as a file, and its public half.
pub fn signing_key(layout: &Layout) -> anyhow::Result<(PathBuf, artifact::PublicKey)> {
    let path = layout.secret("manifest-signing-key");
    if !path.exists() {
        write_private(&path, &SigningKey::generate(rand::random()).to_hex())?;
    }
    let key = SigningKey::from_hex(fs_err::read_to_string(&path)?.trim())?;
    Ok((path, key.public()))
}

/// Enrols one node: loads or makes its identity and issues a fresh certificate of its region.
pub fn enrol(layout: &Layout, region: &RegionName, name: &HostName, role: Role) -> anyhow::Result<NodeFiles> {
    let authority = Authority::load_or_create(&layout.secret(&format!("{region}.authority")))?;
    let kind = if role == Role::Manager { "manager" } else { "host" };
    let identity_file = layout.secret(&format!("{region}.{kind}.{name}.identity"));
    let identity = Identity::load_or_create(&identity_file)?;
    let certificate = authority
        .issue(Statement {
            peer: identity.peer(),
            region: region.clone(),
            name: name.clone(),
            role,
            not_after: Timestamp::now() + CERTIFICATE_LIFE,
        })
        .with_context(|| format!("failed to enrol {name}"))?;
    let certificate_file = identity_file.with_extension("certificate");
    write_private(&certificate_file, &certificate.to_string())?;
    Ok(NodeFiles {
        identity: identity_file,
        certificate: certificate_file,
        peer: identity.peer().to_string(),
        authority: authority.key().to_string(),
    })
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}
