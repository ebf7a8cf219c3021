//! Session secrets that have proven themselves, so that X25519 is paid once per vault session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use keyferry_protocol::sealed::SessionSecret;

/// Sessions of one generation. Two generations at 100 bytes each are a few megabytes.
const GENERATION: usize = 16_384;

/// Sealing key id and encapsulation: one vault session.
type Name = (String, [u8; 32]);

/// A bounded map in two generations: a full young one becomes the old one, and what is used again
/// moves back. A miss costs time, never correctness.
pub(super) struct Sessions {
    generations: Mutex<Generations>,
    capacity: usize,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Name, Arc<SessionSecret>>,
    old: HashMap<Name, Arc<SessionSecret>>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            generations: Mutex::default(),
            capacity: GENERATION,
        }
    }

    /// The secret of a session seen before.
    pub(super) fn get(&self, kid: &str, enc: &[u8; 32]) -> Option<Arc<SessionSecret>> {
        let name = (kid.to_owned(), *enc);
        let mut generations = self.lock();
        if let Some(secret) = generations.young.get(&name) {
            return Some(Arc::clone(secret));
        }
        let secret = generations.old.remove(&name)?;
        self.insert(&mut generations, name, Arc::clone(&secret));
        Some(secret)
    }

    /// Keeps a secret. Only for sessions whose tag has verified: otherwise anyone could push the
    /// others out.
    pub(super) fn keep(&self, kid: &str, enc: &[u8; 32], secret: Arc<SessionSecret>) {
        let mut generations = self.lock();
        self.insert(&mut generations, (kid.to_owned(), *enc), secret);
    }

    fn insert(&self, generations: &mut Generations, name: Name, secret: Arc<SessionSecret>) {
        if generations.young.len() >= self.capacity {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(name, secret);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        // Nothing here panics half-way; a poisoned map is still a map.
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry_protocol::sealed::{OpeningKey, SealedHeader, Sealer};

    fn secret() -> Arc<SessionSecret> {
        let key = OpeningKey::from_bytes(&OpeningKey::generate(&[7; 32])).unwrap();
        let mut sealer = Sealer::new(key.kid(), key.public(), [3; 32], 0).unwrap();
        let binding = keyferry_protocol::sealed::Binding {
            origin: "https://relay.example",
            method: "GET",
            target: "/",
            provider: "",
            fallback: keyferry_protocol::Fallback::Never,
        };
        let header = sealer.seal(b"key", &binding, 0, [1; 12]).unwrap();
        Arc::new(key.session(&SealedHeader::parse(&header).unwrap()).unwrap())
    }

    #[test]
    fn bounded_and_recent_sessions_stay() {
        let sessions = Sessions {
            generations: Mutex::default(),
            capacity: 4,
        };
        let secret = secret();
        sessions.keep("k", &[0; 32], Arc::clone(&secret));
        for number in 1..100_u8 {
            sessions.keep("k", &[number; 32], Arc::clone(&secret));
            assert!(
                sessions.get("k", &[0; 32]).is_some(),
                "in use after {number}"
            );
        }
        let generations = sessions.lock();
        assert!(generations.young.len() + generations.old.len() <= 8);
        drop(generations);
        assert!(sessions.get("k", &[1; 32]).is_none());
        assert!(sessions.get("other", &[0; 32]).is_none());
    }
}
