//! Groq.

use super::*;

pub(super) const ROW: Provider = Provider {
    id: Text::Borrowed("groq"),
    name: Text::Borrowed("Groq"),
    origin: Text::Borrowed("https://api.groq.com"),
    native_prefix: Text::Borrowed("/openai/v1"),
    openai_prefix: Text::Borrowed("/openai/v1"),
    auth: Auth::Bearer,
    openai_auth: None,
    default_headers: Cow::Borrowed(&[]),
    check: Check {
        path: Text::Borrowed("/openai/v1/models"),
        body: CheckBody::ModelList,
    },
    deep_model: Some(Text::Borrowed("openai/gpt-oss-20b")),
    key_shapes: shapes!["gsk_" Alphanumeric 52..=52],
    env_names: texts!["GROQ_API_KEY"],
    key_page: Text::Borrowed("https://console.groq.com/keys"),
    #[cfg(feature = "relay")]
    key_rules: rules![
        401 "invalid_api_key" Invalid,
        401 "expired_api_key" Invalid,
        400 "organization_restricted" WrongScope,
    ],
    #[cfg(feature = "relay")]
    deny: endpoints![],
    #[cfg(feature = "relay")]
    allow: endpoints![
        Get "/openai/v1/models",
        Get "/openai/v1/models/**",
        Post "/openai/v1/chat/completions",
        Post "/openai/v1/responses",
        Post "/openai/v1/embeddings",
        Post "/openai/v1/audio/transcriptions",
        Post "/openai/v1/audio/translations",
        Post "/openai/v1/audio/speech",
        Any "/openai/v1/files",
        Any "/openai/v1/files/**",
        Any "/openai/v1/batches",
        Any "/openai/v1/batches/**",
    ],
    unified: unified![ChatCompletions, Responses, Transcriptions, Models],
    stream_usage: StreamUsage::OnRequest,
    vendors: texts!["groq"],
    hosts: texts!["openai", "meta-llama", "moonshotai", "qwen", "canopylabs"],
    models: texts!["distil-whisper-", "groq/compound"],
};
