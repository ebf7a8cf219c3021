//! A row: what there is to know of one provider.

#[cfg(feature = "relay")]
use super::{Endpoint, KeyRule, Methods};
use std::borrow::Cow;

/// Text of a row: static for built-in rows, owned for an operator's.
pub type Text = Cow<'static, str>;
/// List of a row.
pub type List<T> = Cow<'static, [T]>;

/// How a provider takes its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer <key>`
    Bearer,
    /// The key alone in the named header (lower case).
    Header(Text),
}

impl Auth {
    /// Name of the header, lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        match self {
            Self::Bearer => "authorization",
            Self::Header(name) => name,
        }
    }

    /// What stands before the key in the header's value.
    #[must_use]
    pub const fn prefix(&self) -> &'static str {
        match self {
            Self::Bearer => "Bearer ",
            Self::Header(_) => "",
        }
    }
}

/// What the answer to a cheap check tells beyond its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckBody {
    /// `{"data": [{"id": …}]}`: the models the key may use.
    ModelList,
    /// Google's `{"models": [{"name": "models/…"}]}`.
    GoogleModelList,
    /// OpenRouter's `{"data": {"limit", "limit_remaining", "usage", "is_free_tier"}}`, in USD.
    OpenRouterKey,
    /// DeepSeek's `{"is_available", "balance_infos": [{"currency", "total_balance"}]}`.
    DeepSeekBalance,
    /// xAI's `{"api_key_blocked", "api_key_disabled", "team_blocked", …}`.
    XaiKey,
    /// Nothing known; the status decides alone.
    Opaque,
}

/// A `GET` that costs nothing and needs a good key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Path and query below the origin.
    pub path: Text,
    /// How to read a 200.
    pub body: CheckBody,
}

/// The alphabet of a key behind its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// `0-9a-fA-F`
    Hex,
    /// `0-9A-Za-z`
    Alphanumeric,
    /// `0-9A-Za-z_-`
    Base64Url,
    /// `0-9A-Za-z_-.|`
    Token,
}

impl Charset {
    /// Whether `byte` belongs to it.
    #[must_use]
    pub const fn contains(self, byte: u8) -> bool {
        match self {
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Base64Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Token => {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'|')
            }
        }
    }
}

/// A form a provider's keys take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyShape {
    /// How such keys begin. Public: it is no secret and is never searched for in answers.
    pub prefix: Text,
    /// What follows the prefix.
    pub charset: Charset,
    /// Fewest bytes behind the prefix.
    pub min: usize,
    /// Most bytes behind the prefix.
    pub max: usize,
}

/// A unified, OpenAI-shaped route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unified {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/audio/transcriptions`
    Transcriptions,
    /// `GET /v1/models`
    Models,
}

impl Unified {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Transcriptions,
        Self::Models,
    ];

    /// The path below a provider's OpenAI-compatible prefix; the relay's own route is `/v1` and
    /// this.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Responses => "/responses",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Models => "/models",
        }
    }

    /// The route's method.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Models => "GET",
            _ => "POST",
        }
    }

    /// Finds the route of the relay's path (`/v1/chat/completions` …).
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        let path = path.strip_prefix("/v1")?;
        Self::ALL.into_iter().find(|route| route.path() == path)
    }
}

/// When a streamed chat completion reports its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamUsage {
    /// Always; asking might be refused as an unknown field.
    Always,
    /// When `stream_options.include_usage` asks for it, see [`crate::usage::ask_for_usage`].
    OnRequest,
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// `^[a-z][a-z0-9-]{0,31}$`
    pub id: Text,
    /// Name for people.
    pub name: Text,
    /// Scheme, host and port, without a trailing slash.
    pub origin: Text,
    /// Prefix of the native API, `""` when there is none.
    pub native_prefix: Text,
    /// Prefix of the OpenAI-compatible API; [`Unified::path`] is appended.
    pub openai_prefix: Text,
    /// How native endpoints take the key.
    pub auth: Auth,
    /// How endpoints below [`Self::openai_prefix`] take it, where that differs.
    pub openai_auth: Option<Auth>,
    /// Headers (lower case) sent when the client sent none of that name.
    pub default_headers: List<(Text, Text)>,
    /// The cheap check of a key.
    pub check: Check,
    /// A cheap model for the deep test: one token of chat completion.
    pub deep_model: Option<Text>,
    /// Forms of its keys, most specific first.
    pub key_shapes: List<KeyShape>,
    /// Environment variables that usually hold its key.
    pub env_names: List<Text>,
    /// Where a person makes a key.
    pub key_page: Text,
    /// What its refusals mean; the first rule that fits counts, see [`Provider::verdict`].
    #[cfg(feature = "relay")]
    pub key_rules: List<KeyRule>,
    /// Endpoints never relayed, whatever `allow` says.
    #[cfg(feature = "relay")]
    pub deny: List<Endpoint>,
    /// Endpoints relayed.
    #[cfg(feature = "relay")]
    pub allow: List<Endpoint>,
    /// The unified routes it serves.
    pub unified: List<Unified>,
    /// Whether its streamed chat completions report usage unasked.
    pub stream_usage: StreamUsage,
    /// Explicit model prefixes (`openai` for `openai/gpt-4o`); its id counts without being listed.
    pub vendors: List<Text>,
    /// Foreign prefixes that are part of its own model names (`openai` in Groq's
    /// `openai/gpt-oss-120b`); `*` for all.
    pub hosts: List<Text>,
    /// Beginnings of its models' names, any letter case; `#` stands for one digit.
    pub models: List<Text>,
}

impl Provider {
    /// An operator's provider with an OpenAI-compatible API below `/v1`: Bearer keys, the usual
    /// endpoints. Fields that differ are set afterwards.
    #[must_use]
    pub fn openai_compatible(id: impl Into<Text>, origin: impl Into<Text>) -> Self {
        let id = id.into();
        Self {
            name: id.clone(),
            id,
            origin: origin.into(),
            native_prefix: Text::Borrowed("/v1"),
            openai_prefix: Text::Borrowed("/v1"),
            auth: Auth::Bearer,
            openai_auth: None,
            default_headers: List::Borrowed(&[]),
            check: Check {
                path: Text::Borrowed("/v1/models"),
                body: CheckBody::ModelList,
            },
            deep_model: None,
            key_shapes: List::Borrowed(&[]),
            env_names: List::Borrowed(&[]),
            key_page: Text::Borrowed(""),
            #[cfg(feature = "relay")]
            key_rules: List::Borrowed(&[]),
            #[cfg(feature = "relay")]
            deny: List::Borrowed(&[]),
            #[cfg(feature = "relay")]
            allow: List::Owned(vec![
                Endpoint::new(Methods::Get, "/v1/models"),
                Endpoint::new(Methods::Get, "/v1/models/*"),
                Endpoint::new(Methods::Post, "/v1/chat/completions"),
                Endpoint::new(Methods::Post, "/v1/completions"),
                Endpoint::new(Methods::Post, "/v1/embeddings"),
                Endpoint::new(Methods::Post, "/v1/responses"),
                Endpoint::new(Methods::Post, "/v1/audio/transcriptions"),
            ]),
            unified: List::Borrowed(&Unified::ALL),
            stream_usage: StreamUsage::OnRequest,
            vendors: List::Borrowed(&[]),
            hosts: List::Borrowed(&[Text::Borrowed("*")]),
            models: List::Borrowed(&[]),
        }
    }

    /// Whether it serves a unified route.
    #[must_use]
    pub fn serves(&self, route: Unified) -> bool {
        self.unified.contains(&route)
    }

    /// Path of a unified route at this provider.
    #[must_use]
    pub fn unified_path(&self, route: Unified) -> String {
        let mut path = String::from(&*self.openai_prefix);
        path.push_str(route.path());
        path
    }

    /// Whether `path` is the provider's own for a unified route.
    #[must_use]
    pub fn is_unified_path(&self, route: Unified, path: &str) -> bool {
        path.strip_prefix(&*self.openai_prefix) == Some(route.path())
    }

    /// How the endpoint at `path` takes the key.
    #[must_use]
    pub fn auth_for(&self, path: &str) -> &Auth {
        match &self.openai_auth {
            Some(auth) if self.is_openai_path(path) => auth,
            _ => &self.auth,
        }
    }

    /// Whether `path` is the OpenAI-compatible face of a provider with an API of its own.
    fn is_openai_path(&self, path: &str) -> bool {
        if *self.openai_prefix == *self.native_prefix {
            return self.unified.iter().any(|route| {
                *route != Unified::Models
                    && path.strip_prefix(&*self.openai_prefix) == Some(route.path())
            });
        }
        path.strip_prefix(&*self.openai_prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether a name without prefix is one of its models.
    #[must_use]
    pub fn knows_model(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| begins_as(model, pattern))
    }
}

/// Whether `text` begins as `pattern` says: any letter case, `#` for one digit.
fn begins_as(text: &str, pattern: &str) -> bool {
    let mut text = text.bytes();
    pattern.bytes().all(|wanted| {
        text.next().is_some_and(|byte| match wanted {
            b'#' => byte.is_ascii_digit(),
            _ => byte.eq_ignore_ascii_case(&wanted),
        })
    })
}
