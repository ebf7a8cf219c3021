//! Taking keys over from an `.env` file.

use keyferry_protocol::{Provider, shape, text};

use super::{
    Call, KeyInfo, Vault,
    call::Records,
    change::Changes,
    keys::{clean_key, new_record},
};
use crate::{
    error::{Arg, Error},
    format::{audit::Action, id::Id, key_record::KeyRecord},
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
    pub fn import_env(&self, text: &Secret) -> Call<'_, P, EnvImport> {
        Call::new(self, || {
            let wait = self.begin(Records::Known)?;
            // Reads the lines; what is kept are copies in secrets of their own.
            let text =
                std::str::from_utf8(text.expose()).map_err(|_| Error::BadArgument(Arg::Text))?;
            let mut skipped = Vec::new();
            let mut lines = Vec::new();
            let mut found: Vec<(KeyRecord, Secret)> = Vec::new();
            for (at, line) in text.lines().enumerate() {
                let line_number = at + 1;
                match self.read_env_line(line) {
                    Ok(Some((provider, key))) => {
                        let id = Id::generate(self.platform.random())?;
                        lines.push((line_number, id));
                        found.push((new_record(provider, &key, id, self.now())?, key));
                    }
                    Ok(None) => {}
                    Err(error) => skipped.push(Skipped {
                        line: line_number,
                        reason: error.code(),
                    }),
                }
            }
            let wait = wait.change(Durability::Strict, move |vault, _, session| {
                let mut changes = Changes::default();
                let mut taken: Vec<KeyRecord> = Vec::new();
                for (record, key) in &found {
                    let mut record = record.clone();
                    // The fingerprint is taken of the key itself.
                    record.fingerprint = session.keys().fingerprint(key.expose())?;
                    if session.knows_key(&record.fingerprint, &taken) {
                        continue;
                    }
                    let provider = vault.provider(&record.provider)?;
                    record.name = session.free_name(&record.provider, &provider.name, &taken);
                    changes.put_key(&record, Some(key))?;
                    taken.push(record);
                }
                Ok(changes)
            });
            Ok(wait.then(move |vault, ready| {
                let mut added = Vec::new();
                for (line, id) in lines {
                    // What was not stored was there already.
                    match vault.key_info_of(ready.ticket, id) {
                        Ok(info) => {
                            vault.note(Action::KeyAdded, id, 0);
                            added.push(info);
                        }
                        Err(_) => skipped.push(Skipped {
                            line,
                            reason: Error::DuplicateKey.code(),
                        }),
                    }
                }
                Ok(EnvImport { added, skipped })
            }))
        })
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
        let value = text::split_once(value, " #").map_or(value, |(value, _)| value);
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
            .any(|word| text::find(&name.to_ascii_uppercase(), word).is_some());
        match (named.or(suggested), key) {
            (Some(provider), Ok(key)) => Ok(Some((provider, key))),
            (Some(_), Err(error)) => Err(error),
            (None, _) if looks_like_one => Err(Error::UnknownProvider),
            (None, _) => Ok(None),
        }
    }
}
