//! Upgraded connections: bytes there and back, whatever they mean.

use crate::claim::TunnelClaim;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::sync::CancellationToken;

/// A connection whose both sides switch to another protocol.
pub(crate) struct Tunnel {
    here: OnUpgrade,
    there: OnUpgrade,
    claim: TunnelClaim,
}

impl Tunnel {
    pub(crate) fn new(here: OnUpgrade, there: OnUpgrade, claim: TunnelClaim) -> Self {
        Self { here, there, claim }
    }

    /// Moves bytes until one side ends, the target has drained long enough, or `closed`.
    pub(crate) async fn run(self, closed: CancellationToken) {
        let cutoff = self.claim.cutoff();
        let through = async {
            let (here, there) = tokio::try_join!(self.here, self.there)?;
            let (mut here, mut there) = (TokioIo::new(here), TokioIo::new(there));
            // A side that breaks off is how most tunnels end.
            let _ = copy_bidirectional(&mut here, &mut there).await;
            Ok::<_, hyper::Error>(())
        };
        tokio::select! {
            ended = through => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an upgraded connection never began");
                }
            }
            () = cutoff.cancelled() => {}
            () = closed.cancelled() => {}
        }
    }
}
