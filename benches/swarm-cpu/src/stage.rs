//! The file that is copied, and a region that may copy it.

use anyhow::Context as _;
use artifact::{
    ArtifactPath, BuildRun, FileEntry, Manifest, ManifestBuilder, Provenance, SignedManifest, SigningKey,
    TrustedKeys, VerifiedManifest,
};
use bench_harness::{Scratch, write_content};
use bench_peers::Tracker;
use std::fs::File;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use swarm::{Authority, Config, Identity, Role, Statement};

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
    scratch: Scratch,
    /// Where those that speak BitTorrent find each other.
    pub tracker: Tracker,
    /// Of the content, in bytes.
    pub length: u64,
    /// Where the files lie, in words.
    pub medium: &'static str,
}

impl Stage {
    /// Writes the content, its descriptions and the region's secrets.
    pub async fn set(length: u64) -> anyhow::Result<Self> {
        let in_memory = Scratch::below(Path::new(MEMORY), length * COPIES);
        let (scratch, medium) = match in_memory {
            Ok(scratch) => (scratch, "files in memory"),
            Err(_) => (Scratch::new(length * COPIES)?, "files on disk"),
        };
        let stage = Self {
            scratch,
            tracker: Tracker::start(Ipv4Addr::LOCALHOST).await?,
            length,
            medium,
        };
        std::fs::create_dir_all(stage.path().join("seed"))?;
        write_content(&stage.content(), length, CONTENT_SEED)?;
        std::fs::write(stage.manifest_path(), signed(&stage.hash_content()?))?;
        Authority::load_or_create(&stage.path().join("authority"))?;
        Ok(stage)
    }

    /// The content, as the seed has it.
    pub fn content(&self) -> PathBuf {
        content(self.path())
    }

    /// Its description for BitTorrent.
    pub fn torrent(&self) -> PathBuf {
        self.path().join("content.torrent")
    }

    /// Everything lies in here.
    pub fn path(&self) -> &Path {
        self.scratch.path()
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
        let mut file = File::open(self.content())?;
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

fn signed(manifest: &Manifest) -> Vec<u8> {
    let signed = SigningKey::generate(SIGNING_SEED).sign(manifest, BuildRun::default());
    // Proof: a statement that says as little as possible is short enough.
    signed.expect("a short statement").encode()
}
