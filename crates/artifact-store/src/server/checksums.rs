//! Comparing what arrived with what the client says it sent.

use crate::Crc64;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Md5, Sha1, Sha256};
use s3s::{S3Result, TrailingHeaders, s3_error};

/// The checksums that a client may send, in base64, in the order of [`NAMES`].
const NAMES: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-crc64nvme",
];

/// What the client says about its bytes.
#[derive(Debug, Default)]
pub(super) struct Asserted {
    headers: hyper::HeaderMap,
    trailers: Option<TrailingHeaders>,
}

impl Asserted {
    pub(super) fn new(headers: &hyper::HeaderMap, trailers: Option<TrailingHeaders>) -> Self {
        Self {
            headers: headers.clone(),
            trailers,
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    }

    /// Whether a checksum stands in the headers or is announced to come behind the bytes.
    fn names(&self, name: &str) -> bool {
        let announced = self.headers.get_all("x-amz-trailer").iter();
        let mut announced = announced
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','));
        self.headers.contains_key(name) || announced.any(|trailer| trailer.trim().eq_ignore_ascii_case(name))
    }

    fn value(&self, name: &str) -> Option<String> {
        let trailing = |trailers: &TrailingHeaders| {
            let value = |map: &hyper::HeaderMap| Some(map.get(name)?.to_str().ok()?.trim().to_owned());
            trailers.read(value).flatten()
        };
        self.header(name)
            .or_else(|| self.trailers.as_ref().and_then(trailing))
    }
}

/// Checks bytes as they pass.
pub(super) struct Checker {
    crc64nvme: crc_fast::Digest,
    others: ChecksumHasher,
    md5: Option<Md5>,
}

impl Checker {
    /// Computes only what the client asserts, and the CRC64NVME, which every record has.
    pub(super) fn new(asserted: &Asserted) -> Self {
        Self {
            crc64nvme: crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme),
            others: ChecksumHasher {
                crc32: asserted.names(NAMES[0]).then(Crc32::new),
                crc32c: asserted.names(NAMES[1]).then(Crc32c::new),
                sha1: asserted.names(NAMES[2]).then(Sha1::new),
                sha256: asserted.names(NAMES[3]).then(Sha256::new),
                crc64nvme: None,
            },
            md5: asserted.names("content-md5").then(Md5::new),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.crc64nvme.update(bytes);
        self.others.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// The CRC64NVME, if everything that was asserted is true.
    pub(super) fn finish(self, asserted: &Asserted) -> S3Result<Crc64> {
        let crc64nvme = Crc64(self.crc64nvme.finalize());
        let others = self.others.finalize();
        let found = [
            others.checksum_crc32,
            others.checksum_crc32c,
            others.checksum_sha1,
            others.checksum_sha256,
            Some(crc64nvme.to_base64()),
        ];
        for (name, found) in NAMES.into_iter().zip(found) {
            if asserted.names(name) && asserted.value(name) != found {
                return Err(s3_error!(
                    BadDigest,
                    "{name} does not match the bytes that arrived"
                ));
            }
        }
        let md5 = self
            .md5
            .map(|md5| aws_smithy_types::base64::encode(md5.finalize()));
        if md5.is_some() && asserted.header("content-md5") != md5 {
            return Err(s3_error!(
                BadDigest,
                "content-md5 does not match the bytes that arrived"
            ));
        }
        Ok(crc64nvme)
    }
}
