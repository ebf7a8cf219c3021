//! Audio on its way into the store and out of it, encrypted in chunks, so that no file is ever held
//! whole.

use super::super::envelope::AudioKey;
use crate::hazmat::TAG;

/// Plaintext bytes of every chunk but the last.
const CHUNK: usize = 64 * 1024;

/// Turns plaintext into chunks. One is always held back: the last is marked as such.
pub(in crate::jobs) struct Sealing {
    key: AudioKey,
    held: Vec<u8>,
}

impl Sealing {
    pub(in crate::jobs) fn new(key: AudioKey) -> Self {
        Self {
            key,
            held: Vec::new(),
        }
    }

    /// What can be stored now that `data` is there.
    pub(in crate::jobs) fn push(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.held.extend_from_slice(data);
        while self.held.len() > CHUNK {
            let rest = self.held.split_off(CHUNK);
            let chunk = std::mem::replace(&mut self.held, rest);
            out.append(&mut self.key.chunks.encrypt(&self.key.aad, &chunk, false)?);
        }
        Some(out)
    }

    /// What is to be stored at the end.
    pub(in crate::jobs) fn finish(mut self) -> Option<Vec<u8>> {
        self.key.chunks.encrypt(&self.key.aad, &self.held, true)
    }
}

/// The inverse of [`Sealing`].
pub(in crate::jobs) struct Opening {
    key: AudioKey,
    held: Vec<u8>,
}

impl Opening {
    pub(in crate::jobs) fn new(key: AudioKey) -> Self {
        Self {
            key,
            held: Vec::new(),
        }
    }

    /// The plaintext that is certain now that `data` is there; `None` when it was changed.
    pub(in crate::jobs) fn push(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.held.extend_from_slice(data);
        while self.held.len() > CHUNK + TAG {
            let rest = self.held.split_off(CHUNK + TAG);
            let chunk = std::mem::replace(&mut self.held, rest);
            out.append(&mut self.key.chunks.decrypt(&self.key.aad, &chunk, false)?);
        }
        Some(out)
    }

    /// The rest; `None` when something is missing or was changed.
    pub(in crate::jobs) fn finish(mut self) -> Option<Vec<u8>> {
        self.key.chunks.decrypt(&self.key.aad, &self.held, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hazmat::ChunkKey;

    fn key() -> AudioKey {
        AudioKey {
            chunks: ChunkKey::derive(&[1; 32], &[2; 32], b"audio").unwrap(),
            aad: b"id".to_vec(),
        }
    }

    fn sealed(plain: &[u8], step: usize) -> Vec<u8> {
        let mut sealing = Sealing::new(key());
        let mut out = Vec::new();
        for part in plain.chunks(step) {
            out.extend(sealing.push(part).unwrap());
        }
        out.extend(sealing.finish().unwrap());
        out
    }

    fn opened(sealed: &[u8], step: usize) -> Option<Vec<u8>> {
        let mut opening = Opening::new(key());
        let mut out = Vec::new();
        for part in sealed.chunks(step) {
            out.extend(opening.push(part)?);
        }
        out.extend(opening.finish()?);
        Some(out)
    }

    #[test]
    fn any_length_in_any_steps_comes_back() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
            let plain: Vec<u8> = (0..length)
                .map(|at| u8::try_from(at % 251).unwrap())
                .collect();
            let whole = sealed(&plain, 1_000);
            assert_eq!(whole, sealed(&plain, CHUNK * 2));
            for step in [777, CHUNK, CHUNK + TAG, whole.len().max(1)] {
                assert_eq!(opened(&whole, step).unwrap(), plain, "{length} by {step}");
            }
        }
    }

    #[test]
    fn what_is_cut_swapped_or_changed_does_not_open() {
        let plain = vec![7; 2 * CHUNK + 100];
        let whole = sealed(&plain, 4_096);
        let size = CHUNK + TAG;
        for cut in [0, 10, size, 2 * size, whole.len() - 1] {
            assert!(opened(&whole[..cut], 4_096).is_none(), "cut at {cut}");
        }
        let swapped = [&whole[size..2 * size], &whole[..size], &whole[2 * size..]].concat();
        assert!(opened(&swapped, 4_096).is_none());
        for at in [0, size - 1, size, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, 4_096).is_none(), "byte {at}");
        }
    }
}
