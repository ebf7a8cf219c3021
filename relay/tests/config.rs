//! Configuration: what is refused names its field, and no secret is printed.

use std::path::Path;

use keyferry_relay::Config;

use crate::support::parse_config;

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(text, Path::new("relay.toml"), environment).map_err(|error| error.to_string())
}

#[test]
fn errors_name_the_field() {
    for (text, field) in [
        ("[server]\nlisten = 5", "server.listen"),
        ("[server]\nlisten = \"nowhere\"", "server.listen"),
        ("[server]\nlistne = \"127.0.0.1:1\"", "server.listne"),
        ("[sever]\nlisten = \"127.0.0.1:1\"", "sever"),
        (
            "[server]\nmax_body_bytes = \"many\"",
            "server.max_body_bytes",
        ),
        ("[server]\nmax_body_bytes = -1", "server.max_body_bytes"),
        (
            "[server]\nallowed_origins = [\"*\"]",
            "server.allowed_origins[0]",
        ),
        (
            "[server]\nallowed_origins = [\"https://a.example/x\"]",
            "server.allowed_origins[0]",
        ),
        (
            "[server]\nstatic_dir = \"/nowhere/at/all\"",
            "server.static_dir",
        ),
        ("[server]\nlisten = \"0.0.0.0:8787\"", "server.listen"),
        ("[server]\nmax_header_bytes = 10", "server.max_header_bytes"),
        ("[server]\nmax_connections = 0", "server.max_connections"),
        (
            "[vault]\nembedders = [\"https://a.example\"]",
            "vault.embedders",
        ),
        (
            "[server]\nallowed_origins = [\"https://a.example\"]\n[vault]\norigin = \"https://a.example\"",
            "vault.origin",
        ),
        (
            "[providers.openai]\nbase_url = \"https://a.example/v1\"",
            "providers.openai.base_url",
        ),
        (
            "[providers.openai]\nbase_url = \"http://a.example\"",
            "providers.openai.base_url",
        ),
        (
            "[providers.openai]\nserver_key = \"\"",
            "providers.openai.server_key",
        ),
        (
            "[providers.openai]\nserver_key = \"a\\nb\"",
            "providers.openai.server_key",
        ),
        (
            "[providers.openai]\nauth = \"two words\"",
            "providers.openai.auth",
        ),
        ("[timeouts]\nconnect_ms = true", "timeouts.connect_ms"),
    ] {
        let error = parse(text, &[]).unwrap_err();
        assert!(error.starts_with(&format!("{field}: ")), "{text}: {error}");
    }
}

#[tokio::test]
async fn what_shows_only_when_put_together_names_the_field_too() {
    let bound = keyferry_relay::Bound {
        page: "127.0.0.1:1".parse().unwrap(),
        vault: None,
    };
    for (text, field) in [
        (
            "[providers.mine]\nserver_key = \"x\"",
            "providers.mine.base_url",
        ),
        (
            "[providers.Mine]\nbase_url = \"https://a.example\"",
            "providers.Mine",
        ),
        (
            "[providers.openai]\nallow = [\"FETCH /v1/x\"]",
            "providers.openai.allow",
        ),
        ("[secrets]\ncurrent = \"no-colon\"", "secrets.current"),
        ("[secrets]\naccept = [\"a:short\"]", "secrets.accept"),
        (
            "[secrets]\nidentity = \"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\"",
            "secrets.current",
        ),
        ("[secrets]\nrequire_sealed = true", "secrets.identity"),
    ] {
        let error = keyferry_relay::Relay::new(parse_config(text), bound)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&format!("{field}: ")), "{text}: {error}");
    }
}

#[test]
fn syntax_errors_name_the_line_and_not_its_text() {
    let error = parse("[server]\nlisten = \"127.0.0.1:1\"\nx = \"sk-canary", &[]).unwrap_err();
    assert!(error.starts_with("relay.toml line 3: "), "{error}");
    assert!(!error.contains("canary"), "{error}");
}

#[test]
fn secrets_in_the_wrong_place_are_not_repeated() {
    for text in [
        "[server]\nlisten = \"sk-canary\"",
        "[server]\nmax_body_bytes = \"sk-canary\"",
        "[auth]\nmode = \"sk-canary\"",
        "[server]\nallowed_origins = \"sk-canary\"",
        "[providers]\nopenai = \"sk-canary\"",
    ] {
        let error = parse(text, &[]).unwrap_err();
        assert!(!error.contains("canary"), "{error}");
    }
    let error = parse("", &[("KEYFERRY_SERVER__MAX_BODY_BYTES", "sk-canary")]).unwrap_err();
    assert!(!error.contains("canary"), "{error}");
}

#[test]
fn the_environment_lies_over_the_file() {
    let config = parse(
        "[server]\nmax_body_bytes = 5000000\nmax_buffered_body_bytes = 1000\n",
        &[
            ("KEYFERRY_SERVER__MAX_BODY_BYTES", "6000000"),
            (
                "KEYFERRY_SERVER__ALLOWED_ORIGINS",
                "https://a.example, https://b.example",
            ),
            ("KEYFERRY_PAYER__ALLOW_UNAUTHENTICATED", "true"),
            (
                "KEYFERRY_PROVIDERS__MY_LLM__BASE_URL",
                "https://llm.example",
            ),
            ("KEYFERRY_AUTH__MODE", "none"),
            ("KEYFERRY_CONFIG", "not ours"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.max_body_bytes, 6_000_000);
    assert_eq!(config.server.max_buffered_body_bytes, 1000);
    assert_eq!(config.server.allowed_origins.len(), 2);
    assert!(config.payer.allow_unauthenticated);
    assert!(config.providers.contains_key("my-llm"));
    assert!(
        parse("", &[("KEYFERRY_SERVER__LISTNE", "x")])
            .unwrap_err()
            .contains("server.listne")
    );
}

#[test]
fn secrets_come_from_files_without_their_line_break() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "sk-from-a-file\n").unwrap();
    let path = file.path().to_str().unwrap();
    let config = parse("", &[("KEYFERRY_PROVIDERS__OPENAI__SERVER_KEY_FILE", path)]).unwrap();
    let key = config.providers["openai"].server_key.as_ref().unwrap();
    assert_eq!(key.expose(), b"sk-from-a-file");
    let error = parse(
        "",
        &[("KEYFERRY_PROVIDERS__OPENAI__SERVER_KEY_FILE", "/nowhere")],
    )
    .unwrap_err();
    assert!(
        error.contains("KEYFERRY_PROVIDERS__OPENAI__SERVER_KEY_FILE"),
        "{error}"
    );
}

#[test]
fn what_check_config_prints_reads_back_without_its_secrets() {
    let config = parse_config(
        "[secrets]\ncurrent = \"a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\"\naccept = [\"b:x\"]\n[providers.openai]\nserver_key = \"sk-canary\"\n",
    );
    let printed = config.to_redacted_toml().unwrap();
    for secret in ["canary", "AQEB", "b:x"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("server_key = \"[redacted]\""), "{printed}");
    assert!(printed.contains("connect_ms = 10000"), "{printed}");
    parse(&printed, &[]).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
}
