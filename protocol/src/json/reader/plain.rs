//! Where a string stops being plain: at a quote, a backslash or a control byte.

/// Length of the plain run that `text` begins with.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn plain_run(text: &[u8]) -> usize {
    crate::run::run_of(text, is_plain)
}

#[cfg(target_arch = "wasm32")]
pub(super) use by_words as plain_run;

const fn is_plain(byte: u8) -> bool {
    (byte >= 0x20) & (byte != b'"') & (byte != b'\\')
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
    let stop = tail.iter().position(|&byte| !is_plain(byte));
    run + stop.unwrap_or(tail.len())
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
            let stop = text.iter().position(|&byte| !is_plain(byte)).unwrap_or(text.len());
            prop_assert_eq!(plain_run(&text), stop);
            prop_assert_eq!(by_words(&text), stop);
        }
    }
}
