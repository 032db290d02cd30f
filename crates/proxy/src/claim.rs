//! A request's claim on its target, and a tunnel's.

use crate::frontend::Frontend;
use hyper::header::HeaderValue;
use proxy_control::{Protocol, Target};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A request that is counted at its target until this is dropped, wherever that happens.
#[derive(Debug)]
pub(crate) struct Claim {
    frontend: Arc<Frontend>,
    target: Target,
    protocol: Protocol,
    cookie: Option<HeaderValue>,
    /// Whether the target answered with an error of its own, or not at all.
    failed: bool,
    /// Whether the count was given back or moved already.
    spent: bool,
}

impl Claim {
    /// Of a request that the frontend's route has counted.
    pub(crate) fn new(
        frontend: Arc<Frontend>,
        target: Target,
        protocol: Protocol,
        cookie: Option<HeaderValue>,
    ) -> Self {
        Self {
            frontend,
            target,
            protocol,
            cookie,
            failed: false,
            spent: false,
        }
    }

    pub(crate) fn target(&self) -> Target {
        self.target
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The cookie to set, so that the client stays on its side of a split.
    pub(crate) fn take_cookie(&mut self) -> Option<HeaderValue> {
        self.cookie.take()
    }

    /// The target did not answer as it should.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    /// Gives the claim back; whether a connection to the target is worth keeping.
    pub(crate) fn give_back(mut self) -> bool {
        self.spent = true;
        self.frontend.route().release(self.target, self.failed)
    }

    /// Counts a tunnel in the request's place.
    pub(crate) fn into_tunnel(mut self) -> TunnelClaim {
        self.spent = true;
        self.frontend.route().upgrade(self.target);
        TunnelClaim {
            frontend: self.frontend.clone(),
            target: self.target,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.spent {
            self.frontend.route().release(self.target, self.failed);
        }
    }
}

/// A tunnel that is counted at its target until this is dropped.
#[derive(Debug)]
pub(crate) struct TunnelClaim {
    frontend: Arc<Frontend>,
    target: Target,
}

impl TunnelClaim {
    /// Cancelled when the target has drained long enough.
    pub(crate) fn cutoff(&self) -> CancellationToken {
        self.frontend.cutoff(self.target)
    }
}

impl Drop for TunnelClaim {
    fn drop(&mut self) {
        self.frontend.route().close_tunnel(self.target);
    }
}
