//! The region's store behind a door: whoever reads it is counted, and waits while the door is shut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes requests for content on to the store, and nothing that has a body.
#[derive(Clone)]
pub struct Door {
    pub address: String,
    books: Arc<Books>,
}

struct Books {
    store: String,
    host_reads: AtomicU64,
    bytes: AtomicU64,
    open: watch::Sender<bool>,
}

impl Door {
    /// An open door before the store at this address.
    pub async fn before(store: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = Self {
            address: listener.local_addr().unwrap().to_string(),
            books: Arc::new(Books {
                store: store.to_owned(),
                host_reads: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                open: watch::Sender::new(true),
            }),
        };
        let books = door.books.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A client that goes away mid-sentence ends its own connection and nothing else.
                tokio::spawn(pass(client, books.clone()));
            }
        });
        door
    }

    /// How many pieces hosts asked for, who have no credentials but a signed address.
    pub fn host_reads(&self) -> u64 {
        self.books.host_reads.load(Ordering::SeqCst)
    }

    /// How many bytes of content were asked for, by hosts and managers.
    pub fn bytes(&self) -> u64 {
        self.books.bytes.load(Ordering::SeqCst)
    }

    /// Lets readers of content through, or lets them wait.
    pub fn set_open(&self, open: bool) {
        self.books.open.send_replace(open);
    }
}

async fn pass(client: TcpStream, books: Arc<Books>) -> std::io::Result<()> {
    let store = TcpStream::connect(&books.store).await?;
    let (mut answers, mut asks) = store.into_split();
    let (from_client, mut to_client) = client.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut to_client).await });
    let mut from_client = BufReader::new(from_client);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if from_client.read_until(b'\n', &mut head).await? == 0 {
                back.abort();
                return Ok(());
            }
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("GET ") && head.contains("/content/") {
            let by_host = u64::from(head.contains("X-Amz-Signature="));
            books.host_reads.fetch_add(by_host, Ordering::SeqCst);
            books.bytes.fetch_add(range_length(&head), Ordering::SeqCst);
            // The door outlives its visitors.
            let _ = books.open.subscribe().wait_for(|open| *open).await;
        }
        asks.write_all(head.as_bytes()).await?;
        let mut body = vec![0; body_length(&head)];
        from_client.read_exact(&mut body).await?;
        asks.write_all(&body).await?;
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut named = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value)
}

fn range_length(head: &str) -> u64 {
    let range = header(head, "range").unwrap();
    let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    to.parse::<u64>().unwrap() + 1 - from.parse::<u64>().unwrap()
}

fn body_length(head: &str) -> usize {
    header(head, "content-length").map_or(0, |length| length.parse().unwrap())
}
