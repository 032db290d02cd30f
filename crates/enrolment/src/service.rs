//! Getting a certificate, and another one in time, for ever.

use crate::api::{Api, Failure};
use crate::files::{self, Kept};
use crate::schedule::renewal_due;
use crate::{Config, Error, metrics};
use backon::{ExponentialBuilder, Retryable as _};
use jiff::Timestamp;
use std::time::Duration;
use swarm::{Certificate, EnrolmentRequest, Handle, InvalidCertificate, RenewalRequest};
use tokio_util::sync::CancellationToken;

/// The wait before a failed attempt is repeated, at first and at most.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(250);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(120);
/// The clock is looked at this often at least, since a machine may have slept or its clock been set.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// A node that has a certificate.
#[derive(Debug)]
pub struct Service {
    config: Config,
    api: Api,
    kept: Kept,
}

impl Service {
    /// Finds the node's certificate on the disk, or gets one from the API for a join token, waiting for the API
    /// for as long as it is away. One that has only expired will do: what the node runs must not go unwatched
    /// until an operator comes with another token, and [`Service::run`] looks for that.
    ///
    /// # Errors
    ///
    /// If there is no token, the API refuses it, or the certificate's file cannot be used.
    pub async fn start(config: Config) -> Result<Self, Error> {
        metrics::describe();
        let api = Api::new(&config.api)?;
        let found = files::certificate(&config.certificate_file).await?;
        let kept = match found.filter(|kept| is_of_use(&config, &kept.certificate)) {
            Some(kept) => kept,
            None => first(&config, &api).await?,
        };
        note(&kept.certificate);
        Ok(Self { config, api, kept })
    }

    /// The certificate to join the swarm with.
    pub fn certificate(&self) -> Certificate {
        self.kept.certificate.clone()
    }

    /// Renews the certificate whenever two thirds of its life have passed and hands it to the swarm, until
    /// `stop`.
    pub async fn run(mut self, swarm: Handle, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                self.until_due().await;
                let certificate = self.next().await;
                if let Err(error) = swarm.renew(certificate).await {
                    tracing::warn!(%error, "the swarm did not take this node's new certificate");
                }
            }
        })
        .await;
    }

    async fn until_due(&self) {
        let (since, until) = (self.kept.since, self.kept.certificate.statement().not_after);
        let due = renewal_due(since, until, Timestamp::now(), rand::random());
        while let Ok(left) = Duration::try_from(due.duration_since(Timestamp::now())) {
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
    }

    /// Asks for the next certificate until there is one, and keeps it.
    async fn next(&mut self) -> Certificate {
        let retry = patience().without_max_times();
        let renewed = (|| self.ask_once())
            .retry(retry)
            .notify(|error, _| {
                ::metrics::counter!(metrics::RENEWALS_TOTAL, "outcome" => "failed").increment(1);
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    certificate.until = %self.kept.certificate.statement().not_after,
                    "failed to renew this node's certificate; trying again"
                );
            })
            .await;
        // Without an end to the tries there is no other end than success.
        let Ok(certificate) = renewed else {
            return std::future::pending().await;
        };
        ::metrics::counter!(metrics::RENEWALS_TOTAL, "outcome" => "issued").increment(1);
        note(&certificate);
        if let Err(error) = files::keep(&self.config.certificate_file, &certificate).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "this node's new certificate could not be kept for its next start"
            );
        }
        self.kept = Kept {
            certificate: certificate.clone(),
            since: Timestamp::now(),
        };
        certificate
    }

    /// Renews; with a certificate that has expired only another join token helps, and an operator may have left
    /// one meanwhile.
    async fn ask_once(&self) -> Result<Certificate, Error> {
        let now = Timestamp::now();
        let present = &self.kept.certificate;
        if now > present.statement().not_after {
            return Ok(first(&self.config, &self.api).await?.certificate);
        }
        let request = RenewalRequest::new(&self.config.identity, present.clone(), now);
        let request = request.map_err(|error| Error::Refused(error.into()))?;
        let certificate = self.api.renew(&request).await.map_err(Error::Refused)?;
        check(&self.config, &certificate)?;
        Ok(certificate)
    }
}

/// Gets a first certificate, keeps it, and only then forgets the token.
async fn first(config: &Config, api: &Api) -> Result<Kept, Error> {
    let token = files::join_token(config).await?;
    let ask = || async {
        let place = (config.region.clone(), config.role, config.name.clone());
        let request = EnrolmentRequest::new(&config.identity, token.clone(), place, Timestamp::now())?;
        api.enrol(&request).await
    };
    let certificate = ask
        .retry(patience().without_max_times())
        .when(Failure::may_pass)
        .notify(|error, _| {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "this node could not be enrolled yet; trying again");
        })
        .await
        .map_err(Error::Refused)?;
    check(config, &certificate)?;
    files::keep(&config.certificate_file, &certificate).await?;
    files::forget_join_token(&config.join_token_file).await;
    tracing::info!(certificate.until = %certificate.statement().not_after, "this node was enrolled");
    Ok(Kept {
        certificate,
        since: Timestamp::now(),
    })
}

/// Whether a certificate that was found is this node's, as it is configured now.
fn is_of_use(config: &Config, certificate: &Certificate) -> bool {
    let said = certificate.statement();
    match check(config, certificate) {
        Ok(()) => {}
        Err(Error::Useless(error @ InvalidCertificate::Expired(_))) => {
            tracing::warn!(%error, "this node's certificate is to be renewed with another join token");
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the certificate that this node has is of no use any more");
            return false;
        }
    }
    let same = said.name == config.name && said.role == config.role;
    if !same {
        tracing::warn!(node.name = %said.name, node.role = %said.role, "the certificate is for another place");
    }
    same
}

fn check(config: &Config, certificate: &Certificate) -> Result<(), Error> {
    let peer = config.identity.peer();
    certificate
        .verify(&config.authority, &config.region, peer, Timestamp::now())
        .map_err(Error::Useless)
}

fn note(certificate: &Certificate) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float, and seconds are few enough"
    )]
    let until = certificate.statement().not_after.as_second() as f64;
    ::metrics::gauge!(metrics::CERTIFICATE_UNTIL).set(until);
}

fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(RETRY_DELAY_MIN)
        .with_max_delay(RETRY_DELAY_MAX)
}
