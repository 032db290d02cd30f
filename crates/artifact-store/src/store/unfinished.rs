//! Uploads that nobody completed.

use super::content_key::CONTENT_PREFIX;
use super::{Error, Store, UploadTicket};
use jiff::Timestamp;

/// How many unfinished uploads one look returns at most.
const UNFINISHED_MAX: usize = 10_000;

/// An upload that was begun and neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// What is needed to go on with it or to abort it.
    pub ticket: UploadTicket,
    /// When it was begun, by the store's clock.
    pub begun_at: Timestamp,
}

impl Store {
    /// The unfinished uploads of content whose key begins with `prefix`.
    ///
    /// # Errors
    /// Fails when the store does.
    pub async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>, Error> {
        let prefix = format!("{CONTENT_PREFIX}{prefix}");
        let mut found = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let page = self
                .client
                .list_multipart_uploads()
                .bucket(&self.config.bucket)
                .prefix(&prefix)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .send()
                .await
                .map_err(|error| Error::request("list uploads of", &self.config.bucket, &prefix, error))?;
            found.extend(page.uploads().iter().filter_map(parse));
            key_marker = page.next_key_marker.filter(|_| page.is_truncated == Some(true));
            id_marker = page.next_upload_id_marker;
            if key_marker.is_none() || found.len() >= UNFINISHED_MAX {
                return Ok(found);
            }
        }
    }
}

/// An upload of ours; others, whose keys we didn't make, are left alone.
fn parse(upload: &aws_sdk_s3::types::MultipartUpload) -> Option<Unfinished> {
    let key = upload.key()?.strip_prefix(CONTENT_PREFIX)?.parse().ok()?;
    Some(Unfinished {
        ticket: UploadTicket {
            key,
            upload_id: upload.upload_id()?.to_owned(),
        },
        begun_at: Timestamp::from_second(upload.initiated()?.secs()).ok()?,
    })
}
