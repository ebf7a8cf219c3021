//! What is stored of a job, each part encrypted under a key of its own:
//!
//! ```text
//! terms, payload     header │ ciphertext
//! results            header │ 32 fresh bytes │ ciphertext
//! ticket             header │ 32 fresh bytes │ ciphertext
//! audio              header │ chunks
//! ```
//!
//! All are AES-256-GCM under HKDF-SHA256 of the server's secret with the handle's secret as salt,
//! so that neither opens anything alone. The ticket is what lets a worker begin: handle and lease,
//! under the server's secret with fresh bytes as salt. It is there no longer than the lease, and
//! gone with the job's end.
//!
//! Associated data are the header, the job's id and, but for terms and ticket, the terms: whose
//! job it is, of which kind, until when. The purpose is in the key.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::JobHandle;
use super::terms::Terms;
use crate::hazmat::{ChunkKey, decrypt, derive_fresh_key, derive_key, encrypt};
use crate::leases::LeaseKeys;
use crate::leases::header::{self, bound};
use crate::secret::Secret;
use crate::store::JobId;
use keyferry_protocol::base64url;

const TERMS: &[u8] = b"keyferry/job/terms";
const PAYLOAD: &[u8] = b"keyferry/job/payload";
const RESULT: &[u8] = b"keyferry/job/result";
const TICKET: &[u8] = b"keyferry/job/ticket";
const AUDIO: &[u8] = b"keyferry/job/audio";
const FRESH: usize = 32;

/// What a worker needs beside the record. Wiped when dropped.
pub(super) struct Ticket {
    pub(super) handle: JobHandle,
    /// Handle of the lease that pays.
    pub(super) lease: Secret,
    /// The lease was made for this job, and ends with it.
    pub(super) own_lease: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketText {
    secret: String,
    lease: String,
    own: bool,
}

impl Drop for TicketText {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.lease.zeroize();
    }
}

/// Encrypts the terms.
pub(super) fn seal_terms(keys: &LeaseKeys, handle: &JobHandle, terms: &[u8]) -> Option<Vec<u8>> {
    let (header, server) = header::current(keys)?;
    let key = derive_key(server, handle.salt(), TERMS)?;
    let sealed = encrypt(key, &bound(&header, handle.id(), &[]), terms)?;
    Some([header, sealed].concat())
}

/// The inverse of [`seal_terms`].
pub(super) fn open_terms(keys: &LeaseKeys, handle: &JobHandle, value: &[u8]) -> Option<Terms> {
    let (header, server, sealed) = header::split(keys, value)?;
    let key = derive_key(server, handle.salt(), TERMS)?;
    Terms::from_bytes(&decrypt(key, &bound(header, handle.id(), &[]), sealed)?)
}

/// Encrypts what the job is to do.
pub(super) fn seal_payload(
    keys: &LeaseKeys,
    handle: &JobHandle,
    terms: &Terms,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let (header, server) = header::current(keys)?;
    let key = derive_key(server, handle.salt(), PAYLOAD)?;
    let aad = bound(&header, handle.id(), &terms.to_bytes());
    let sealed = encrypt(key, &aad, payload)?;
    Some([header, sealed].concat())
}

/// The inverse of [`seal_payload`].
pub(super) fn open_payload(
    keys: &LeaseKeys,
    handle: &JobHandle,
    terms: &Terms,
    value: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (header, server, sealed) = header::split(keys, value)?;
    let key = derive_key(server, handle.salt(), PAYLOAD)?;
    decrypt(key, &bound(header, handle.id(), &terms.to_bytes()), sealed)
}

/// Encrypts a result, or a part of one. Two workers that race may each make one: no two are made
/// under one key.
pub(super) fn seal_result(
    keys: &LeaseKeys,
    handle: &JobHandle,
    terms: &Terms,
    result: &[u8],
) -> Option<Vec<u8>> {
    let (header, server) = header::current(keys)?;
    let fresh = fresh()?;
    let key = derive_fresh_key(server, handle.salt(), RESULT, &fresh)?;
    let aad = bound(&header, handle.id(), &terms.to_bytes());
    let sealed = encrypt(key, &aad, result)?;
    Some([header.as_slice(), &fresh, &sealed].concat())
}

/// The inverse of [`seal_result`].
pub(super) fn open_result(
    keys: &LeaseKeys,
    handle: &JobHandle,
    terms: &Terms,
    value: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (header, server, rest) = header::split(keys, value)?;
    let (fresh, sealed) = rest.split_first_chunk::<FRESH>()?;
    let key = derive_fresh_key(server, handle.salt(), RESULT, fresh)?;
    decrypt(key, &bound(header, handle.id(), &terms.to_bytes()), sealed)
}

/// Encrypts the ticket, under the server's secret alone: see the module.
pub(super) fn seal_ticket(keys: &LeaseKeys, ticket: &Ticket) -> Option<Vec<u8>> {
    let (header, server) = header::current(keys)?;
    let text = TicketText {
        secret: base64url::encode(ticket.handle.salt()),
        // Exposed to be encrypted.
        lease: ticket.lease.expose_str()?.to_owned(),
        own: ticket.own_lease,
    };
    let plain = Zeroizing::new(serde_json::to_vec(&text).ok()?);
    let fresh = fresh()?;
    let key = derive_key(server, &fresh, TICKET)?;
    let sealed = encrypt(key, &bound(&header, ticket.handle.id(), &[]), &plain)?;
    Some([header.as_slice(), &fresh, &sealed].concat())
}

/// The inverse of [`seal_ticket`].
pub(super) fn open_ticket(keys: &LeaseKeys, id: JobId, value: &[u8]) -> Option<Ticket> {
    let (header, server, rest) = header::split(keys, value)?;
    let (fresh, sealed) = rest.split_first_chunk::<FRESH>()?;
    let key = derive_key(server, fresh, TICKET)?;
    let plain = decrypt(key, &bound(header, id, &[]), sealed)?;
    let mut text: TicketText = serde_json::from_slice(&plain).ok()?;
    let secret = Zeroizing::new(base64url::decode_array(&text.secret)?);
    Some(Ticket {
        handle: JobHandle::new(id, secret),
        lease: Secret::new(std::mem::take(&mut text.lease).into_bytes()),
        own_lease: text.own,
    })
}

/// How the job's audio is encrypted, and what precedes its first chunk. `subject` is whose it is.
pub(super) struct AudioKey {
    pub(super) chunks: ChunkKey,
    pub(super) aad: Vec<u8>,
}

/// For a new job.
pub(super) fn audio_key(
    keys: &LeaseKeys,
    handle: &JobHandle,
    subject: Option<&str>,
) -> Option<(Vec<u8>, AudioKey)> {
    let (header, server) = header::current(keys)?;
    let key = AudioKey {
        chunks: ChunkKey::derive(server, handle.salt(), AUDIO)?,
        aad: bound(&header, handle.id(), subject.unwrap_or_default().as_bytes()),
    };
    Some((header, key))
}

/// For the audio that begins with `header`.
pub(super) fn audio_key_of(
    keys: &LeaseKeys,
    handle: &JobHandle,
    subject: Option<&str>,
    header: &[u8],
) -> Option<AudioKey> {
    let (header, server, _) = header::split(keys, header)?;
    Some(AudioKey {
        chunks: ChunkKey::derive(server, handle.salt(), AUDIO)?,
        aad: bound(header, handle.id(), subject.unwrap_or_default().as_bytes()),
    })
}

fn fresh() -> Option<[u8; FRESH]> {
    let mut fresh = [0; FRESH];
    getrandom::fill(&mut fresh).ok()?;
    Some(fresh)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::super::terms::Kind;
    use super::*;
    use crate::config::SecretSettings;

    const CANARY: &[u8] = b"CANARYcanaryCANARYcanary";

    fn keys(byte: u8) -> LeaseKeys {
        let entry = format!("a:{}", STANDARD.encode([byte; 32]));
        let settings = SecretSettings {
            current: Some(Secret::new(entry.into_bytes())),
            ..SecretSettings::default()
        };
        LeaseKeys::new(&settings, None).unwrap()
    }

    fn terms(subject: &str) -> Terms {
        Terms {
            subject: Some(subject.to_owned()),
            kind: Kind::Chat,
            provider: "openai".to_owned(),
            expires_at: 1,
        }
    }

    #[test]
    fn every_part_needs_both_secrets_its_id_and_its_terms() {
        let (ours, theirs) = (keys(1), keys(2));
        let handle = JobHandle::generate().unwrap();
        let foreign = JobHandle::generate().unwrap();
        let other_id = JobHandle::new(foreign.id(), Zeroizing::new(*handle.salt()));
        let (mine, yours) = (terms("a"), terms("b"));
        let payload = seal_payload(&ours, &handle, &mine, CANARY).unwrap();
        let result = seal_result(&ours, &handle, &mine, CANARY).unwrap();
        assert_eq!(
            *open_payload(&ours, &handle, &mine, &payload).unwrap(),
            CANARY
        );
        assert_eq!(
            *open_result(&ours, &handle, &mine, &result).unwrap(),
            CANARY
        );
        for (keys, handle, terms) in [
            (&theirs, &handle, &mine),
            (&ours, &foreign, &mine),
            (&ours, &other_id, &mine),
            (&ours, &handle, &yours),
        ] {
            assert!(open_payload(keys, handle, terms, &payload).is_none());
            assert!(open_result(keys, handle, terms, &result).is_none());
        }
        // One part never passes for the other.
        assert!(open_payload(&ours, &handle, &mine, &result).is_none());
        let sealed = seal_terms(&ours, &handle, &mine.to_bytes()).unwrap();
        assert!(open_terms(&ours, &handle, &sealed).is_some());
        assert!(open_terms(&theirs, &handle, &sealed).is_none());
        assert!(open_terms(&ours, &other_id, &sealed).is_none());
    }

    #[test]
    fn no_two_results_share_a_key() {
        let (keys, handle) = (keys(1), JobHandle::generate().unwrap());
        let one = seal_result(&keys, &handle, &terms("a"), CANARY).unwrap();
        let two = seal_result(&keys, &handle, &terms("a"), CANARY).unwrap();
        assert_ne!(one, two);
        assert_ne!(one[one.len() - 16..], two[two.len() - 16..]);
    }

    #[test]
    fn a_ticket_opens_with_the_servers_secret_for_its_job_only() {
        let (ours, theirs) = (keys(1), keys(2));
        let handle = JobHandle::generate().unwrap();
        let (id, secret) = (handle.id(), *handle.salt());
        let ticket = Ticket {
            handle,
            lease: Secret::new(b"kfl_x.y".to_vec()),
            own_lease: true,
        };
        let value = seal_ticket(&ours, &ticket).unwrap();
        let read = open_ticket(&ours, id, &value).unwrap();
        assert_eq!(*read.handle.salt(), secret);
        assert_eq!(
            (read.lease.expose(), read.own_lease),
            (&b"kfl_x.y"[..], true)
        );
        assert!(open_ticket(&theirs, id, &value).is_none());
        let other = JobHandle::generate().unwrap();
        assert!(open_ticket(&ours, other.id(), &value).is_none());
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 1;
            assert!(open_ticket(&ours, id, &changed).is_none(), "byte {at}");
        }
    }

    #[test]
    fn nothing_is_readable() {
        let (keys, handle) = (keys(1), JobHandle::generate().unwrap());
        let value = seal_payload(&keys, &handle, &terms("a"), CANARY).unwrap();
        for window in CANARY.windows(4) {
            assert!(!value.windows(4).any(|seen| seen == window));
        }
    }
}
