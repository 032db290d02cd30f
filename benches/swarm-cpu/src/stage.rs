//! The file that is copied, and a region that may copy it.

use anyhow::Context as _;
use artifact::{
    ArtifactPath, FileEntry, Manifest, ManifestBuilder, Provenance, SignedManifest, SigningKey, TrustedKeys,
    VerifiedManifest,
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use swarm::{Authority, Config, Identity, Role, Statement};
use tempfile::TempDir;

/// A file system in memory, where Linux usually has one.
const MEMORY: &str = "/dev/shm";
/// Copies of the content that lie there at once: the seed's and four hosts', and some room.
const COPIES: u64 = 6;
/// Both are fixed: nothing here is secret, and every process makes the same keys of them.
const SIGNING_SEED: [u8; 32] = [1; 32];
const CONTENT_SEED: u64 = 7;

/// The name of the one file of the artifact.
pub const FILE: &str = "content";

/// What every run of every side uses.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
    /// Of the content, in bytes.
    pub length: u64,
    /// Where the files lie, in words.
    pub medium: &'static str,
}

impl Stage {
    /// Writes the content and the region's secrets.
    pub fn set(length: u64) -> anyhow::Result<Self> {
        let memory = Path::new(MEMORY);
        let roomy = free_bytes(memory).is_some_and(|free| free > length * COPIES);
        let (folder, medium) = if roomy {
            (tempfile::tempdir_in(memory)?, "files in memory")
        } else {
            (tempfile::tempdir()?, "files on disk")
        };
        let stage = Self {
            folder,
            length,
            medium,
        };
        stage.write_content()?;
        std::fs::write(stage.manifest_path(), signed(&stage.hash_content()?))?;
        Authority::load_or_create(&stage.path().join("authority"))?;
        Ok(stage)
    }

    /// Everything lies in here.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write_content(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(self.path().join("seed"))?;
        let mut file = BufWriter::new(File::create(content(self.path()))?);
        let mut random = SmallRng::seed_from_u64(CONTENT_SEED);
        let mut buffer = vec![0; 1 << 20];
        let mut left = self.length;
        while left > 0 {
            let part = left.min(buffer.len() as u64) as usize;
            random.fill_bytes(&mut buffer[..part]);
            file.write_all(&buffer[..part])?;
            left -= part as u64;
        }
        Ok(file.flush()?)
    }

    fn hash_content(&self) -> anyhow::Result<Manifest> {
        let entry = FileEntry {
            path: ArtifactPath::new(FILE)?,
            executable: false,
            length: self.length,
        };
        let provenance = Provenance {
            repository: "bench".parse()?,
            commit: "a".repeat(40).parse()?,
            target: "//:bench".parse()?,
        };
        let builder = ManifestBuilder::new(vec![entry], provenance)?;
        let layout = builder.layout();
        let mut file = File::open(content(self.path()))?;
        let mut hashes = Vec::new();
        for piece in 0..layout.piece_count() {
            let range = layout.piece_range(piece);
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact(&mut bytes)?;
            hashes.push(
                layout
                    .hash_piece(piece, &bytes)
                    .context("a piece of another length")?,
            );
        }
        Ok(builder.finish(hashes)?)
    }

    fn manifest_path(&self) -> PathBuf {
        self.path().join("manifest")
    }
}

/// The content, as the seed has it.
pub fn content(stage: &Path) -> PathBuf {
    stage.join("seed").join(FILE)
}

/// The manifest of the content, checked.
pub fn manifest(stage: &Path) -> anyhow::Result<VerifiedManifest> {
    let signed = SignedManifest::decode(&std::fs::read(stage.join("manifest"))?)?;
    let trusted = TrustedKeys::new([SigningKey::generate(SIGNING_SEED).public()])?;
    Ok(trusted.verify(&signed)?)
}

/// A certified node of the region, which listens on loopback.
pub fn node(stage: &Path, name: &str, role: Role) -> anyhow::Result<Config> {
    let authority = Authority::load_or_create(&stage.join("authority"))?;
    let identity = Identity::generate();
    let certificate = authority.issue(Statement {
        peer: identity.peer(),
        region: "bench".parse()?,
        name: name.parse()?,
        role,
        not_after: "2100-01-01T00:00:00Z".parse()?,
    })?;
    let mut config = Config::new(identity, certificate, authority.key());
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    Ok(config)
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

fn signed(manifest: &Manifest) -> Vec<u8> {
    SigningKey::generate(SIGNING_SEED).sign(manifest).encode()
}
