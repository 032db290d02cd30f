//! Keys and tokens of a `starling dev`, made at the first start and kept.

use super::layout::Layout;
use artifact::SigningKey;
use model::{HostName, RegionName};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use swarm::{Authority, AuthorityKey, Identity, PeerId, Role};

/// A node of a swarm, and where its files are.
#[derive(Debug)]
pub struct NodeFiles {
    /// Its region.
    pub region: RegionName,
    /// Its name there.
    pub name: HostName,
    /// What it is there.
    pub role: Role,
    /// The file with its key.
    pub identity: PathBuf,
    /// The file for its certificate.
    pub certificate: PathBuf,
    /// The file for its join token.
    pub join_token: PathBuf,
    /// Its key's name.
    pub peer: PeerId,
    /// Its region's authority.
    pub authority: AuthorityKey,
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

/// A node's files: makes its identity and its region's authority unless they are there.
pub fn node(layout: &Layout, region: &RegionName, name: &HostName, role: Role) -> anyhow::Result<NodeFiles> {
    let authority = Authority::load_or_create(&authority(layout, region))?;
    let kind = role.as_str().to_lowercase();
    let identity_file = layout.secret(&format!("{region}.{kind}.{name}.identity"));
    let identity = Identity::load_or_create(&identity_file)?;
    Ok(NodeFiles {
        region: region.clone(),
        name: name.clone(),
        role,
        certificate: identity_file.with_extension("certificate"),
        join_token: identity_file.with_extension("join-token"),
        identity: identity_file,
        peer: identity.peer(),
        authority: authority.key(),
    })
}

/// Where the key of a region's authority is.
pub fn authority(layout: &Layout, region: &RegionName) -> PathBuf {
    layout.secret(&format!("{region}.authority"))
}

/// Writes a file that only the owner reads.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
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
