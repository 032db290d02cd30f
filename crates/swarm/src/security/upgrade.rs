//! The handshake as libp2p wants it, for the control plane.

use super::counted::Counted;
use super::tls::{Failed, Tls, nobody};
use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite, FutureExt};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p::core::UpgradeInfo;
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade};

/// Turns a bare connection into one whose far end is certified. libp2p limits how long that may take.
#[derive(Debug, Clone)]
pub(crate) struct Upgrade(pub(crate) Tls);

impl UpgradeInfo for Upgrade {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/starling/tls/1")
    }
}

type Secured<C> = (libp2p::PeerId, TlsStream<Counted<C>>);

impl<C> InboundConnectionUpgrade<C> for Upgrade
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = Secured<C>;
    type Error = Failed;
    type Future = BoxFuture<'static, Result<Self::Output, Failed>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            let acceptor = TlsAcceptor::from(self.0.server.clone());
            let stream = acceptor.accept(Counted::new(socket)).await?;
            let peer = self.0.far_end(stream.get_ref().1)?;
            Ok((peer.0, stream.into()))
        }
        .boxed()
    }
}

impl<C> OutboundConnectionUpgrade<C> for Upgrade
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = Secured<C>;
    type Error = Failed;
    type Future = BoxFuture<'static, Result<Self::Output, Failed>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            let connector = TlsConnector::from(self.0.client.clone());
            let stream = connector.connect(nobody(), Counted::new(socket)).await?;
            let peer = self.0.far_end(stream.get_ref().1)?;
            Ok((peer.0, stream.into()))
        }
        .boxed()
    }
}
