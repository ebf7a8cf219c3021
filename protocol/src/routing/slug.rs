//! OpenRouter's names for other providers' models, both ways.

use crate::catalogue::{Catalogue, Provider};
use std::borrow::Cow;

/// Endings by which OpenRouter selects a price class or feature; no other provider knows them.
const VARIANTS: [&str; 8] = [
    ":free",
    ":nitro",
    ":floor",
    ":online",
    ":extended",
    ":thinking",
    ":beta",
    ":exacto",
];

pub(super) fn is_openrouter_variant(model: &str) -> bool {
    model.contains('/') && VARIANTS.iter().any(|variant| model.ends_with(variant))
}

/// The name OpenRouter gives a model, so that a person with only an OpenRouter key can use any.
///
/// `claude-sonnet-4-5-20250929` becomes `anthropic/claude-sonnet-4.5`, `gpt-4o` becomes
/// `openai/gpt-4o`. A name no rule covers is passed on as it is: OpenRouter then says what is
/// wrong with it.
#[must_use]
pub fn openrouter_slug<'m>(catalogue: &Catalogue, model: &'m str) -> Cow<'m, str> {
    let (vendor, name) = match model.split_once('/') {
        // `openrouter/auto` is a model of its own; `openrouter/x/y` is OpenRouter's `x/y`.
        Some(("openrouter", rest)) => {
            return Cow::Borrowed(if rest.contains('/') { rest } else { model });
        }
        Some((prefix, rest)) => match catalogue.by_vendor(prefix) {
            // `groq/openai/gpt-oss-120b`: the host is dropped, the vendor stays.
            Some(_) if rest.contains('/') => return openrouter_slug(catalogue, rest),
            Some(provider) => (slug_vendor(provider), rest),
            None => match by_name(catalogue, model) {
                Some(provider) => (slug_vendor(provider), model),
                None => return Cow::Borrowed(model),
            },
        },
        None => match by_name(catalogue, model) {
            Some(provider) => (slug_vendor(provider), model),
            None => return Cow::Borrowed(model),
        },
    };
    let Some(vendor) = vendor else {
        // A host without models of its own, or an operator's provider: by the bare name.
        return match catalogue
            .iter()
            .find(|row| row.knows_model(name))
            .and_then(slug_vendor)
        {
            Some(vendor) => Cow::Owned(join(vendor, name)),
            None => Cow::Borrowed(model),
        };
    };
    let slug = join(vendor, name);
    if slug == model {
        Cow::Borrowed(model)
    } else {
        Cow::Owned(slug)
    }
}

fn by_name<'c>(catalogue: &'c Catalogue, name: &str) -> Option<&'c Provider> {
    catalogue.iter().find(|row| row.knows_model(name))
}

/// The first half of a provider's slugs at OpenRouter.
fn slug_vendor(provider: &Provider) -> Option<&'static str> {
    match &*provider.id {
        "openai" => Some("openai"),
        "anthropic" => Some("anthropic"),
        "google" => Some("google"),
        "meta" => Some("meta-llama"),
        "xai" => Some("x-ai"),
        "deepseek" => Some("deepseek"),
        "mistral" => Some("mistralai"),
        _ => None,
    }
}

fn join(vendor: &str, name: &str) -> String {
    let name = match vendor {
        "anthropic" => dotted(undated(name)),
        "meta-llama" => name.to_ascii_lowercase(),
        "google" => String::from(name.strip_prefix("models/").unwrap_or(name)),
        "deepseek" if name == "deepseek-reasoner" => String::from("deepseek-r1"),
        "mistralai" => String::from(name.strip_suffix("-latest").unwrap_or(name)),
        _ => String::from(name),
    };
    [vendor, "/", &name].concat()
}

/// Without `-20250929` or `-latest`.
fn undated(name: &str) -> &str {
    if let Some(name) = name.strip_suffix("-latest") {
        return name;
    }
    match name.rsplit_once('-') {
        Some((head, date)) if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) => {
            head
        }
        _ => name,
    }
}

/// `claude-3-5-sonnet` → `claude-3.5-sonnet`: a hyphen between two single digits is a point.
fn dotted(name: &str) -> String {
    between_digits(name, '-', '.')
}

fn between_digits(name: &str, from: char, to: char) -> String {
    let mut out = String::with_capacity(name.len());
    let mut chars = name.chars().peekable();
    let mut before = None;
    while let Some(char) = chars.next() {
        let between = char == from
            && before.is_some_and(|before: char| before.is_ascii_digit())
            && chars.peek().is_some_and(char::is_ascii_digit);
        out.push(if between { to } else { char });
        before = Some(char);
    }
    out
}

/// The name at its own provider of a model given without vendor: Anthropic writes versions with
/// hyphens where OpenRouter writes points.
pub(super) fn native<'m>(provider: &Provider, name: &'m str) -> Cow<'m, str> {
    if *provider.id == *"anthropic" && name.contains('.') {
        return Cow::Owned(between_digits(name, '.', '-'));
    }
    Cow::Borrowed(name)
}
