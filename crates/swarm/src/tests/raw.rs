//! A node that speaks the protocols and keeps to no rules.

use super::region::{LIMIT, Member, Region};
use super::sample::Sample;
use crate::behaviour::{self, Behaviour, BehaviourEvent, Event};
use crate::pacer::Pacers;
use crate::security::Security;
use crate::wire::codec::{Answer, Request};
use crate::wire::hello::Hello;
use crate::{Certificate, Config, Role, Source};
use futures::StreamExt;
use libp2p::request_response::Message;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::DialOpts;

/// A node that speaks the protocols and keeps to no rules.
pub struct Raw(pub libp2p::Swarm<Behaviour>);

/// What came of what a raw node said.
#[derive(Debug, Default)]
pub struct Heard {
    pub answers: usize,
    pub failures: usize,
    /// Hellos and control frames; all are answered.
    pub requests: usize,
    pub closed: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Protocol {
    Hello,
    Control,
    Piece,
    Call,
}

impl Raw {
    pub fn dial(config: &Config, to: &Member) -> Self {
        let security = Security::new(&config.identity, &config.certificate, &config.authority).unwrap();
        let mut network = behaviour::network(config, &security, &Pacers::default()).unwrap();
        let addresses = to
            .handle
            .addresses()
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        network
            .dial(DialOpts::peer_id(to.peer().0).addresses(addresses).build())
            .unwrap();
        Self(network)
    }

    pub async fn connect(config: &Config, to: &Member) -> Self {
        let mut raw = Self::dial(config, to);
        loop {
            if let SwarmEvent::ConnectionEstablished { .. } = raw.0.select_next_some().await {
                return raw;
            }
        }
    }

    pub fn say(&mut self, to: &Member, protocol: Protocol, body: Vec<u8>) {
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
    pub async fn listen(&mut self, enough: impl Fn(&Heard) -> bool) -> Heard {
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

pub fn hello(certificate: &Certificate) -> Vec<u8> {
    hello_of_process(1, certificate)
}

pub fn hello_of_process(process: u64, certificate: &Certificate) -> Vec<u8> {
    Hello {
        process,
        certificate: certificate.clone(),
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
