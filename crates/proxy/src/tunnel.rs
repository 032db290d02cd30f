//! Upgraded connections: bytes there and back, whatever they mean.

use crate::claim::TunnelClaim;
use bytes::BytesMut;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// A connection whose both sides switch to another protocol.
pub(crate) struct Tunnel {
    here: OnUpgrade,
    there: TcpStream,
    /// What the target has said already.
    said: BytesMut,
    claim: TunnelClaim,
}

impl Tunnel {
    pub(crate) fn new(here: OnUpgrade, (there, said): (TcpStream, BytesMut), claim: TunnelClaim) -> Self {
        Self {
            here,
            there,
            said,
            claim,
        }
    }

    /// Moves bytes until one side ends, the target has drained long enough, or `closed`.
    pub(crate) async fn run(mut self, closed: CancellationToken) {
        let cutoff = self.claim.cutoff();
        let through = async {
            let mut here = TokioIo::new(self.here.await?);
            // A side that breaks off is how most tunnels end.
            if here.write_all(&self.said).await.is_ok() {
                let _ = copy_bidirectional(&mut here, &mut self.there).await;
            }
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
