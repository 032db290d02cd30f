//! What ties a bulk connection to its control session.
//!
//! Over the control connection each end gives the other a fresh key. Whoever dials a bulk connection
//! shows that it holds the key, by a MAC over who dials whom and a counter. So a connection that is
//! certified but has no session is refused, and a token that was seen before is worth nothing: the
//! listener takes a greater counter every time.

use crate::PeerId;
use crate::wire::bulk::Token;

/// A key of one direction of one session.
pub(crate) type Key = [u8; 32];

/// Sets this MAC apart from anything else that might be made with the key.
const DOMAIN: &[u8] = b"starling bulk dialler to listener 1\0";

/// What `dialler` shows to `listener`, who made `key`.
pub(crate) fn make(key: &Key, dialler: PeerId, listener: PeerId, counter: u64) -> Token {
    let mac = *mac(key, dialler, listener, counter).as_bytes();
    Token { counter, mac }
}

/// Whether it was made with this key by this dialler for us, in a time that tells nothing about the key.
pub(super) fn is_right(token: &Token, key: &Key, dialler: PeerId, listener: PeerId) -> bool {
    // Comparing two of BLAKE3's hashes takes the same time wherever they differ.
    mac(key, dialler, listener, token.counter) == blake3::Hash::from_bytes(token.mac)
}

fn mac(key: &Key, dialler: PeerId, listener: PeerId, counter: u64) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(DOMAIN);
    for peer in [dialler, listener] {
        let bytes = peer.0.to_bytes();
        // A peer id has at most 42 bytes.
        hasher.update(&[bytes.len() as u8]).update(&bytes);
    }
    hasher.update(&counter.to_be_bytes()).finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn a_token_is_worth_something_to_one_pair_one_way_under_one_key() {
        let (dialler, listener) = (Identity::generate().peer(), Identity::generate().peer());
        let key = [7; 32];
        let token = make(&key, dialler, listener, 5);
        assert!(is_right(&token, &key, dialler, listener));
        assert!(!is_right(&token, &key, listener, dialler));
        assert!(!is_right(&token, &[8; 32], dialler, listener));
        assert!(!is_right(&Token { counter: 6, ..token }, &key, dialler, listener));
        let mut mac = token.mac;
        mac[31] ^= 1;
        assert!(!is_right(&Token { mac, ..token }, &key, dialler, listener));
    }
}
