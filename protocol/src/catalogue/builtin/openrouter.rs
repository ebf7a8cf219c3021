//! OpenRouter.

use super::*;

pub(super) const ROW: Provider = Provider {
    id: Text::Borrowed("openrouter"),
    name: Text::Borrowed("OpenRouter"),
    origin: Text::Borrowed("https://openrouter.ai"),
    native_prefix: Text::Borrowed("/api/v1"),
    openai_prefix: Text::Borrowed("/api/v1"),
    auth: Auth::Bearer,
    openai_auth: None,
    default_headers: Cow::Borrowed(&[]),
    check: Check {
        path: Text::Borrowed("/api/v1/key"),
        body: CheckBody::OpenRouterKey,
    },
    deep_model: Some(Text::Borrowed("openai/gpt-4o-mini")),
    key_shapes: shapes!["sk-or-v1-" Hex 64..=64],
    env_names: texts!["OPENROUTER_API_KEY", "OPENROUTER_KEY"],
    key_page: Text::Borrowed("https://openrouter.ai/settings/keys"),
    #[cfg(feature = "relay")]
    key_rules: rules![401 "" Invalid, 402 "" NoCredit, 403 "" WrongScope],
    #[cfg(feature = "relay")]
    deny: endpoints![
        Any "/api/v1/keys",
        Any "/api/v1/keys/**",
        Any "/api/v1/auth/**",
        Any "/api/v1/credits/**",
        Any "/api/v1/organization/**",
        Any "/api/v1/guardrails",
        Any "/api/v1/guardrails/**",
    ],
    #[cfg(feature = "relay")]
    allow: endpoints![
        Get "/api/v1/models",
        Get "/api/v1/models/**",
        Get "/api/v1/embeddings/models",
        Get "/api/v1/providers",
        Get "/api/v1/key",
        Get "/api/v1/credits",
        Get "/api/v1/generation",
        Post "/api/v1/chat/completions",
        Post "/api/v1/completions",
        Post "/api/v1/embeddings",
        Post "/api/v1/responses",
        Post "/api/v1/messages",
    ],
    unified: unified![ChatCompletions, Completions, Embeddings, Responses, Models],
    stream_usage: StreamUsage::Always,
    vendors: texts!["openrouter"],
    hosts: texts!["*"],
    models: texts![],
};
