//! `vault.fetch` against a scripted relay.

use super::*;
use crate::{
    fetch::{FetchError, Meter, Outcome, Request, SendError},
    testing::{CannedAnswer, ScriptedTransport, SentRequest},
};

const SECOND: &str = "sk-proj-second-key-of-the-same-provider";

fn request(url: &str, body: &str) -> Request<ScriptedTransport> {
    Request {
        url: url.into(),
        method: "POST".into(),
        headers: vec![
            ("Content-Type".into(), "application/json".into()),
            ("Authorization".into(), "Bearer set-by-the-sdk".into()),
        ],
        body: Some(body.as_bytes().to_vec()),
        context: None,
    }
}

fn chat(model: &str) -> Request<ScriptedTransport> {
    request(
        "https://relay.example/v1/chat/completions",
        &format!(r#"{{"model":"{model}"}}"#),
    )
}

/// A vault with a key and a relay that publishes nothing of itself.
fn ready() -> Vault<World> {
    let (vault, _) = created(1);
    block_on(vault.add_key(&new_key("openai", OPENAI))).unwrap();
    vault
        .platform()
        .transport
        .answer(CannedAnswer::new(404, ""));
    block_on(vault.relay_info(false)).unwrap();
    drop(vault.platform().transport.take());
    drop(vault.platform().events.take());
    vault
}

fn fetch(
    vault: &Vault<World>,
    request: &Request<ScriptedTransport>,
    answers: &[CannedAnswer],
) -> (Result<Outcome<CannedAnswer>, FetchError>, Vec<SentRequest>) {
    answers
        .iter()
        .for_each(|answer| vault.platform().transport.answer(answer.clone()));
    let outcome = block_on(vault.fetch(request));
    (outcome, vault.platform().transport.take())
}

fn status(outcome: Result<Outcome<CannedAnswer>, FetchError>) -> u16 {
    match outcome.unwrap() {
        Outcome::Answer { answer, .. } => answer.status,
        Outcome::Refusal(refusal) => refusal.status,
    }
}

fn refusal(
    outcome: Result<Outcome<CannedAnswer>, FetchError>,
) -> (u16, &'static str, Option<&'static str>) {
    match outcome.unwrap() {
        Outcome::Refusal(refusal) => (refusal.status, refusal.code, refusal.reason),
        Outcome::Answer { .. } => panic!("it was sent"),
    }
}

fn ok() -> CannedAnswer {
    CannedAnswer::new(200, "{}")
}

#[test]
fn the_model_decides_and_the_sdks_credentials_are_dropped() {
    let vault = ready();
    let (outcome, sent) = fetch(&vault, &chat("gpt-4o"), &[ok()]);
    assert_eq!(status(outcome), 200);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header("x-byok-provider"), Some("openai"));
    assert_eq!(sent[0].header("x-byok-key"), Some(OPENAI));
    assert_eq!(sent[0].header("authorization"), None);
    assert_eq!(sent[0].header("x-byok-fallback"), None);
    assert_eq!(sent[0].body, br#"{"model":"gpt-4o"}"#);
}

#[test]
fn provider_urls_are_rewritten() {
    let vault = ready();
    let url = "https://api.openai.com/v1/chat/completions?key=x&a=b";
    let (_, sent) = fetch(&vault, &request(url, "{}"), &[ok()]);
    assert_eq!(
        sent[0].url,
        "https://relay.example/providers/openai/v1/chat/completions?a=b"
    );
}

#[test]
fn foreign_urls_and_network_failures_reject() {
    let vault = ready();
    let (outcome, sent) = fetch(&vault, &request("https://evil.example/v1", "{}"), &[]);
    assert_eq!(outcome.unwrap_err(), FetchError::Foreign);
    assert!(sent.is_empty());
    for (error, expected) in [
        (SendError::Network, FetchError::Network),
        (SendError::Aborted, FetchError::Aborted),
    ] {
        vault.platform().transport.fail(error);
        let (outcome, _) = fetch(&vault, &chat("gpt-4o"), &[]);
        assert_eq!(outcome.unwrap_err(), expected);
    }
}

#[test]
fn nothing_is_sent_without_a_fitting_key() {
    let vault = ready();
    let cases = [
        (
            chat("claude-sonnet-4-5"),
            401,
            "missing_key",
            Some("missing"),
        ),
        (
            request("https://relay.example/v1/chat/completions", "{}"),
            400,
            "missing_model",
            None,
        ),
        (
            request("https://relay.example/v1/chat/completions", "no json"),
            400,
            "bad_json",
            None,
        ),
    ];
    for (request, status, code, reason) in cases {
        let (outcome, sent) = fetch(&vault, &request, &[]);
        assert_eq!(refusal(outcome), (status, code, reason));
        assert!(sent.is_empty());
    }
    let mut mismatch = request("https://relay.example/providers/openai/v1/models", "");
    mismatch
        .headers
        .push(("X-BYOK-Provider".into(), "groq".into()));
    assert_eq!(
        refusal(fetch(&vault, &mismatch, &[]).0).1,
        "provider_mismatch"
    );
    let mut bad = chat("gpt-4o");
    bad.headers
        .push(("X-BYOK-Fallback".into(), "sometimes".into()));
    assert_eq!(refusal(fetch(&vault, &bad, &[]).0).1, "bad_header");
    vault.lock(Reason::Requested);
    let (outcome, sent) = fetch(&vault, &chat("gpt-4o"), &[]);
    assert_eq!(refusal(outcome), (423, "locked", Some("locked")));
    assert!(sent.is_empty());
    let told: Vec<_> = vault.platform().events.take();
    for reason in ["missing", "locked"] {
        assert!(told.iter().any(
            |event| matches!(event, Event::KeyNeeded { reason: told, .. } if *told == reason)
        ));
    }
    let empty = open(World::new(9));
    assert_eq!(
        refusal(fetch(&empty, &chat("gpt-4o"), &[]).0),
        (401, "missing_key", Some("empty"))
    );
}

#[test]
fn inactive_expired_and_spent_keys_are_not_used() {
    let vault = ready();
    let id = block_on(vault.list_keys()).unwrap()[0].record.id;
    let now = vault.platform().clock.now();
    let change = |changes: KeyChanges| block_on(vault.update_key(id, &changes)).unwrap();
    change(KeyChanges {
        active: Some(false),
        ..KeyChanges::default()
    });
    assert_eq!(
        refusal(fetch(&vault, &chat("gpt-4o"), &[]).0).2,
        Some("inactive")
    );
    change(KeyChanges {
        active: Some(true),
        expires_at: Some(Some(now)),
        ..KeyChanges::default()
    });
    assert_eq!(
        refusal(fetch(&vault, &chat("gpt-4o"), &[]).0).2,
        Some("expired")
    );
    change(KeyChanges {
        expires_at: Some(None),
        daily_cap_micros: Some(Some(100)),
        ..KeyChanges::default()
    });
    let ticket = vault.enter().unwrap();
    let spent = crate::format::usage::Day {
        cost_micros: 100,
        ..Default::default()
    };
    vault.count_use(ticket, id, spent).unwrap();
    let (outcome, _) = fetch(&vault, &chat("gpt-4o"), &[]);
    assert_eq!(
        refusal(outcome),
        (402, "daily_cap_reached", Some("daily_cap"))
    );
    // The next UTC day is another day, once the vault is open again.
    vault.platform().clock.advance(86_400_000);
    block_on(vault.unlock(&password(PASSWORD))).unwrap();
    assert_eq!(
        status(fetch(&vault, &chat("gpt-4o"), &[CannedAnswer::new(404, ""), ok()]).0),
        200
    );
}

#[test]
fn requests_at_once_do_not_pass_a_cap_by_more_than_the_first_ones_of_a_key() {
    let vault = ready();
    let id = block_on(vault.list_keys()).unwrap()[0].record.id;
    let cap = KeyChanges {
        daily_cap_micros: Some(Some(250_000)),
        ..KeyChanges::default()
    };
    block_on(vault.update_key(id, &cap)).unwrap();
    // Each costs ten cents, told at its end.
    let priced = || {
        let body =
            r#"{"usage":{"prompt_tokens":1000000,"completion_tokens":0,"total_tokens":1000000}}"#;
        CannedAnswer::new(200, body)
            .with("content-type", "application/json")
            .with("x-byok-price", "input=100000;output=0")
    };
    let end = |outcome: Result<Outcome<CannedAnswer>, FetchError>| {
        let mut meter = meter(outcome);
        meter.feed(&priced().body);
        meter.finish();
        vault.settle(&meter, false);
    };
    end(fetch(&vault, &chat("gpt-4o"), &[priced()]).0);

    // A dime is spent: there is room for one that runs and one more, not for a third.
    let first = fetch(&vault, &chat("gpt-4o"), &[priced()]).0;
    let second = fetch(&vault, &chat("gpt-4o"), &[priced()]).0;
    let (third, sent) = fetch(&vault, &chat("gpt-4o"), &[]);
    assert_eq!(
        refusal(third),
        (402, "daily_cap_reached", Some("daily_cap"))
    );
    assert!(sent.is_empty());
    // What ended without a cost, or not at all, takes no room.
    end(first);
    vault.settle(&meter(second), true);
    let down = fetch(&vault, &chat("gpt-4o"), &[CannedAnswer::new(500, "{}")]);
    assert_eq!(status(down.0), 500);
    vault.platform().transport.fail(SendError::Network);
    assert!(block_on(vault.fetch(&chat("gpt-4o"))).is_err());
    drop(vault.platform().transport.take());
    end(fetch(&vault, &chat("gpt-4o"), &[priced()]).0);
    // Thirty cents, and enough.
    let (fifth, _) = fetch(&vault, &chat("gpt-4o"), &[]);
    assert_eq!(
        refusal(fifth),
        (402, "daily_cap_reached", Some("daily_cap"))
    );
}

/// The meter of an answer that nobody has read yet.
fn meter(outcome: Result<Outcome<CannedAnswer>, FetchError>) -> Box<Meter> {
    match outcome.unwrap() {
        Outcome::Answer {
            meter: Some(meter), ..
        } => meter,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_take_turns_and_a_refused_one_moves_on() {
    let vault = ready();
    block_on(vault.add_key(&new_key("openai", SECOND))).unwrap();
    let mut used = Vec::new();
    for _ in 0..4 {
        vault.platform().clock.advance(1000);
        let (_, sent) = fetch(&vault, &chat("gpt-4o"), &[ok()]);
        used.push(sent[0].header("x-byok-key").unwrap().to_owned());
        assert_eq!(
            sent[0].header("x-byok-fallback"),
            Some("never"),
            "another key is left"
        );
    }
    assert_eq!(used, [OPENAI, SECOND, OPENAI, SECOND]);

    for refused in [401, 402, 403, 429] {
        vault.platform().clock.advance(1000);
        let (outcome, sent) = fetch(
            &vault,
            &chat("gpt-4o"),
            &[CannedAnswer::new(refused, "{}"), ok()],
        );
        assert_eq!(status(outcome), 200);
        assert_eq!(sent.len(), 2);
        assert_ne!(sent[0].header("x-byok-key"), sent[1].header("x-byok-key"));
        assert_eq!(sent[1].header("x-byok-fallback"), None);
    }
    // Each key once: the last refusal is the answer.
    let (outcome, sent) = fetch(
        &vault,
        &chat("gpt-4o"),
        &[CannedAnswer::new(401, "{}"), CannedAnswer::new(429, "{}")],
    );
    assert_eq!((status(outcome), sent.len()), (429, 2));
    // A refusal of the relay's own would meet every key.
    let by_relay = CannedAnswer::new(429, "{}").with("x-byok-error", "rate_limited");
    let (outcome, sent) = fetch(&vault, &chat("gpt-4o"), &[by_relay]);
    assert_eq!((status(outcome), sent.len()), (429, 1));
    let (outcome, sent) = fetch(&vault, &chat("gpt-4o"), &[CannedAnswer::new(500, "{}")]);
    assert_eq!((status(outcome), sent.len()), (500, 1));
}

#[test]
fn openrouter_stands_in_on_unified_routes() {
    let vault = ready();
    block_on(vault.add_key(&new_key("openrouter", "sk-or-v1-0123456789abcdef"))).unwrap();
    let (outcome, sent) = fetch(&vault, &chat("claude-sonnet-4-5"), &[ok()]);
    assert_eq!(status(outcome), 200);
    assert_eq!(sent[0].header("x-byok-provider"), Some("openrouter"));
    let mut asked = chat("claude-sonnet-4-5");
    asked
        .headers
        .push(("x-byok-provider".into(), "anthropic".into()));
    assert_eq!(refusal(fetch(&vault, &asked, &[]).0).1, "missing_key");
    let native = request(
        "https://api.anthropic.com/v1/messages",
        r#"{"model":"claude-x"}"#,
    );
    assert_eq!(refusal(fetch(&vault, &native, &[]).0).1, "missing_key");
}

#[test]
fn the_relay_may_pay_where_it_can_and_was_asked_to() {
    let (vault, _) = created(1);
    let document = r#"{"now":1800000000000,"providers":[{"id":"openai","serverKey":true},{"id":"groq","serverKey":false}]}"#;
    let mut asked = chat("gpt-4o");
    asked
        .headers
        .push(("X-BYOK-Fallback".into(), "allow".into()));
    let (outcome, sent) = fetch(&vault, &asked, &[CannedAnswer::new(200, document), ok()]);
    assert_eq!(status(outcome), 200);
    assert_eq!(sent[1].header("x-byok-key"), None);
    assert_eq!(sent[1].header("x-byok-fallback"), Some("allow"));
    assert_eq!(
        refusal(fetch(&vault, &chat("gpt-4o"), &[]).0).1,
        "missing_key"
    );
    let mut unpaid = chat("llama-3.3-70b-versatile");
    unpaid
        .headers
        .push(("X-BYOK-Provider".into(), "groq".into()));
    unpaid
        .headers
        .push(("X-BYOK-Fallback".into(), "allow".into()));
    assert_eq!(refusal(fetch(&vault, &unpaid, &[]).0).1, "missing_key");
}

#[test]
fn an_expired_app_token_is_refreshed_once() {
    let vault = ready();
    vault.platform().transport.set_token("token");
    let expired = CannedAnswer::new(401, "{}").with("x-byok-error", "auth_expired");
    let (outcome, sent) = fetch(&vault, &chat("gpt-4o"), &[expired.clone(), ok()]);
    assert_eq!(status(outcome), 200);
    let tokens: Vec<_> = sent
        .iter()
        .map(|sent| sent.header("authorization").unwrap())
        .collect();
    assert_eq!(tokens, ["Bearer token", "Bearer token-fresh"]);
    let (outcome, sent) = fetch(&vault, &chat("gpt-4o"), &[expired.clone(), expired]);
    assert_eq!((status(outcome), sent.len()), (401, 2));
}

#[test]
fn the_relays_own_routes_get_no_key() {
    let vault = ready();
    let mut healthz = request("https://relay.example/healthz", "");
    healthz.method = "GET".into();
    let (outcome, sent) = fetch(&vault, &healthz, &[ok()]);
    assert_eq!(status(outcome), 200);
    assert_eq!(sent[0].header("x-byok-key"), None);
}

#[test]
fn a_form_tells_its_model() {
    let vault = ready();
    let mut form = request(
        "https://relay.example/v1/audio/transcriptions",
        &format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n",
            "x".repeat(200_000)
        ),
    );
    form.headers[0].1 = "multipart/form-data; boundary=b".into();
    let (outcome, sent) = fetch(&vault, &form, &[ok()]);
    assert_eq!(status(outcome), 200);
    assert_eq!(sent[0].header("x-byok-provider"), Some("openai"));
}

#[test]
fn a_damaged_key_is_passed_over_and_noted() {
    let vault = ready();
    let id = block_on(vault.add_key(&new_key("openai", SECOND)))
        .unwrap()
        .record
        .id;
    block_on(vault.flush()).unwrap();
    vault.platform().store.with(|records| {
        records.get_mut(&RecordKey::new(Kind::Secret, id)).unwrap()[60] ^= 1;
    });
    let tab = reopened(&vault);
    tab.platform().transport.answer(CannedAnswer::new(404, ""));
    block_on(tab.unlock(&password(PASSWORD))).unwrap();
    block_on(tab.relay_info(false)).unwrap();
    for _ in 0..3 {
        tab.platform().clock.advance(1000);
        let (outcome, _) = fetch(&tab, &chat("gpt-4o"), &[ok()]);
        assert_eq!(status(outcome), 200);
    }
    assert_eq!(tab.snapshot().damaged.len(), 1);
}

#[test]
fn a_lock_while_the_answer_is_awaited_ends_the_request() {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };
    let vault = ready();
    vault.platform().transport.answer(ok());
    let request = chat("gpt-4o");
    let mut fetching = pin!(vault.fetch(&request));
    assert!(
        fetching
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    vault.lock(Reason::Requested);
    assert_eq!(block_on(fetching).unwrap_err(), FetchError::Locked);
}

#[test]
fn a_lease_is_asked_for_with_the_key_and_told_as_it_came() {
    let vault = ready();
    vault
        .platform()
        .transport
        .answer(CannedAnswer::new(201, r#"{"handle":"kfl_x"}"#));
    let new = NewLease {
        provider: "openai".into(),
        ttl_seconds: Some(60),
        max_micros: Some(1_500_000),
        models: Some(vec!["gpt-4o".into()]),
    };
    let answer = block_on(vault.lease(&new, None)).unwrap();
    assert_eq!(answer, br#"{"handle":"kfl_x"}"#);
    let sent = vault.platform().transport.take();
    assert_eq!(
        std::str::from_utf8(&sent[0].body).unwrap(),
        r#"{"provider":"openai","ttlSeconds":60,"maxUsd":1.500000,"models":["gpt-4o"]}"#
    );
    let none = NewLease {
        provider: "groq".into(),
        ..NewLease::default()
    };
    assert_eq!(
        block_on(vault.lease(&none, None)).unwrap_err(),
        Error::NotFound
    );
}

#[test]
fn usage_is_read_from_the_answer_and_the_chunk_asked_for_is_taken_out() {
    let vault = ready();
    let body = r#"{"model":"gpt-4o","stream":true}"#;
    let streaming = request("https://relay.example/v1/chat/completions", body);
    let answer = ok()
        .with("content-type", "text/event-stream")
        .with("x-byok-price", "input=2500000;output=10000000");
    let (outcome, sent) = fetch(&vault, &streaming, &[answer]);
    assert_eq!(sent[0].header("x-byok-usage"), Some("1"));
    let Outcome::Answer {
        meter: Some(mut meter),
        key: Some(key),
        ..
    } = outcome.unwrap()
    else {
        panic!("a streamed answer is metered");
    };
    let mut seen = Vec::new();
    for chunk in [
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":20}}\n\n",
        "data: [DONE]\n\n",
    ] {
        seen.extend_from_slice(&meter.feed(chunk.as_bytes()));
    }
    seen.extend_from_slice(&meter.finish());
    vault.settle(&meter, false);
    let seen = String::from_utf8(seen).unwrap();
    assert!(
        seen.contains("Hi") && seen.contains("[DONE]") && !seen.contains("usage"),
        "{seen}"
    );
    let rows = block_on(vault.usage_report(0)).unwrap();
    assert_eq!(rows[0].key, key);
    assert_eq!(
        (rows[0].counts.input_tokens, rows[0].counts.output_tokens),
        (1000, 20)
    );
    // 1000 × 2.5 millionths + 20 × 10 millionths of a dollar.
    assert_eq!(rows[0].counts.cost_micros, 2_700);
    assert_eq!(rows[0].counts.estimated, 0);
}

#[test]
fn a_stream_that_asks_by_itself_is_left_alone() {
    let vault = ready();
    for body in [
        r#"{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"model":"gpt-4o"}"#,
    ] {
        let streaming = request("https://relay.example/v1/chat/completions", body);
        let (_, sent) = fetch(&vault, &streaming, &[ok()]);
        assert_eq!(sent[0].header("x-byok-usage"), None);
    }
}

#[test]
fn an_answer_given_up_is_counted_as_an_estimate() {
    let vault = ready();
    let body = r#"{"model":"gpt-4o","stream":true}"#;
    let streaming = request("https://relay.example/v1/chat/completions", body);
    let answer = ok().with("content-type", "text/event-stream");
    let (outcome, _) = fetch(&vault, &streaming, &[answer]);
    let Outcome::Answer {
        meter: Some(mut meter),
        ..
    } = outcome.unwrap()
    else {
        panic!("a streamed answer is metered");
    };
    let text = "words ".repeat(100);
    let chunk = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    drop(meter.feed(chunk.as_bytes()));
    vault.settle(&meter, true);
    let counts = block_on(vault.usage_report(0)).unwrap()[0].counts;
    assert!(counts.output_tokens > 50);
    assert_eq!(counts.estimated, 1);
}
