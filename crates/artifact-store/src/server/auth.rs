//! Who may ask.

use crate::SecretAccessKey;
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

/// The only user; requests that nobody signed are refused by the protocol layer.
pub(super) struct OneUser {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: SecretAccessKey,
}

#[async_trait::async_trait]
impl S3Auth for OneUser {
    async fn get_secret_key(&self, access_key_id: &str) -> S3Result<SecretKey> {
        if access_key_id == self.access_key_id {
            Ok(SecretKey::from(self.secret_access_key.expose()))
        } else {
            Err(s3_error!(InvalidAccessKeyId))
        }
    }
}
