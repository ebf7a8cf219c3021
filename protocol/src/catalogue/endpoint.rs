//! Allow-lists of method and path.

use super::{List, Provider, Text};
use crate::ErrorCode;
use std::borrow::Cow;

/// Methods of an [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    /// `GET` (and `HEAD`).
    Get,
    /// `POST`.
    Post,
    /// `GET`, `HEAD` and `POST`.
    GetPost,
    /// `DELETE`.
    Delete,
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH` and `DELETE`.
    Any,
}

impl Methods {
    fn admit(self, method: &str) -> bool {
        match method {
            "GET" | "HEAD" => matches!(self, Self::Get | Self::GetPost | Self::Any),
            "POST" => matches!(self, Self::Post | Self::GetPost | Self::Any),
            "DELETE" => matches!(self, Self::Delete | Self::Any),
            "PUT" | "PATCH" => matches!(self, Self::Any),
            _ => false,
        }
    }
}

/// Methods and a path pattern.
///
/// A pattern is a whole path below the origin. A segment `*` stands for one non-empty segment,
/// `*:name` for one that ends so, and a last segment `**` for one or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Methods it admits.
    pub methods: Methods,
    /// The pattern.
    pub path: Text,
}

impl Endpoint {
    /// A row's entry.
    #[must_use]
    pub const fn new(methods: Methods, path: &'static str) -> Self {
        Self {
            methods,
            path: Text::Borrowed(path),
        }
    }

    /// Whether the path has this form. `path` has passed [`crate::path::check`]; it is compared
    /// decoded, as the provider will read it.
    #[must_use]
    pub fn matches_path(&self, path: &str) -> bool {
        // Most patterns differ in their plain part already.
        let mut bytes = path.bytes();
        let mut pattern = self.path.bytes();
        match pattern.find(|&wanted| wanted == b'*' || bytes.next() != Some(wanted)) {
            None => return bytes.next().is_none(),
            Some(b'*') => {}
            Some(_) => return false,
        }
        let mut segments = path.split('/');
        for pattern in self.path.split('/') {
            let Some(segment) = segments.next() else {
                return false;
            };
            if pattern == "**" {
                return !segment.is_empty();
            }
            let fits = match pattern.strip_prefix('*') {
                Some(end) => segment.len() > end.len() && segment.ends_with(end),
                None => segment == pattern,
            };
            if !fits {
                return false;
            }
        }
        segments.next().is_none()
    }
}

/// What the catalogue says of a method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Relayed.
    Allowed,
    /// Mints credentials or administers accounts: never relayed.
    Denied,
    /// Not on the list.
    Unlisted,
}

impl Provider {
    /// Whether `method` (upper case) on `path` (below the origin, checked by
    /// [`crate::path::check`]) is relayed.
    #[must_use]
    pub fn access(&self, method: &str, path: &str) -> Access {
        let Some(path) = crate::path::decode(path) else {
            return Access::Unlisted;
        };
        // Servers that fold case or ignore a trailing slash must not open a way round a denial.
        let trimmed = path.trim_end_matches('/');
        let folded = if trimmed.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(trimmed.to_ascii_lowercase())
        } else {
            Cow::Borrowed(trimmed)
        };
        let denied = |list: &List<Endpoint>| {
            list.iter().any(|endpoint| {
                endpoint.methods.admit(method)
                    && (endpoint.matches_path(&path)
                        || (folded != path && endpoint.matches_path(&folded)))
            })
        };
        if denied(&self.deny) {
            return Access::Denied;
        }
        let allowed = self
            .allow
            .iter()
            .any(|endpoint| endpoint.methods.admit(method) && endpoint.matches_path(&path));
        if allowed {
            Access::Allowed
        } else {
            Access::Unlisted
        }
    }

    /// [`Self::access`] as the relay's answer.
    ///
    /// # Errors
    /// [`ErrorCode::EndpointDenied`] or [`ErrorCode::EndpointUnsupported`].
    pub fn admit(&self, method: &str, path: &str) -> Result<(), ErrorCode> {
        match self.access(method, path) {
            Access::Allowed => Ok(()),
            Access::Denied => Err(ErrorCode::EndpointDenied),
            Access::Unlisted => Err(ErrorCode::EndpointUnsupported),
        }
    }
}
