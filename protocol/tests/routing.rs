//! From a model's name to a provider, and the name it has there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use keyferry_protocol::catalogue::{Provider, Unified};
use keyferry_protocol::routing::{RouteError, gemini_model, openrouter_slug};
use keyferry_protocol::{Catalogue, ErrorCode};
use proptest::prelude::*;

fn route(model: &str, requested: Option<&str>) -> Result<(String, String), RouteError> {
    let catalogue = Catalogue::builtin();
    let target = catalogue.route(model, requested)?;
    Ok((target.provider.id.to_string(), target.model.into_owned()))
}

#[test]
fn a_name_leads_to_its_provider() {
    for (model, provider, upstream) in [
        // Explicit prefixes first.
        ("openai/gpt-4o", "openai", "gpt-4o"),
        (
            "anthropic/claude-sonnet-4-5",
            "anthropic",
            "claude-sonnet-4-5",
        ),
        (
            "anthropic/claude-sonnet-4.5",
            "anthropic",
            "claude-sonnet-4-5",
        ),
        ("google/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        (
            "meta-llama/Llama-3.3-70B-Instruct",
            "meta",
            "Llama-3.3-70B-Instruct",
        ),
        (
            "groq/llama-3.3-70b-versatile",
            "groq",
            "llama-3.3-70b-versatile",
        ),
        ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("groq/compound", "groq", "groq/compound"),
        ("xai/grok-4", "xai", "grok-4"),
        ("x-ai/grok-4", "xai", "grok-4"),
        ("deepseek/deepseek-chat", "deepseek", "deepseek-chat"),
        ("mistralai/mistral-large", "mistral", "mistral-large"),
        (
            "mistral/mistral-large-latest",
            "mistral",
            "mistral-large-latest",
        ),
        (
            "openrouter/anthropic/claude-sonnet-4.5",
            "openrouter",
            "anthropic/claude-sonnet-4.5",
        ),
        ("openrouter/auto", "openrouter", "openrouter/auto"),
        // A prefix beats the name behind it.
        ("openai/claude-3", "openai", "claude-3"),
        // Then names.
        ("gpt-4o", "openai", "gpt-4o"),
        ("GPT-4o", "openai", "GPT-4o"),
        ("o1", "openai", "o1"),
        ("o3-mini", "openai", "o3-mini"),
        ("o4-mini-2025-04-16", "openai", "o4-mini-2025-04-16"),
        ("chatgpt-4o-latest", "openai", "chatgpt-4o-latest"),
        ("text-embedding-3-small", "openai", "text-embedding-3-small"),
        ("whisper-1", "openai", "whisper-1"),
        ("ft:gpt-4o-mini:org::id", "openai", "ft:gpt-4o-mini:org::id"),
        ("claude-opus-4-1", "anthropic", "claude-opus-4-1"),
        ("gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("llama-3.3-70b", "meta", "llama-3.3-70b"),
        (
            "Llama-4-Scout-17B-16E-Instruct-FP8",
            "meta",
            "Llama-4-Scout-17B-16E-Instruct-FP8",
        ),
        ("grok-4", "xai", "grok-4"),
        ("deepseek-reasoner", "deepseek", "deepseek-reasoner"),
        ("mistral-small-latest", "mistral", "mistral-small-latest"),
        ("codestral-latest", "mistral", "codestral-latest"),
        ("voxtral-mini-latest", "mistral", "voxtral-mini-latest"),
        // Else OpenRouter.
        ("qwen/qwen3-235b-a22b", "openrouter", "qwen/qwen3-235b-a22b"),
        ("moonshotai/kimi-k2", "openrouter", "moonshotai/kimi-k2"),
        ("something-new", "openrouter", "something-new"),
        ("olmo-7b", "openrouter", "olmo-7b"),
        ("openaix/gpt-4o", "openrouter", "openaix/gpt-4o"),
        // Its price classes exist nowhere else.
        (
            "meta-llama/llama-3.3-70b-instruct:free",
            "openrouter",
            "meta-llama/llama-3.3-70b-instruct:free",
        ),
    ] {
        assert_eq!(
            route(model, None),
            Ok((provider.into(), upstream.into())),
            "{model}"
        );
    }
}

#[test]
fn the_provider_asked_for_must_agree_with_the_prefix() {
    for (model, requested, upstream) in [
        ("gpt-4o", "openai", "gpt-4o"),
        ("openai/gpt-4o", "openai", "gpt-4o"),
        // A bare name contradicts nobody.
        ("gpt-4o", "groq", "gpt-4o"),
        ("claude-sonnet-4-5", "openai", "claude-sonnet-4-5"),
        // Names with a foreign prefix that are the provider's own.
        ("openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        (
            "meta-llama/llama-prompt-guard-2-22m",
            "groq",
            "meta-llama/llama-prompt-guard-2-22m",
        ),
        ("unknown/model", "mistral", "unknown/model"),
        // OpenRouter takes any.
        ("openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("gpt-4o", "openrouter", "openai/gpt-4o"),
        (
            "claude-sonnet-4-5-20250929",
            "openrouter",
            "anthropic/claude-sonnet-4.5",
        ),
    ] {
        assert_eq!(
            route(model, Some(requested)),
            Ok((requested.into(), upstream.into())),
            "{model} at {requested}"
        );
    }
    for (model, requested) in [
        ("openai/gpt-4o", "anthropic"),
        ("anthropic/claude-3", "openai"),
        ("openrouter/auto", "openai"),
        ("groq/compound", "openai"),
    ] {
        let error = route(model, Some(requested)).unwrap_err();
        assert_eq!(error, RouteError::Mismatch, "{model} at {requested}");
        assert_eq!(error.code(), ErrorCode::ProviderMismatch);
    }
    assert_eq!(
        route("gpt-4o", Some("nobody")),
        Err(RouteError::UnknownProvider)
    );
    assert_eq!(
        route("gpt-4o", Some("OpenAI")),
        Err(RouteError::UnknownProvider)
    );
}

#[test]
fn slugs_are_openrouters() {
    let catalogue = Catalogue::builtin();
    for (model, slug) in [
        ("gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
        ("claude-3-5-sonnet-20241022", "anthropic/claude-3.5-sonnet"),
        ("claude-3-5-sonnet-latest", "anthropic/claude-3.5-sonnet"),
        ("claude-opus-4-1", "anthropic/claude-opus-4.1"),
        ("anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4.5"),
        ("anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4.5"),
        ("gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("grok-4", "x-ai/grok-4"),
        ("xai/grok-4", "x-ai/grok-4"),
        ("deepseek-chat", "deepseek/deepseek-chat"),
        ("deepseek-reasoner", "deepseek/deepseek-r1"),
        ("mistral-large-latest", "mistralai/mistral-large"),
        (
            "meta-llama/llama-3.3-70b-instruct",
            "meta-llama/llama-3.3-70b-instruct",
        ),
        (
            "Llama-3.3-70B-Instruct",
            "meta-llama/llama-3.3-70b-instruct",
        ),
        ("groq/openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        (
            "groq/llama-3.3-70b-versatile",
            "meta-llama/llama-3.3-70b-versatile",
        ),
        ("openrouter/auto", "openrouter/auto"),
        ("openrouter/qwen/qwen3", "qwen/qwen3"),
        ("qwen/qwen3:free", "qwen/qwen3:free"),
        ("something-new", "something-new"),
    ] {
        assert_eq!(openrouter_slug(&catalogue, model), slug, "{model}");
    }
}

#[test]
fn an_operators_provider_is_reached_by_its_prefix() {
    let mut catalogue = Catalogue::builtin();
    let row = Provider::openai_compatible("my-llm", "http://127.0.0.1:9000");
    catalogue.insert(row).unwrap();
    let target = catalogue.route("my-llm/qwen3", None).unwrap();
    assert_eq!((&*target.provider.id, &*target.model), ("my-llm", "qwen3"));
    let target = catalogue
        .route("meta-llama/llama-3", Some("my-llm"))
        .unwrap();
    assert_eq!(
        (&*target.provider.id, &*target.model),
        ("my-llm", "meta-llama/llama-3")
    );
    assert_eq!(
        target.provider.unified_path(Unified::ChatCompletions),
        "/v1/chat/completions"
    );
}

#[test]
fn gemini_paths_name_their_model() {
    for (path, model, method) in [
        (
            "/v1beta/models/gemini-2.5-pro:generateContent",
            "gemini-2.5-pro",
            "generateContent",
        ),
        (
            "/v1/models/gemini-2.5-pro:streamGenerateContent",
            "gemini-2.5-pro",
            "streamGenerateContent",
        ),
        // Decoded, as the provider reads it: tiers are judged by this name.
        (
            "/v1beta/models/gemini%2D2.5-pro%3AgenerateContent",
            "gemini-2.5-pro",
            "generateContent",
        ),
        (
            "/v1beta/tunedModels/mine:generateContent",
            "tunedModels/mine",
            "generateContent",
        ),
    ] {
        assert_eq!(
            gemini_model(path),
            Some((model.into(), method.into())),
            "{path}"
        );
    }
    for path in [
        "/v1beta/models",
        "/v1beta/models/gemini-2.5-pro",
        "/v1beta/files/x:download",
        "/v1beta/openai/chat/completions",
        "/v1beta/models/a/b:generateContent",
        "/",
        "",
        "/v1beta/models/%ff:generateContent",
    ] {
        assert_eq!(gemini_model(path), None, "{path}");
    }
}

proptest! {
    #[test]
    fn every_name_has_a_route_and_a_slug(model in "(openai/|groq/|openrouter/|x/)?[ -~]{0,40}") {
        let catalogue = Catalogue::builtin();
        let target = catalogue.route(&model, None).unwrap();
        // Routing to where it led must not contradict itself.
        let again = catalogue.route(&model, Some(&target.provider.id)).unwrap();
        prop_assert_eq!(again, target);
        // A slug is already OpenRouter's name: mapping it again changes nothing. Not so once
        // `openrouter/` is dropped, which had said whose name the rest is.
        let slug = openrouter_slug(&catalogue, &model).into_owned();
        if slug != model && slug.contains('/') && !model.starts_with("openrouter/") {
            let again = openrouter_slug(&catalogue, &slug).into_owned();
            prop_assert!(again == slug || slug.starts_with("openrouter/") || slug.matches('/').count() > 1, "{} {}", slug, again);
        }
    }
}
