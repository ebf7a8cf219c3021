//! The audit log: what was done with the vault, in numbered chunks of encrypted records.

use zeroize::Zeroizing;

use super::{
    FormatError,
    codec::{Reader, Writer},
    id::Id,
};

/// Version of this record's own layout.
const LAYOUT: u8 = 1;
/// Events in a full chunk.
pub const CHUNK_EVENTS: usize = 128;
/// Events kept at least; older chunks are deleted.
pub const KEPT_EVENTS: usize = 10_000;

macro_rules! kinds {
    ($( $(#[$doc:meta])* $variant:ident = $byte:literal $name:literal; )+) => {
        /// What was done. The discriminant is what is written.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Action { $( $(#[$doc])* $variant = $byte, )+ }

        impl Action {
            fn from_byte(byte: u8) -> Option<Self> {
                match byte { $( $byte => Some(Self::$variant), )+ _ => None }
            }

            /// The name used in JavaScript.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }
        }
    };
}

kinds! {
    /// The vault was created.
    Created = 1 "created";
    /// It was opened; the number is how many wrong attempts came before.
    Unlocked = 2 "unlocked";
    /// A key was stored.
    KeyAdded = 3 "key_added";
    /// A key was removed.
    KeyRemoved = 4 "key_removed";
    /// What is known about a key was changed.
    KeyUpdated = 5 "key_updated";
    /// A key was replaced.
    KeyRotated = 6 "key_rotated";
    /// A key was shown.
    KeyRevealed = 7 "key_revealed";
    /// A key was tested; the number is the verdict.
    KeyTested = 8 "key_tested";
    /// A request was made with a key; the number is the answer's status.
    Request = 9 "request";
    /// The password was changed.
    PasswordChanged = 10 "password_changed";
    /// The recovery code was renewed.
    RecoveryRenewed = 11 "recovery_renewed";
    /// A passkey was added.
    PasskeyAdded = 12 "passkey_added";
    /// A passkey was removed.
    PasskeyRemoved = 13 "passkey_removed";
    /// A backup was exported.
    Exported = 14 "exported";
    /// A backup was imported; the number is how many keys came.
    Imported = 15 "imported";
    /// The vault was bound to another relay.
    Rebound = 16 "rebound";
    /// Settings were changed.
    SettingsChanged = 17 "settings_changed";
    /// A lease was made with a key; the number is the answer's status.
    Leased = 18 "leased";
    /// The vault was locked; the number is the reason, see [`crate::lock::Reason`].
    Locked = 19 "locked";
    /// The list of records was made anew; the number is how many records were not as they should be.
    Repaired = 20 "repaired";
}

/// One event: 27 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Unix milliseconds.
    pub at: u64,
    /// What was done.
    pub action: Action,
    /// With which key or passkey; [`Id::ONLY`] when with none.
    pub id: Id,
    /// See [`Action`]; 0 otherwise.
    pub number: u16,
}

/// The plaintext of a chunk.
///
/// # Errors
/// None in practice: chunks have at most [`CHUNK_EVENTS`] events.
pub fn encode(events: &[Event]) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    let mut writer = Writer::new();
    writer
        .u8(LAYOUT)
        .u16(u16::try_from(events.len()).map_err(|_| FormatError::Malformed)?);
    for event in events {
        writer
            .u64(event.at)
            .u8(event.action as u8)
            .bytes(event.id.as_bytes())
            .u16(event.number);
    }
    Ok(writer.finish())
}

/// Reads the plaintext of a chunk.
///
/// # Errors
/// [`FormatError::Malformed`], [`FormatError::FutureVersion`].
pub fn decode(bytes: &[u8]) -> Result<Vec<Event>, FormatError> {
    let mut reader = Reader::new(bytes);
    let layout = reader.u8()?;
    if layout > LAYOUT {
        return Err(FormatError::FutureVersion);
    }
    let mut events = Vec::new();
    for _ in 0..reader.u16()? {
        events.push(Event {
            at: reader.u64()?,
            action: Action::from_byte(reader.u8()?).ok_or(FormatError::Malformed)?,
            id: Id::from_bytes(reader.array()?),
            number: reader.u16()?,
        });
    }
    reader.finish()?;
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let events: Vec<Event> = (1..=20)
            .map(|byte| Event {
                at: u64::from(byte) * 1000,
                action: Action::from_byte(byte).unwrap(),
                id: Id::from_bytes([byte; 16]),
                number: u16::from(byte),
            })
            .collect();
        let bytes = encode(&events).unwrap();
        assert_eq!(bytes.len(), 3 + 20 * 27);
        assert_eq!(decode(&bytes), Ok(events));
        assert_eq!(decode(&bytes[..30]), Err(FormatError::Malformed));
        assert_eq!(Action::from_byte(0), None);
    }
}
