//! The built-in rows, one file each.

// The macros expand to plain constructors, so that every row is a constant in the binary.

macro_rules! texts {
    ($($text:literal),* $(,)?) => { Cow::Borrowed(&[$(Text::Borrowed($text)),*]) };
}

#[cfg(feature = "relay")]
macro_rules! endpoints {
    ($($methods:ident $path:literal),* $(,)?) => {
        Cow::Borrowed(&[$(Endpoint { methods: Methods::$methods, path: Text::Borrowed($path) }),*])
    };
}

macro_rules! shapes {
    ($($prefix:literal $charset:ident $min:literal..=$max:literal),* $(,)?) => {
        Cow::Borrowed(&[$(KeyShape {
            prefix: Text::Borrowed($prefix),
            charset: Charset::$charset,
            min: $min,
            max: $max,
        }),*])
    };
}

#[cfg(feature = "relay")]
macro_rules! rules {
    ($($status:literal $marker:literal $verdict:ident),* $(,)?) => {
        Cow::Borrowed(&[$(KeyRule {
            status: $status,
            marker: Text::Borrowed($marker),
            verdict: Verdict::$verdict,
        }),*])
    };
}

macro_rules! unified {
    ($($route:ident),* $(,)?) => { Cow::Borrowed(&[$(Unified::$route),*]) };
}

mod anthropic;
mod deepseek;
mod google;
mod groq;
mod meta;
mod mistral;
mod openai;
mod openrouter;
mod xai;

use super::{Auth, Charset, Check, CheckBody, KeyShape, Provider, StreamUsage, Text, Unified};
#[cfg(feature = "relay")]
use super::{Endpoint, KeyRule, Methods, Verdict};
use std::borrow::Cow;

/// In the order in which providers are listed; among equals the first one counts.
pub(super) static ROWS: [Provider; 9] = [
    openai::ROW,
    anthropic::ROW,
    google::ROW,
    openrouter::ROW,
    meta::ROW,
    groq::ROW,
    xai::ROW,
    deepseek::ROW,
    mistral::ROW,
];
