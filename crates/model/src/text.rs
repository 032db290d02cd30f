//! Text that comes in pieces.

/// How many bytes of a piece there are without a character at the end whose rest may still come. What is no UTF-8 counts
/// as whole: its rest is not waited for.
pub fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last();
    let torn = last.map_or(&[][..], |chunk| chunk.invalid());
    match std::str::from_utf8(torn) {
        Err(error) if error.error_len().is_none() => bytes.len() - torn.len(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_never_cut_and_what_is_none_is_not_waited_for() {
        let text = "aß€".as_bytes();
        let lengths: Vec<_> = (0..=text.len())
            .map(|end| whole_characters(&text[..end]))
            .collect();
        assert_eq!(lengths, [0, 1, 1, 3, 3, 3, 6]);
        assert_eq!(whole_characters(b"\xffab\xfe\xe2\x82"), 4);
        assert_eq!(whole_characters(b"ab\xff"), 3);
    }
}
