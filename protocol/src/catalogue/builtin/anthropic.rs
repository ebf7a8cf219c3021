//! Anthropic.

use super::*;

pub(super) const ROW: Provider = Provider {
    id: Text::Borrowed("anthropic"),
    name: Text::Borrowed("Anthropic"),
    origin: Text::Borrowed("https://api.anthropic.com"),
    native_prefix: Text::Borrowed("/v1"),
    openai_prefix: Text::Borrowed("/v1"),
    auth: Auth::Header(Text::Borrowed("x-api-key")),
    openai_auth: Some(Auth::Bearer),
    default_headers: Cow::Borrowed(&[(
        Text::Borrowed("anthropic-version"),
        Text::Borrowed("2023-06-01"),
    )]),
    check: Check {
        path: Text::Borrowed("/v1/models"),
        body: CheckBody::ModelList,
    },
    deep_model: Some(Text::Borrowed("claude-haiku-4-5")),
    key_shapes: shapes![
        "sk-ant-api03-" Base64Url 80..=120,
        "sk-ant-" Base64Url 30..=160,
    ],
    env_names: texts!["ANTHROPIC_API_KEY", "CLAUDE_API_KEY"],
    key_page: Text::Borrowed("https://console.anthropic.com/settings/keys"),
    #[cfg(feature = "relay")]
    key_rules: rules![
        401 "authentication_error" Invalid,
        401 "invalid_api_key" Invalid,
        400 "~credit balance is too low" NoCredit,
        402 "billing_error" NoCredit,
        403 "permission_error" WrongScope,
        429 "rate_limit_error" RateLimited,
        529 "" Unreachable,
    ],
    #[cfg(feature = "relay")]
    deny: endpoints![
        Any "/v1/organizations",
        Any "/v1/organizations/**",
        Any "/v1/oauth/**",
    ],
    #[cfg(feature = "relay")]
    allow: endpoints![
        Post "/v1/messages",
        Post "/v1/messages/count_tokens",
        GetPost "/v1/messages/batches",
        Get "/v1/messages/batches/*",
        Delete "/v1/messages/batches/*",
        Get "/v1/messages/batches/*/results",
        Post "/v1/messages/batches/*/cancel",
        Post "/v1/complete",
        Post "/v1/chat/completions",
        Get "/v1/models",
        Get "/v1/models/*",
        Any "/v1/files",
        Any "/v1/files/**",
    ],
    unified: unified![ChatCompletions, Models],
    stream_usage: StreamUsage::OnRequest,
    vendors: texts!["anthropic"],
    hosts: texts![],
    models: texts!["claude-"],
};
