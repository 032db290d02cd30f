//! The server's side of publishing, as a worker sees it: the API begins, addresses, completes and signs, for an attempt
//! that holds its lease. The worker has neither the store's credentials nor the key that signs.

mod api;

pub use api::{InvalidApi, PublishingApi};

use crate::fault::Fault;
use crate::lease::Lease;
use api::Failure;
use artifact::Manifest;
use artifact_store::publishing::{AbortRequest, BegunUpload, PartRequest, Publication, Published, Success};
use artifact_store::{PartAddress, PartOrder, PartSigner, UploadTicket};
use async_trait::async_trait;
use database::jobs::Made;
use model::ArtifactId;

/// The words of the API that mean something to an attempt.
const LEASE_LOST: &str = "lease_lost";
const BEING_REMOVED: &str = "artifact_being_removed";
const UNKNOWN_ARTIFACT: &str = "unknown_artifact";

/// What became of a publication.
pub(crate) enum Outcome {
    /// The artifact can be read.
    Published(Made),
    /// It is just being removed, and may be published soon.
    BeingRemoved,
}

/// One attempt's way to the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publishing<'a> {
    api: &'a PublishingApi,
    lease: &'a Lease,
}

impl<'a> Publishing<'a> {
    pub(crate) fn new(api: &'a PublishingApi, lease: &'a Lease) -> Self {
        Self { api, lease }
    }

    /// The manifest of an artifact that may be taken over, if it may.
    pub(crate) async fn standing(&self, artifact: &ArtifactId) -> Result<Option<Manifest>, Fault> {
        let path = self.path(&format!("artifacts/{artifact}"));
        match self.api.manifest(&path).await {
            Err(Failure::Refused { code, .. }) if code == UNKNOWN_ARTIFACT => Ok(None),
            answer => answer
                .map(Some)
                .map_err(self.fault("ask for an earlier artifact")),
        }
    }

    /// An upload to send to.
    pub(crate) async fn begin(&self) -> Result<BegunUpload, Fault> {
        let begun = self.api.ask(&self.path("upload"), &()).await;
        begun.map_err(self.fault("begin the upload"))
    }

    /// Forgets an upload.
    pub(crate) async fn abort(&self, upload: UploadTicket) -> Result<(), Fault> {
        let (path, request) = (self.path("upload/abort"), AbortRequest { upload });
        let aborted = self.api.tell(&path, &request).await;
        aborted.map_err(self.fault("abort the upload"))
    }

    /// Makes what was sent an artifact.
    pub(crate) async fn publish(&self, publication: &Publication) -> Result<Outcome, Fault> {
        match self.api.publish(&self.path("publication"), publication).await {
            Ok(Published {
                artifact,
                total_bytes,
            }) => Ok(Outcome::Published(Made {
                artifact,
                total_bytes,
            })),
            Err(Failure::Refused { code, .. }) if code == BEING_REMOVED => Ok(Outcome::BeingRemoved),
            Err(failure) => Err(self.fault("publish the artifact")(failure)),
        }
    }

    /// The write that counts. An answer that got lost after it was done shows as a lost lease, which is as good: the
    /// build has ended.
    pub(crate) async fn succeed(&self, artifact: ArtifactId) -> Result<(), Fault> {
        let (path, success) = (self.path("success"), Success { artifact });
        let succeeded = self.api.tell(&path, &success).await;
        succeeded.map_err(self.fault("record the success"))
    }

    fn path(&self, what: &str) -> String {
        format!("attempts/{}/{}/{what}", self.lease.build(), self.lease.id())
    }

    /// Whose fault a failure is.
    fn fault(&self, action: &'static str) -> impl FnOnce(Failure) -> Fault {
        let lease = self.lease;
        move |failure| match failure {
            Failure::Refused { code, .. } if code == LEASE_LOST => {
                lease.lost().cancel();
                Fault::LeaseLost
            }
            failure => Fault::infrastructure(action)(failure),
        }
    }
}

/// Asks for an address for each part of one upload; content without bytes has neither.
pub(crate) struct Addresses<'a> {
    pub(crate) publishing: Publishing<'a>,
    pub(crate) upload: Option<&'a UploadTicket>,
}

#[async_trait]
impl PartSigner for Addresses<'_> {
    async fn sign(&self, order: &PartOrder) -> Result<PartAddress, artifact_store::Error> {
        let upload = self.upload.ok_or(artifact_store::Error::PartOrder(*order))?;
        let request = PartRequest {
            upload: upload.clone(),
            part: *order,
        };
        let Publishing { api, lease } = self.publishing;
        let address = api.ask(&self.publishing.path("upload/address"), &request).await;
        address.map_err(|failure| {
            if failure.is(LEASE_LOST) {
                // Whoever watches the lease ends the upload.
                lease.lost().cancel();
            }
            artifact_store::Error::NoAddress(failure.into())
        })
    }
}
