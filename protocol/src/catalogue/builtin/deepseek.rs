//! DeepSeek.

use super::*;

pub(super) const ROW: Provider = Provider {
    id: Text::Borrowed("deepseek"),
    name: Text::Borrowed("DeepSeek"),
    origin: Text::Borrowed("https://api.deepseek.com"),
    native_prefix: Text::Borrowed(""),
    openai_prefix: Text::Borrowed(""),
    auth: Auth::Bearer,
    openai_auth: None,
    default_headers: Cow::Borrowed(&[]),
    check: Check {
        path: Text::Borrowed("/user/balance"),
        body: CheckBody::DeepSeekBalance,
    },
    deep_model: Some(Text::Borrowed("deepseek-chat")),
    key_shapes: shapes!["sk-" Hex 32..=32],
    env_names: texts!["DEEPSEEK_API_KEY"],
    key_page: Text::Borrowed("https://platform.deepseek.com/api_keys"),
    #[cfg(feature = "relay")]
    key_rules: rules![
        401 "" Invalid,
        402 "" NoCredit,
    ],
    #[cfg(feature = "relay")]
    deny: endpoints![],
    #[cfg(feature = "relay")]
    allow: endpoints![
        Get "/models",
        Get "/v1/models",
        Get "/user/balance",
        Post "/chat/completions",
        Post "/v1/chat/completions",
        Post "/beta/chat/completions",
        Post "/beta/v1/chat/completions",
        Post "/beta/completions",
        Post "/beta/v1/completions",
        Post "/anthropic/v1/messages",
    ],
    unified: unified![ChatCompletions, Models],
    stream_usage: StreamUsage::OnRequest,
    vendors: texts!["deepseek"],
    hosts: texts![],
    models: texts!["deepseek-"],
};
