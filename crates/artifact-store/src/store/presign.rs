//! Letting somebody without credentials read one artifact's content for a while.

use super::{ContentKey, Error, Store};
use aws_sdk_s3::presigning::PresigningConfig;
use std::fmt;
use std::time::Duration;

/// The longest that a signed address may be good for; S3 takes no longer one.
pub const ADDRESS_LIFETIME_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// An address that lets whoever knows it GET one object, whole or by `Range`, until it expires. It is a
/// secret: its debug form doesn't show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedAddress(String);

impl SignedAddress {
    /// The address itself; for a request or for whom it was made, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignedAddress(…)")
    }
}

impl Store {
    /// Signs an address for reading an artifact's content. Sends nothing, and doesn't ask whether the
    /// content is there. Only the host is signed, so a `Range` can be asked for.
    ///
    /// # Errors
    /// Refuses a lifetime beyond [`ADDRESS_LIFETIME_MAX`].
    pub async fn presign_content(
        &self,
        key: &ContentKey,
        lifetime: Duration,
    ) -> Result<SignedAddress, Error> {
        let config = PresigningConfig::expires_in(lifetime)
            .map_err(|_| Error::Config("a signed address is good for at most a week"))?;
        let (bucket, object) = (&self.config.bucket, key.object());
        let request = self.client.get_object().bucket(bucket).key(&object);
        let signed = request
            .presigned(config)
            .await
            .map_err(|error| Error::request("sign an address of", bucket, &object, error))?;
        Ok(SignedAddress(signed.uri().to_owned()))
    }
}
