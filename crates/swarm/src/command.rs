//! What a handle may ask of the driver.

use crate::{Certificate, Donor, Error, Fetch, PeerId, PieceSource, Source, Status};
use artifact::VerifiedManifest;
use libp2p::Multiaddr;
use model::ArtifactId;
use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use swarm_core::PieceSet;
use tokio::sync::oneshot;

/// Commands that may wait for the driver before a handle has to wait too.
pub(crate) const COMMANDS_MAX: usize = 64;

type Reply<T> = oneshot::Sender<T>;

pub(crate) enum Command {
    SetNeighbours(Vec<(PeerId, Vec<Multiaddr>)>),
    Call {
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        request: Vec<u8>,
        reply: Reply<Result<Vec<u8>, Error>>,
    },
    Hint(Vec<PeerId>),
    Renew {
        certificate: Certificate,
        reply: Reply<Result<(), Error>>,
    },
    SetRevoked(HashSet<PeerId>),
    Fetch {
        manifest: VerifiedManifest,
        folder: PathBuf,
        donors: Vec<Donor>,
        reply: Reply<Result<Fetch, Error>>,
    },
    Serve {
        manifest: VerifiedManifest,
        source: Source,
        reply: Reply<Result<(), Error>>,
    },
    OfferStore {
        artifact: ArtifactId,
        source: Arc<dyn PieceSource>,
        share: PieceSet,
        reply: Reply<Result<(), Error>>,
    },
    WithdrawStore(ArtifactId),
    Forget {
        artifact: ArtifactId,
        reply: Reply<()>,
    },
    Pause {
        artifact: ArtifactId,
        paused: bool,
    },
    Prefer {
        artifact: ArtifactId,
        priority: u8,
    },
    Status(Reply<Status>),
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Command")
    }
}
