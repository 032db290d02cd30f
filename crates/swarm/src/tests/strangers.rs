//! Peers without a certificate, with a wrong one, and with a right one that talk nonsense.

use super::region::{LIMIT, Member, Region};
use super::sample::Sample;
use crate::behaviour::{self, Behaviour, BehaviourEvent, Event};
use crate::wire::codec::{Answer, Request};
use crate::wire::control::CONTROL_LENGTH_MAX;
use crate::wire::hello::{HELLO_LENGTH_MAX, Hello};
use crate::wire::piece::PieceRequest;
use crate::{Authority, Certificate, Config, Error, Identity, Role, Source};
use futures::StreamExt;
use libp2p::request_response::Message;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::DialOpts;

/// A node that speaks the protocols and keeps to no rules.
struct Raw(libp2p::Swarm<Behaviour>);

/// What came of what a raw node said.
#[derive(Debug, Default)]
struct Heard {
    answers: usize,
    failures: usize,
    /// Hellos and control frames; all are answered.
    requests: usize,
    closed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Protocol {
    Hello,
    Control,
    Piece,
    Call,
}

impl Raw {
    async fn connect(config: &Config, to: &Member) -> Self {
        let mut network = behaviour::network(config).unwrap();
        let addresses = to
            .handle
            .addresses()
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        network
            .dial(DialOpts::peer_id(to.peer().0).addresses(addresses).build())
            .unwrap();
        loop {
            if let SwarmEvent::ConnectionEstablished { .. } = network.select_next_some().await {
                return Self(network);
            }
        }
    }

    fn say(&mut self, to: &Member, protocol: Protocol, body: Vec<u8>) {
        let behaviour = self.0.behaviour_mut();
        let behaviour = match protocol {
            Protocol::Hello => &mut behaviour.hello,
            Protocol::Control => &mut behaviour.control,
            Protocol::Piece => &mut behaviour.piece,
            Protocol::Call => &mut behaviour.call,
        };
        behaviour.send_request(&to.peer().0, Request::new(body, 1 << 20));
    }

    /// Listens until enough has happened.
    async fn listen(&mut self, enough: impl Fn(&Heard) -> bool) -> Heard {
        let mut heard = Heard::default();
        let listen = async {
            while !enough(&heard) {
                match self.0.select_next_some().await {
                    SwarmEvent::Behaviour(BehaviourEvent::Hello(event)) => self.count(event, &mut heard),
                    SwarmEvent::Behaviour(
                        BehaviourEvent::Control(event)
                        | BehaviourEvent::Piece(event)
                        | BehaviourEvent::Call(event),
                    ) => self.count(event, &mut heard),
                    SwarmEvent::ConnectionClosed { .. } => heard.closed = true,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(LIMIT, listen)
            .await
            .expect("it happens in time");
        heard
    }

    fn count(&mut self, event: Event, heard: &mut Heard) {
        match event {
            Event::Message {
                message: Message::Response { .. },
                ..
            } => heard.answers += 1,
            Event::Message {
                message: Message::Request { channel, .. },
                ..
            } => {
                heard.requests += 1;
                // Any of the protocols takes an answer for any channel.
                let answer = Answer::Body(Vec::new());
                drop(self.0.behaviour_mut().hello.send_response(channel, answer));
            }
            Event::OutboundFailure { .. } => heard.failures += 1,
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }
}

fn hello(certificate: &Certificate) -> Vec<u8> {
    hello_of_process(1, certificate)
}

fn hello_of_process(process: u64, certificate: &Certificate) -> Vec<u8> {
    Hello {
        process,
        certificate: certificate.clone(),
    }
    .encode()
    .unwrap()
}

/// A region with a node that serves something.
async fn serving() -> (Region, Member, Sample) {
    let region = Region::new();
    let sample = Sample::mixed(1 << 20);
    let seed = region.start("manager", Role::Manager).await;
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();
    (region, seed, sample)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_before_a_hello_is_sent_away_without_an_answer() {
    let (region, mut seed, sample) = serving().await;
    let piece = PieceRequest {
        artifact: sample.manifest.id(),
        piece: 0,
    }
    .encode();
    let said = [
        (Protocol::Control, Vec::new()),
        (Protocol::Piece, piece),
        (Protocol::Call, vec![1, 2, 3]),
    ];
    for (number, (protocol, body)) in said.into_iter().enumerate() {
        // Even one that could have shown a certificate.
        let config = region.config(&format!("hasty-{number}"), Role::Host);
        let mut raw = Raw::connect(&config, &seed).await;
        raw.say(&seed, protocol, body);
        let heard = raw.listen(|heard| heard.closed && heard.failures == 1).await;
        assert_eq!((heard.answers, heard.requests), (0, 0), "{protocol:?}");
    }
    assert!(seed.calls.try_recv().is_err());
    let status = seed.handle.status().await.unwrap();
    assert_eq!((status.peers.len(), status.artifacts[0].served_bytes), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_proves_nothing_is_not_welcomed() {
    let (region, seed, _) = serving().await;
    let own = region.config("own", Role::Host);
    let other = Region {
        authority: Authority::generate(),
        ..Region::new()
    };
    let said = [
        (
            "a stranger's authority",
            hello(&other.config("own", Role::Host).certificate),
        ),
        (
            "somebody else's certificate",
            hello(&region.config("else", Role::Manager).certificate),
        ),
        (
            "another region",
            hello(&of_another_region(&region, &own).certificate),
        ),
        ("no certificate", Vec::new()),
        ("nonsense", vec![0xFF; HELLO_LENGTH_MAX]),
        ("too long", vec![0; HELLO_LENGTH_MAX + 1]),
    ];
    for (what, body) in said {
        let mut raw = Raw::connect(&own, &seed).await;
        let too_long = body.len() > HELLO_LENGTH_MAX;
        raw.say(&seed, Protocol::Hello, body);
        // A frame that is too long is not even read; its sender then runs out of time.
        let heard = raw
            .listen(|heard| heard.failures == 1 && (heard.closed || too_long))
            .await;
        assert_eq!((heard.answers, heard.requests), (0, 0), "{what}");
    }
    assert!(seed.handle.status().await.unwrap().peers.is_empty());
}

/// The same key with a certificate for another region, by the same authority.
fn of_another_region(region: &Region, config: &Config) -> Config {
    let mut statement = config.certificate.statement().clone();
    statement.region = "r2".parse().unwrap();
    Config {
        certificate: region.authority.issue(statement).unwrap(),
        ..config.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_two_regions_part_whoever_dials() {
    let region = Region::new();
    let here = region.start("here", Role::Host).await;
    let config = of_another_region(&region, &region.config("there", Role::Manager));
    let mut there = Member::start("there", config).await;
    let (a, b) = (
        there
            .handle
            .call(here.peer(), here.handle.addresses(), vec![1])
            .await,
        here.handle
            .call(there.peer(), there.handle.addresses(), vec![1])
            .await,
    );
    for result in [a, b] {
        assert!(matches!(result, Err(Error::Unreachable { .. })), "{result:?}");
    }
    assert!(there.calls.try_recv().is_err());
    assert!(here.handle.status().await.unwrap().peers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_own_certificate_is_wrong_does_not_start() {
    let region = Region::new();
    let config = region.config("host", Role::Host);
    let stolen = Config {
        identity: Identity::generate(),
        ..config.clone()
    };
    let unknown = Config {
        authority: Authority::generate().key(),
        ..config
    };
    for config in [stolen, unknown] {
        assert!(matches!(
            crate::Swarm::start(config).await,
            Err(Error::OwnCertificate(_))
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_of_a_certified_peer_ends_its_connection() {
    let (region, seed, _) = serving().await;
    let said = [
        (Protocol::Control, vec![0xFF; 100]),
        (Protocol::Piece, vec![0; 3]),
        (Protocol::Hello, vec![0xFF; 100]),
    ];
    for (number, (protocol, body)) in said.into_iter().enumerate() {
        let config = region.config(&format!("host-{number}"), Role::Host);
        let mut raw = Raw::connect(&config, &seed).await;
        raw.say(&seed, Protocol::Hello, hello(&config.certificate));
        raw.listen(|heard| heard.answers == 1 && heard.requests >= 1)
            .await;
        raw.say(&seed, protocol, body);
        let heard = raw.listen(|heard| heard.closed).await;
        assert_eq!(heard.answers, 0, "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_back_as_another_process_is_greeted_anew() {
    let (region, seed, _) = serving().await;
    let config = region.config("host", Role::Host);
    let mut before = Raw::connect(&config, &seed).await;
    before.say(&seed, Protocol::Hello, hello(&config.certificate));
    before
        .listen(|heard| heard.answers == 1 && heard.requests >= 1)
        .await;
    seed.is_connected_to(config.identity.peer()).await;

    // The old connection is still open, as after a power cut.
    let mut after = Raw::connect(&config, &seed).await;
    after.say(&seed, Protocol::Hello, hello_of_process(2, &config.certificate));
    tokio::join!(
        before.listen(|heard| heard.closed),
        // A hello, and word of what the seed takes part in.
        after.listen(|heard| heard.answers == 1 && heard.requests >= 2),
    );
    seed.is_connected_to(config.identity.peer()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_beyond_its_limit_is_not_read() {
    let (region, seed, _) = serving().await;
    let config = region.config("host", Role::Host);
    let mut raw = Raw::connect(&config, &seed).await;
    raw.say(&seed, Protocol::Hello, hello(&config.certificate));
    raw.listen(|heard| heard.answers == 1).await;
    raw.say(&seed, Protocol::Control, vec![0; CONTROL_LENGTH_MAX + 1]);
    raw.say(&seed, Protocol::Piece, vec![0; 100]);
    raw.say(&seed, Protocol::Call, vec![0; crate::CALL_REQUEST_LENGTH_MAX + 1]);
    let heard = raw.listen(|heard| heard.failures == 3).await;
    assert_eq!(heard.answers, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_that_is_not_there_is_refused() {
    let (region, seed, sample) = serving().await;
    let config = region.config("host", Role::Host);
    let mut raw = Raw::connect(&config, &seed).await;
    raw.say(&seed, Protocol::Hello, hello(&config.certificate));
    raw.listen(|heard| heard.answers == 1 && heard.requests >= 1)
        .await;
    for (artifact, piece) in [(sample.manifest.id(), u32::MAX), (model::ArtifactId([9; 32]), 0)] {
        raw.say(&seed, Protocol::Piece, PieceRequest { artifact, piece }.encode());
        // It is answered, with a refusal, and the connection stays.
        let heard = raw.listen(|heard| heard.answers == 1).await;
        assert!(!heard.closed);
    }
    let status = seed.handle.status().await.unwrap();
    assert_eq!(status.artifacts[0].served_bytes, 0);
}
