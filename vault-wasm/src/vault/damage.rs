//! What is wrong with records, and what using them fails with.

use crate::{
    error::Error,
    format::{
        FormatError,
        id::{Kind, RecordKey},
    },
};

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// It is listed and not there.
    Missing,
    /// It is older than listed.
    RolledBack,
    /// It does not open: altered, truncated, or another record's.
    Corrupt,
    /// It was written by a newer version.
    FutureVersion,
    /// It is there and not listed: nothing of this vault wrote it.
    Foreign,
}

impl DamageKind {
    /// The name used in JavaScript.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::RolledBack => "rolled_back",
            Self::Corrupt => "corrupt",
            Self::FutureVersion => "future_version",
            Self::Foreign => "foreign",
        }
    }

    /// What using the record anyway fails with.
    #[must_use]
    pub const fn error(self) -> Error {
        match self {
            Self::FutureVersion => Error::FutureVersion,
            _ => Error::Corrupt,
        }
    }
}

impl From<FormatError> for DamageKind {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::FutureVersion => Self::FutureVersion,
            _ => Self::Corrupt,
        }
    }
}

/// A damaged record. It is left as it is until it is removed; everything else stays usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Which.
    pub record: RecordKey,
    /// How.
    pub kind: DamageKind,
}

impl Damage {
    /// What the record is about: the name used in JavaScript.
    #[must_use]
    pub const fn about(&self) -> &'static str {
        match self.record.kind {
            Kind::Header | Kind::Manifest => "vault",
            Kind::Slot => "slot",
            Kind::Settings => "settings",
            Kind::Metadata | Kind::Secret => "key",
            Kind::Usage => "usage",
            Kind::Audit => "audit",
        }
    }
}
