//! Peers at the bulk port that keep to no rules.

use super::raw::{Protocol, Raw, hello, serving};
use super::region::{LIMIT, Member};
use super::sample::Sample;
use crate::bulk::token;
use crate::security::{Plane, Security, Tls, tls::nobody};
use crate::wire::bulk::{HEADER_LENGTH, Header, REQUEST_LENGTH, Request, Token, What};
use crate::wire::hello::Door;
use crate::{Config, Role};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A certified peer with a control session, and what it was told of the bulk port.
struct Guest {
    config: Config,
    control: Raw,
    door: Door,
}

impl Guest {
    async fn arrive(config: Config, at: &Member) -> Self {
        let mut control = Raw::connect(&config, at).await;
        control.say(at, Protocol::Hello, hello(&config.certificate));
        let heard = control
            .listen(|heard| heard.answers == 1 && heard.door.is_some())
            .await;
        Self {
            config,
            control,
            door: heard.door.unwrap(),
        }
    }

    fn token(&self, at: &Member, counter: u64) -> Token {
        token::make(&self.door.key, self.config.identity.peer(), at.peer(), counter)
    }

    async fn open(&self, token: Token) -> Line {
        Line::open(&self.config, self.door.port, token).await
    }
}

/// A bulk connection.
struct Line(TlsStream<TcpStream>);

impl Line {
    async fn open(config: &Config, port: u16, token: Token) -> Self {
        let security = Security::new(&config.identity, &config.certificate, &config.authority).unwrap();
        let tls = Tls::new(&security, Plane::Bulk).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut stream = TlsConnector::from(tls.client)
            .connect(nobody(), tcp)
            .await
            .unwrap();
        stream.write_all(&token.encode()).await.unwrap();
        Self(stream)
    }

    async fn ask(&mut self, request: Request) {
        self.say(&request.encode()).await;
    }

    /// The far end may have hung up meanwhile.
    async fn say(&mut self, bytes: &[u8]) {
        drop(self.0.write_all(bytes).await);
        drop(self.0.flush().await);
    }

    async fn header(&mut self) -> Header {
        let mut bytes = [0; HEADER_LENGTH];
        let read = self.0.read_exact(&mut bytes);
        tokio::time::timeout(LIMIT, read).await.unwrap().unwrap();
        Header::decode(&bytes).unwrap()
    }

    /// The far end hangs up without another byte.
    async fn expect_end(mut self) {
        let read = tokio::time::timeout(LIMIT, self.0.read(&mut [0; 1])).await;
        assert!(matches!(read.unwrap(), Ok(0) | Err(_)));
    }
}

fn want(number: u32, sample: &Sample, piece: u32) -> Request {
    Request::Want {
        number,
        artifact: sample.manifest.id(),
        piece,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_one_connection_and_only_for_its_session() {
    let (region, seed, sample) = serving().await;
    let guest = Guest::arrive(region.config("guest", Role::Host), &seed).await;
    let other = Guest::arrive(region.config("other", Role::Host), &seed).await;
    let mut line = guest.open(guest.token(&seed, 5)).await;
    line.ask(want(1, &sample, u32::MAX)).await;
    assert_eq!(line.header().await.what, What::Refused);

    // Used before, older, of somebody else's session, of no session.
    for token in [
        guest.token(&seed, 5),
        guest.token(&seed, 4),
        other.token(&seed, 9),
    ] {
        guest.open(token).await.expect_end().await;
    }
    let nobody = region.config("nobody", Role::Host);
    Line::open(&nobody, guest.door.port, guest.token(&seed, 6))
        .await
        .expect_end()
        .await;

    // It is as good as its session.
    drop(guest.control);
    line.expect_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_that_is_not_there_is_refused_and_the_connection_stays() {
    let (region, seed, sample) = serving().await;
    let guest = Guest::arrive(region.config("guest", Role::Host), &seed).await;
    let mut line = guest.open(guest.token(&seed, 1)).await;
    let unknown = Request::Want {
        number: 2,
        artifact: model::ArtifactId([9; 32]),
        piece: 0,
    };
    for (number, request) in [(1, want(1, &sample, u32::MAX)), (2, unknown)] {
        line.ask(request).await;
        let what = What::Refused;
        assert_eq!(line.header().await, Header { number, what });
    }
    let status = seed.handle.status().await.unwrap();
    assert_eq!(status.artifacts[0].served_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_talks_nonsense_again_and_again_is_kept_out() {
    let (region, seed, sample) = serving().await;
    let config = region.config("guest", Role::Host);
    let twice = [want(1, &sample, 0).encode(), want(1, &sample, 0).encode()].concat();
    for nonsense in [vec![0xFF; REQUEST_LENGTH], twice, vec![7; REQUEST_LENGTH]] {
        let mut guest = Guest::arrive(config.clone(), &seed).await;
        let mut line = guest.open(guest.token(&seed, 1)).await;
        line.say(&nonsense).await;
        guest.control.listen(|heard| heard.closed).await;
    }
    let status = seed.until(|status| !status.banned.is_empty()).await;
    assert_eq!(status.banned[0].peer, config.identity.peer());
}
