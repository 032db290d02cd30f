//! What the rest of a role holds of the swarm.

use crate::command::Command;
use crate::pacer::Pacers;
use crate::security::REVOKED_MAX;
use crate::{Certificate, Config, Donor, Error, Fetch, PeerId, PieceSource, Source};
use artifact::VerifiedManifest;
use libp2p::Multiaddr;
use model::ArtifactId;
use model::control::Limits;
use model::host::{NEIGHBOURS_MAX, Neighbour};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use swarm_core::PieceSet;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

/// The longest request of a call, in bytes.
pub const CALL_REQUEST_LENGTH_MAX: usize = 1 << 20;
/// The longest answer to a call, in bytes; the largest manifest with its signature fits.
pub const CALL_ANSWER_LENGTH_MAX: usize = 20 << 20;

/// The most artifacts from which one fetch takes what they hold already.
pub const DONORS_MAX: usize = 16;

/// The most addresses that are tried for one peer.
const ADDRESSES_MAX: usize = 4;

/// Talks to the swarm's task. Cheap to clone. Every method but the first four waits while the
/// task's queue is full, and answers [`Error::Stopped`] once it has ended.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    peer: PeerId,
    addresses: Arc<[String]>,
    hints: watch::Receiver<u64>,
    pacers: Pacers,
    call_timeout: Duration,
}

impl Handle {
    pub(crate) fn new(
        config: &Config,
        commands: mpsc::Sender<Command>,
        addresses: Vec<String>,
        hints: watch::Receiver<u64>,
        pacers: Pacers,
    ) -> Self {
        Self {
            commands,
            peer: config.identity.peer(),
            addresses: addresses.into(),
            hints,
            pacers,
            call_timeout: config.call_timeout,
        }
    }

    /// This node's name.
    pub fn local_peer(&self) -> PeerId {
        self.peer
    }

    /// Where this node listens, one multiaddress a network interface.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Changes whenever a manager hints that there is news. Hints that come close together are one.
    pub fn hints(&self) -> watch::Receiver<u64> {
        self.hints.clone()
    }

    /// Limits how fast pieces come and go, over all artifacts and peers together; at once, also for those on their
    /// way. What else is said is not limited.
    pub fn set_limits(&self, limits: &Limits) {
        self.pacers.limit(limits);
    }

    /// Names the peers to stay connected to, instead of those named before. Lost connections are
    /// dialled again, with growing pauses, for as long as the peer is named.
    ///
    /// # Errors
    ///
    /// If there are more than [`NEIGHBOURS_MAX`], or one has no valid peer id or address.
    pub async fn set_neighbours(&self, neighbours: Vec<Neighbour>) -> Result<(), Error> {
        if neighbours.len() > NEIGHBOURS_MAX {
            return Err(Error::TooMany {
                what: "neighbours",
                max: NEIGHBOURS_MAX,
            });
        }
        let neighbours = neighbours
            .iter()
            .map(|neighbour| Ok((neighbour.peer.parse()?, parse_addresses(&neighbour.addresses)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        self.send(Command::SetNeighbours(neighbours)).await
    }

    /// Asks a peer something and waits for its answer, dialling it first if need be.
    ///
    /// # Errors
    ///
    /// If the request is longer than [`CALL_REQUEST_LENGTH_MAX`], the peer cannot be reached or is
    /// busy, or [`Config::call_timeout`] has passed.
    pub async fn call(&self, peer: PeerId, addresses: &[String], request: Vec<u8>) -> Result<Vec<u8>, Error> {
        if request.len() > CALL_REQUEST_LENGTH_MAX {
            let (length, max) = (request.len(), CALL_REQUEST_LENGTH_MAX);
            return Err(Error::TooLong {
                what: "request",
                length,
                max,
            });
        }
        let addresses = parse_addresses(addresses)?;
        let (reply, answer) = oneshot::channel();
        let ask = async {
            self.send(Command::Call {
                peer,
                addresses,
                request,
                reply,
            })
            .await?;
            answer.await.map_err(|_| Error::Stopped)?
        };
        tokio::time::timeout(self.call_timeout, ask)
            .await
            .unwrap_or(Err(Error::Timeout(peer)))
    }

    /// Tells those of these peers that are connected to ask again soon. Nothing is promised: a lost
    /// hint costs only time.
    ///
    /// # Errors
    ///
    /// Only [`Error::Stopped`].
    pub async fn hint(&self, peers: &[PeerId]) -> Result<(), Error> {
        self.send(Command::Hint(peers.to_vec())).await
    }

    /// Goes by another certificate from now on: in every handshake, and towards the peers that are
    /// connected already.
    ///
    /// # Errors
    ///
    /// [`Error::OwnCertificate`] if peers would refuse it; the node then stays with the one before.
    pub async fn renew(&self, certificate: Certificate) -> Result<(), Error> {
        self.ask(|reply| Command::Renew { certificate, reply }).await?
    }

    /// Keeps these peers out, whatever they show, and lets in again those that were named before and
    /// are not now. Connections that they have are closed.
    ///
    /// # Errors
    ///
    /// If there are more than [`REVOKED_MAX`].
    pub async fn set_revoked(&self, peers: Vec<PeerId>) -> Result<(), Error> {
        if peers.len() > REVOKED_MAX {
            return Err(Error::TooMany {
                what: "revoked peers",
                max: REVOKED_MAX,
            });
        }
        self.send(Command::SetRevoked(peers.into_iter().collect())).await
    }

    /// Fetches an artifact into a folder, beginning with what lies there already, and serves what it
    /// has to other peers meanwhile and afterwards, until [`Handle::forget`]. Asking again for the same
    /// artifact in the same folder joins the fetch; after a failure it starts anew.
    ///
    /// # Errors
    ///
    /// If the node handles the artifact in another place, or too many artifacts already. What goes
    /// wrong later is told by the [`Fetch`].
    pub async fn fetch(&self, manifest: VerifiedManifest, folder: PathBuf) -> Result<Fetch, Error> {
        self.fetch_reusing(manifest, folder, Vec::new()).await
    }

    /// As [`Handle::fetch`], and takes from other artifacts on this disk what they hold at the same place,
    /// verified, before it asks anybody. Of more than [`DONORS_MAX`] the first ones count.
    ///
    /// # Errors
    ///
    /// As [`Handle::fetch`].
    pub async fn fetch_reusing(
        &self,
        manifest: VerifiedManifest,
        folder: PathBuf,
        mut donors: Vec<Donor>,
    ) -> Result<Fetch, Error> {
        donors.truncate(DONORS_MAX);
        self.ask(|reply| Command::Fetch {
            manifest,
            folder,
            donors,
            reply,
        })
        .await?
    }

    /// Serves a whole artifact to other peers until [`Handle::forget`]. A folder is read and
    /// verified first, unless this node has verified the same artifact before: then the folder only
    /// takes the place of the one before, as after a rename.
    ///
    /// # Errors
    ///
    /// If the folder does not hold the artifact, the artifact is still being fetched, or the node
    /// handles too many artifacts already.
    pub async fn serve(&self, manifest: VerifiedManifest, source: Source) -> Result<(), Error> {
        self.ask(|reply| Command::Serve {
            manifest,
            source,
            reply,
        })
        .await?
    }

    /// Lets a fetch read pieces from the region's store too: those of `share` at once, others only when
    /// no peer has them. Replaces what was said of the store before; what is being read goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Forgotten`] if the artifact is neither fetched nor served here.
    pub async fn offer_store(
        &self,
        artifact: ArtifactId,
        source: Arc<dyn PieceSource>,
        share: PieceSet,
    ) -> Result<(), Error> {
        self.ask(|reply| Command::OfferStore {
            artifact,
            source,
            share,
            reply,
        })
        .await?
    }

    /// Reads an artifact from the region's store no more, until that is offered again.
    ///
    /// # Errors
    ///
    /// Only [`Error::Stopped`].
    pub async fn withdraw_store(&self, artifact: ArtifactId) -> Result<(), Error> {
        self.send(Command::WithdrawStore(artifact)).await
    }

    /// Stops fetching and serving an artifact. Once this returns, nothing is written to its folder
    /// any more.
    ///
    /// # Errors
    ///
    /// Only [`Error::Stopped`].
    pub async fn forget(&self, artifact: ArtifactId) -> Result<(), Error> {
        self.ask(|reply| Command::Forget { artifact, reply }).await
    }

    /// Lets an artifact rest: it is neither fetched nor served, and what is here stays. One that is not known is
    /// none to pause.
    ///
    /// # Errors
    ///
    /// Only [`Error::Stopped`].
    pub async fn pause(&self, artifact: ArtifactId) -> Result<(), Error> {
        let paused = true;
        self.send(Command::Pause { artifact, paused }).await
    }

    /// Ends the rest of an artifact.
    ///
    /// # Errors
    ///
    /// Only [`Error::Stopped`].
    pub async fn resume(&self, artifact: ArtifactId) -> Result<(), Error> {
        let paused = false;
        self.send(Command::Pause { artifact, paused }).await
    }

    /// How much of this node's fetches an artifact gets while others are fetched too: in proportion to its
    /// priority, which is 1 at first; never nothing.
    ///
    /// # Errors
    ///
    /// Only [`Error::Stopped`].
    pub async fn prefer(&self, artifact: ArtifactId, priority: u8) -> Result<(), Error> {
        self.send(Command::Prefer { artifact, priority }).await
    }

    /// What the node is doing, for people.
    ///
    /// # Errors
    ///
    /// Only [`Error::Stopped`].
    pub async fn status(&self) -> Result<crate::Status, Error> {
        self.ask(Command::Status).await
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| Error::Stopped)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.map_err(|_| Error::Stopped)
    }
}

fn parse_addresses(texts: &[String]) -> Result<Vec<Multiaddr>, Error> {
    texts
        .iter()
        .take(ADDRESSES_MAX)
        .map(|text| parse_address(text))
        .collect()
}

pub(crate) fn parse_address(text: &str) -> Result<Multiaddr, Error> {
    text.parse()
        .map_err(|_| Error::Address(text.chars().take(80).collect()))
}

/// A question from a peer. Dropping it without an answer tells the peer that its call failed.
#[derive(Debug)]
pub struct IncomingCall {
    /// What the region's authority says of the peer; verified.
    pub certificate: Certificate,
    /// The question, at most [`CALL_REQUEST_LENGTH_MAX`] bytes.
    pub request: Vec<u8>,
    /// The request's share of the memory for requests.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    pub(crate) reply: oneshot::Sender<Vec<u8>>,
}

impl IncomingCall {
    /// Who asks.
    pub fn peer(&self) -> PeerId {
        self.certificate.statement().peer
    }

    /// Sends the answer. If the peer went away meanwhile, nothing happens.
    ///
    /// # Errors
    ///
    /// If the answer is longer than [`CALL_ANSWER_LENGTH_MAX`]; the peer's call fails then.
    pub fn answer(self, answer: Vec<u8>) -> Result<(), Error> {
        if answer.len() > CALL_ANSWER_LENGTH_MAX {
            let (length, max) = (answer.len(), CALL_ANSWER_LENGTH_MAX);
            return Err(Error::TooLong {
                what: "answer",
                length,
                max,
            });
        }
        drop(self.permit);
        // The receiver is gone when the peer is; there is nobody left to tell.
        drop(self.reply.send(answer));
        Ok(())
    }
}
