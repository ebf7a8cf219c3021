//! What the form of a key tells, before anyone is asked.
//!
//! Forms change without notice: an unknown form may warn, it never blocks.

use crate::catalogue::{Catalogue, KeyShape, Provider};

/// Longest accepted key in bytes.
pub const MAX_KEY: usize = 1024;
/// Keys shorter than this get no preview: too much of them would show.
pub const MIN_PREVIEW: usize = 24;

/// Why a pasted key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Nothing but white space and quotes.
    Blank,
    /// Longer than [`MAX_KEY`].
    TooLong,
    /// A byte that cannot stand in a header's token: white space inside, control, non-ASCII.
    ForbiddenByte,
}

impl KeyError {
    /// What is wrong, for a person.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Blank => "the key is empty",
            Self::TooLong => "the key is too long",
            Self::ForbiddenByte => "the key holds a character no key has",
        }
    }
}

impl core::fmt::Display for KeyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for KeyError {}

/// The key inside what was pasted: without surrounding white space (Unicode's and zero-width
/// marks included) and quotes, straight or typographic. Borrows, so that no copy of a secret is
/// made.
///
/// # Errors
/// [`KeyError`] when what remains cannot be a key.
pub fn clean(pasted: &[u8]) -> Result<&str, KeyError> {
    let text = core::str::from_utf8(pasted).map_err(|_| KeyError::ForbiddenByte)?;
    let key = text.trim_matches(|char: char| {
        char.is_whitespace()
            || char.is_ascii_control()
            || matches!(
                char,
                '"' | '\'' | '`' | '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}'
                    | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
            )
    });
    check(key)?;
    Ok(key)
}

/// Checks that a key can stand in a header as it is.
///
/// # Errors
/// [`KeyError`]
pub fn check(key: &str) -> Result<(), KeyError> {
    if key.is_empty() {
        return Err(KeyError::Blank);
    }
    if key.len() > MAX_KEY {
        return Err(KeyError::TooLong);
    }
    if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(KeyError::ForbiddenByte)
    }
}

/// How well a key fits a provider's forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Begins like one of its keys.
    Prefix,
    /// Has prefix, alphabet and length of one of its keys.
    Exact,
}

fn fit(shape: &KeyShape, key: &str) -> Option<Fit> {
    let rest = key.strip_prefix(&*shape.prefix)?;
    let exact = (shape.min..=shape.max).contains(&rest.len())
        && rest.bytes().all(|byte| shape.charset.contains(byte));
    if exact {
        Some(Fit::Exact)
    } else if shape.prefix.is_empty() {
        None
    } else {
        Some(Fit::Prefix)
    }
}

/// How well a key fits one provider; `None`: not at all.
#[must_use]
pub fn fits(provider: &Provider, key: &str) -> Option<Fit> {
    provider
        .key_shapes
        .iter()
        .filter_map(|shape| fit(shape, key))
        .max()
}

/// The providers a key's form suggests, the likeliest first: a longer known prefix beats a
/// shorter one, then an exact fit beats a prefix.
#[must_use]
pub fn suggest<'c>(catalogue: &'c Catalogue, key: &str) -> Vec<(&'c Provider, Fit)> {
    let mut found: Vec<(usize, Fit, &Provider)> = catalogue
        .iter()
        .filter_map(|provider| {
            provider
                .key_shapes
                .iter()
                .filter_map(|shape| Some((shape.prefix.len(), fit(shape, key)?)))
                .max()
                .map(|(length, fit)| (length, fit, provider))
        })
        .collect();
    let longest = found.iter().map(|(length, ..)| *length).max().unwrap_or(0);
    // `sk-ant-…` also begins with OpenAI's `sk-`: only the longest prefix counts.
    found.retain(|(length, ..)| *length == longest);
    [Fit::Exact, Fit::Prefix]
        .into_iter()
        .flat_map(|fit| found.iter().filter(move |found| found.1 == fit))
        .map(|&(_, fit, provider)| (provider, fit))
        .collect()
}

/// The beginning of a key that is no secret: the longest known prefix of any provider.
#[must_use]
pub fn public_prefix<'k>(catalogue: &Catalogue, key: &'k str) -> &'k str {
    let length = catalogue
        .iter()
        .flat_map(|provider| provider.key_shapes.iter())
        .filter(|shape| key.starts_with(&*shape.prefix))
        .map(|shape| shape.prefix.len())
        .max()
        .unwrap_or(0);
    key.get(..length).unwrap_or_default()
}

/// First and last four characters (`sk-p…wxyz`), for keys of [`MIN_PREVIEW`] characters and more.
#[must_use]
pub fn preview(key: &str) -> Option<String> {
    if key.len() < MIN_PREVIEW {
        return None;
    }
    let head = key.get(..4)?;
    let tail = key.get(key.len() - 4..)?;
    Some([head, "\u{2026}", tail].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(prefix: &str, body: char, length: usize) -> String {
        let mut key = String::from(prefix);
        key.extend(std::iter::repeat_n(body, length));
        key
    }

    #[test]
    fn each_form_suggests_its_provider() {
        let catalogue = Catalogue::builtin();
        for (key, ids, exact) in [
            (key("sk-proj-", 'a', 148), &["openai"][..], true),
            (key("sk-svcacct-", 'a', 120), &["openai"], true),
            (key("sk-", 'Z', 48), &["openai"], false),
            (key("sk-", 'a', 32), &["deepseek", "openai"], true),
            (key("sk-ant-api03-", 'x', 95), &["anthropic"], true),
            (key("AIza", 'x', 35), &["google"], true),
            (key("AQ.", 'x', 50), &["google"], true),
            (key("sk-or-v1-", 'f', 64), &["openrouter"], true),
            (
                "LLM|123456789012345|abcdefghijklmnopqrstuvwxyz".into(),
                &["meta"],
                true,
            ),
            (key("gsk_", 'x', 52), &["groq"], true),
            (key("gsk_", 'x', 51), &["groq"], false),
            (key("xai-", 'x', 80), &["xai"], true),
            (key("", 'x', 32), &["mistral"], true),
            (key("", 'x', 31), &[], false),
            ("hunter2".into(), &[], false),
        ] {
            let found = suggest(&catalogue, &key);
            let mut names: Vec<_> = found.iter().map(|(row, _)| &*row.id).collect();
            if !exact && names.len() > 1 {
                // Both begin with `sk-`; which one is first only matters when one fits exactly.
                names.retain(|name| ids.contains(name));
            }
            assert_eq!(names, ids, "{key}");
            if exact {
                assert_eq!(found[0].1, Fit::Exact, "{key}");
            }
        }
    }

    #[test]
    fn pasted_keys_are_cleaned() {
        for pasted in [
            "sk-abc",
            "  sk-abc\r\n",
            "\"sk-abc\"",
            "'sk-abc' ",
            "\u{201c}sk-abc\u{201d}",
            "\u{feff}sk-abc\u{200b}",
            "`sk-abc`",
            "\u{a0}sk-abc\u{a0}",
        ] {
            assert_eq!(clean(pasted.as_bytes()), Ok("sk-abc"), "{pasted:?}");
        }
        for blank in ["", "   ", "\"\"", " ' ' ", "\u{200b}"] {
            assert_eq!(clean(blank.as_bytes()), Err(KeyError::Blank), "{blank:?}");
        }
        for bad in [
            "sk-a bc",
            "sk-a\nbc",
            "sk-\u{e9}",
            "sk-\u{2013}x",
            "a\0b",
            "a\u{7f}b",
        ] {
            assert_eq!(
                clean(bad.as_bytes()),
                Err(KeyError::ForbiddenByte),
                "{bad:?}"
            );
        }
        assert_eq!(clean(b"\xff\xfe"), Err(KeyError::ForbiddenByte));
        assert_eq!(clean(&[b'a'; MAX_KEY + 1]), Err(KeyError::TooLong));
        assert!(clean(&[b'a'; MAX_KEY]).is_ok());
    }

    #[test]
    fn previews_show_eight_characters_of_long_keys_only() {
        assert_eq!(
            preview("sk-proj-0123456789abwxyz").as_deref(),
            Some("sk-p\u{2026}wxyz")
        );
        assert_eq!(preview("sk-proj-0123456789abwxy"), None);
        assert_eq!(preview(""), None);
    }

    #[test]
    fn public_prefixes_are_the_longest_known() {
        let catalogue = Catalogue::builtin();
        for (key, prefix) in [
            ("sk-proj-abc", "sk-proj-"),
            ("sk-ant-api03-abc", "sk-ant-api03-"),
            ("sk-abc", "sk-"),
            ("AIzaSyX", "AIza"),
            ("nothing", ""),
        ] {
            assert_eq!(public_prefix(&catalogue, key), prefix);
        }
    }
}
