//! Anyone can send an `X-BYOK-Key`.
#![no_main]

use keyferry_protocol::sealed::{KeySet, SealedHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(header) = SealedHeader::parse(text)
    {
        let _ = header.check_time(1_700_000_000);
    }
    assert!(
        KeySet::open(bytes, &[0; 64], &[9; 32], 1_700_000_000).is_err(),
        "an unsigned key set opened"
    );
});
