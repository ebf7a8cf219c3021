//! xAI.

use super::*;

pub(super) const ROW: Provider = Provider {
    id: Text::Borrowed("xai"),
    name: Text::Borrowed("xAI"),
    origin: Text::Borrowed("https://api.x.ai"),
    native_prefix: Text::Borrowed("/v1"),
    openai_prefix: Text::Borrowed("/v1"),
    auth: Auth::Bearer,
    openai_auth: None,
    default_headers: Cow::Borrowed(&[]),
    check: Check {
        path: Text::Borrowed("/v1/api-key"),
        body: CheckBody::XaiKey,
    },
    deep_model: Some(Text::Borrowed("grok-code-fast-1")),
    key_shapes: shapes!["xai-" Alphanumeric 80..=80],
    env_names: texts!["XAI_API_KEY", "GROK_API_KEY"],
    key_page: Text::Borrowed("https://console.x.ai"),
    #[cfg(feature = "relay")]
    key_rules: rules![
        400 "~Incorrect API key" Invalid,
        400 "~invalid-argument:api-key" Invalid,
        401 "" Invalid,
        403 "~spending limit" NoCredit,
        403 "~credits" NoCredit,
        429 "~spending limit" NoCredit,
    ],
    #[cfg(feature = "relay")]
    deny: endpoints![
        Any "/v1/realtime",
        Any "/v1/realtime/**",
        Any "/auth/**",
    ],
    #[cfg(feature = "relay")]
    allow: endpoints![
        Get "/v1/models",
        Get "/v1/models/*",
        Get "/v1/language-models",
        Get "/v1/language-models/*",
        Get "/v1/image-generation-models",
        Get "/v1/api-key",
        Post "/v1/chat/completions",
        Get "/v1/chat/deferred-completion/*",
        Post "/v1/completions",
        Post "/v1/responses",
        Get "/v1/responses/*",
        Delete "/v1/responses/*",
        Post "/v1/messages",
        Post "/v1/images/generations",
        Post "/v1/tokenize-text",
    ],
    unified: unified![ChatCompletions, Completions, Responses, Models],
    stream_usage: StreamUsage::Always,
    vendors: texts!["x-ai", "xai"],
    hosts: texts![],
    models: texts!["grok-"],
};
