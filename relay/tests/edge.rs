//! What surrounds every route: origins, hosts, preflights, hardening, methods.

use axum::body::Body;

use crate::support::{CANARY, Reply, StandIn, TestRelay, send};

const APP: &str = "https://app.example";

async fn relay(provider: &StandIn) -> TestRelay {
    TestRelay::with_provider(
        provider.address,
        "[server]\nallowed_origins = [\"https://app.example\"]\n",
    )
    .await
}

async fn with(relay: &TestRelay, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = relay.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    relay.reply(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn preflights_of_the_official_sdks_pass() {
    let provider = StandIn::ok().await;
    let relay = relay(&provider).await;
    // As openai-node, @anthropic-ai/sdk and @google/genai ask for them in a browser.
    for (path, asked) in [
        (
            "/v1/chat/completions",
            "authorization,content-type,x-byok-key,x-byok-provider,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout",
        ),
        (
            "/providers/anthropic/v1/messages",
            "anthropic-beta,anthropic-dangerous-direct-browser-access,anthropic-version,content-type,x-api-key,x-byok-key",
        ),
        (
            "/providers/google/v1beta/models/gemini-2.5-pro:generateContent",
            "content-type,x-byok-key,x-goog-api-client,x-goog-api-key",
        ),
    ] {
        let reply = with(
            &relay,
            "OPTIONS",
            path,
            &[
                ("origin", APP),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", asked),
            ],
        )
        .await;
        assert_eq!(reply.status, 204, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), Some(APP));
        assert_eq!(reply.header("access-control-allow-headers"), Some(asked));
        assert_eq!(reply.header("access-control-allow-methods"), Some("POST"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert!(reply.header("vary").unwrap().contains("origin"));
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn other_origins_are_refused_before_any_work() {
    let provider = StandIn::ok().await;
    let relay = relay(&provider).await;
    for origin in [
        "https://evil.example",
        "https://app.example.evil",
        "https://app.example:8443",
        "http://app.example",
        "https://APP.example",
        "null",
        "",
    ] {
        for (method, extra) in [
            ("OPTIONS", Some(("access-control-request-method", "POST"))),
            ("POST", Some(("x-byok-key", CANARY))),
            ("GET", None),
        ] {
            let mut headers = vec![("origin", origin)];
            headers.extend(extra);
            let reply = with(&relay, method, "/providers/openai/v1/models", &headers).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (403, "origin_denied"),
                "{origin}"
            );
            assert_eq!(reply.header("access-control-allow-origin"), None);
            assert!(reply.header("vary").unwrap().contains("origin"));
        }
    }
    let twice = [("origin", APP), ("origin", APP)];
    assert_eq!(
        with(&relay, "GET", "/healthz", &twice).await.code(),
        "origin_denied"
    );
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn allowed_origins_see_answers_and_errors() {
    let provider = StandIn::ok().await;
    let relay = relay(&provider).await;
    for (path, headers) in [
        (
            "/providers/openai/v1/models",
            vec![("origin", APP), ("x-byok-key", CANARY)],
        ),
        ("/providers/openai/v1/models", vec![("origin", APP)]),
        (
            "/providers/nobody/x",
            vec![("origin", APP), ("x-byok-key", CANARY)],
        ),
        ("/nothing", vec![("origin", APP)]),
        ("/v1/models", vec![("origin", APP), ("x-byok-key", "a b")]),
    ] {
        let reply = with(&relay, "GET", path, &headers).await;
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some(APP),
            "{path}"
        );
        let exposed = reply.header("access-control-expose-headers").unwrap();
        for name in [
            "x-byok-paid-by",
            "x-byok-error",
            "retry-after",
            "x-ratelimit-limit-tokens",
        ] {
            assert!(exposed.contains(name), "{name}");
        }
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    let own = format!("http://localhost:{}", relay.address.port());
    let reply = with(&relay, "GET", "/healthz", &[("origin", &own)]).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn api_answers_are_only_data_to_a_browser() {
    let provider = StandIn::start(|_| {
        axum::response::Response::builder()
            .header("content-type", "text/html")
            .header("content-security-policy", "script-src *")
            .header("cache-control", "public, max-age=600")
            .header("access-control-allow-origin", "*")
            .body(Body::from("<script>alert(1)</script>"))
            .unwrap()
    })
    .await;
    let relay = relay(&provider).await;
    for path in [
        "/providers/openai/v1/models",
        "/v1/nothing",
        "/providers/nobody/x",
    ] {
        let reply = relay.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.contains("sandbox") && policy.contains("default-src 'none'"),
            "{policy}"
        );
        assert_eq!(
            reply.header("cross-origin-resource-policy"),
            Some("same-origin")
        );
        assert!(reply.header("cache-control").unwrap().contains("no-store"));
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn navigations_and_embeds_are_refused_on_api_routes() {
    let provider = StandIn::ok().await;
    let relay = relay(&provider).await;
    for dest in [
        "document",
        "iframe",
        "image",
        "script",
        "style",
        "object",
        "serviceworker",
    ] {
        for path in ["/providers/openai/v1/models", "/v1/models"] {
            let headers = [("sec-fetch-dest", dest), ("x-byok-key", CANARY)];
            let reply = with(&relay, "GET", path, &headers).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (403, "navigation_denied")
            );
        }
    }
    let headers = [("sec-fetch-dest", "empty"), ("x-byok-key", CANARY)];
    assert_eq!(
        with(&relay, "GET", "/providers/openai/v1/models", &headers)
            .await
            .status,
        200
    );
    assert_eq!(provider.count(), 1);
}

#[tokio::test]
async fn simple_posts_of_a_foreign_page_do_nothing() {
    let provider = StandIn::ok().await;
    let config = "[payer]\nallow_unauthenticated = true\n[providers.openai]\nbase_url = \"BASE_URL\"\nserver_key = \"sk-server\"\n";
    let relay = TestRelay::with_provider(provider.address, config).await;
    // A form can send these without a preflight; with an Origin they are refused for it, and the
    // few clients that send none fail on the content type.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
    ] {
        for origin in [Some("https://evil.example"), None] {
            let mut request = relay
                .request("POST", "/v1/chat/completions")
                .header("content-type", kind);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let body = Body::from(r#"{"model":"gpt-4o","messages":[]}"#);
            let reply = relay.reply(request.body(body).unwrap()).await;
            let expected = if origin.is_some() {
                "origin_denied"
            } else {
                "unsupported_media_type"
            };
            assert_eq!(reply.code(), expected, "{kind}");
        }
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn rebinding_a_name_to_the_relay_does_not_help() {
    let provider = StandIn::ok().await;
    let relay = relay(&provider).await;
    for host in ["evil.example", "localhost", "127.0.0.1.evil.example", ""] {
        let request = http::Request::builder()
            .uri("/providers/openai/v1/models")
            .header("host", host)
            .header("x-byok-key", CANARY)
            .body(Body::empty())
            .unwrap();
        let reply = relay.reply(request).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (421, "host_denied"),
            "{host}"
        );
    }
    // Probes come under whatever address the orchestrator knows.
    let probe = http::Request::builder()
        .uri("/readyz")
        .header("host", "10.1.2.3")
        .body(Body::empty());
    assert_eq!(relay.reply(probe.unwrap()).await.status, 200);
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn methods_and_upgrades() {
    let provider = StandIn::ok().await;
    let relay = relay(&provider).await;
    let path = "/providers/openai/v1/models";
    for (method, headers, code) in [
        ("TRACE", vec![("x-byok-key", CANARY)], "method_not_allowed"),
        (
            "GET",
            vec![
                ("x-byok-key", CANARY),
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
            ],
            "upgrade_unsupported",
        ),
        (
            "PROPFIND",
            vec![("x-byok-key", CANARY)],
            "endpoint_unsupported",
        ),
    ] {
        assert_eq!(
            with(&relay, method, path, &headers).await.code(),
            code,
            "{method}"
        );
    }
    for (method, path, allow) in [
        ("POST", "/healthz", "GET, HEAD"),
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET, HEAD"),
    ] {
        let reply = with(&relay, method, path, &[]).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (405, "method_not_allowed"),
            "{path}"
        );
        assert_eq!(reply.header("allow"), Some(allow));
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn the_page_and_the_frame_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("keyferry")).unwrap();
    for (name, text) in [
        ("index.html", "<!doctype html>page"),
        ("keyferry/index.js", "export {}"),
        ("keyferry/vault.wasm", "\0asm"),
        ("keyferry/frame.html", "<!doctype html>frame"),
        ("app-0123456789abcdef.css", "a{}"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let relay = TestRelay::start(&format!(
        "[server]\nstatic_dir = \"{}\"\n[vault]\nlisten = \"127.0.0.1:1\"\nembedders = [\"https://app.example\"]\n",
        folder.path().display()
    ))
    .await;
    let vault = relay.vault.unwrap();
    let at_vault = |path: &str| {
        let request = http::Request::builder()
            .uri(path)
            .header("host", format!("localhost:{}", vault.port()))
            .body(Body::empty())
            .unwrap();
        send(vault, request)
    };

    let page = with(&relay, "GET", "/", &[]).await;
    assert_eq!(page.text(), "<!doctype html>page");
    let policy = page.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval';",
        "worker-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(rule), "{rule} in {policy}");
    }
    assert!(policy.contains(&format!("frame-src http://localhost:{}", vault.port())));
    assert!(!policy.contains("unsafe-inline"));
    for (path, kind, caching) in [
        ("/", "text/html", "no-cache"),
        ("/keyferry/index.js", "text/javascript", "no-cache"),
        ("/keyferry/vault.wasm", "application/wasm", "no-cache"),
        (
            "/app-0123456789abcdef.css",
            "text/css",
            "public, max-age=31536000, immutable",
        ),
    ] {
        let reply = with(&relay, "GET", path, &[("sec-fetch-dest", "document")]).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some(kind)),
            "{path}"
        );
        assert_eq!(reply.header("cache-control"), Some(caching), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    for path in [
        "/frame",
        "/keyferry/frame.html",
        "/../Cargo.toml",
        "/keyferry",
        "/%2e%2e/x",
    ] {
        assert_eq!(with(&relay, "GET", path, &[]).await.status, 404, "{path}");
    }

    let frame = Reply::read(at_vault("/frame").await).await;
    assert_eq!(frame.text(), "<!doctype html>frame");
    let policy = frame.header("content-security-policy").unwrap();
    assert!(
        policy.contains("frame-ancestors https://app.example"),
        "{policy}"
    );
    assert_eq!(
        frame.header("cross-origin-resource-policy"),
        Some("cross-origin")
    );
    assert_eq!(frame.header("origin-agent-cluster"), Some("?1"));
    let script = Reply::read(at_vault("/keyferry/index.js").await).await;
    assert_eq!(script.status, 200);
    for reply in [&frame, &script] {
        assert_eq!(
            reply.header("cross-origin-embedder-policy"),
            Some("require-corp")
        );
    }
    let embedders = Reply::read(at_vault("/frame/embedders").await).await;
    assert_eq!(embedders.text(), r#"["https://app.example"]"#);
    assert_eq!(
        with(&relay, "GET", "/frame/embedders", &[]).await.status,
        404
    );
    for path in ["/", "/index.html", "/app-0123456789abcdef.css"] {
        assert_eq!(
            Reply::read(at_vault(path).await).await.status,
            404,
            "{path}"
        );
    }
}
