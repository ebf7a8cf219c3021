//! Taking keys over from an `.env` file.

use keyferry_protocol::{Provider, shape};

use super::{
    KeyInfo, Vault,
    keys::{clean_key, new_record},
    session::Changes,
};
use crate::{
    error::Error,
    format::{
        audit::Action,
        id::{Id, Kind, RecordKey},
        key_record::KeyRecord,
    },
    platform::Platform,
    secret::Secret,
    store::Durability,
};

/// A line of an `.env` file that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Counted from 1.
    pub line: usize,
    /// An error code.
    pub reason: &'static str,
}

/// What an import from `.env` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvImport {
    /// Keys that were stored.
    pub added: Vec<KeyInfo>,
    /// Lines that look like keys and were not taken.
    pub skipped: Vec<Skipped>,
}

impl<P: Platform> Vault<P> {
    /// Takes the keys out of the lines of an `.env` file. Providers are found by the name of the
    /// variable, else by the form of the key.
    ///
    /// # Errors
    /// [`Error::BadArgument`] when it is no text; storage errors (nothing has changed then).
    pub async fn import_env(&self, text: &Secret) -> Result<EnvImport, Error> {
        let ticket = self.enter()?;
        // Reads the lines; what is kept are copies in secrets of their own.
        let text = std::str::from_utf8(text.expose()).map_err(|_| Error::BadArgument("text"))?;
        let mut skipped = Vec::new();
        let mut found: Vec<(usize, Id, &Provider, Secret)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            match self.read_env_line(line) {
                Ok(Some((provider, key))) => {
                    let id = Id::generate(self.platform.random())?;
                    found.push((at + 1, id, provider, key));
                }
                Ok(None) => {}
                Err(error) => skipped.push(Skipped {
                    line: at + 1,
                    reason: error.code(),
                }),
            }
        }
        let now = self.now();
        let duplicates = std::cell::RefCell::new(Vec::new());
        self.commit(ticket, Durability::Strict, &|session| {
            let mut changes = Changes::default();
            let mut taken: Vec<KeyRecord> = Vec::new();
            duplicates.borrow_mut().clear();
            for (line, id, provider, key) in &found {
                let mut record = new_record(provider, key, *id, now)?;
                // The fingerprint is taken of the key itself.
                record.fingerprint = session.keys().fingerprint(key.expose())?;
                let known = session.by_fingerprint(&record.fingerprint).is_some();
                if known
                    || taken
                        .iter()
                        .any(|other| other.fingerprint == record.fingerprint)
                {
                    duplicates.borrow_mut().push(*line);
                    continue;
                }
                record.name = session.free_name(provider, &taken);
                changes
                    .put(RecordKey::new(Kind::Metadata, *id), record.encode()?)
                    // Encrypted while the change is staged, in this same call.
                    .put(
                        RecordKey::new(Kind::Secret, *id),
                        key.expose().to_vec().into(),
                    );
                taken.push(record);
            }
            Ok(changes)
        })
        .await?;
        let reason = Error::DuplicateKey.code();
        skipped.extend(
            duplicates
                .into_inner()
                .into_iter()
                .map(|line| Skipped { line, reason }),
        );
        let mut added = Vec::new();
        for (_, id, ..) in &found {
            if let Ok(info) = self.key_info_of(ticket, *id) {
                self.note(Action::KeyAdded, *id, 0);
                added.push(info);
            }
        }
        Ok(EnvImport { added, skipped })
    }

    /// The key in one line, if it looks like one.
    fn read_env_line(&self, line: &str) -> Result<Option<(&Provider, Secret)>, Error> {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            return Ok(None);
        };
        let name = name.trim();
        // A comment behind the value, as dotenv files have it.
        let value = value.split(" #").next().unwrap_or(value);
        let named = self.catalogue.by_env_name(name);
        let key = clean_key(&Secret::copy_of(value.as_bytes()));
        let suggested = key.as_ref().ok().and_then(|key| {
            // The form is read of the key itself.
            let key = std::str::from_utf8(key.expose()).ok()?;
            match shape::suggest(&self.catalogue, key).as_slice() {
                [(provider, shape::Fit::Exact)] => Some(*provider),
                _ => None,
            }
        });
        let looks_like_one = ["KEY", "TOKEN", "SECRET"]
            .iter()
            .any(|word| name.to_ascii_uppercase().contains(word));
        match (named.or(suggested), key) {
            (Some(provider), Ok(key)) => Ok(Some((provider, key))),
            (Some(_), Err(error)) => Err(error),
            (None, _) if looks_like_one => Err(Error::UnknownProvider),
            (None, _) => Ok(None),
        }
    }
}
