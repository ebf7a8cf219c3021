//! Where a string stops being plain, many bytes at a time: bodies with images are one long string.

#[cfg(not(target_arch = "wasm32"))]
pub(super) use by_blocks as plain_run;
#[cfg(target_arch = "wasm32")]
pub(super) use by_words as plain_run;

const fn is_plain(byte: u8) -> bool {
    (byte >= 0x20) & (byte != b'"') & (byte != b'\\')
}

fn byte_by_byte(text: &[u8]) -> usize {
    let stop = text.iter().position(|&byte| !is_plain(byte));
    stop.unwrap_or(text.len())
}

/// Length of the run without quote, backslash or control byte that `text` begins with. All bytes
/// of a block are looked at, which compilers turn into vectors.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn by_blocks(text: &[u8]) -> usize {
    let (blocks, tail) = text.as_chunks::<16>();
    let mut run = 0;
    for block in blocks {
        if block.iter().fold(false, |any, &byte| any | !is_plain(byte)) {
            let stops = block.map(|byte| if is_plain(byte) { 0 } else { 0xff });
            return run + u128::from_le_bytes(stops).trailing_zeros() as usize / 8;
        }
        run += block.len();
    }
    run + byte_by_byte(tail)
}

/// The same where there are no vectors.
#[cfg(any(test, target_arch = "wasm32"))]
pub(super) fn by_words(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;

    let (words, tail) = text.as_chunks::<8>();
    let mut run = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // With this bit turned, the quote stands directly above the control bytes. A byte below
        // what is taken from it borrows its high bit, and may do so of the next byte's too: the
        // lowest mark is the one to trust.
        let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
        let stops = (quote_or_control | backslash) & !word & HIGHS;
        if stops != 0 {
            return run + stops.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    run + byte_by_byte(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_ways_find_the_same_stop(
            mut text in prop::collection::vec(any::<u8>(), 0..80),
            plain in 0..80_usize,
        ) {
            for byte in text.iter_mut().take(plain) {
                if !is_plain(*byte) {
                    *byte ^= 0x60;
                }
            }
            let stop = byte_by_byte(&text);
            prop_assert_eq!(by_blocks(&text), stop);
            prop_assert_eq!(by_words(&text), stop);
        }
    }
}
