//! The provider catalogue: one row of data per provider.
//!
//! Everything that differs between providers stands in a row; code asks the row. Operators add
//! rows of the same type. Figures come from the providers' public documentation.

mod builtin;
#[cfg(feature = "relay")]
mod endpoint;
mod row;
#[cfg(feature = "relay")]
mod rule;
mod verdict;

#[cfg(feature = "relay")]
pub use endpoint::{Access, Endpoint, Methods};
pub use row::{
    Auth, Charset, Check, CheckBody, KeyShape, List, Provider, StreamUsage, Text, Unified,
};
#[cfg(feature = "relay")]
pub use rule::KeyRule;
pub use verdict::Verdict;

/// Whether `id` may name a provider: `^[a-z][a-z0-9-]{0,31}$`.
#[must_use]
pub fn is_provider_id(id: &str) -> bool {
    id.len() <= 32
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[derive(Clone, Debug)]
enum Row {
    Builtin(&'static Provider),
    Operator(Box<Provider>),
}

impl Row {
    fn get(&self) -> &Provider {
        match self {
            Self::Builtin(row) => row,
            Self::Operator(row) => row,
        }
    }
}

/// An operator's row is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowError {
    /// The id does not match `^[a-z][a-z0-9-]{0,31}$`.
    BadId,
    /// The origin is not `http(s)://host[:port]` without path.
    BadOrigin,
    /// A prefix or path neither is empty nor begins with `/`, or ends with `/`.
    BadPath,
}

impl core::fmt::Display for RowError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BadId => "provider id must match ^[a-z][a-z0-9-]{0,31}$",
            Self::BadOrigin => "origin must be http(s)://host[:port]",
            Self::BadPath => "prefixes must be empty or begin with '/', and not end with it",
        })
    }
}

impl core::error::Error for RowError {}

/// The providers known here, built-in ones first.
#[derive(Clone, Debug)]
pub struct Catalogue {
    rows: Vec<Row>,
}

impl Catalogue {
    /// The nine built-in providers.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            rows: builtin::ROWS.iter().map(Row::Builtin).collect(),
        }
    }

    /// Adds an operator's row, or replaces the one with its id.
    ///
    /// # Errors
    /// [`RowError`] when a field has no usable form.
    pub fn insert(&mut self, row: Provider) -> Result<(), RowError> {
        if !is_provider_id(&row.id) {
            return Err(RowError::BadId);
        }
        if !is_origin(&row.origin) {
            return Err(RowError::BadOrigin);
        }
        for prefix in [&row.native_prefix, &row.openai_prefix] {
            if !prefix.is_empty() && (!prefix.starts_with('/') || prefix.ends_with('/')) {
                return Err(RowError::BadPath);
            }
        }
        if !row.check.path.starts_with('/') {
            return Err(RowError::BadPath);
        }
        let row = Row::Operator(Box::new(row));
        match self
            .rows
            .iter_mut()
            .find(|known| known.get().id == row.get().id)
        {
            Some(known) => *known = row,
            None => self.rows.push(row),
        }
        Ok(())
    }

    /// The provider with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Provider> {
        self.iter().find(|row| *row.id == *id)
    }

    /// The provider at this origin (`https://api.openai.com`, as `URL.origin` gives it).
    #[must_use]
    pub fn by_origin(&self, origin: &str) -> Option<&Provider> {
        self.iter().find(|row| *row.origin == *origin)
    }

    /// The provider whose key an environment variable of this name usually holds.
    #[must_use]
    pub fn by_env_name(&self, name: &str) -> Option<&Provider> {
        self.iter()
            .find(|row| row.env_names.iter().any(|known| **known == *name))
    }

    /// All providers in order.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.rows.iter().map(Row::get)
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::builtin()
    }
}

/// `http(s)://host[:port]`, nothing else: no user info, path, query.
fn is_origin(origin: &str) -> bool {
    origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
        .is_some_and(|authority| {
            !authority.is_empty()
                && authority.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
                })
        })
}
