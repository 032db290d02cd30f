//! What was sent to an upload, and making it the content at its key.

use super::{ContentKey, Crc64, Error, Existing, PART_LENGTH, Part, Store, UploadTicket};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What somebody says to have sent to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// In order; none where the content has no bytes.
    pub parts: Vec<Part>,
    /// The checksum of the whole.
    pub crc64nvme: Crc64,
}

impl Content {
    /// Whether the parts make up content of `total` bytes with this checksum.
    fn makes_up(&self, total: u64) -> bool {
        let count = self.parts.len() as u64;
        let mut crc64nvme = Some(Crc64::empty());
        let mut at = 0;
        for (part, number) in self.parts.iter().zip(1_i32..) {
            let is_last = u64::from(number.unsigned_abs()) == count;
            let fits = part.number == number && (part.length == PART_LENGTH || is_last);
            if !fits || !(1..=PART_LENGTH).contains(&part.length) {
                return false;
            }
            crc64nvme = crc64nvme
                .zip(part.crc64nvme)
                .map(|(before, own)| before.followed_by(own, part.length));
            at += part.length;
        }
        at == total && crc64nvme == Some(self.crc64nvme)
    }
}

impl Store {
    /// Makes what was sent the content at its key, where nothing may be yet. What is said of the parts is compared with
    /// each other, with the length of the whole, and with what the store has; the store compares the checksum of the
    /// whole. Without an upload the content is empty. Doing it twice changes nothing.
    ///
    /// # Errors
    /// [`Error::Content`] where something differs; fails when the store does.
    pub async fn complete(
        &self,
        key: &ContentKey,
        upload: Option<&UploadTicket>,
        content: &Content,
        total: u64,
    ) -> Result<(), Error> {
        if !content.makes_up(total) || upload.is_none() != content.parts.is_empty() {
            return Err(Error::Content("its parts do not make up the whole"));
        }
        let Some(ticket) = upload else {
            return self.put(&key.object(), Bytes::new()).await;
        };
        match self.parts(ticket).await {
            Ok(there) if !are_the_same(&there, &content.parts) => {
                return Err(Error::Content("the store has other parts"));
            }
            // Where it was completed already, there is no upload any more.
            Err(error) if !error.has_code("NoSuchUpload") => return Err(error),
            _ => {}
        }
        self.complete_upload(ticket, &content.parts, content.crc64nvme, Existing::Stays)
            .await
    }
}

/// A store that keeps no checksums of parts tells none.
fn are_the_same(there: &[Part], said: &[Part]) -> bool {
    there.len() == said.len()
        && there.iter().zip(said).all(|(there, said)| {
            let crc64nvme = there.crc64nvme.or(said.crc64nvme);
            (there.number, there.length, &there.etag) == (said.number, said.length, &said.etag)
                && crc64nvme == said.crc64nvme
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(number: i32, length: u64) -> Part {
        Part {
            number,
            length,
            etag: String::new(),
            crc64nvme: Some(Crc64(number.unsigned_abs().into())),
        }
    }

    fn content(lengths: &[u64]) -> Content {
        let parts: Vec<Part> = (1..)
            .zip(lengths)
            .map(|(number, length)| part(number, *length))
            .collect();
        let crc64nvme = parts.iter().fold(Crc64::empty(), |crc, part| {
            crc.followed_by(part.crc64nvme.unwrap(), part.length)
        });
        Content { parts, crc64nvme }
    }

    #[test]
    fn whole_parts_and_a_last_one_make_up_their_sum_and_nothing_else() {
        let good = content(&[PART_LENGTH, PART_LENGTH, 5]);
        assert!(good.makes_up(2 * PART_LENGTH + 5));
        assert!(!good.makes_up(2 * PART_LENGTH + 4));
        assert!(content(&[]).makes_up(0));
        assert!(!content(&[]).makes_up(1));
        assert!(!content(&[PART_LENGTH, 5, PART_LENGTH]).makes_up(2 * PART_LENGTH + 5));
        assert!(!content(&[0]).makes_up(0));
        assert!(!content(&[PART_LENGTH + 1]).makes_up(PART_LENGTH + 1));
    }

    proptest! {
        #[test]
        fn no_part_can_be_changed_left_out_or_moved(count in 2usize..6, at in 0usize..6, other in 1u64..9) {
            let mut lengths = vec![PART_LENGTH; count];
            lengths.push(other);
            let total = lengths.iter().sum();
            let at = at % (count + 1);
            let good = content(&lengths);
            prop_assert!(good.makes_up(total));
            let mut damaged = good.clone();
            damaged.parts[at].crc64nvme = Some(Crc64(u64::MAX - other));
            prop_assert!(!damaged.makes_up(total));
            let mut unknown = good.clone();
            unknown.parts[at].crc64nvme = None;
            prop_assert!(!unknown.makes_up(total));
            let mut shorter = good.clone();
            shorter.parts.remove(at);
            prop_assert!(!shorter.makes_up(total));
            let mut moved = good;
            moved.parts.swap(at, (at + 1) % (count + 1));
            prop_assert!(!moved.makes_up(total));
        }
    }
}
