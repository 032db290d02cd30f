//! Ten thousand strangers at the doors of a node, in a process of its own, since its memory is measured.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use artifact::{
    ArtifactPath, FileEntry, ManifestBuilder, Provenance, SigningKey, TrustedKeys, VerifiedManifest,
};
use libp2p::identity::Keypair;
use model::host::Neighbour;
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use swarm::{Authority, Config, Handle, Identity, Role, Source, Statement, Swarm};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Attempts, over all kinds of strangers.
const ATTEMPTS: usize = 10_000;
/// Strangers that stand at the doors at the same time: more than may have unfinished handshakes.
const AT_ONCE: usize = 400;
/// What the process may grow by: a transfer's 96 MiB at most, the strangers' own ends, which live here
/// too, and 256 unfinished handshakes. Unbounded, ten thousand handshakes would take more.
const GROWTH_MAX: u64 = 192 << 20;
/// Longer than anything here takes on a slow machine; only a test that hangs meets it.
const LIMIT: Duration = Duration::from_secs(240);

/// A node that runs until it is dropped.
struct Node {
    handle: Handle,
    name: String,
    _stop: DropGuard,
}

impl Node {
    async fn start(name: &str, config: Config) -> Self {
        let (handle, _, swarm) = Swarm::start(config).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(swarm.run(stop.clone()));
        Self {
            handle,
            name: name.to_owned(),
            _stop: stop.drop_guard(),
        }
    }

    fn neighbour(&self) -> Neighbour {
        Neighbour {
            host: self.name.parse().unwrap(),
            peer: self.handle.local_peer().to_string(),
            addresses: self.handle.addresses().to_vec(),
        }
    }
}

fn config(authority: &Authority, region: &str, name: &str, not_after: &str) -> Config {
    let identity = Identity::generate();
    let statement = Statement {
        peer: identity.peer(),
        region: region.parse().unwrap(),
        name: name.parse().unwrap(),
        role: Role::Host,
        not_after: not_after.parse().unwrap(),
    };
    let certificate = authority.issue(statement).unwrap();
    let mut config = Config::new(identity, certificate, authority.key());
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    config
}

const LATER: &str = "2100-01-01T00:00:00Z";

/// One file of random-looking bytes in a folder.
fn artifact(folder: &Path, length: usize) -> VerifiedManifest {
    let content: Vec<u8> = (0..length).map(|index| ((index * index) >> 7) as u8).collect();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("file"), &content).unwrap();
    let entry = FileEntry {
        path: ArtifactPath::new("file").unwrap(),
        executable: false,
        length: length as u64,
    };
    let provenance = Provenance {
        repository: "r".parse().unwrap(),
        commit: "a".repeat(40).parse().unwrap(),
        target: "//:t".parse().unwrap(),
    };
    let builder = ManifestBuilder::new(vec![entry], provenance).unwrap();
    let layout = builder.layout();
    let hashes = (0..layout.piece_count()).map(|piece| {
        let range = layout.piece_range(piece);
        let bytes = &content[range.start as usize..range.end as usize];
        layout.hash_piece(piece, bytes).unwrap()
    });
    let hashes = hashes.collect();
    let key = SigningKey::generate([1; 32]);
    let signed = key
        .sign(&builder.finish(hashes).unwrap(), artifact::BuildRun::default())
        .unwrap();
    TrustedKeys::new([key.public()]).unwrap().verify(&signed).unwrap()
}

/// The doors of the node that is besieged.
#[derive(Clone)]
struct Doors {
    peer: swarm::PeerId,
    addresses: Vec<String>,
    control: SocketAddr,
    bulk: SocketAddr,
}

/// A stranger who knows the doors, and has no certificate that opens one.
struct Stranger {
    doors: Doors,
    /// Nodes with certificates of another authority, of another region, and of another time.
    nodes: Arc<Vec<Node>>,
    tls: Vec<TlsConnector>,
}

impl Stranger {
    /// Tries to get in, in one of many ways. Returns when it is turned away.
    async fn attempt(&self, number: usize) {
        let door = if number.is_multiple_of(2) {
            self.doors.control
        } else {
            self.doors.bulk
        };
        match number % 10 {
            // Most say nothing, or a part of something, and wait.
            0..=3 => turned_away(door, &[]).await,
            4..=5 => turned_away(door, &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await,
            6 => turned_away(door, b"\x13/multistream/1.0.0\n").await,
            7 => turned_away(door, &[0xFF; 4096]).await,
            // Some show a certificate of their own making, at the bulk door, where TLS comes first.
            8 => {
                let tls = &self.tls[number / 10 % self.tls.len()];
                handshake(self.doors.bulk, tls).await;
            }
            // And some are nodes of elsewhere, at the control door.
            _ => {
                let node = &self.nodes[number / 10 % self.nodes.len()];
                let called = node
                    .handle
                    .call(self.doors.peer, &self.doors.addresses, vec![1])
                    .await;
                assert!(called.is_err(), "a stranger was answered");
            }
        }
    }
}

/// Connects, says something, and waits until the far end hangs up.
async fn turned_away(door: SocketAddr, said: &[u8]) {
    // A full queue of the operating system is as good as being turned away.
    let Ok(mut connection) = TcpStream::connect(door).await else {
        return;
    };
    if connection.write_all(said).await.is_ok() {
        let mut heard = [0; 1024];
        while matches!(connection.read(&mut heard).await, Ok(1..)) {}
    }
}

/// Shows a certificate and a token of its own making.
async fn handshake(door: SocketAddr, tls: &TlsConnector) {
    let Ok(connection) = TcpStream::connect(door).await else {
        return;
    };
    let nobody = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0])));
    if let Ok(mut stream) = tls.connect(nobody, connection).await {
        drop(stream.write_all(&[7; 40]).await);
        let heard = stream.read(&mut [0; 1]).await;
        assert!(!matches!(heard, Ok(1..)), "a stranger was answered");
    }
}

fn libp2p_tls(protocol: &[u8]) -> TlsConnector {
    let mut config = libp2p::tls::make_client_config(&Keypair::generate_ed25519(), None).unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_strangers_change_neither_the_memory_nor_the_service_of_a_node() {
    let root = TempDir::new().unwrap();
    let (authority, foreign) = (Authority::generate(), Authority::generate());
    let mut besieged = config(&authority, "r1", "besieged", LATER);
    // Whoever asks the operating system for a free port gets another each time.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    besieged.bulk_port = free.port();
    let seed = Node::start("besieged", besieged).await;
    let host = Node::start("host", config(&authority, "r1", "host", LATER)).await;
    let elsewhere = [
        config(&foreign, "r1", "foreign", LATER),
        config(&authority, "r2", "neighbour", LATER),
    ];
    let mut nodes = Vec::new();
    for config in elsewhere {
        nodes.push(Node::start("elsewhere", config).await);
    }
    let manifest = artifact(&root.path().join("seed"), 64 << 20);
    let source = Source::Folder(root.path().join("seed"));
    seed.handle.serve(manifest.clone(), source).await.unwrap();

    let address = seed.handle.addresses()[0].clone();
    let control: u16 = address.rsplit('/').next().unwrap().parse().unwrap();
    let doors = Doors {
        peer: seed.handle.local_peer(),
        addresses: seed.handle.addresses().to_vec(),
        control: SocketAddr::from(([127, 0, 0, 1], control)),
        bulk: free,
    };
    let stranger = Arc::new(Stranger {
        doors,
        nodes: Arc::new(nodes),
        tls: vec![libp2p_tls(b"starling-bulk/1"), libp2p_tls(b"libp2p")],
    });
    let before = memory("VmRSS:");
    let next = Arc::new(AtomicUsize::new(0));
    let siege = tokio::spawn(async move {
        let mut strangers = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (stranger, next) = (Arc::clone(&stranger), Arc::clone(&next));
            strangers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= ATTEMPTS {
                        return;
                    }
                    stranger.attempt(number).await;
                }
            });
        }
        while let Some(done) = strangers.join_next().await {
            done.unwrap();
        }
    });

    // A host that comes meanwhile is let in, and served.
    let served = async {
        host.handle.set_neighbours(vec![seed.neighbour()]).await.unwrap();
        let folder = root.path().join("host");
        let fetch = host.handle.fetch(manifest.clone(), folder).await.unwrap();
        fetch.done().await.unwrap();
    };
    tokio::time::timeout(LIMIT, served)
        .await
        .expect("the service goes on");
    tokio::time::timeout(LIMIT, siege)
        .await
        .expect("every stranger is turned away")
        .unwrap();
    let grown = memory("VmHWM:").saturating_sub(before);
    assert!(grown < GROWTH_MAX, "the process grew by {grown} bytes");
    let peers = seed.handle.status().await.unwrap().peers;
    assert_eq!(peers.len(), 1, "only the host is known: {peers:?}");
}
