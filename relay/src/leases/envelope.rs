//! A lease as it is stored:
//!
//! ```text
//! header │ length, terms │ key
//! ```
//!
//! Terms and key are each AES-256-GCM under a key of their own, HKDF-SHA256 of the server's secret
//! with the handle's secret as salt. The associated data of the terms are header and lease's id,
//! those of the key also the terms (subject, provider, expiry, limits): a key opens under the terms
//! it was leased under and no others.

use zeroize::Zeroizing;

use super::Handle;
use super::header::{self, bound};
use super::ring::LeaseKeys;
use crate::hazmat::{decrypt, derive_key, encrypt};
use crate::secret::Secret;

const TERMS: &[u8] = b"keyferry/lease/terms";
const KEY: &[u8] = b"keyferry/lease/key";

/// Seals `terms` and `key` under the current entry of the ring.
pub(super) fn seal(keys: &LeaseKeys, handle: &Handle, terms: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let (header, server) = header::current(keys)?;
    let sealed_terms = encrypt(
        derive_key(server, handle.salt(), TERMS)?,
        &bound(&header, handle.id(), &[]),
        terms,
    )?;
    let sealed_key = encrypt(
        derive_key(server, handle.salt(), KEY)?,
        &bound(&header, handle.id(), terms),
        key,
    )?;
    let length = u16::try_from(sealed_terms.len()).ok()?.to_be_bytes();
    Some([&header, length.as_slice(), &sealed_terms, &sealed_key].concat())
}

/// Opens what [`seal`] made.
pub(super) fn open(
    keys: &LeaseKeys,
    handle: &Handle,
    value: &[u8],
) -> Option<(Zeroizing<Vec<u8>>, Secret)> {
    let (header, server, rest) = header::split(keys, value)?;
    let (&terms_length, rest) = rest.split_first_chunk()?;
    let (sealed_terms, sealed_key) =
        rest.split_at_checked(usize::from(u16::from_be_bytes(terms_length)))?;
    let terms = decrypt(
        derive_key(server, handle.salt(), TERMS)?,
        &bound(header, handle.id(), &[]),
        sealed_terms,
    )?;
    let mut key = decrypt(
        derive_key(server, handle.salt(), KEY)?,
        &bound(header, handle.id(), &terms),
        sealed_key,
    )?;
    Some((terms, Secret::new(std::mem::take(&mut *key))))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::config::SecretSettings;

    const CANARY: &[u8] = b"sk-proj-CANARYcanaryCANARY0123456789";
    const TERMS: &[u8] = b"{\"provider\":\"openai\"}";

    fn entry(name: &str, byte: u8) -> Secret {
        Secret::new(format!("{name}:{}", STANDARD.encode([byte; 32])).into_bytes())
    }

    fn keys(current: Option<Secret>, accept: Vec<Secret>) -> LeaseKeys {
        let settings = SecretSettings {
            current,
            accept,
            ..SecretSettings::default()
        };
        LeaseKeys::new(&settings, None).unwrap()
    }

    fn opens(keys: &LeaseKeys, handle: &Handle, value: &[u8]) -> bool {
        open(keys, handle, value).is_some()
    }

    /// The handle with another secret, or another id.
    fn twisted(handle: &Handle, part: &str) -> Handle {
        let other = Handle::generate().unwrap();
        let (own, others) = (handle.text(), other.text());
        let (id, secret) = own.split_once('.').unwrap();
        let (other_id, other_secret) = others.split_once('.').unwrap();
        let text = match part {
            "secret" => format!("{id}.{other_secret}"),
            _ => format!("{other_id}.{secret}"),
        };
        Handle::parse(&Secret::new(text.into_bytes())).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_both_secrets() {
        let keys = keys(Some(entry("a", 1)), Vec::new());
        let handle = Handle::generate().unwrap();
        let value = seal(&keys, &handle, TERMS, CANARY).unwrap();
        let (terms, key) = open(&keys, &handle, &value).unwrap();
        assert_eq!((terms.as_slice(), key.expose()), (TERMS, CANARY));
    }

    #[test]
    fn neither_secret_opens_it_alone() {
        let ring = keys(Some(entry("a", 1)), Vec::new());
        let handle = Handle::generate().unwrap();
        let value = seal(&ring, &handle, TERMS, CANARY).unwrap();
        // The server's secret and all that is stored, without the handle's.
        assert!(!opens(&ring, &twisted(&handle, "secret"), &value));
        let proof = Zeroizing::new(handle.proof());
        let guess = format!(
            "kfl_{}.{}",
            handle.id(),
            keyferry_protocol::base64url::encode(&*proof)
        );
        let guess = Handle::parse(&Secret::new(guess.into_bytes())).unwrap();
        assert!(!opens(&ring, &guess, &value));
        // The handle and all that is stored, under another server's secret of the same name.
        assert!(!opens(
            &keys(Some(entry("a", 2)), Vec::new()),
            &handle,
            &value
        ));
        assert!(!opens(&keys(None, Vec::new()), &handle, &value));
    }

    #[test]
    fn it_belongs_to_its_id() {
        let keys = keys(Some(entry("a", 1)), Vec::new());
        let handle = Handle::generate().unwrap();
        let value = seal(&keys, &handle, TERMS, CANARY).unwrap();
        assert!(!opens(&keys, &twisted(&handle, "id"), &value));
    }

    #[test]
    fn no_byte_of_it_can_be_changed_or_left_out() {
        let keys = keys(Some(entry("a", 1)), Vec::new());
        let handle = Handle::generate().unwrap();
        let value = seal(&keys, &handle, TERMS, CANARY).unwrap();
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 1;
            assert!(!opens(&keys, &handle, &changed), "byte {at}");
            assert!(!opens(&keys, &handle, &value[..at]), "cut at {at}");
        }
    }

    #[test]
    fn terms_of_one_lease_do_not_fit_the_key_of_another() {
        let keys = keys(Some(entry("a", 1)), Vec::new());
        let handle = Handle::generate().unwrap();
        let narrow = seal(&keys, &handle, TERMS, CANARY).unwrap();
        // Even under the same handle, which never happens, terms cannot be exchanged.
        let wide = seal(&keys, &handle, b"{\"provider\":\"google\"}", CANARY).unwrap();
        assert_eq!(narrow.len(), wide.len());
        let split = narrow.len() - CANARY.len() - 16;
        let mixed = [&wide[..split], &narrow[split..]].concat();
        assert!(!opens(&keys, &handle, &mixed));
    }

    #[test]
    fn an_accepted_secret_still_opens_and_a_dropped_one_does_not() {
        let handle = Handle::generate().unwrap();
        let old = keys(Some(entry("a", 1)), Vec::new());
        let value = seal(&old, &handle, TERMS, CANARY).unwrap();
        let rotated = keys(Some(entry("b", 2)), vec![entry("a", 1)]);
        assert!(opens(&rotated, &handle, &value));
        assert!(!opens(
            &keys(Some(entry("b", 2)), Vec::new()),
            &handle,
            &value
        ));
        // An instance that was told of the next secret opens what is made under it.
        let next = seal(&rotated, &handle, TERMS, CANARY).unwrap();
        assert!(opens(
            &keys(Some(entry("a", 1)), vec![entry("b", 2)]),
            &handle,
            &next
        ));
    }

    #[test]
    fn a_process_without_secrets_keeps_its_own_over_reloads() {
        let handle = Handle::generate().unwrap();
        let first = keys(None, Vec::new());
        let value = seal(&first, &handle, TERMS, CANARY).unwrap();
        let settings = SecretSettings {
            current: Some(entry("a", 1)),
            ..SecretSettings::default()
        };
        let reloaded = LeaseKeys::new(&settings, Some(&first)).unwrap();
        assert!(opens(&reloaded, &handle, &value));
    }

    #[test]
    fn nothing_of_key_or_terms_is_readable() {
        let keys = keys(Some(entry("a", 1)), Vec::new());
        let handle = Handle::generate().unwrap();
        let value = seal(&keys, &handle, TERMS, CANARY).unwrap();
        for secret in [CANARY, TERMS] {
            for window in secret.windows(4) {
                assert!(!value.windows(4).any(|seen| seen == window));
            }
        }
    }
}
