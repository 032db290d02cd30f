//! Stands between a client and a server, and does what networks and busy servers do.

use artifact_store::{Config, Patience, Store};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Soon at its end.
pub const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(4),
    attempt: Duration::from_secs(30),
    attempts_max: 8,
    pause_first: Duration::from_millis(5),
    pause_max: Duration::from_millis(50),
};

/// What becomes of one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is read and answered `503 SlowDown`.
    Busy,
    /// It is read and never answered.
    Stall,
    /// The connection breaks after so many bytes of the body.
    BreakRequest(usize),
    /// The server does what it is asked, and nobody hears of it.
    LoseAnswer,
    /// The connection breaks after so many bytes of the answer.
    BreakAnswer(usize),
    /// A byte changes at this place of the body.
    DamageRequest(usize),
    /// A byte changes at this place of the answer, its head included.
    DamageAnswer(usize),
    /// The server isn't asked; this is the answer's body.
    Answer(String),
}

type Choose = dyn FnMut(&str) -> Fault + Send;

/// A running proxy; every connection carries one request.
pub struct Proxy {
    address: String,
    /// The first line of every request so far.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Stands before the server at `address`. `choose` is asked with the first line of each request.
    pub async fn start(address: &str, choose: impl FnMut(&str) -> Fault + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let server = address.trim_start_matches("http://").to_owned();
        let choose: Arc<Mutex<Box<Choose>>> = Arc::new(Mutex::new(Box::new(choose)));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (choose, seen, server) = (choose.clone(), seen.clone(), server.clone());
                tokio::spawn(async move {
                    // A client that goes away is none of ours.
                    let _ = carry(client, &server, &choose, &seen).await;
                });
            }
        });
        Self {
            address: own,
            requests,
        }
    }

    /// A client that comes by here, and loses its patience soon.
    pub fn store(&self, config: Config) -> Store {
        let config = Config {
            endpoint: Some(self.address.clone()),
            ..config
        };
        Store::with_patience(&config, PATIENCE).unwrap()
    }

    /// How many requests so far contain this in their first line.
    pub fn count(&self, text: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|line| line.contains(text)).count()
    }
}

async fn carry(
    mut client: TcpStream,
    server: &str,
    choose: &Mutex<Box<Choose>>,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let head = read_head(&mut client).await?;
    let line = head.lines().next().unwrap_or_default().to_owned();
    seen.lock().unwrap().push(line.clone());
    let fault = (choose.lock().unwrap())(&line);
    let length = content_length(&head);
    match fault {
        Fault::Busy => {
            read_body(&mut client, length).await?;
            let body = "<Error><Code>SlowDown</Code><Message>later</Message></Error>";
            return answer(&mut client, "503 Slow Down", body).await;
        }
        Fault::Answer(body) => return answer(&mut client, "200 OK", &body).await,
        Fault::Stall => {
            read_body(&mut client, length).await?;
            // Until the client has enough.
            client.read_u8().await?;
            return Ok(());
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(server).await?;
    // The server then closes the connection behind its answer, which ends what is read below.
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    upstream.write_all(head.as_bytes()).await?;
    let mut body = read_body(&mut client, length).await?;
    match fault {
        Fault::BreakRequest(at) => return upstream.write_all(&body[..at.min(body.len())]).await,
        Fault::DamageRequest(at) => body[at] ^= 1,
        _ => {}
    }
    upstream.write_all(&body).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    match fault {
        Fault::LoseAnswer => answer.clear(),
        Fault::BreakAnswer(at) => answer.truncate(at),
        Fault::DamageAnswer(at) => answer[at] ^= 1,
        _ => {}
    }
    client.write_all(&answer).await
}

async fn read_head(client: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap())
}

async fn read_body(client: &mut TcpStream, length: usize) -> std::io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    client.read_exact(&mut body).await?;
    Ok(body)
}

fn content_length(head: &str) -> usize {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let field = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    field.map_or(0, |(_, value)| value.trim().parse().unwrap())
}

async fn answer(client: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    client.write_all(answer.as_bytes()).await
}
