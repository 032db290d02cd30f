//! The region itself: its etcd, its store and its manager.

use crate::host::Host;
use crate::keys::Keys;
use crate::metrics::scrape;
use crate::order::{PROGRAM, stage};
use crate::role::Role;
use anyhow::{Context as _, bail};
use artifact::{BuildRun, FileEntry, Provenance};
use artifact_store::{Config, ContentKey, Outputs, PartSender, Patience, Store, StoredManifest};
use bench_harness::{Meter, Race};
use bench_network::Node;
use desired_state::DesiredState;
use local_services::{Etcd, free_port};
use model::{ArtifactId, RegionService};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const REGION: &str = "bench";
const ZONE: &str = "bench-a";
const ACCESS_KEY_ID: &str = "starling";
const SECRET: &str = "murmuration";
/// How long the hosts may take to be known to the manager.
const ROSTER_LIMIT: Duration = Duration::from_secs(60);
/// A host asks for its neighbours every two seconds: after two rounds each knows all that came before it.
const TWO_ROUNDS: Duration = Duration::from_secs(4);

/// A region without hosts yet.
#[derive(Debug)]
pub struct Region {
    starling: PathBuf,
    folder: PathBuf,
    keys: Keys,
    bucket: Store,
    desired: DesiredState,
    epoch: i64,
    /// The `[[managers]]` table of every host's configuration.
    managers: String,
    manager: Role,
    store: Role,
    etcd: Etcd,
}

impl Region {
    /// Starts etcd on loopback, and store and manager on `seed`, in whose namespace this process must be. Everything
    /// lies below `folder`.
    ///
    /// # Errors
    /// When one of them does not start; the error quotes its log.
    pub async fn start(starling: &Path, folder: &Path, seed: &Node) -> anyhow::Result<Self> {
        let keys = Keys::generate(REGION.parse()?);
        let (secret_file, token_file) = (folder.join("store.secret"), folder.join("region.token"));
        fs_err::write(&secret_file, SECRET)?;
        fs_err::write(&token_file, "no API asks for it")?;
        let etcd = Etcd::start(&folder.join("etcd")).await?;

        let endpoint = format!("{}:{}", seed.address, free_port()?);
        let settings = format!(
            "root = {:?}\nlisten = \"{endpoint}\"\naccess_key_id = \"{ACCESS_KEY_ID}\"\nsecret_access_key_file = {secret_file:?}\n",
            folder.join("store")
        );
        let store = Role::start(starling, ("store", &settings), (seed, folder)).await?;
        let bucket = connect(&endpoint).await?;

        let address = format!("/ip4/{}/tcp/{}", seed.address, free_port()?);
        let (swarm, peer) = keys.enrol(folder, ("manager", swarm::Role::Manager), &address)?;
        let settings = format!(
            "region = \"{REGION}\"\ncandidate = \"manager\"\netcd = [\"{}\"]\napi = \"http://127.0.0.1:9\"\ntoken_file = {token_file:?}\n\
             trusted_keys = [\"{}\"]\n\
             [store]\nendpoint = \"http://{endpoint}\"\nbucket = \"{REGION}\"\naccess_key_id = \"{ACCESS_KEY_ID}\"\n\
             secret_access_key_file = {secret_file:?}\n{swarm}",
            etcd.endpoint(),
            keys.signing.public(),
        );
        let manager = Role::start(starling, ("region", &settings), (seed, folder)).await?;
        Ok(Self {
            starling: starling.to_owned(),
            folder: folder.to_owned(),
            bucket,
            desired: DesiredState::connect(&[etcd.endpoint()], &keys.region).await?,
            keys,
            epoch: 0,
            managers: format!("[[managers]]\npeer = \"{peer}\"\naddresses = [\"{address}\"]\n"),
            manager,
            store,
            etcd,
        })
    }

    /// Starts a host. Its name is its node's.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn host(&self, node: &Node) -> anyhow::Result<Host> {
        self.host_with(node, "").await
    }

    /// Starts a host whose configuration also says this, keys at its top.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn host_with(&self, node: &Node, settings: &str) -> anyhow::Result<Host> {
        let folder = self.folder.join("hosts").join(&node.name);
        fs_err::create_dir_all(&folder)?;
        let listen = format!("/ip4/{}/tcp/{}", node.address, free_port()?);
        let (swarm, _) = self
            .keys
            .enrol(&self.folder, (&node.name, swarm::Role::Host), &listen)?;
        let settings = format!(
            "host = \"{}\"\nzone = \"{ZONE}\"\nregion = \"{REGION}\"\nfolder = {folder:?}\ntrusted_keys = [\"{}\"]\n\
             ports = [20000, 20099]\n{settings}{}{swarm}",
            node.name,
            self.keys.signing.public(),
            self.managers,
        );
        let role = Role::start(&self.starling, ("agent", &settings), (node, &self.folder)).await?;
        Ok(Host { role, folder })
    }

    /// Waits until the manager hears so many hosts, and they had time to hear of each other.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn gathered(&self, hosts: usize) -> anyhow::Result<()> {
        let began = Instant::now();
        // A gauge of few hosts is exact.
        while (scrape(self.manager.observed_at, "starling_region_hosts_alive", &[]).await? as usize) < hosts {
            if began.elapsed() > ROSTER_LIMIT {
                bail!(
                    "not all of {hosts} hosts found their manager; see {}",
                    self.manager.log.display()
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(TWO_ROUNDS).await;
        Ok(())
    }

    /// Puts a file into the store as an artifact, signed by whom the region trusts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn upload(&self, file: &Path) -> anyhow::Result<ArtifactId> {
        let entry = FileEntry {
            path: PROGRAM.parse()?,
            executable: true,
            length: fs_err::metadata(file)?.len(),
        };
        let outputs = Outputs {
            files: vec![(entry, file.to_owned())],
            provenance: Provenance {
                repository: "bench".parse()?,
                commit: "0".repeat(40).parse()?,
                target: "//bench:content".parse()?,
            },
        };
        let key: ContentKey = hex_name().parse()?;
        // An earlier call may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sender = PartSender::new(Patience::default())?;
        let (progress, stop) = (watch::Sender::new(0), CancellationToken::new());
        let upload = self.bucket.upload(&sender, &key, outputs, progress, stop);
        let uploaded = Box::pin(upload).await?;
        let stored = StoredManifest {
            signed: self.keys.signing.sign(&uploaded.manifest, BuildRun::default())?,
            content_key: uploaded.content_key,
            crc64nvme: uploaded.crc64nvme,
            total: uploaded.manifest.total_length(),
        };
        self.bucket.put_manifest(&stored).await?;
        Ok(stored.signed.artifact())
    }

    /// Tells the region what to run of a service.
    ///
    /// # Errors
    /// When etcd fails.
    pub async fn order(&self, service: &RegionService) -> anyhow::Result<()> {
        Ok(self.desired.publish(service).await.map(drop)?)
    }

    /// Tells the region to have this artifact and none else, and waits until each of the hosts has it. The processes
    /// that are watched are the store, the manager and the hosts, in this order.
    ///
    /// # Errors
    /// When etcd fails, a process ends, or a host has it not in time. The error quotes what such a host logged.
    pub async fn race(
        &mut self,
        hosts: &mut [Host],
        artifact: ArtifactId,
        limit: Duration,
    ) -> anyhow::Result<Race> {
        let roles = [&self.store, &self.manager].into_iter();
        let roles = roles.chain(hosts.iter().map(|host| &host.role));
        let meter = Meter::begin(roles.filter_map(|role| role.child.id()));
        self.epoch += 1;
        self.desired.publish(&stage(artifact, self.epoch)?).await?;
        let raced = meter.race(hosts.len(), limit, |host| {
            self.manager.child.still_runs()?;
            self.store.child.still_runs()?;
            hosts[host].has(&artifact)
        });
        raced.await.with_context(|| {
            let mut stuck = hosts.iter_mut().filter_map(|host| {
                let has = host.has(&artifact).unwrap_or(false);
                (!has).then(|| host.role.child.tail())
            });
            let said = stuck.next().unwrap_or_default();
            format!("not every host had everything; one logged: {said:?}")
        })
    }

    /// Ends everything and waits until it is gone, so that nobody writes any more to the folder.
    ///
    /// # Errors
    /// When a process can't be killed.
    pub async fn end(self, hosts: Vec<Host>) -> anyhow::Result<()> {
        for role in hosts.into_iter().map(|host| host.role) {
            role.child.kill().await?;
        }
        self.manager.child.kill().await?;
        self.store.child.kill().await?;
        Ok(self.etcd.stop().await?)
    }

    /// The sum of one of the manager's metrics with these labels; see [`scrape`].
    ///
    /// # Errors
    /// When it can't be asked.
    pub async fn manager_metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        scrape(self.manager.observed_at, name, labels).await
    }
}

async fn connect(endpoint: &str) -> anyhow::Result<Store> {
    let store = Store::connect(&Config {
        endpoint: Some(format!("http://{endpoint}")),
        signing_region: "us-east-1".to_owned(),
        bucket: REGION.to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET.to_owned().into(),
    })?;
    store
        .ensure_bucket()
        .await
        .context("failed to use the region's store")?;
    Ok(store)
}

/// A name that no other upload has.
fn hex_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}
