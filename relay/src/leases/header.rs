//! What everything that is encrypted under the ring begins with, leases and jobs alike:
//!
//! ```text
//! version 1 │ length, name of the ring's entry
//! ```

use super::ring::LeaseKeys;
use crate::handle::HandleId;

const VERSION: u8 = 1;

/// The header of what is made now, and the server's key for it.
pub(crate) fn current(keys: &LeaseKeys) -> Option<(Vec<u8>, &[u8; 32])> {
    let (name, server) = keys.current();
    let mut header = vec![VERSION, u8::try_from(name.len()).ok()?];
    header.extend_from_slice(name.as_bytes());
    Some((header, server))
}

/// Bytes of a header, once the first two are known.
pub(crate) fn length(begin: &[u8]) -> Option<usize> {
    let &[version, name] = begin.first_chunk()?;
    (version == VERSION).then(|| 2 + usize::from(name))
}

/// Header, server's key and rest of what was stored, whichever entry of the ring it was made under.
pub(crate) fn split<'v, 'k>(
    keys: &'k LeaseKeys,
    value: &'v [u8],
) -> Option<(&'v [u8], &'k [u8; 32], &'v [u8])> {
    let (header, rest) = value.split_at_checked(length(value)?)?;
    let server = keys.get(header.get(2..)?)?;
    Some((header, server, rest))
}

/// The associated data of what begins with `header`. The name's length and the id's make the
/// joints unambiguous.
pub(crate) fn bound(header: &[u8], id: impl HandleId, more: &[u8]) -> Vec<u8> {
    [header, id.as_bytes(), more].concat()
}
