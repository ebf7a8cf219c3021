//! Mistral.

use super::*;

pub(super) const ROW: Provider = Provider {
    id: Text::Borrowed("mistral"),
    name: Text::Borrowed("Mistral"),
    origin: Text::Borrowed("https://api.mistral.ai"),
    native_prefix: Text::Borrowed("/v1"),
    openai_prefix: Text::Borrowed("/v1"),
    auth: Auth::Bearer,
    openai_auth: None,
    default_headers: Cow::Borrowed(&[]),
    check: Check {
        path: Text::Borrowed("/v1/models"),
        body: CheckBody::ModelList,
    },
    deep_model: Some(Text::Borrowed("ministral-3b-latest")),
    key_shapes: shapes!["" Alphanumeric 32..=32],
    env_names: texts!["MISTRAL_API_KEY"],
    key_page: Text::Borrowed("https://console.mistral.ai/api-keys"),
    #[cfg(feature = "relay")]
    key_rules: rules![401 "" Invalid],
    #[cfg(feature = "relay")]
    deny: endpoints![],
    #[cfg(feature = "relay")]
    allow: endpoints![
        Get "/v1/models",
        Get "/v1/models/*",
        Post "/v1/chat/completions",
        Post "/v1/fim/completions",
        Post "/v1/agents/completions",
        Post "/v1/embeddings",
        Post "/v1/moderations",
        Post "/v1/chat/moderations",
        Post "/v1/classifications",
        Post "/v1/ocr",
        Post "/v1/audio/transcriptions",
        Any "/v1/files",
        Any "/v1/files/**",
        Any "/v1/batch/jobs",
        Any "/v1/batch/jobs/**",
        Any "/v1/conversations",
        Any "/v1/conversations/**",
    ],
    unified: unified![ChatCompletions, Embeddings, Transcriptions, Models],
    stream_usage: StreamUsage::Always,
    vendors: texts!["mistralai", "mistral"],
    hosts: texts![],
    models: texts![
        "mistral-",
        "ministral-",
        "magistral-",
        "codestral-",
        "devstral-",
        "pixtral-",
        "voxtral-",
        "mixtral-",
        "open-mistral-",
        "open-mixtral-",
        "open-codestral-",
    ],
};
