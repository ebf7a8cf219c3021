//! Passwords: one form for what is typed on different keyboards, and a floor for their strength.

use zeroize::Zeroizing;

use keyferry_protocol::text;

use crate::{error::Error, platform::Text, secret::Secret};

/// This many characters are enough, whatever they are.
const LONG_ENOUGH: usize = 12;
/// Shorter passwords need this score.
const MIN_SCORE: u8 = 3;
/// Longer ones are an accident or an attack.
const MAX_BYTES: usize = 1024;

/// Pieces so common that each counts as one guess among about a hundred.
const COMMON: [&str; 24] = [
    "password", "passwort", "passwd", "qwerty", "qwertz", "azerty", "letmein", "welcome", "admin",
    "login", "master", "dragon", "monkey", "iloveyou", "princess", "football", "baseball",
    "sunshine", "shadow", "superman", "asdf", "zxcv", "keyferry", "secret",
];

/// The bytes a password is derived from: NFKC (UAX #15), so that a composed and a decomposed `é`
/// are the same.
///
/// # Errors
/// [`Error::WrongPassword`] when the bytes are no UTF-8 or beyond any password's length: such input
/// never created a vault.
pub(crate) fn normalize(text: &impl Text, typed: &[u8]) -> Result<Secret, Error> {
    if typed.len() > MAX_BYTES {
        return Err(Error::WrongPassword);
    }
    // NFKC leaves ASCII as it is: the usual password never becomes a string of the platform.
    if typed.is_ascii() {
        return Ok(Secret::copy_of(typed));
    }
    let typed = std::str::from_utf8(typed).map_err(|_| Error::WrongPassword)?;
    let normal = Zeroizing::new(text.nfkc(typed));
    Ok(Secret::copy_of(normal.as_bytes()))
}

/// Refuses what is too easy to guess. Takes the normalised form.
///
/// # Errors
/// [`Error::WeakPassword`].
pub(crate) fn check(password: &Secret) -> Result<(), Error> {
    // Counting characters and scoring read the text; nothing is kept.
    let text = std::str::from_utf8(password.expose()).map_err(|_| Error::WeakPassword)?;
    if text.trim().is_empty() {
        return Err(Error::WeakPassword);
    }
    if characters(text) >= LONG_ENOUGH || score(text) >= MIN_SCORE {
        Ok(())
    } else {
        Err(Error::WeakPassword)
    }
}

/// 0 to 4, from an estimate of the bits a guesser has to get right: below 20, 35, 50 and 65.
///
/// Deliberately simple and pessimistic: characters that follow from the one before (repeats,
/// alphabet and digit runs) and common words count next to nothing.
#[must_use]
pub(crate) fn score(password: &str) -> u8 {
    let mut rest = Zeroizing::new(password.to_ascii_lowercase());
    let mut tenths: u32 = 0;
    for word in COMMON {
        if let Some((before, behind)) = text::split_once(&rest, word) {
            rest = Zeroizing::new([before, behind].concat());
            tenths += 70;
        }
    }

    let pool = [
        (password.chars().any(|c| c.is_ascii_lowercase()), 26),
        (password.chars().any(|c| c.is_ascii_uppercase()), 26),
        (password.chars().any(|c| c.is_ascii_digit()), 10),
        (
            password
                .chars()
                .any(|c| c.is_ascii() && !c.is_ascii_alphanumeric()),
            33,
        ),
        (!password.is_ascii(), 100),
    ];
    let pool: u32 = pool
        .iter()
        .filter(|(present, _)| *present)
        .map(|(_, size)| size)
        .sum();
    let per_character = tenths_of_log2(pool);

    // Changes of case inside words are what makes letters in a row hard to guess.
    let words = !password.chars().any(|c| c.is_ascii_uppercase())
        || !password.chars().any(|c| c.is_ascii_lowercase());
    let mut before: Option<char> = None;
    let mut seen: Zeroizing<Vec<char>> = Zeroizing::default();
    for character in rest.chars() {
        let predictable =
            before.is_some_and(|before| u32::from(before).abs_diff(u32::from(character)) <= 1);
        let repeated = seen.contains(&character);
        // Letters in a row are mostly words: English has about 2 to 3 bits a letter.
        let in_word = before.is_some_and(|before| is_letter(before) && is_letter(character));
        tenths += if predictable {
            10
        } else if in_word && words {
            per_character.min(30)
        } else if repeated {
            per_character / 2
        } else {
            per_character
        };
        seen.push(character);
        before = Some(character);
    }
    match tenths / 10 {
        0..20 => 0,
        20..35 => 1,
        35..50 => 2,
        50..65 => 3,
        _ => 4,
    }
}

/// Whether it may be a letter; all that is not ASCII counts as one, without tables.
fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || !character.is_ascii()
}

/// How many characters: bytes that begin one (RFC 3629 §3).
fn characters(text: &str) -> usize {
    text.bytes().filter(|byte| byte & 0xc0 != 0x80).count()
}

/// 10 × log2, rounded down to whole bits of the next finer table step.
fn tenths_of_log2(pool: u32) -> u32 {
    match pool {
        0..=10 => 33,
        11..=26 => 47,
        27..=36 => 51,
        37..=52 => 57,
        53..=69 => 60,
        70..=95 => 65,
        _ => 72,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::HostText;

    fn accepted(typed: &str) -> bool {
        check(&normalize(&HostText, typed.as_bytes()).unwrap()).is_ok()
    }

    #[test]
    fn twelve_characters_are_enough_and_characters_are_not_bytes() {
        assert!(accepted("correct horse"));
        assert!(accepted("twelve chars"));
        assert!(!accepted("eleven char"));
        assert!(!accepted("ääääääääää"), "ten characters in twenty bytes");
    }

    #[test]
    fn shorter_ones_must_be_hard_to_guess() {
        for weak in [
            "",
            " ",
            "            ",
            "password1!",
            "qwerty12345",
            "aaaaaaaaaaa",
            "abcdefghij",
            "Passw0rd",
        ] {
            assert!(!accepted(weak), "{weak:?}");
        }
        for strong in ["k7#Qw!x9Zp", "vR$2mZ!8qT"] {
            assert!(accepted(strong), "{strong:?}");
        }
    }

    #[test]
    fn composed_and_decomposed_are_one_password() {
        let composed = normalize(&HostText, "pässwört-für-mich".as_bytes()).unwrap();
        let decomposed = normalize(
            &HostText,
            "pa\u{308}sswo\u{308}rt-fu\u{308}r-mich".as_bytes(),
        )
        .unwrap();
        assert!(composed == decomposed);
        let wide = normalize(&HostText, "ｐａｓｓ".as_bytes()).unwrap();
        assert!(wide == Secret::copy_of(b"pass"));
    }

    #[test]
    fn impossible_input_is_a_wrong_password() {
        assert_eq!(
            normalize(&HostText, &[0xff, 0xfe]).err(),
            Some(Error::WrongPassword)
        );
        assert_eq!(
            normalize(&HostText, &[b'a'; 2000]).err(),
            Some(Error::WrongPassword)
        );
    }
}
