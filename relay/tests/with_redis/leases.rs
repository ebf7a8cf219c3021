//! Leases as clients meet them, the same on both kinds of store: made, used wherever a key is,
//! held to their terms, shown, ended, expired.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::support::leases::{
    self, DIME, Made, ask, call, chat, chat_with, lease, native, on_both_stores, peek,
};
use crate::support::tokens::{SECRET, claims, hs256, secret_config};
use crate::support::{CANARY, StandIn, refused};

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[tokio::test]
async fn a_handle_is_taken_wherever_a_key_is() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, "").await;
    for relay in &relays {
        let lease = lease(relay, &json!({})).await;
        let left = lease.expires_at.saturating_sub(now_millis());
        assert!((295_000..=300_000).contains(&left), "{left}");
        let with = [("x-byok-lease", lease.handle.as_str())];
        let of_openai = [with[0], ("x-byok-provider", "openai")];
        let chat = json!({ "model": "gpt-4o", "messages": [] });
        let test = json!({ "provider": "openai", "deep": true });
        for (method, path, headers, body) in [
            ("POST", "/v1/chat/completions", &with[..], Some(&chat)),
            (
                "POST",
                "/providers/openai/v1/chat/completions",
                &with,
                Some(&chat),
            ),
            ("GET", "/providers/openai/v1/models", &with, None),
            ("GET", "/v1/models", &of_openai, None),
            ("POST", "/v1/keys/test", &with, Some(&test)),
        ] {
            let before = provider.count();
            let reply = call(relay, method, path, headers, body).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert_eq!(reply.header("x-byok-paid-by"), Some("user"), "{path}");
            let seen = provider.seen();
            assert!(seen.len() > before, "{path}");
            for one in &seen[before..] {
                assert_eq!(one.headers["authorization"], format!("Bearer {CANARY}"));
                assert!(!format!("{one:?}").contains("kfl_"), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn no_answer_about_a_lease_holds_the_key() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, "").await;
    for relay in &relays {
        let terms = json!({ "provider": "openai", "ttlSeconds": 60, "maxUsd": 0.25, "models": ["openai/gpt-4o"] });
        let made = ask(relay, &[], &terms).await;
        let lease = Made::read(&made);
        assert!(made.header("cache-control").unwrap().contains("no-store"));
        let shown = peek(relay, &lease).await;
        assert_eq!(
            shown.json(),
            json!({ "id": lease.id, "provider": "openai", "expiresAt": lease.expires_at,
                    "maxUsd": 0.25, "models": ["gpt-4o"] })
        );
        for reply in [&made, &shown] {
            assert!(!format!("{reply:?}").contains("CANARY"));
        }
        assert!(!shown.text().contains("kfl_"));
        assert_eq!(provider.count(), 0);
    }
}

#[tokio::test]
async fn a_cleared_lease_is_gone() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, "").await;
    for relay in &relays {
        let other = lease(relay, &json!({})).await;
        let lease = lease(relay, &json!({})).await;
        // Only its own handle ends it.
        for (handle, path) in [(&other.handle, lease.path()), (&lease.handle, other.path())] {
            let headers = [("x-byok-lease", handle.as_str())];
            refused(
                &call(relay, "DELETE", &path, &headers, None).await,
                404,
                "lease_not_found",
            );
        }
        refused(
            &call(relay, "DELETE", &lease.path(), &[], None).await,
            404,
            "lease_not_found",
        );
        assert_eq!(peek(relay, &lease).await.status, 200);

        let headers = [("x-byok-lease", lease.handle.as_str())];
        let cleared = call(relay, "DELETE", &lease.path(), &headers, None).await;
        assert_eq!((cleared.status, cleared.body.len()), (204, 0));
        refused(&peek(relay, &lease).await, 404, "lease_not_found");
        refused(
            &chat(relay, &lease.handle, "gpt-4o").await,
            404,
            "lease_not_found",
        );
        assert_eq!(chat(relay, &other.handle, "gpt-4o").await.status, 200);
    }
}

#[tokio::test]
async fn a_lease_ends_with_its_time() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, "").await;
    for relay in &relays {
        let lease = lease(relay, &json!({ "ttlSeconds": 1 })).await;
        assert_eq!(chat(relay, &lease.handle, "gpt-4o").await.status, 200);
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let before = provider.count();
        refused(
            &chat(relay, &lease.handle, "gpt-4o").await,
            404,
            "lease_not_found",
        );
        refused(&peek(relay, &lease).await, 404, "lease_not_found");
        assert_eq!(provider.count(), before);
    }
}

#[tokio::test]
async fn a_guessed_handle_opens_nothing_and_is_counted() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, "[limits]\nfailures_per_hour = 8\n").await;
    for relay in &relays {
        let mine = lease(relay, &json!({})).await;
        let other = lease(relay, &json!({})).await;
        let (id, secret) = mine.handle.split_once('.').unwrap();
        let (_, others) = other.handle.split_once('.').unwrap();
        let mut last = secret.to_owned();
        last.replace_range(..1, if secret.starts_with('A') { "B" } else { "A" });
        for guess in [
            format!("{id}.{others}"),
            format!("{id}.{last}"),
            format!("{id}."),
            id.to_owned(),
            format!("{id}.{secret}="),
            format!("kfj{}.{secret}", &id[3..]),
            mine.handle.to_uppercase(),
            CANARY.to_owned(),
        ] {
            refused(&chat(relay, &guess, "gpt-4o").await, 404, "lease_not_found");
        }
        refused(&chat(relay, "kfl_x", "gpt-4o").await, 429, "rate_limited");
        // What is there is not hurt by it, but a key that never worked is not tried from here.
        assert_eq!(peek(relay, &mine).await.status, 200);
        refused(
            &chat(relay, &mine.handle, "gpt-4o").await,
            429,
            "rate_limited",
        );
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn another_provider_never_sees_the_key() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, "").await;
    for relay in &relays {
        let lease = lease(relay, &json!({})).await;
        let with = [("x-byok-lease", lease.handle.as_str())];
        let at_groq = [with[0], ("x-byok-provider", "groq")];
        let test = json!({ "provider": "anthropic" });
        let body = json!({ "model": "claude-sonnet-4", "messages": [], "max_tokens": 1 });
        let gpt = json!({ "model": "gpt-4o", "messages": [] });
        for (method, path, headers, body) in [
            ("POST", "/v1/chat/completions", &with[..], Some(&body)),
            ("POST", "/v1/chat/completions", &at_groq, Some(&gpt)),
            (
                "POST",
                "/providers/anthropic/v1/messages",
                &with,
                Some(&body),
            ),
            ("GET", "/providers/groq/openai/v1/models", &with, None),
            ("GET", "/v1/models", &at_groq, None),
            ("POST", "/v1/keys/test", &with, Some(&test)),
        ] {
            let reply = call(relay, method, path, headers, body).await;
            refused(&reply, 403, "lease_scope");
        }
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn only_its_models_run() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, "").await;
    for relay in &relays {
        let lease = lease(relay, &json!({ "models": ["gpt-4o"] })).await;
        let handle = &lease.handle;
        assert_eq!(chat(relay, handle, "gpt-4o").await.status, 200);
        assert_eq!(chat(relay, handle, "openai/gpt-4o").await.status, 200);
        assert_eq!(native(relay, handle, "gpt-4o").await.status, 200);
        let before = provider.count();
        refused(
            &chat(relay, handle, "gpt-4o-mini").await,
            403,
            "lease_scope",
        );
        refused(
            &native(relay, handle, "gpt-4o-mini").await,
            403,
            "lease_scope",
        );
        // A request that runs what is stored elsewhere does not say which model that is.
        let with = [("x-byok-lease", handle.as_str())];
        let stored = json!({ "input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h" });
        let batch = call(
            relay,
            "POST",
            "/providers/openai/v1/batches",
            &with,
            Some(&stored),
        )
        .await;
        assert_eq!(batch.status, 403, "{}", batch.text());
        let deep = json!({ "provider": "openai", "deep": true });
        refused(
            &call(relay, "POST", "/v1/keys/test", &with, Some(&deep)).await,
            403,
            "lease_scope",
        );
        assert_eq!(provider.count(), before);
    }
}

#[tokio::test]
async fn exactly_its_budget_is_spent() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, DIME).await;
    for relay in &relays {
        let lease = lease(relay, &json!({ "maxUsd": 0.5 })).await;
        let before = provider.count();
        let calls = (0..20).map(|n| {
            let handle = &lease.handle;
            async move {
                match n % 2 {
                    0 => chat(relay, handle, "openai/my-model").await,
                    _ => native(relay, handle, "my-model").await,
                }
            }
        });
        let replies = futures_util::future::join_all(calls).await;
        let passed = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!((passed, provider.count() - before), (5, 5));
        for reply in replies.iter().filter(|reply| reply.status != 200) {
            refused(reply, 402, "lease_spent");
            assert_eq!(reply.json()["limit"], "lease_budget");
        }
        // Another lease has its own, and without a price nothing can be held against it.
        let next = leases::lease(relay, &json!({ "maxUsd": 0.1 })).await;
        refused(
            &chat(relay, &next.handle, "openai/nobody-knows").await,
            403,
            "lease_scope",
        );
        assert_eq!(
            chat(relay, &next.handle, "openai/my-model").await.status,
            200
        );
    }
}

#[tokio::test]
async fn the_subject_is_bound() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, &secret_config()).await;
    let token = |subject: &str| format!("Bearer {}", hs256(SECRET.as_bytes(), &claims(subject)));
    let (anna, bert) = (token("anna"), token("bert"));
    for relay in &relays {
        let body = json!({ "provider": "openai" });
        refused(&ask(relay, &[], &body).await, 401, "auth_required");
        let lease = Made::read(&ask(relay, &[("authorization", &anna)], &body).await);
        // A worker has nothing but the handle; its SDK sends a token that is none.
        for token in [None, Some("Bearer unused"), Some(anna.as_str())] {
            let headers: Vec<(&str, &str)> = token
                .map(|token| ("authorization", token))
                .into_iter()
                .collect();
            let reply = chat_with(relay, &lease.handle, "gpt-4o", &headers).await;
            assert_eq!(reply.status, 200, "{token:?}: {}", reply.text());
        }
        let before = provider.count();
        let foreign = [("authorization", bert.as_str())];
        refused(
            &chat_with(relay, &lease.handle, "gpt-4o", &foreign).await,
            404,
            "lease_not_found",
        );
        let headers = [("x-byok-lease", lease.handle.as_str()), foreign[0]];
        for method in ["GET", "DELETE"] {
            let reply = call(relay, method, &lease.path(), &headers, None).await;
            refused(&reply, 404, "lease_not_found");
        }
        let forged = [("authorization", "Bearer a.b.c")];
        assert_eq!(
            chat_with(relay, &lease.handle, "gpt-4o", &forged)
                .await
                .status,
            401
        );
        assert_eq!(provider.count(), before);
        assert_eq!(peek(relay, &lease).await.status, 200);
    }
}

#[tokio::test]
async fn what_cannot_be_leased_is_refused() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, "").await;
    for relay in &relays {
        for (body, status, code) in [
            (json!({}), 400, "bad_field"),
            (json!({ "provider": "nobody" }), 404, "unknown_provider"),
            (
                json!({ "provider": "openai", "ttlSeconds": 0 }),
                400,
                "bad_field",
            ),
            (
                json!({ "provider": "openai", "ttlSeconds": 301 }),
                400,
                "bad_field",
            ),
            (
                json!({ "provider": "openai", "ttlSeconds": -1 }),
                400,
                "bad_field",
            ),
            (
                json!({ "provider": "openai", "maxUsd": 0 }),
                400,
                "bad_field",
            ),
            (
                json!({ "provider": "openai", "maxUsd": -1.0 }),
                400,
                "bad_field",
            ),
            (
                json!({ "provider": "openai", "models": [] }),
                400,
                "bad_field",
            ),
            (
                json!({ "provider": "openai", "models": [""] }),
                400,
                "bad_field",
            ),
            (
                json!({ "provider": "openai", "models": vec!["m"; 33] }),
                400,
                "bad_field",
            ),
            (
                json!({ "provider": "openai", "models": ["anthropic/claude"] }),
                400,
                "provider_mismatch",
            ),
            (
                json!({ "provider": "openai", "key": CANARY }),
                400,
                "key_in_body",
            ),
            (
                json!({ "provider": "openai", "forever": true }),
                400,
                "bad_field",
            ),
        ] {
            let reply = ask(relay, &[], &body).await;
            refused(&reply, reply.status, code);
            assert_eq!(reply.status, status, "{body}");
        }
        let openai = json!({ "provider": "openai" });
        let without = call(relay, "POST", "/v1/leases", &[], Some(&openai)).await;
        refused(&without, 401, "missing_key");
        let mismatch = ask(relay, &[("x-byok-provider", "groq")], &openai).await;
        refused(&mismatch, 400, "provider_mismatch");
        let made = lease(relay, &json!({})).await;
        let with = [("x-byok-lease", made.handle.as_str())];
        // Nor prolonged, nor used to look at what its maker used.
        refused(
            &call(relay, "POST", "/v1/leases", &with, Some(&openai)).await,
            403,
            "lease_scope",
        );
        refused(
            &call(relay, "GET", "/v1/usage", &with, None).await,
            403,
            "lease_scope",
        );
    }
}

#[tokio::test]
async fn making_leases_is_limited() {
    let provider = StandIn::ok().await;
    let (relays, _redis) = on_both_stores(&provider, "[limits]\nleases_per_minute = 3\n").await;
    for relay in &relays {
        for _ in 0..3 {
            lease(relay, &json!({})).await;
        }
        let reply = ask(relay, &[], &json!({ "provider": "openai" })).await;
        refused(&reply, 429, "rate_limited");
        assert_eq!(reply.json()["limit"], "leases_per_minute");
    }
}
