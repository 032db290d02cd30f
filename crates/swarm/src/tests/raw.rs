//! A node that speaks the protocols and keeps to no rules.

use super::region::{LIMIT, Member, Region};
use super::sample::Sample;
use crate::behaviour::{self, Behaviour, BehaviourEvent, Event};
use crate::control::What;
use crate::security::Security;
use crate::wire::codec::{Answer, Request};
use crate::wire::hello::{Door, Hello};
use crate::{Certificate, Config, Role, Source};
use futures::StreamExt;
use libp2p::request_response::Message;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, SwarmEvent};

/// A node that speaks the protocols and keeps to no rules.
pub struct Raw {
    network: libp2p::Swarm<Behaviour>,
    connection: Option<ConnectionId>,
}

/// What came of what a raw node said.
#[derive(Debug, Default)]
pub struct Heard {
    pub answers: usize,
    pub failures: usize,
    /// Hellos and calls; all are answered.
    pub requests: usize,
    pub control_frames: usize,
    pub closed: bool,
    /// What the far end said of its bulk port.
    pub door: Option<Door>,
}

#[derive(Debug, Clone, Copy)]
pub enum Protocol {
    Hello,
    Control,
    Call,
}

impl Raw {
    pub fn dial(config: &Config, to: &Member) -> Self {
        let security = Security::new(&config.identity, &config.certificate, &config.authority).unwrap();
        let mut network = behaviour::network(config, &security).unwrap();
        let addresses = to
            .handle
            .addresses()
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        network
            .dial(DialOpts::peer_id(to.peer().0).addresses(addresses).build())
            .unwrap();
        Self {
            network,
            connection: None,
        }
    }

    pub async fn connect(config: &Config, to: &Member) -> Self {
        let mut raw = Self::dial(config, to);
        loop {
            if let SwarmEvent::ConnectionEstablished { connection_id, .. } = raw.next().await {
                raw.connection = Some(connection_id);
                return raw;
            }
        }
    }

    /// What happens next.
    pub async fn next(&mut self) -> SwarmEvent<BehaviourEvent> {
        self.network.select_next_some().await
    }

    pub fn say(&mut self, to: &Member, protocol: Protocol, body: Vec<u8>) {
        let behaviour = self.network.behaviour_mut();
        let protocol = match protocol {
            Protocol::Hello => &mut behaviour.hello,
            Protocol::Call => &mut behaviour.call,
            Protocol::Control => {
                let connection = self.connection.expect("it is connected");
                return behaviour.control.say(to.peer(), connection, body);
            }
        };
        protocol.send_request(&to.peer().0, Request::new(body, 1 << 20));
    }

    /// Listens until enough has happened.
    pub async fn listen(&mut self, enough: impl Fn(&Heard) -> bool) -> Heard {
        let mut heard = Heard::default();
        let listen = async {
            while !enough(&heard) {
                match self.next().await {
                    SwarmEvent::Behaviour(BehaviourEvent::Hello(event) | BehaviourEvent::Call(event)) => {
                        self.count(event, &mut heard);
                    }
                    SwarmEvent::Behaviour(BehaviourEvent::Control(event)) => {
                        heard.control_frames += usize::from(matches!(event.what, What::Heard(_)));
                    }
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
                message: Message::Request { request, channel, .. },
                ..
            } => {
                heard.requests += 1;
                heard.door = heard
                    .door
                    .or(Hello::decode(&request.body).ok().map(|hello| hello.bulk));
                // Any of the protocols takes an answer for any channel.
                let answer = Answer::Body(Vec::new());
                drop(self.network.behaviour_mut().hello.send_response(channel, answer));
            }
            Event::OutboundFailure { .. } => heard.failures += 1,
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }
}

pub fn hello(certificate: &Certificate) -> Vec<u8> {
    hello_of_process(1, certificate)
}

pub fn hello_of_process(process: u64, certificate: &Certificate) -> Vec<u8> {
    let nowhere = Door {
        port: 1,
        key: [1; 32],
    };
    say_hello(process, certificate, nowhere)
}

pub fn hello_with_door(certificate: &Certificate, bulk: Door) -> Vec<u8> {
    say_hello(1, certificate, bulk)
}

fn say_hello(process: u64, certificate: &Certificate, bulk: Door) -> Vec<u8> {
    let certificate = certificate.clone();
    Hello {
        process,
        certificate,
        bulk,
    }
    .encode()
}

/// A region with a node that serves something.
pub async fn serving() -> (Region, Member, Sample) {
    let region = Region::new();
    let sample = Sample::mixed(1 << 20);
    let seed = region.start("manager", Role::Manager).await;
    seed.handle
        .serve(sample.manifest.clone(), Source::Remote(sample.source()))
        .await
        .unwrap();
    (region, seed, sample)
}
