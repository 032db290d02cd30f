//! Putting parts without credentials, at addresses that somebody else signs.

use super::{Error, PARTS_IN_FLIGHT, Part, PartAddress, PartOrder, Patience};
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, ETAG};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use std::fmt;

/// The longest text of a store about a part that it didn't take, in bytes.
const REFUSAL_LENGTH_MAX: usize = 64 * 1024;

/// Whoever signs addresses for the parts of one upload.
#[async_trait::async_trait]
pub trait PartSigner: Send + Sync {
    /// An address for this part, to be used at once. A part that is sent again gets another.
    ///
    /// # Errors
    /// [`Error::NoAddress`], which ends the upload.
    async fn sign(&self, order: &PartOrder) -> Result<PartAddress, Error>;
}

/// Sends parts. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct PartSender {
    client: Client,
    pub(super) patience: Patience,
}

impl fmt::Debug for PartSender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("PartSender").field(&self.patience).finish()
    }
}

impl PartSender {
    /// Makes a client; sends nothing yet. It follows no redirect, which could lead anywhere, and knows no proxy. The
    /// process must have chosen its provider of cryptography.
    ///
    /// # Errors
    /// If the system's TLS certificates can't be used.
    pub fn new(patience: Patience) -> Result<Self, Error> {
        let client = Client::builder()
            .connect_timeout(patience.connect)
            .read_timeout(patience.answer)
            .timeout(patience.attempt)
            .pool_max_idle_per_host(PARTS_IN_FLIGHT)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Error::Client(Box::new(error)))?;
        Ok(Self { client, patience })
    }

    /// Sends one part, once; sending it again replaces it.
    pub(super) async fn put(
        &self,
        signer: &dyn PartSigner,
        order: PartOrder,
        bytes: Bytes,
    ) -> Result<Part, Error> {
        let address = signer.sign(&order).await?;
        let mut request = self.client.put(&address.url).body(bytes);
        for (name, value) in &address.headers {
            // The client writes it from the body.
            if !name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str()) {
                request = request.header(name, value);
            }
        }
        let refused = |code: String, error: Option<reqwest::Error>| Error::Part {
            number: order.number,
            code,
            // The address is a secret.
            source: error.map(|error| error.without_url().into()),
        };
        let no_answer = |error| refused("no answer".to_owned(), Some(error));
        let answer = request.send().await.map_err(no_answer)?;
        if !answer.status().is_success() {
            return Err(refused(code(answer).await, None));
        }
        let etag = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        // An answer that breaks off may be another than it looks; read to its end, its connection can be used again.
        answer.bytes().await.map_err(no_answer)?;
        Ok(Part {
            number: order.number,
            length: order.length,
            etag,
            crc64nvme: Some(order.crc64nvme),
        })
    }
}

/// The store's word for why it didn't take a part, or its status where it says none.
async fn code(mut answer: Response) -> String {
    let status = answer.status().as_u16();
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        text.extend_from_slice(&chunk);
        if text.len() > REFUSAL_LENGTH_MAX {
            break;
        }
    }
    let text = String::from_utf8_lossy(&text);
    let named = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    match named {
        Some((code, _)) if !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            code.to_owned()
        }
        _ if status == 403 => "AccessDenied".to_owned(),
        _ => format!("status {status}"),
    }
}
