//! Official vectors, run natively and in the browser on the same code.

#[cfg(not(target_arch = "wasm32"))]
use core::prelude::v1::test as vector_test;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as vector_test;

use super::*;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn lines(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').collect())
}

#[vector_test]
fn aes_256_gcm() {
    let mut count = [0, 0];
    for fields in lines(include_str!("../../tests/vectors/aes-256-gcm.txt")) {
        let [verdict, key, nonce, aad, text, sealed] = fields[..] else {
            panic!("six fields")
        };
        let key: [u8; 32] = unhex(key).try_into().unwrap();
        let nonce: Nonce = unhex(nonce).try_into().unwrap();
        let (aad, text, sealed) = (unhex(aad), unhex(text), unhex(sealed));
        let mut opened = sealed.clone();
        let result = open(&key, &nonce, &aad, &mut opened);
        if verdict == "valid" {
            assert_eq!((result, &opened), (Ok(()), &text));
            let mut buffer = text;
            assert_eq!(seal(&key, &nonce, &aad, &mut buffer), Ok(()));
            assert_eq!(buffer, sealed);
            count[0] += 1;
        } else {
            assert_eq!((result, &opened), (Err(Refused), &sealed), "left as it was");
            count[1] += 1;
        }
    }
    assert_eq!(count, [21, 27]);
}

#[vector_test]
fn hmac() {
    let mut count = 0;
    for fields in lines(include_str!("../../tests/vectors/hmac-sha256.txt")) {
        let [key, message, tag] = fields[..] else {
            panic!("three fields")
        };
        let (key, message, tag) = (unhex(key), unhex(message), unhex(tag));
        let computed = hmac_sha256(&key, &[&message]).unwrap();
        assert!(computed.starts_with(&tag));
        if tag.len() == 32 {
            let (head, tail) = message.split_at(message.len() / 2);
            assert_eq!(verify_hmac_sha256(&key, &[head, tail], &tag), Ok(()));
            let mut altered = tag.clone();
            altered[31] ^= 1;
            assert_eq!(
                verify_hmac_sha256(&key, &[&message], &altered),
                Err(Refused)
            );
        } else {
            assert_eq!(
                verify_hmac_sha256(&key, &[&message], &tag),
                Err(Refused),
                "no truncation"
            );
        }
        count += 1;
    }
    assert_eq!(count, 73);
}

#[vector_test]
fn hkdf() {
    let mut count = 0;
    for fields in lines(include_str!("../../tests/vectors/hkdf-sha256.txt")) {
        let [ikm, salt, info, okm] = fields[..] else {
            panic!("four fields")
        };
        let okm = unhex(okm);
        let mut out = vec![0; okm.len()];
        derive_key(&unhex(ikm), &unhex(salt), &unhex(info), &mut out).unwrap();
        assert_eq!(out, okm);
        count += 1;
    }
    assert!(count > 80, "{count}");
    let mut too_long = vec![0; 255 * 32 + 1];
    assert_eq!(
        derive_key(b"ikm", b"salt", b"info", &mut too_long),
        Err(Refused)
    );
}

#[vector_test]
fn pbkdf2() {
    for fields in lines(include_str!("../../tests/vectors/pbkdf2-hmac-sha256.txt")) {
        let [password, salt, iterations, expected] = fields[..] else {
            panic!("four fields")
        };
        let expected = unhex(expected);
        let mut out = vec![0; expected.len()];
        let iterations = iterations.parse().unwrap();
        derive_pbkdf2_sha256(&unhex(password), &unhex(salt), iterations, &mut out).unwrap();
        assert_eq!(out, expected);
    }
}

#[vector_test]
fn sha_256() {
    // FIPS 180-4 example: "abc", whole and in parts.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256(&[b"abc"]).to_vec(), unhex(expected));
    assert_eq!(sha256(&[b"a", b"", b"bc"]).to_vec(), unhex(expected));
}
