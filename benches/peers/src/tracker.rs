//! A tracker for one bench (BEP 3 and BEP 23, the part that downloaders need).

use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The longest request line that is read, in bytes.
const REQUEST_LENGTH_MAX: usize = 4_096;
/// How long an announcement may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The most peers that are told to one, and known of one torrent.
const PEERS_MAX: usize = 200;

/// Who takes part, by torrent.
type Swarms = Arc<Mutex<BTreeMap<String, BTreeSet<SocketAddrV4>>>>;

/// A tracker that tells everybody of everybody, at most a second late. It ends when it is dropped.
#[derive(Debug)]
pub struct Tracker {
    address: SocketAddr,
    swarms: Swarms,
    task: JoinHandle<()>,
}

impl Tracker {
    /// Listens on a free port of an address.
    ///
    /// # Errors
    /// When it can't.
    pub async fn start(address: Ipv4Addr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((address, 0))
            .await
            .context("failed to start a tracker")?;
        let (address, swarms) = (listener.local_addr()?, Swarms::default());
        let task = tokio::spawn(serve(listener, Arc::clone(&swarms)));
        Ok(Self {
            address,
            swarms,
            task,
        })
    }

    /// What torrents are told to announce to.
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Forgets everybody, before another program begins.
    pub fn forget(&self) {
        self.swarms.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many take part in all torrents together.
    pub fn peers(&self) -> usize {
        let swarms = self.swarms.lock().unwrap_or_else(PoisonError::into_inner);
        swarms.values().map(BTreeSet::len).sum()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, swarms: Swarms) {
    while let Ok((connection, peer)) = listener.accept().await {
        let swarms = Arc::clone(&swarms);
        tokio::spawn(async move {
            // One that can't be read is asked again by the downloader.
            let _ = tokio::time::timeout(REQUEST_LIMIT, answer(connection, peer, &swarms)).await;
        });
    }
}

async fn answer(mut connection: TcpStream, peer: SocketAddr, swarms: &Swarms) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST_LENGTH_MAX {
        request.push(connection.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let body = match (peer, announced(&request)) {
        (SocketAddr::V4(peer), Some((torrent, port))) => {
            peers_of(swarms, torrent, SocketAddrV4::new(*peer.ip(), port))
        }
        _ => b"d14:failure reason13:no announcee".to_vec(),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(&body).await?;
    connection.shutdown().await
}

/// The torrent, as it stands in the request, and the port of whoever announces.
fn announced(request: &str) -> Option<(&str, u16)> {
    let target = request.strip_prefix("GET ")?.split(' ').next()?;
    let query = target.strip_prefix("/announce?")?;
    let value = |name| {
        query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
    };
    Some((value("info_hash")?.1, value("port")?.1.parse().ok()?))
}

/// Notes one peer and tells it of the others, in the compact form.
fn peers_of(swarms: &Swarms, torrent: &str, peer: SocketAddrV4) -> Vec<u8> {
    // Programs escape the bytes of a hash differently.
    let torrent = unescaped(torrent);
    let mut swarms = swarms.lock().unwrap_or_else(PoisonError::into_inner);
    let known = swarms.entry(torrent).or_default();
    let others: Vec<u8> = known
        .iter()
        .filter(|other| **other != peer)
        .flat_map(|other| other.ip().octets().into_iter().chain(other.port().to_be_bytes()))
        .collect();
    if known.len() < PEERS_MAX {
        known.insert(peer);
    }
    let mut body = format!("d8:intervali1e12:min intervali1e5:peers{}:", others.len()).into_bytes();
    body.extend(others);
    body.push(b'e');
    body
}

/// The bytes that a percent-encoded text means, in hexadecimal.
fn unescaped(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut found = String::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next(), bytes.next()].into_iter().flatten();
            found.extend(pair.map(|digit| char::from(digit).to_ascii_lowercase()));
        } else {
            found.push_str(&format!("{byte:02x}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_read_however_it_is_escaped() {
        let request = "GET /announce?info_hash=a%2fB&peer_id=x&port=6881&compact=1 HTTP/1.1\r\n";
        assert_eq!(announced(request), Some(("a%2fB", 6881)));
        assert_eq!(announced("GET /scrape?info_hash=a HTTP/1.1\r\n"), None);
        assert_eq!(unescaped("a%2fB"), unescaped("%61%2F%42"));
    }

    #[test]
    fn everybody_is_told_of_those_who_came_before() {
        let swarms = Swarms::default();
        let peer = |port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), port);
        assert!(peers_of(&swarms, "t", peer(258)).ends_with(b"5:peers0:e"));
        assert!(peers_of(&swarms, "u", peer(3)).ends_with(b"5:peers0:e"));
        assert!(peers_of(&swarms, "t", peer(2)).ends_with(&[b':', 10, 0, 0, 1, 1, 2, b'e']));
    }
}
