//! The API's one endpoint for managers.

use crate::Error;
use model::RegionName;
use model::region_report::RegionReport;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The most of a refusal that is logged, in characters.
const REFUSAL_LENGTH_MAX: usize = 500;

#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
    url: String,
}

/// Why a report was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the API has heard a newer leader of this region")]
    Deposed,
    #[error("the API could not be reached")]
    Unreachable(#[from] reqwest::Error),
    #[error("the API answered {status}: {said}")]
    Status { status: StatusCode, said: String },
}

impl Api {
    pub(crate) fn new(url: &str, token: &SecretString, region: &RegionName) -> Result<Self, Error> {
        let bearer = format!("Bearer {}", token.expose_secret());
        let mut bearer = HeaderValue::try_from(bearer).map_err(|_| Error::ApiToken)?;
        bearer.set_sensitive(true);
        let client = Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(Error::Api)?;
        let url = format!("{}/v1/regions/{region}/report", url.trim_end_matches('/'));
        // An address that cannot be parsed is found now, not with the first report.
        client.post(&url).build().map_err(Error::Api)?;
        Ok(Self { client, url })
    }

    pub(crate) async fn report(&self, report: &RegionReport) -> Result<(), Refused> {
        let response = self.client.post(&self.url).json(report).send().await?;
        let status = response.status();
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::CONFLICT => Err(Refused::Deposed),
            status => {
                let said = response.text().await?;
                let said = said.chars().take(REFUSAL_LENGTH_MAX).collect();
                Err(Refused::Status { status, said })
            }
        }
    }
}
