//! Meta Llama.

use super::*;

pub(super) const ROW: Provider = Provider {
    id: Text::Borrowed("meta"),
    name: Text::Borrowed("Meta Llama"),
    origin: Text::Borrowed("https://api.llama.com"),
    native_prefix: Text::Borrowed("/compat/v1"),
    openai_prefix: Text::Borrowed("/compat/v1"),
    auth: Auth::Bearer,
    openai_auth: None,
    default_headers: Cow::Borrowed(&[]),
    check: Check {
        path: Text::Borrowed("/compat/v1/models"),
        body: CheckBody::ModelList,
    },
    deep_model: Some(Text::Borrowed("Llama-3.3-8B-Instruct")),
    key_shapes: shapes!["LLM|" Token 20..=120],
    env_names: texts!["LLAMA_API_KEY", "META_LLAMA_API_KEY", "META_API_KEY"],
    key_page: Text::Borrowed("https://llama.developer.meta.com/api-keys"),
    #[cfg(feature = "relay")]
    key_rules: rules![401 "" Invalid],
    #[cfg(feature = "relay")]
    deny: endpoints![],
    #[cfg(feature = "relay")]
    allow: endpoints![
        Get "/compat/v1/models",
        Get "/compat/v1/models/*",
        Post "/compat/v1/chat/completions",
        Get "/v1/models",
        Get "/v1/models/*",
        Post "/v1/chat/completions",
        Post "/v1/moderations",
    ],
    unified: unified![ChatCompletions, Models],
    stream_usage: StreamUsage::Always,
    vendors: texts!["meta-llama", "meta"],
    hosts: texts![],
    models: texts!["llama-"],
};
