//! base64url without padding (RFC 4648 §5), strict.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Writes bytes as text.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = 0u32;
        for index in 0..3 {
            group = group << 8 | u32::from(chunk.get(index).copied().unwrap_or(0));
        }
        for index in 0..=chunk.len() {
            let sextet = (group >> (18 - 6 * index)) as usize & 63;
            out.push(char::from(ALPHABET.get(sextet).copied().unwrap_or(b'A')));
        }
    }
    out
}

/// Reads text as bytes. One text only stands for given bytes: padding, foreign characters and
/// bits left over are refused.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    for group in groups {
        let [_, bytes @ ..] = join(*group)?.to_be_bytes();
        out.extend_from_slice(&bytes);
    }
    // Two or three characters stand for one or two bytes; what they have more is zero.
    let mut last = [b'A'; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let [_, bytes @ ..] = join(last)?.to_be_bytes();
    let (whole, left) = bytes.split_at_checked(rest.len() * 3 / 4)?;
    out.extend_from_slice(whole);
    left.iter().all(|byte| *byte == 0).then_some(out)
}

/// Value of each character; those that are none have a bit no value has.
const VALUES: [u8; 256] = {
    let mut values = [FOREIGN; 256];
    let mut value = 0;
    while value < 64 {
        #[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // a constant's
        {
            values[ALPHABET[value] as usize] = value as u8;
        }
        value += 1;
    }
    values
};
const FOREIGN: u8 = 0x80;

/// Three bytes of four characters.
fn join(group: [u8; 4]) -> Option<u32> {
    let values = group.map(|byte| VALUES.get(usize::from(byte)).copied().unwrap_or(FOREIGN));
    let [a, b, c, d] = values;
    if (a | b | c | d) & FOREIGN != 0 {
        return None;
    }
    let [a, b, c, d] = values.map(u32::from);
    Some(a << 18 | b << 12 | c << 6 | d)
}

/// [`decode`] of a known length.
#[must_use]
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_vectors() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn every_length_reads_back_and_every_other_last_character_is_refused() {
        let bytes: Vec<u8> = (0..=255).rev().collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            let text = encode(bytes);
            assert_eq!(decode(&text).as_deref(), Some(bytes));
            let Some(kept) = text
                .get(..text.len().saturating_sub(1))
                .filter(|_| length > 0)
            else {
                continue;
            };
            for byte in 0..128_u8 {
                let other = format!("{kept}{}", char::from(byte));
                if let Some(read) = decode(&other) {
                    assert_eq!(encode(&read), other);
                }
            }
        }
    }

    #[test]
    fn second_spellings_are_refused() {
        for text in [
            "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v", "Z", "Zm9v\n", "Zm 9v", "\u{e9}",
        ] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
