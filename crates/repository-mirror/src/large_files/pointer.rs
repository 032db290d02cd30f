//! What git holds in the place of a large file (git-lfs, docs/spec.md).

use std::path::PathBuf;

/// The longest pointer, in bytes.
pub(super) const POINTER_LENGTH_MAX: u64 = 1024;
const VERSION: &str = "version https://git-lfs.github.com/spec/v1";

/// The name and length of a large file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    /// SHA-256 of the content, in 64 digits.
    oid: String,
    /// Bytes of content.
    pub(super) size: u64,
}

impl Pointer {
    /// Reads a pointer; `None` where it is something else.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        if lines.next()? != VERSION {
            return None;
        }
        let (mut oid, mut size) = (None, None);
        for line in lines {
            match line.split_once(' ')? {
                ("oid", value) => oid = Some(value.strip_prefix("sha256:")?),
                ("size", value) => size = Some(value.parse().ok()?),
                _ => {}
            }
        }
        let oid = oid?;
        let is_hash = oid.len() == 64 && oid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_hash.then_some(Self {
            oid: oid.to_owned(),
            size: size?,
        })
    }

    /// Where git-lfs keeps the content, below its folder of objects.
    pub(super) fn place(&self) -> PathBuf {
        [&self.oid[..2], &self.oid[2..4], &self.oid].iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_read_and_anything_else_is_none() {
        let oid = "0f".repeat(32);
        let good = format!("{VERSION}\next-0-x sha256:1\noid sha256:{oid}\nsize 12\n");
        let pointer = Pointer::parse(good.as_bytes()).unwrap();
        assert_eq!(pointer.size, 12);
        assert_eq!(pointer.place(), PathBuf::from(format!("0f/0f/{oid}")));
        for bad in [
            String::new(),
            good.replace("v1", "v2"),
            good.replace("sha256:0f", "sha256:0F"),
            good.replace("oid sha256:0f", "oid sha256:../"),
            good.replace("size 12\n", ""),
            good.replace("size 12", "size -1"),
            good.replace("oid ", "oid"),
        ] {
            assert_eq!(Pointer::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Pointer::parse(b"\xff"), None);
    }
}
