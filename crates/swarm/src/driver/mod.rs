//! The one task that owns the network and the rules.
//!
//! It only dispatches: what happens on the network, what handles ask, what jobs found out and what
//! time it is go to the function for it, then the rules' outputs are carried out. Nothing here
//! hashes, touches a file or waits for a peer.

mod artifacts;
mod calls;
mod connections;
mod control;
mod greeting;
mod listen;
mod pieces;
mod results;
mod store;

pub(crate) use store::STORE;

use crate::behaviour::{self, Behaviour, BehaviourEvent};
use crate::buffers::Buffers;
use crate::bulk::Bulk;
use crate::command::{COMMANDS_MAX, Command};
use crate::dialer::Dialer;
use crate::disk::Resources;
use crate::disk::files::Files;
use crate::jobs::Jobs;
use crate::names::Names;
use crate::pacer::{Pacer, Pacers};
use crate::security::{Failed, Security};
use crate::session::Session;
use crate::status::BannedPeer;
use crate::transfer::Transfer;
use crate::{Config, Error, Handle, IncomingCall, InvalidCertificate, PeerId, metrics};
use futures::StreamExt;
use libp2p::swarm::SwarmEvent;
use model::ArtifactId;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use swarm_core::{Input, Node, Output, Time, TransferId};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Artifacts that a node fetches and serves at a time.
pub(crate) const TRANSFERS_MAX: usize = 256;
/// Bytes of the pieces in flight towards this node: 8 of 8 MiB.
const FETCH_BYTES_MAX: u64 = 64 << 20;
/// Pieces on their way to peers. From files each takes three chunks of 512 KiB, from a remote source a whole
/// piece, so at most 32 MiB.
const UPLOADS_MAX: usize = 4;
/// Calls from peers that wait to be taken.
const INCOMING_MAX: usize = 64;
/// How often connections are looked after.
const TICK: Duration = Duration::from_millis(250);

/// A node of a region's swarm. [`Swarm::start`] opens its sockets, [`Swarm::run`] makes it live.
pub struct Swarm {
    config: Config,
    security: Arc<Security>,
    /// Drawn when the process starts; see [`crate::wire::hello::Hello`].
    process: u64,
    network: libp2p::Swarm<Behaviour>,
    rules: Node,
    origin: Instant,
    names: Names,
    sessions: HashMap<PeerId, Session>,
    /// Peers whose outbox may have a frame to send.
    talking: HashSet<PeerId>,
    banned: VecDeque<BannedPeer>,
    dialer: Dialer,
    transfers: HashMap<TransferId, Transfer>,
    artifacts: HashMap<ArtifactId, TransferId>,
    transfers_begun: u32,
    bulk: Bulk,
    pieces: pieces::Pieces,
    calls: calls::Calls,
    hints: watch::Sender<u64>,
    /// What comes from the store passes here, as what comes from peers does at their connections.
    down: Pacer,
    disk: Resources,
    commands: mpsc::Receiver<Command>,
    jobs: Jobs,
}

impl std::fmt::Debug for Swarm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Swarm")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Swarm {
    /// Checks the node's own certificate and listens. Nothing more happens until [`Swarm::run`].
    ///
    /// # Errors
    ///
    /// If peers would never accept the certificate, or an address is wrong or cannot be listened on. One that
    /// has only expired can be renewed while the node runs.
    pub async fn start(config: Config) -> Result<(Handle, mpsc::Receiver<IncomingCall>, Self), Error> {
        metrics::describe();
        let security = Security::new(&config.identity, &config.certificate, &config.authority)
            .map_err(Failed::into_error)?;
        match security.examine(config.identity.peer(), &config.certificate) {
            Err(error @ InvalidCertificate::Expired(_)) => {
                tracing::warn!(%error, "no peer will listen to this node before its certificate is renewed");
            }
            other => other?,
        }
        let pacers = Pacers::default();
        let buffers = Buffers::default();
        let mut network = behaviour::network(&config, &security).map_err(Failed::into_error)?;
        let addresses = listen::listen(&mut network, &config.listen).await?;
        let (own, ips) = (config.identity.peer(), listen::ips(&config.listen));
        let bulk = Bulk::start(
            &security,
            own,
            &ips,
            config.bulk_port,
            pacers.clone(),
            buffers.clone(),
        )
        .await?;

        let (command_sender, commands) = mpsc::channel(COMMANDS_MAX);
        let (incoming, incoming_receiver) = mpsc::channel(INCOMING_MAX);
        let (hints, hints_receiver) = watch::channel(0);
        let down = pacers.down.clone();
        let handle = Handle::new(&config, command_sender, addresses, hints_receiver, pacers);
        let rules = swarm_core::Config {
            transfers_max: TRANSFERS_MAX,
            fetch_bytes_max: FETCH_BYTES_MAX,
            upload_slots: UPLOADS_MAX,
            ..swarm_core::Config::default()
        };
        let swarm = Self {
            security,
            process: rand::random(),
            network,
            rules: Node::new(rules, rand::random()),
            origin: Instant::now(),
            names: Names::default(),
            sessions: HashMap::new(),
            talking: HashSet::new(),
            banned: VecDeque::new(),
            dialer: Dialer::default(),
            transfers: HashMap::new(),
            artifacts: HashMap::new(),
            transfers_begun: 0,
            bulk,
            pieces: pieces::Pieces::default(),
            calls: calls::Calls::new(incoming),
            hints,
            down,
            disk: Resources {
                files: Files::default(),
                buffers,
            },
            commands,
            jobs: Jobs::default(),
            config,
        };
        Ok((handle, incoming_receiver, swarm))
    }

    /// Takes part in the swarm until it is told to stop. Afterwards nothing is written any more, and
    /// whoever waits for a fetch hears [`Error::Stopped`].
    pub async fn run(mut self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.carry_out();
            let alarm = self
                .rules
                .poll_timeout()
                .map(|(at, _)| self.origin + Duration::from_micros(at.0));
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.network.select_next_some() => self.on_event(event),
                Some(command) = self.commands.recv() => self.on_command(command),
                event = self.bulk.next() => self.on_bulk(event),
                ended = self.jobs.next() => self.on_job(ended),
                () = sleep_until(alarm) => self.tell(Input::Timeout),
                _ = tick.tick() => self.on_tick(),
            }
        }
        self.stop().await;
    }

    async fn stop(mut self) {
        for transfer in self.transfers.values_mut() {
            transfer.cancel.cancel();
            transfer.ended(Err(Error::Stopped));
        }
        drop(self.network);
        self.bulk.stop().await;
        self.jobs.drain().await;
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Hello(event)) => self.on_hello(event),
            SwarmEvent::Behaviour(BehaviourEvent::Control(event)) => self.on_control(event),
            SwarmEvent::Behaviour(BehaviourEvent::Call(event)) => self.on_call(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_connected(PeerId(peer_id), connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                num_established,
                ..
            } => {
                self.on_closed(PeerId(peer_id), connection_id, num_established);
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => {
                self.on_dial_failed(PeerId(peer), &error);
            }
            SwarmEvent::ListenerClosed {
                addresses, reason, ..
            } => {
                tracing::error!(?addresses, ?reason, "the swarm's listener closed");
            }
            _ => {}
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::SetNeighbours(neighbours) => self.set_neighbours(neighbours),
            Command::Call {
                peer,
                addresses,
                request,
                reply,
            } => self.call(peer, addresses, request, reply),
            Command::Hint(peers) => self.hint(&peers),
            Command::Renew { certificate, reply } => drop(reply.send(self.renew(certificate))),
            Command::SetRevoked(peers) => self.set_revoked(peers),
            // Whoever asked may have stopped waiting for the answer.
            Command::Fetch {
                manifest,
                folder,
                donors,
                reply,
            } => drop(reply.send(self.fetch(manifest, folder, donors))),
            Command::Serve {
                manifest,
                source,
                reply,
            } => self.serve(manifest, source, reply),
            Command::OfferStore {
                artifact,
                source,
                share,
                reply,
            } => drop(reply.send(self.offer_store(artifact, source, share))),
            Command::WithdrawStore(artifact) => self.withdraw_store(&artifact),
            Command::Forget { artifact, reply } => self.forget(artifact, reply),
            Command::Pause { artifact, paused } => self.pause(&artifact, paused),
            Command::Prefer { artifact, priority } => self.prefer(&artifact, priority),
            Command::Status(reply) => drop(reply.send(self.status())),
        }
    }

    fn on_tick(&mut self) {
        self.dial_neighbours();
        self.look_after_sessions();
        self.calls.prune();
        self.disk.buffers.tidy();
    }

    /// Tells the rules something that happened now.
    fn tell(&mut self, input: Input) {
        let now = Time(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.rules.handle(now, input);
    }

    /// Does what the rules say, which may make them say more, then sends what waits to be said.
    fn carry_out(&mut self) {
        while let Some(output) = self.rules.poll_output() {
            match output {
                Output::Send {
                    transfer,
                    peer,
                    message,
                } => self.send_about(transfer, peer, message),
                Output::Announce {
                    transfer,
                    peers,
                    message,
                } => {
                    for peer in peers {
                        self.send_about(transfer, peer, message.clone());
                    }
                }
                Output::Fetch {
                    transfer,
                    peer: STORE,
                    piece,
                } => self.pull(transfer, piece),
                Output::Fetch {
                    transfer,
                    peer,
                    piece,
                } => self.ask(transfer, peer, piece),
                Output::Abandon {
                    transfer,
                    peer: STORE,
                    piece,
                } => self.abandon_pull(transfer, piece),
                Output::Abandon {
                    transfer,
                    peer,
                    piece,
                } => self.abandon(transfer, peer, piece),
                Output::Serve { ticket } => self.upload(ticket),
                Output::Refuse { ticket } => self.refuse(ticket),
                Output::Completed { transfer } => self.seal(transfer),
                Output::Banned { peer, reason, .. } => self.ban(peer, &reason.to_string()),
            }
        }
        self.send_frames();
    }
}

async fn sleep_until(alarm: Option<Instant>) {
    match alarm {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
