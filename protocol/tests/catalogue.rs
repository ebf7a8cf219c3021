//! The catalogue's rows: that they are sound, what they let through, how they read refusals.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use keyferry_protocol::catalogue::{Access, Auth, Provider, RowError, Unified};
use keyferry_protocol::{Catalogue, ErrorCode, Verdict, path};
use std::path::PathBuf;

const IDS: [&str; 9] = [
    "openai",
    "anthropic",
    "google",
    "openrouter",
    "meta",
    "groq",
    "xai",
    "deepseek",
    "mistral",
];

fn row(id: &str) -> Provider {
    Catalogue::builtin().get(id).unwrap().clone()
}

#[test]
fn rows_are_sound() {
    let catalogue = Catalogue::builtin();
    let ids: Vec<&str> = catalogue.iter().map(|row| &*row.id).collect();
    assert_eq!(ids, IDS);
    let mut again = Catalogue::builtin();
    for provider in catalogue.iter() {
        let id = &provider.id;
        again.insert(provider.clone()).unwrap();
        assert!(provider.origin.starts_with("https://"), "{id}");
        assert_eq!(catalogue.by_origin(&provider.origin).unwrap().id, *id);
        assert!(provider.key_page.starts_with("https://"), "{id}");
        assert!(!provider.env_names.is_empty(), "{id}");
        for name in provider.env_names.iter() {
            assert_eq!(catalogue.by_env_name(name).unwrap().id, *id);
        }
        for endpoint in provider.allow.iter().chain(provider.deny.iter()) {
            assert_eq!(
                path::check(&endpoint.path.replace('*', "x")),
                Ok(()),
                "{id}"
            );
        }
        for endpoint in provider.deny.iter() {
            assert_eq!(
                *endpoint.path,
                endpoint.path.to_ascii_lowercase(),
                "{id}: compared folded"
            );
        }
        let check = provider.check.path.split('?').next().unwrap();
        assert_eq!(provider.admit("GET", check), Ok(()), "{id}: its own check");
        for route in provider.unified.iter() {
            let path = provider.unified_path(*route);
            assert_eq!(provider.admit(route.method(), &path), Ok(()), "{id} {path}");
        }
        for (name, _) in provider.default_headers.iter() {
            assert_eq!(**name, name.to_ascii_lowercase());
        }
        for vendor in provider.vendors.iter() {
            assert_eq!(catalogue.by_vendor(vendor).unwrap().id, *id, "{vendor}");
        }
        // A longer prefix must come first, or the shorter one would hide it.
        for (index, shape) in provider.key_shapes.iter().enumerate() {
            for later in provider.key_shapes.iter().skip(index + 1) {
                assert!(
                    !later.prefix.starts_with(&*shape.prefix),
                    "{id}: {}",
                    later.prefix
                );
            }
            assert!(shape.min <= shape.max);
        }
    }
}

#[test]
fn keys_travel_as_each_provider_wants_them() {
    for (id, path, header, prefix) in [
        ("openai", "/v1/chat/completions", "authorization", "Bearer "),
        ("anthropic", "/v1/messages", "x-api-key", ""),
        ("anthropic", "/v1/models", "x-api-key", ""),
        (
            "anthropic",
            "/v1/chat/completions",
            "authorization",
            "Bearer ",
        ),
        (
            "google",
            "/v1beta/models/gemini-2.5-pro:generateContent",
            "x-goog-api-key",
            "",
        ),
        ("google", "/v1beta/models", "x-goog-api-key", ""),
        (
            "google",
            "/v1beta/openai/chat/completions",
            "authorization",
            "Bearer ",
        ),
        (
            "google",
            "/v1beta/openai/models",
            "authorization",
            "Bearer ",
        ),
        ("google", "/v1beta/openaix", "x-goog-api-key", ""),
        (
            "openrouter",
            "/api/v1/chat/completions",
            "authorization",
            "Bearer ",
        ),
    ] {
        let provider = row(id);
        let auth = provider.auth_for(path);
        assert_eq!(
            (auth.header(), auth.prefix()),
            (header, prefix),
            "{id} {path}"
        );
    }
    assert!(IDS.iter().all(|id| {
        let header = match row(id).auth {
            Auth::Bearer => "authorization".into(),
            Auth::Header(name) => name,
        };
        keyferry_protocol::header::PROVIDER_AUTH.contains(&&*header)
    }));
}

#[test]
fn unified_routes_have_their_paths() {
    for (id, route, path) in [
        ("openai", Unified::Responses, "/v1/responses"),
        (
            "anthropic",
            Unified::ChatCompletions,
            "/v1/chat/completions",
        ),
        ("google", Unified::Embeddings, "/v1beta/openai/embeddings"),
        (
            "openrouter",
            Unified::ChatCompletions,
            "/api/v1/chat/completions",
        ),
        (
            "meta",
            Unified::ChatCompletions,
            "/compat/v1/chat/completions",
        ),
        (
            "groq",
            Unified::Transcriptions,
            "/openai/v1/audio/transcriptions",
        ),
        ("deepseek", Unified::ChatCompletions, "/chat/completions"),
    ] {
        assert!(row(id).serves(route), "{id}");
        assert_eq!(row(id).unified_path(route), path);
    }
    assert!(!row("anthropic").serves(Unified::Transcriptions));
    assert!(!row("anthropic").serves(Unified::Embeddings));
    assert_eq!(
        Unified::from_path("/v1/audio/transcriptions"),
        Some(Unified::Transcriptions)
    );
    assert_eq!(Unified::from_path("/v1/chat/completions/"), None);
    assert_eq!(Unified::from_path("/chat/completions"), None);
}

#[test]
fn endpoints_are_relayed_by_the_list() {
    for (id, method, path, access) in [
        ("openai", "POST", "/v1/chat/completions", Access::Allowed),
        ("openai", "GET", "/v1/models", Access::Allowed),
        ("openai", "HEAD", "/v1/models", Access::Allowed),
        ("openai", "GET", "/v1/models/ft%3Agpt-4o", Access::Allowed),
        ("openai", "GET", "/v1/files/file-1/content", Access::Allowed),
        ("openai", "DELETE", "/v1/models/ft:x", Access::Unlisted),
        ("openai", "GET", "/v1/chat", Access::Unlisted),
        ("openai", "POST", "/v1/Chat/Completions", Access::Unlisted),
        ("openai", "POST", "/v1/chat/completions/", Access::Unlisted),
        ("openai", "TRACE", "/v1/models", Access::Unlisted),
        ("openai", "CONNECT", "/v1/models", Access::Unlisted),
        ("openai", "get", "/v1/models", Access::Unlisted),
        (
            "openai",
            "POST",
            "/v1/realtime/client_secrets",
            Access::Denied,
        ),
        ("openai", "POST", "/v1/realtime/sessions", Access::Denied),
        (
            "openai",
            "POST",
            "/v1/REALTIME/client_secrets",
            Access::Denied,
        ),
        (
            "openai",
            "POST",
            "/v1/realtime/client_secrets/",
            Access::Denied,
        ),
        (
            "openai",
            "POST",
            "/v1/re%61ltime/client_secrets",
            Access::Denied,
        ),
        (
            "openai",
            "GET",
            "/v1/organization/admin_api_keys",
            Access::Denied,
        ),
        (
            "openai",
            "POST",
            "/v1/organization/projects/p/api_keys",
            Access::Denied,
        ),
        ("openai", "POST", "/v1/chatkit/sessions", Access::Denied),
        ("anthropic", "POST", "/v1/messages", Access::Allowed),
        (
            "anthropic",
            "GET",
            "/v1/messages/batches/msgbatch_1/results",
            Access::Allowed,
        ),
        (
            "anthropic",
            "GET",
            "/v1/organizations/api_keys",
            Access::Denied,
        ),
        (
            "google",
            "POST",
            "/v1beta/models/gemini-2.5-pro:generateContent",
            Access::Allowed,
        ),
        (
            "google",
            "POST",
            "/v1beta/models/gemini-2.5-pro%3AgenerateContent",
            Access::Allowed,
        ),
        (
            "google",
            "POST",
            "/v1beta/models/:generateContent",
            Access::Unlisted,
        ),
        (
            "google",
            "POST",
            "/v1beta/models/x:deleteEverything",
            Access::Unlisted,
        ),
        ("google", "POST", "/upload/v1beta/files", Access::Allowed),
        ("google", "POST", "/v1alpha/auth_tokens", Access::Denied),
        ("google", "POST", "/v1beta/auth_tokens", Access::Denied),
        ("google", "POST", "/v1alpha/authTokens", Access::Denied),
        ("openrouter", "GET", "/api/v1/key", Access::Allowed),
        (
            "openrouter",
            "GET",
            "/api/v1/models/openai/gpt-4o/endpoints",
            Access::Allowed,
        ),
        ("openrouter", "GET", "/api/v1/keys", Access::Denied),
        ("openrouter", "POST", "/api/v1/keys", Access::Denied),
        ("openrouter", "DELETE", "/api/v1/keys/abc", Access::Denied),
        ("openrouter", "POST", "/api/v1/auth/keys", Access::Denied),
        ("xai", "POST", "/v1/realtime/client_secrets", Access::Denied),
        ("deepseek", "GET", "/user/balance", Access::Allowed),
        ("deepseek", "GET", "/", Access::Unlisted),
    ] {
        assert_eq!(row(id).access(method, path), access, "{id} {method} {path}");
    }
    assert_eq!(
        row("openai").admit("POST", "/v1/realtime/client_secrets"),
        Err(ErrorCode::EndpointDenied)
    );
    assert_eq!(
        row("openai").admit("GET", "/v1/nothing"),
        Err(ErrorCode::EndpointUnsupported)
    );
}

#[test]
fn refusals_are_read_from_the_shapes_providers_send() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/errors");
    use Verdict::*;
    let expected = [
        ("openai-401-invalid_api_key", Some(Invalid)),
        ("openai-401-missing_scopes", Some(WrongScope)),
        ("openai-429-insufficient_quota", Some(NoCredit)),
        ("openai-429-rate_limit", Some(RateLimited)),
        ("openai-403-region", Some(WrongScope)),
        ("openai-404-model", None),
        ("openai-400-echoed_code", None),
        ("anthropic-401-authentication_error", Some(Invalid)),
        ("anthropic-403-permission_error", Some(WrongScope)),
        ("anthropic-400-low_credit", Some(NoCredit)),
        ("anthropic-429-rate_limit_error", Some(RateLimited)),
        ("anthropic-529-overloaded_error", Some(Unreachable)),
        ("anthropic-400-invalid_request_error", None),
        ("google-400-api_key_invalid", Some(Invalid)),
        ("google-400-openai_face", Some(Invalid)),
        ("google-401-standard_key_ended", Some(DeprecatedFormat)),
        ("google-401-credentials_missing", Some(Invalid)),
        ("google-403-blocked", Some(WrongScope)),
        ("google-403-disabled", Some(WrongScope)),
        ("google-403-leaked", Some(Invalid)),
        ("google-400-region", None),
        ("google-429-quota", Some(RateLimited)),
        ("google-503-overloaded", Some(Unreachable)),
        ("openrouter-401-user", Some(Invalid)),
        ("openrouter-402-credits", Some(NoCredit)),
        ("openrouter-403-moderation", Some(WrongScope)),
        ("groq-401-invalid_api_key", Some(Invalid)),
        ("xai-400-incorrect_key", Some(Invalid)),
        ("xai-403-credits", Some(NoCredit)),
        ("deepseek-401-authentication_error", Some(Invalid)),
        ("deepseek-402-balance", Some(NoCredit)),
        ("mistral-401-unauthorized", Some(Invalid)),
        ("meta-401-unauthorized", Some(Invalid)),
    ];
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), expected.len());
    for (name, verdict) in expected {
        let body = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
        let mut parts = name.split('-');
        let provider = row(parts.next().unwrap());
        let status = parts.next().unwrap().parse().unwrap();
        assert_eq!(provider.verdict(status, &body), verdict, "{name}");
        let bad = matches!(verdict, Some(Invalid | DeprecatedFormat));
        assert_eq!(provider.is_bad_key(status, &body), bad, "{name}");
    }
    for id in IDS {
        assert_eq!(row(id).verdict(200, b"{}"), Some(Valid), "{id}");
        assert_eq!(row(id).verdict(500, b""), Some(Unreachable), "{id}");
        assert_eq!(row(id).verdict(400, b"{}"), None, "{id}");
        for status in [400, 402, 403, 404, 429, 500, 503] {
            assert!(
                !row(id).is_bad_key(status, b"{\"error\":{}}"),
                "{id} {status}"
            );
        }
    }
}

#[test]
fn operators_rows_are_checked() {
    let mut catalogue = Catalogue::builtin();
    for id in ["", "A", "1a", "a_b", "-a", "a.b", "\u{e9}", &"a".repeat(33)] {
        let row = Provider::openai_compatible(id.to_owned(), "https://x.example");
        assert_eq!(catalogue.insert(row), Err(RowError::BadId), "{id:?}");
    }
    for origin in [
        "",
        "x.example",
        "ftp://x",
        "https://",
        "https://x/",
        "https://x/v1",
        "https://u@x",
        "https://x?y",
        "https://x y",
        "https://x#",
    ] {
        let row = Provider::openai_compatible("mine", origin.to_owned());
        assert_eq!(
            catalogue.insert(row),
            Err(RowError::BadOrigin),
            "{origin:?}"
        );
    }
    for prefix in ["v1", "/v1/", "/"] {
        let mut row = Provider::openai_compatible("mine", "https://x.example");
        row.openai_prefix = prefix.to_owned().into();
        assert_eq!(catalogue.insert(row), Err(RowError::BadPath), "{prefix:?}");
    }
    for origin in [
        "https://x.example",
        "http://127.0.0.1:8080",
        "http://[::1]:1",
    ] {
        let row = Provider::openai_compatible("mine", origin);
        catalogue.insert(row).unwrap();
        assert_eq!(&*catalogue.get("mine").unwrap().origin, origin, "replaced");
    }
    assert_eq!(catalogue.iter().count(), IDS.len() + 1);
    // A built-in row can be pointed elsewhere.
    let mut row = row("openai");
    row.origin = "http://127.0.0.1:4010".into();
    catalogue.insert(row).unwrap();
    assert!(catalogue.by_origin("https://api.openai.com").is_none());
    assert_eq!(catalogue.iter().count(), IDS.len() + 1);
}

#[test]
fn codes_and_verdicts_are_stable_and_distinct() {
    let mut codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        assert!((400..600).contains(&code.status()));
        assert!(!code.title().is_empty());
        assert!(
            code.as_str()
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        );
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), ErrorCode::ALL.len());
    assert_eq!(ErrorCode::parse("nonsense"), None);
    for verdict in Verdict::ALL {
        assert_eq!(Verdict::parse(verdict.as_str()), Some(verdict));
    }
}
