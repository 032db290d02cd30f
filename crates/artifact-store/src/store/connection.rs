//! Making a client: every timeout and every retry is set here, none is left to a default.

use super::{Config, Error, Store};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::sync::Arc;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the request's last byte to the answer's first; Complete may take a while at some stores.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// One try of one request: a part of 16 MiB at less than 1 Mbit/s is a broken link.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(150);
const ATTEMPTS_MAX: u32 = 4;
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
const IDLE_CONNECTIONS_MAX: usize = 16;

impl Store {
    /// Makes a client; sends nothing yet.
    ///
    /// # Errors
    /// Refuses an endpoint that is neither `http://` nor `https://`, and empty names.
    pub fn connect(config: &Config) -> Result<Self, Error> {
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
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(ANSWER_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(ATTEMPT_TIMEOUT * ATTEMPTS_MAX)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS_MAX)
            .with_initial_backoff(BACKOFF_FIRST)
            .with_max_backoff(BACKOFF_MAX);
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
