//! What a provider sends over HTTP/1.1 is framed by its own words: however it was cut on its way,
//! it must be the same answer, or none.
#![no_main]

use keyferry_relay::read_answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says how it was cut.
    let Some((&piece, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = read_answer(bytes, bytes.len());
    assert_eq!(read_answer(bytes, usize::from(piece)), whole);
    if let Some((_, body, unread)) = whole {
        assert!(body.len() + unread <= bytes.len());
    }
});
