//! Where a run of bytes ends, many bytes at a time: bodies with images are one long string.

/// Length of the run that `text` begins with of bytes that belong to it.
#[inline]
pub(crate) fn run_of(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    // All bytes of a block are looked at, which becomes a vector where there are any.
    let (blocks, tail) = if cfg!(target_arch = "wasm32") {
        (&[][..], text)
    } else {
        text.as_chunks::<16>()
    };
    let mut run = 0;
    for block in blocks {
        if block.iter().fold(false, |any, &byte| any | !belongs(byte)) {
            let stops = block.map(|byte| if belongs(byte) { 0 } else { 0xff });
            return run + u128::from_le_bytes(stops).trailing_zeros() as usize / 8;
        }
        run += block.len();
    }
    let stop = tail.iter().position(|&byte| !belongs(byte));
    run + stop.unwrap_or(tail.len())
}
