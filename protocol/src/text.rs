//! Small things with texts. The standard library's own are made for speed or for every case, and
//! bring a substring search, character tables and the machinery of formatting into the vault's
//! module.

/// Where `wanted` begins in `text`.
#[must_use]
pub fn find(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes()
        .windows(wanted.len().max(1))
        .position(|part| part == wanted.as_bytes())
}

/// What stands before and after the first `separator`.
#[must_use]
pub fn split_once<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let at = find(text, separator)?;
    // Both ends of a match are boundaries of characters.
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// A number in decimal digits.
#[must_use]
pub fn decimal(number: u64) -> String {
    let mut digits = Vec::with_capacity(20);
    let mut rest = number;
    loop {
        // A remainder of ten is one byte.
        digits.extend((rest % 10).to_le_bytes().first().map(|digit| b'0' + digit));
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    digits.reverse();
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_standard_library_finds() {
        for text in ["", "a", "abab", "xäöü", "a://b://c", "://", " #"] {
            for wanted in ["a", "ab", "ö", "://", " #", "abc"] {
                assert_eq!(find(text, wanted), text.find(wanted), "{text} {wanted}");
                assert_eq!(split_once(text, wanted), text.split_once(wanted));
            }
        }
    }

    #[test]
    fn numbers_are_written_as_by_the_standard_library() {
        for number in [0, 9, 10, 109, 65_535, 1_800_000_000_000, u64::MAX] {
            assert_eq!(decimal(number), number.to_string());
        }
    }
}
