//! Everything that can go wrong, and the one closed list of codes that leaves the vault.
//!
//! `docs/format.md` holds the same list as a table; a test compares the two.

use crate::{format::FormatError, hazmat::Refused, store::StoreError};

/// Defines [`Arg`] and its names in one place.
macro_rules! args {
    ($( $variant:ident = $name:literal; )+) => {
        /// An argument of an operation, by the name of its property. A number and not a text, so that
        /// an error is one byte: errors are part of almost every function's result.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Arg { $( $variant, )+ }

        impl Arg {
            const NAMES: &'static [&'static str] = &[$( $name ),+];

            /// The property's name.
            #[must_use]
            pub fn name(self) -> &'static str {
                Self::NAMES.get(usize::from(self as u8)).copied().unwrap_or_default()
            }
        }
    };
}

args! {
    Active = "active";
    AutoLockMinutes = "autoLockMinutes";
    CredentialId = "credentialId";
    DailyCapUsd = "dailyCapUsd";
    Deep = "deep";
    Drop = "drop";
    ExpiresAt = "expiresAt";
    File = "file";
    FilePassword = "filePassword";
    Headers = "headers";
    Id = "id";
    Key = "key";
    Limit = "limit";
    LockOnHide = "lockOnHide";
    MaxUsd = "maxUsd";
    Method = "method";
    Name = "name";
    Next = "next";
    Old = "old";
    Op = "op";
    Passkey = "passkey";
    Passkeys = "passkeys";
    Password = "password";
    Prf = "prf";
    PrfSalt = "prfSalt";
    Provider = "provider";
    RecoveryCode = "recoveryCode";
    Relay = "relay";
    RelayKey = "relayKey";
    Since = "since";
    Text = "text";
    TtlSeconds = "ttlSeconds";
    Url = "url";
}

/// Defines [`Error`] and its codes in one place, so that a variant cannot lack a code.
macro_rules! errors {
    ($( $(#[$doc:meta])* $variant:ident $(($inner:ty))? = $code:literal, $field:expr, $message:literal; )+) => {
        /// What went wrong.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Error {
            $( $(#[$doc])* #[error($message)] $variant $(($inner))?, )+
        }

        impl Error {
            /// The stable code, as JavaScript sees it.
            #[must_use]
            pub const fn code(&self) -> &'static str {
                match self { $( errors!(@pattern $variant $(($inner))?) => $code, )+ }
            }

            /// The form field a person should look at, where there is one.
            #[must_use]
            pub fn field(&self) -> Option<&'static str> {
                #[allow(unused_variables, reason = "only one variant carries its field")]
                match self { $( errors!(@bind inner $variant $(($inner))?) => errors!(@field $field, inner $(($inner))?), )+ }
            }

            /// Code and message of every error, in the order of the documentation.
            pub const CODES: &'static [(&'static str, &'static str)] = &[$(($code, $message)),+];
        }
    };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident ($inner:ty)) => { Self::$variant(_) };
    (@bind $name:ident $variant:ident) => { Self::$variant };
    (@bind $name:ident $variant:ident ($inner:ty)) => { Self::$variant($name) };
    (@field $field:expr, $name:ident) => { $field };
    (@field $field:expr, $name:ident ($inner:ty)) => { Some($name.name()) };
}

errors! {
    /// The vault is locked, or was locked while the call was under way.
    Locked = "locked", None, "the vault is locked";
    /// There is no vault yet.
    Empty = "no_vault", None, "there is no vault yet";
    /// There is a vault already.
    Exists = "vault_exists", None, "there is a vault already";
    /// The password does not open the vault.
    WrongPassword = "wrong_password", Some("password"), "the password is wrong";
    /// The recovery code is well-formed and does not open the vault.
    WrongRecoveryCode = "wrong_recovery_code", Some("recoveryCode"), "the recovery code does not open this vault";
    /// The recovery code has a wrong length, digit or checksum.
    BadRecoveryCode = "bad_recovery_code", Some("recoveryCode"), "the recovery code is mistyped";
    /// The passkey is not enrolled or its PRF output does not open the vault.
    WrongPasskey = "wrong_passkey", None, "the passkey does not open this vault";
    /// Shorter than 12 characters and guessable.
    WeakPassword = "weak_password", Some("password"), "the password needs 12 characters, or fewer that are hard to guess";
    /// Blank, too long, or bytes no key has.
    BadKeyFormat = "bad_key_format", Some("key"), "this cannot be an API key";
    /// The same key is stored already.
    DuplicateKey = "duplicate_key", Some("key"), "this key is stored already";
    /// Another key of the provider has this name.
    DuplicateName = "duplicate_name", Some("name"), "another key of this provider has this name";
    /// The provider is not in the catalogue.
    UnknownProvider = "unknown_provider", Some("provider"), "unknown provider";
    /// No key, passkey or other thing has this id.
    NotFound = "not_found", Some("id"), "there is nothing with this id";
    /// The provider refused the new key; the old one is kept.
    KeyRejected = "key_rejected", Some("key"), "the provider refused the new key";
    /// An argument is missing, of the wrong type or out of range; carries its name.
    BadArgument(Arg) = "bad_argument", None, "an argument is missing or out of range";
    /// The relay is not the one the vault is bound to.
    RelayChanged = "relay_changed", Some("relay"), "the vault is bound to another relay";
    /// The relay no longer proves to be the one whose key was pinned.
    RelayDowngraded = "relay_downgraded", None, "the relay no longer offers the sealing it was pinned to";
    /// The stored data is damaged or was tampered with.
    Corrupt = "corrupt", None, "stored data is damaged";
    /// The stored data was written by a newer version.
    FutureVersion = "future_version", None, "stored data was written by a newer version";
    /// Key derivation parameters are outside the policy.
    KdfRefused = "kdf_refused", None, "the stored key derivation parameters are out of bounds";
    /// The backup file is not one, is damaged, or its password is wrong.
    BadBackup = "bad_backup", Some("file"), "this is not a backup of a vault, or it is damaged";
    /// The browser gives no more room; nothing was changed.
    Quota = "quota", None, "the browser has no storage space left; nothing was changed";
    /// The stored vault is gone.
    StorageLost = "storage_lost", None, "the stored vault is gone";
    /// The browser could not read or write; nothing was changed.
    StorageFailed = "storage_failed", None, "the browser's storage failed; nothing was changed";
    /// The database belongs to a newer version of this program, run by another tab.
    ReloadRequired = "reload_required", None, "another tab runs a newer version; reload this one";
    /// Other tabs kept writing; nothing was changed.
    Busy = "busy", None, "other tabs kept changing the vault; nothing was changed";
    /// The relay could not be reached.
    Network = "network", None, "the relay could not be reached";
    /// The relay refused, or answered something else than it should.
    RelayRefused = "relay_refused", None, "the relay refused the request";
    /// The URL is neither the relay's nor a known provider's.
    ForeignUrl = "foreign_url", None, "the URL is neither the relay's nor a known provider's";
    /// The random generator failed.
    Random = "random_failed", None, "the random generator failed";
}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Malformed | FormatError::NotAuthentic => Self::Corrupt,
            FormatError::FutureVersion => Self::FutureVersion,
            FormatError::KdfOutOfBounds => Self::KdfRefused,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Busy,
            StoreError::Quota => Self::Quota,
            StoreError::Lost => Self::StorageLost,
            StoreError::Newer => Self::ReloadRequired,
            StoreError::Failed => Self::StorageFailed,
        }
    }
}

impl From<Refused> for Error {
    fn from(_: Refused) -> Self {
        Self::Corrupt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_documented() {
        let table = include_str!("../../docs/format.md");
        for (at, (code, _)) in Error::CODES.iter().enumerate() {
            assert!(
                Error::CODES[..at].iter().all(|(other, _)| other != code),
                "{code}"
            );
            assert!(
                table.contains(&format!("| `{code}` |")),
                "{code} is not documented"
            );
        }
    }

    #[test]
    fn an_error_is_one_byte() {
        assert_eq!(size_of::<Error>(), 1);
        assert_eq!(size_of::<Result<(), Error>>(), 1);
    }

    #[test]
    fn a_bad_argument_names_itself() {
        assert_eq!(
            Error::BadArgument(Arg::TtlSeconds).field(),
            Some("ttlSeconds")
        );
        assert_eq!(Error::WrongPassword.field(), Some("password"));
        assert_eq!(Error::Locked.field(), None);
    }
}
