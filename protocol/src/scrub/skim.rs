//! Passing over text that cannot hold a run of the key without reading all of it (after Wu and
//! Manber, "A fast algorithm for multi-pattern searching").
//!
//! Answers are searched byte by byte where they could hold a part of the key; almost nothing can.
//! In any run of [`WINDOW`] characters every two neighbours are neighbours in the key, so one pair
//! that is not rules out every run that would contain it.

use super::WINDOW;
use zeroize::Zeroizing;

/// Bits of the set, and mask of an index into it: 16 words of 64.
const MASK: usize = 1023;

/// The key's pairs of neighbouring bytes, as a Bloom filter: may claim a pair that is not there,
/// never miss one that is.
pub struct Skim {
    pairs: Zeroizing<[u64; 16]>,
    /// False for keys shorter than a window, which are looked for as a whole.
    usable: bool,
}

impl Skim {
    /// Looks for `secret`: a key without its public prefix.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let mut pairs = Zeroizing::new([0; 16]);
        for pair in secret.array_windows() {
            let (word, bit) = place(*pair);
            if let Some(set) = pairs.get_mut(word) {
                *set |= bit;
            }
        }
        Self {
            pairs,
            usable: secret.len() >= WINDOW,
        }
    }

    /// Whether a whole text may hold a run of the key, escaped or not: true where only a
    /// [`Scrubber`](super::Scrubber) can tell.
    #[must_use]
    pub fn may_hold(&self, text: &[u8]) -> bool {
        // Escapes take more bytes than they stand for.
        let has_room = |text: usize| text >= WINDOW;
        !self.usable || has_room(text.len()) && has_room(text.len() - self.clear(text))
    }

    pub(super) const fn is_usable(&self) -> bool {
        self.usable
    }

    fn has(&self, pair: [u8; 2]) -> bool {
        let (word, bit) = place(pair);
        self.pairs.get(word).is_some_and(|set| set & bit != 0)
    }

    /// Length of the beginning of `text` in which no run begins, escaped or not. Stops before the
    /// first character that might begin an escape.
    pub(super) fn clear(&self, text: &[u8]) -> usize {
        if !self.usable {
            return 0;
        }
        let text = text.get(..unescaped(text)).unwrap_or_default();
        let mut at = 0;
        while let Some(window) = text.get(at..at + WINDOW) {
            // From the right: the further right the pair that is not the key's, the longer the leap.
            match window.array_windows().rposition(|pair| !self.has(*pair)) {
                Some(last) => at += last + 1,
                None => return at,
            }
        }
        at
    }
}

impl core::fmt::Debug for Skim {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Skim([redacted])")
    }
}

const fn place([first, second]: [u8; 2]) -> (usize, u64) {
    let hash = ((first as usize) << 4 ^ (second as usize)) & MASK;
    (hash / 64, 1 << (hash % 64))
}

/// Length of the run without a backslash or percent sign.
fn unescaped(text: &[u8]) -> usize {
    let special = |byte: &u8| matches!(byte, b'\\' | b'%');
    let mut at = 0;
    // A block without an early exit is looked at in a few vector instructions.
    for block in text.chunks(32) {
        if block
            .iter()
            .fold(false, |found, byte| found | special(byte))
        {
            break;
        }
        at += block.len();
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::Scrubber;
    use proptest::prelude::*;

    const SECRET: &[u8] = b"q7Zr2WtLx9Vb4NcMs8Kd_-FgHjPqYuTe6Ra1";

    #[test]
    fn no_run_is_passed_over() {
        let skim = Skim::new(SECRET);
        for run in SECRET.windows(WINDOW) {
            for before in 0..40 {
                for after in [0, 1, 7, 30] {
                    let text = [&vec![b'-'; before][..], run, &vec![b' '; after]].concat();
                    assert!(skim.clear(&text) <= before, "{before} {after}");
                }
            }
        }
    }

    #[test]
    fn most_of_a_text_is_passed_over_up_to_an_escape() {
        let skim = Skim::new(SECRET);
        let text = br#"data: {"id":"chatcmpl-123","choices":[{"delta":{"content":"Good \u0041 morning"}}]}"#;
        let escape = text.iter().position(|&byte| byte == b'\\').unwrap();
        let clear = skim.clear(text);
        assert!(
            clear <= escape && clear > escape - WINDOW,
            "{clear} of {escape}"
        );
        assert_eq!(skim.clear(b"%41"), 0);
    }

    #[test]
    fn a_text_is_cleared_only_when_it_holds_no_run() {
        let skim = Skim::new(SECRET);
        for text in [
            "",
            "application/json",
            "req_0123456789abcdef",
            "q7Zr2Wt",
            "\\u0071",
        ] {
            assert!(!skim.may_hold(text.as_bytes()), "{text}");
        }
        for text in [
            "q7Zr2WtL",
            "id=Vb4NcMs8;",
            "https://a.example/%71%37Zr2WtLx",
        ] {
            assert!(skim.may_hold(text.as_bytes()), "{text}");
        }
        assert!(Skim::new(b"short").may_hold(b""));
    }

    #[test]
    fn a_short_key_is_never_skimmed() {
        assert_eq!(Skim::new(b"short").clear(&[b' '; 100]), 0);
    }

    #[test]
    fn the_first_escape_is_found_wherever_it_stands() {
        for at in 0..100 {
            let mut text = vec![b'a'; 100];
            text[at] = if at % 2 == 0 { b'\\' } else { b'%' };
            assert_eq!(unescaped(&text), at);
        }
        assert_eq!(unescaped(&[b'a'; 100]), 100);
    }

    /// Pieces of the key, escapes, and stretches of neither.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let escaped = |part: &[u8], percent: bool| -> Vec<u8> {
            let one = |byte: &u8| {
                if percent {
                    format!("%{byte:02X}")
                } else {
                    format!("\\u{byte:04x}")
                }
            };
            part.iter().map(one).collect::<String>().into_bytes()
        };
        let part = (0..SECRET.len(), 1..12_usize)
            .prop_map(|(from, length)| SECRET[from..(from + length).min(SECRET.len())].to_vec());
        let piece = prop_oneof![
            4 => part.clone(),
            1 => part.clone().prop_map(move |part| escaped(&part, false)),
            1 => part.prop_map(move |part| escaped(&part, true)),
            1 => Just(b"\\".to_vec()),
            1 => Just(b"\\\"".to_vec()),
            1 => Just(b"%2".to_vec()),
            3 => "[ -~]{0,40}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn leaping_changes_nothing(text in texts(), size in 1..200_usize) {
            let mut leaping = Scrubber::new(SECRET);
            let mut closely = Scrubber::new(SECRET);
            closely.skim.usable = false;
            for chunk in text.chunks(size) {
                prop_assert_eq!(leaping.feed(chunk), closely.feed(chunk));
            }
            prop_assert_eq!(leaping.finish(), closely.finish());
        }
    }
}
