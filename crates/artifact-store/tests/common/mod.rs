//! A server of our own on a loopback port, and builders of outputs.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its input should fail"
)]
#![allow(dead_code, reason = "each test file uses a part of these")]

pub mod proxy;

use artifact::{FileEntry, Provenance, SignedManifest, SigningKey, TrustedKeys, VerifiedManifest};
use artifact_store::server::{self, Server};
use artifact_store::{
    Config, ContentKey, CopyTarget, Crc64, Error, Existing, Outputs, Pace, PartSender, Patience, Sent, Store,
    StoredManifest, UploadTicket, Uploaded,
};
use model::ArtifactId;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running server; dropped, it only stops listening when its runtime ends.
pub struct Running {
    pub address: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn start(root: &Path) -> Self {
        let server = Server::bind(server::Config {
            root: root.to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            access_key_id: "starling".to_owned(),
            secret_access_key: "murmuration".to_owned().into(),
        })
        .await
        .unwrap();
        let stop = CancellationToken::new();
        Self {
            address: format!("http://{}", server.local_addr()),
            task: tokio::spawn(server.run(stop.clone())),
            stop,
        }
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    pub fn config(&self, bucket: &str) -> Config {
        Config {
            endpoint: Some(self.address.clone()),
            signing_region: "us-east-1".to_owned(),
            bucket: bucket.to_owned(),
            access_key_id: "starling".to_owned(),
            secret_access_key: "murmuration".to_owned().into(),
        }
    }

    pub async fn store(&self, bucket: &str) -> Store {
        let store = Store::connect(&self.config(bucket)).unwrap();
        store.ensure_bucket().await.unwrap();
        store
    }
}

/// Bytes that differ everywhere and repeat nowhere near.
pub fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

pub fn provenance() -> Provenance {
    Provenance {
        repository: "murmuration".parse().unwrap(),
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        target: "//wing:feather".parse().unwrap(),
    }
}

/// Outputs on the disk, and their content as it will be in the store.
pub fn outputs(folder: &Path, files: &[(&str, usize)]) -> (Outputs, Vec<u8>) {
    let mut contents: Vec<(&str, Vec<u8>)> = files
        .iter()
        .zip(1..)
        .map(|((path, length), seed)| (*path, bytes(*length, seed)))
        .collect();
    let listed = contents
        .iter()
        .enumerate()
        .map(|(number, (path, content))| {
            let on_disk: PathBuf = folder.join(format!("output-{number}"));
            std::fs::write(&on_disk, content).unwrap();
            let entry = FileEntry {
                path: path.parse().unwrap(),
                executable: number % 2 == 0,
                length: content.len() as u64,
            };
            (entry, on_disk)
        })
        .collect();
    contents.sort();
    let content = contents.into_iter().flat_map(|(_, content)| content).collect();
    (
        Outputs {
            files: listed,
            provenance: provenance(),
        },
        content,
    )
}

pub fn key(text: &str) -> ContentKey {
    text.parse().unwrap()
}

/// Waits for the store as long as a worker does.
pub fn sender() -> PartSender {
    sender_with(Patience::default())
}

pub fn sender_with(patience: Patience) -> PartSender {
    // An earlier test of this process may have installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    PartSender::new(patience).unwrap()
}

pub async fn upload(store: &Store, name: &str, outputs: Outputs) -> Uploaded {
    upload_by(&sender(), store, name, outputs).await
}

pub async fn upload_by(sender: &PartSender, store: &Store, name: &str, outputs: Outputs) -> Uploaded {
    let progress = watch::Sender::new(0);
    store
        .upload(sender, &key(name), outputs, progress, CancellationToken::new())
        .await
        .unwrap()
}

/// Puts other content to where an object is, as somebody does who has the credentials and means harm.
pub async fn replace(store: &Store, name: &str, content: Vec<u8>) {
    let ticket = store.create_upload(&key(name)).await.unwrap();
    let crc64nvme = Crc64::of(&content);
    let part = store
        .put_part(&ticket, 1, content.into(), crc64nvme)
        .await
        .unwrap();
    store
        .complete_upload(&ticket, &[part], crc64nvme, Existing::IsReplaced)
        .await
        .unwrap();
}

/// Signs and publishes what was uploaded.
pub async fn publish(store: &Store, uploaded: &Uploaded) -> ArtifactId {
    let manifest = StoredManifest {
        signed: SigningKey::generate([7; 32])
            .sign(&uploaded.manifest, artifact::BuildRun::default())
            .unwrap(),
        content_key: uploaded.content_key.clone(),
        crc64nvme: uploaded.crc64nvme,
        total: uploaded.manifest.total_length(),
    };
    store.put_manifest(&manifest).await.unwrap();
    uploaded.manifest.id()
}

/// Completes, signs and publishes what was sent.
pub async fn publish_sent(store: &Store, ticket: &UploadTicket, sent: Sent) -> Result<ArtifactId, Error> {
    let Sent {
        manifest, content, ..
    } = sent;
    store
        .complete(&ticket.key, Some(ticket), &content, manifest.total_length())
        .await?;
    let uploaded = Uploaded {
        manifest,
        content_key: ticket.key.clone(),
        crc64nvme: content.crc64nvme,
    };
    Ok(publish(store, &uploaded).await)
}

/// Copies an artifact to one store; how many bytes it said were there.
pub async fn copy(from: &Store, to: &Store, artifact: &ArtifactId) -> Result<u64, Error> {
    let progress = watch::Sender::new(0);
    let seen = progress.subscribe();
    let target = CopyTarget {
        store: to.clone(),
        progress,
    };
    let stop = CancellationToken::new();
    let mut ended = from
        .copy_to(vec![target], artifact, &Pace::default(), &stop)
        .await;
    ended.remove(0).map(|()| *seen.borrow())
}

/// A manifest of [`publish`], its signature checked.
pub fn verified(signed: &SignedManifest) -> VerifiedManifest {
    let trusted = TrustedKeys::new([SigningKey::generate([7; 32]).public()]).unwrap();
    trusted.verify(signed).unwrap()
}

pub fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// The blobs of a bucket.
pub fn blobs(root: &Path, bucket: &str) -> Vec<PathBuf> {
    let data = root.join("buckets").join(bucket).join("data");
    std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}
