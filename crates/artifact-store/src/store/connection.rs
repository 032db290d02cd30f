//! Making a client: every timeout and every retry is set here, none is left to a default.

use super::{Config, Error, Patience, Store};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::sync::Arc;

const IDLE_CONNECTIONS_MAX: usize = 16;

impl Store {
    /// Makes a client; sends nothing yet.
    ///
    /// # Errors
    /// Refuses an endpoint that is neither `http://` nor `https://`, and empty names.
    pub fn connect(config: &Config) -> Result<Self, Error> {
        Self::with_patience(config, Patience::default())
    }

    /// Makes a client that waits as long as it is told; sends nothing yet.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn with_patience(config: &Config, patience: Patience) -> Result<Self, Error> {
        if config.bucket.is_empty() || config.signing_region.is_empty() {
            return Err(Error::Config("`bucket` and `signing_region` are needed"));
        }
        let credentials = Credentials::new(
            &config.access_key_id,
            config.secret_access_key.expose(),
            None,
            None,
            "configuration",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(patience.connect)
            .read_timeout(patience.answer)
            .operation_attempt_timeout(patience.attempt)
            .operation_timeout(patience.attempt * patience.attempts_max)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(patience.attempts_max)
            .with_initial_backoff(patience.pause_first)
            .with_max_backoff(patience.pause_max);
        let mut builder = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(config.signing_region.clone()))
            .credentials_provider(credentials)
            .http_client(http_client(config.endpoint.as_deref())?)
            .timeout_config(timeouts)
            .retry_config(retries)
            // We send a CRC64NVME with every part ourselves.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.endpoint_url(endpoint).force_path_style(true);
        }
        Ok(Self {
            client: aws_sdk_s3::Client::from_conf(builder.build()),
            config: Arc::new(config.clone()),
            patience,
        })
    }

    /// Whether both are reached by the same address and credentials, so that one can copy from the
    /// other by itself.
    pub(super) fn shares_server_with(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.config, &other.config);
        ours.endpoint == theirs.endpoint
            && ours.signing_region == theirs.signing_region
            && ours.access_key_id == theirs.access_key_id
            && ours.secret_access_key == theirs.secret_access_key
    }
}

/// TLS for AWS and `https://`, none for the plain `http://` of a development server.
fn http_client(endpoint: Option<&str>) -> Result<SharedHttpClient, Error> {
    let mut builder = aws_smithy_http_client::Builder::new();
    builder.set_pool_max_idle_per_host(Some(IDLE_CONNECTIONS_MAX));
    match endpoint {
        Some(address) if address.starts_with("http://") => Ok(builder.build_http()),
        Some(address) if !address.starts_with("https://") => {
            Err(Error::Config("`endpoint` begins with http:// or https://"))
        }
        _ => Ok(builder
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https()),
    }
}
