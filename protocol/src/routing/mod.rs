//! From a model's name to the provider that serves it.
//!
//! An explicit prefix decides first (`anthropic/claude-sonnet-4-5`), then the name
//! (`claude-…`), and OpenRouter takes whatever is left.

mod body;
mod slug;

pub use body::{
    FieldError, MAX_MODEL, ModelField, find_model, gemini_model, is_model_name, model_of, splice,
    splice_model,
};
pub use slug::openrouter_slug;

use crate::ErrorCode;
use crate::catalogue::{Catalogue, Provider};
use std::borrow::Cow;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'c, 'm> {
    /// The provider.
    pub provider: &'c Provider,
    /// The model's name as that provider knows it.
    pub model: Cow<'m, str>,
}

/// Why a model has no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The provider asked for is not in the catalogue.
    UnknownProvider,
    /// The model's prefix names another provider than the one asked for.
    Mismatch,
}

impl RouteError {
    /// The relay's code for this.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::UnknownProvider => ErrorCode::UnknownProvider,
            Self::Mismatch => ErrorCode::ProviderMismatch,
        }
    }
}

/// OpenRouter's id.
pub const OPENROUTER: &str = "openrouter";

impl Catalogue {
    /// The provider of a model, and the name it has there. `requested` is the value of
    /// [`crate::header::PROVIDER`], when it was sent.
    ///
    /// # Errors
    /// [`RouteError`] when `requested` is unknown or contradicts the model's prefix.
    pub fn route<'c, 'm>(
        &'c self,
        model: &'m str,
        requested: Option<&str>,
    ) -> Result<Target<'c, 'm>, RouteError> {
        match requested {
            Some(id) => self.route_to(self.get(id).ok_or(RouteError::UnknownProvider)?, model),
            None => {
                let provider = self.provider_of(model).ok_or(RouteError::UnknownProvider)?;
                self.route_to(provider, model)
            }
        }
    }

    /// The name a model has at one provider.
    ///
    /// # Errors
    /// [`RouteError::Mismatch`] when its prefix names another provider.
    pub fn route_to<'c, 'm>(
        &'c self,
        provider: &'c Provider,
        model: &'m str,
    ) -> Result<Target<'c, 'm>, RouteError> {
        if *provider.id == *OPENROUTER {
            return Ok(Target {
                provider,
                model: openrouter_slug(self, model),
            });
        }
        let Some((prefix, rest)) = model.split_once('/') else {
            return Ok(Target {
                provider,
                model: Cow::Borrowed(model),
            });
        };
        let vendor = self.by_vendor(prefix);
        if vendor.is_some_and(|vendor| vendor.id == provider.id) {
            // The prefix is taken off, unless it is part of the name (`groq/compound`).
            let model = if provider.knows_model(model) {
                Cow::Borrowed(model)
            } else {
                slug::native(provider, rest)
            };
            return Ok(Target { provider, model });
        }
        if vendor.is_none() || hosts(provider, prefix) {
            return Ok(Target {
                provider,
                model: Cow::Borrowed(model),
            });
        }
        Err(RouteError::Mismatch)
    }

    /// The provider a model's name alone leads to.
    #[must_use]
    pub fn provider_of(&self, model: &str) -> Option<&Provider> {
        if slug::is_openrouter_variant(model) {
            return self.get(OPENROUTER);
        }
        if let Some((prefix, _)) = model.split_once('/')
            && let Some(provider) = self.by_vendor(prefix)
        {
            return Some(provider);
        }
        self.iter()
            .find(|row| row.knows_model(model))
            .or_else(|| self.get(OPENROUTER))
    }

    /// The provider an explicit prefix names.
    #[must_use]
    pub fn by_vendor(&self, prefix: &str) -> Option<&Provider> {
        self.iter().find(|row| {
            *row.id == *prefix
                || row
                    .vendors
                    .iter()
                    .any(|vendor| vendor.eq_ignore_ascii_case(prefix))
        })
    }
}

fn hosts(provider: &Provider, prefix: &str) -> bool {
    provider
        .hosts
        .iter()
        .any(|host| *host == *"*" || host.eq_ignore_ascii_case(prefix))
}
