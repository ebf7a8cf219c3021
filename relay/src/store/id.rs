//! Names of what the store keeps, already pseudonymous: no key, subject or address in clear.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// 128 bits, printed as 32 hexadecimal digits.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From its bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Reads what [`fmt::Display`] prints: 32 hexadecimal digits, lower case.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}

ids! {
    /// Who is counted: a token's subject, a key, or a client address, each as a keyed or plain
    /// hash. Everything of one caller shares one hash slot.
    CallerId;
    /// One reservation of spend; unique among all instances.
    ReservationId;
    /// One lease; random, the public half of its handle.
    LeaseId;
    /// One job; random, the public half of its handle.
    JobId;
}

/// Hashes ids: they are keyed hashes or random themselves, so any eight bytes of one are as good
/// as a hash of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdHasher(u64);

/// For maps whose keys are ids.
pub(crate) type IdHash = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    /// The length of an id is always the same.
    fn write_usize(&mut self, _: usize) {}
}

fn parse(text: &str) -> Option<[u8; 16]> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks() else {
        return None;
    };
    let pairs: &[[u8; 2]; 16] = pairs.try_into().ok()?;
    let mut bytes = [0; 16];
    for (to, [high, low]) in bytes.iter_mut().zip(pairs) {
        *to = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

impl CallerId {
    /// One byte of it, to spread by.
    pub(crate) fn first_byte(self) -> usize {
        let [first, ..] = self.0;
        usize::from(first)
    }
}
