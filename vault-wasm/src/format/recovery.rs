//! Recovery codes: 128 random bits and a 22-bit checksum as 30 Crockford base32 digits in six
//! groups of five.

use zeroize::Zeroizing;

use crate::{error::Error, hazmat, platform::Random, secret::Secret};

/// Crockford's alphabet: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_LEN: usize = 16;
const DIGITS: usize = 30;
const GROUP: usize = 5;
const CHECKSUM_BITS: u32 = 22;
const CHECKSUM_LABEL: &[u8] = b"keyferry/v1/recovery-checksum";

/// The code's 128 bits.
#[derive(Debug)]
pub struct RecoveryCode(Secret);

impl RecoveryCode {
    /// A fresh random code.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(random: &impl Random) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new(vec![0; CODE_LEN]);
        random.fill(&mut bytes)?;
        Ok(Self(Secret::copy_of(&bytes)))
    }

    /// Reads what a person typed: case, spaces and hyphens don't matter, I and L are 1, O is 0.
    ///
    /// # Errors
    /// [`Error::BadRecoveryCode`] when it has other digits, another length, or a wrong checksum.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let mut bits = Zeroizing::new([0_u8; 19]);
        let mut digits = 0_usize;
        for &byte in text {
            let byte = match byte.to_ascii_uppercase() {
                b' ' | b'-' | b'\t' | b'\n' | b'\r' => continue,
                b'I' | b'L' => b'1',
                b'O' => b'0',
                other => other,
            };
            let value = ALPHABET
                .iter()
                .position(|&digit| digit == byte)
                .ok_or(Error::BadRecoveryCode)?;
            let value = u8::try_from(value).map_err(|_| Error::BadRecoveryCode)?;
            for bit in 0..5 {
                let at = digits * 5 + bit;
                if let Some(target) = bits.get_mut(at / 8) {
                    *target |= (value >> (4 - bit) & 1) << (7 - at % 8);
                }
            }
            digits += 1;
            if digits > DIGITS {
                return Err(Error::BadRecoveryCode);
            }
        }
        let code = Self(Secret::copy_of(bits.get(..CODE_LEN).unwrap_or_default()));
        if digits != DIGITS || code.to_bits() != *bits {
            return Err(Error::BadRecoveryCode);
        }
        Ok(code)
    }

    /// What a person writes down: `XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX`.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let bits = Zeroizing::new(self.to_bits());
        let mut text = Zeroizing::new(String::with_capacity(DIGITS + DIGITS / GROUP));
        for digit in 0..DIGITS {
            if digit > 0 && digit % GROUP == 0 {
                text.push('-');
            }
            let value = (0..5).fold(0_usize, |value, bit| {
                let at = digit * 5 + bit;
                let byte = bits.get(at / 8).copied().unwrap_or(0);
                value << 1 | usize::from(byte >> (7 - at % 8) & 1)
            });
            text.push(char::from(ALPHABET.get(value).copied().unwrap_or(b'0')));
        }
        text
    }

    /// The code's bits, from which the slot's KEK is derived.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose() // key derivation and display
    }

    /// Code ‖ checksum ‖ two zero bits.
    fn to_bits(&self) -> [u8; 19] {
        let mut bits = [0; 19];
        let digest = hazmat::sha256(&[CHECKSUM_LABEL, self.0.expose()]); // 22 bits of it are shown
        let kept = u32::from_be_bytes([0, digest[0], digest[1], digest[2]]) >> (24 - CHECKSUM_BITS);
        let [_, a, b, c] = (kept << (24 - CHECKSUM_BITS)).to_be_bytes();
        for (target, source) in bits
            .iter_mut()
            .zip(self.0.expose().iter().chain([&a, &b, &c]))
        {
            *target = *source;
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    #[test]
    fn what_is_shown_can_be_typed() {
        for seed in 0..50 {
            let code = RecoveryCode::generate(&SeededRandom::new(seed)).unwrap();
            let text = code.to_text();
            assert_eq!(text.len(), 35);
            let typed = text
                .to_lowercase()
                .replace('1', "l")
                .replace('0', "o")
                .replace('-', " ");
            assert_eq!(
                RecoveryCode::parse(typed.as_bytes()).unwrap().expose(),
                code.expose()
            );
        }
    }

    #[test]
    fn one_wrong_digit_is_noticed() {
        let code = RecoveryCode::generate(&SeededRandom::new(1)).unwrap();
        let text = code.to_text();
        for at in 0..text.len() {
            if text.as_bytes()[at] == b'-' {
                continue;
            }
            for &digit in ALPHABET {
                let mut typed = text.as_bytes().to_vec();
                if typed[at] != digit {
                    typed[at] = digit;
                    assert!(RecoveryCode::parse(&typed).is_err());
                }
            }
        }
    }

    #[test]
    fn wrong_lengths_and_digits_are_refused() {
        let text = RecoveryCode::generate(&SeededRandom::new(2))
            .unwrap()
            .to_text();
        assert!(RecoveryCode::parse(b"").is_err());
        assert!(RecoveryCode::parse(&text.as_bytes()[..34]).is_err());
        assert!(RecoveryCode::parse(format!("{}0", *text).as_bytes()).is_err());
        assert!(RecoveryCode::parse("ÄÄÄÄÄ".as_bytes()).is_err());
        assert!(RecoveryCode::parse(&[b'U'; 30]).is_err());
    }
}
