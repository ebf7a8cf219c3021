//! The primitives one by one, so that the official vectors can be run on what every pass of the
//! module's build has made of them. What ships is built without this.

use js_sys::{Array, Uint8Array};
use keyferry_protocol::sealed;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::hazmat;

/// Runs a primitive on byte strings. A derived key is as long as the last input; an iteration count
/// is four bytes, big-endian. `undefined` when the primitive refuses its input, or is not known.
#[wasm_bindgen]
pub fn primitive(name: &str, inputs: Array) -> Option<Vec<u8>> {
    let input = |at| Uint8Array::new(&inputs.get(at)).to_vec();
    let fixed = |at| <[u8; 32]>::try_from(input(at)).ok();
    match name {
        "seal" => {
            let mut buffer = input(3);
            let nonce = input(1).try_into().ok()?;
            hazmat::seal(&fixed(0)?, &nonce, &input(2), &mut buffer).ok()?;
            Some(buffer)
        }
        "open" => {
            let mut buffer = input(3);
            let nonce = input(1).try_into().ok()?;
            hazmat::open(&fixed(0)?, &nonce, &input(2), &mut buffer).ok()?;
            Some(buffer)
        }
        "hmac" => hazmat::hmac_sha256(&input(0), &[&input(1)])
            .ok()
            .map(Vec::from),
        "hmac verify" => hazmat::verify_hmac_sha256(&input(0), &[&input(1)], &input(2))
            .ok()
            .map(|()| Vec::new()),
        "hkdf" => {
            let mut out = input(3);
            hazmat::derive_key(&input(0), &input(1), &input(2), &mut out).ok()?;
            Some(out)
        }
        "pbkdf2" => {
            let mut out = input(3);
            let iterations = u32::from_be_bytes(input(2).try_into().ok()?);
            hazmat::derive_pbkdf2_sha256(&input(0), &input(1), iterations, &mut out).ok()?;
            Some(out)
        }
        "hpke" => {
            let (enc, secret) =
                sealed::encapsulate(&fixed(0)?, &input(1), &input(2), fixed(3)?).ok()?;
            Some([enc, *secret].concat())
        }
        "ed25519" => {
            let signature = input(2).try_into().ok()?;
            sealed::verify(&fixed(0)?, &input(1), &signature).then(Vec::new)
        }
        _ => None,
    }
}
