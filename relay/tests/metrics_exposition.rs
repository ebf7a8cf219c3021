//! What the metrics say, and that their names are the documented ones.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use keyferry_protocol::{FallbackReason, Payer, Verdict};
use keyferry_relay::{FinishedRequest, Metrics, UpstreamFailure};

use crate::support::{
    CANARY, ChannelBody, Reply, StandIn, TestRelay, free_address, json_response, send,
};

const DOCUMENT: &str = include_str!("../../docs/operating.md");
const ALERTS: &str = include_str!("../../deploy/prometheus/alerts.yaml");
const DASHBOARD: &str = include_str!("../../deploy/grafana/keyferry.json");

const MODELS: &str = "/providers/openai/v1/models";

/// Something in every family.
fn filled() -> Metrics {
    let metrics = Metrics::new();
    metrics.request(&FinishedRequest {
        route: "/providers/{id}/{*path}",
        provider: Some("openai"),
        payer: Some(Payer::Server),
        status: 200,
        end: "complete",
        code: Some(keyferry_protocol::ErrorCode::Internal),
        fallback: Some(FallbackReason::NoUserKey),
        first_byte: Some(Duration::from_millis(300)),
        overhead: Duration::from_micros(70),
    });
    metrics.key_test("openai", Verdict::Valid);
    metrics.limit_hit("requests_per_hour");
    metrics.upstream_error("openai", UpstreamFailure::Connect);
    metrics.settled("openai", Payer::Server, 12, 34, 1_500_000);
    metrics.job_created("chat");
    metrics.job_finished("chat", "completed", Some(Duration::from_secs(2)));
    metrics.store_degraded(false);
    metrics.reload(true);
    metrics.jwks_fetch(false);
    metrics
}

/// `name{labels} value` of the exposition, buckets and sums folded into their histogram.
fn series(text: &str) -> Vec<(String, BTreeSet<String>)> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let name = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            let labels = labels
                .trim_end_matches('}')
                .split("\",")
                .filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()))
                .filter(|label| label != "le")
                .collect();
            (name.to_owned(), labels)
        })
        .collect()
}

#[test]
fn names_and_labels_are_the_documented_ones() {
    let documented: BTreeSet<(String, BTreeSet<String>)> = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `keyferry_"))
        .map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let name = cells.next().unwrap().trim_matches('`').to_owned();
            let labels = cells.nth(1).unwrap();
            let labels = labels
                .split(',')
                .map(|label| label.trim().trim_matches('`').to_owned())
                .filter(|label| !label.is_empty())
                .collect();
            (name, labels)
        })
        .collect();
    let served: BTreeSet<_> = series(&filled().render().unwrap()).into_iter().collect();
    assert_eq!(served, documented);
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let served: BTreeSet<String> = series(&filled().render().unwrap())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for (file, text) in [("alerts.yaml", ALERTS), ("keyferry.json", DASHBOARD)] {
        let asked: BTreeSet<&str> = text
            .split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))
            .filter(|word| word.starts_with("keyferry_"))
            .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
            .collect();
        assert!(asked.len() > 8, "{file}");
        for name in asked {
            assert!(served.contains(name), "{file} asks for {name}");
        }
    }
    serde_json::from_str::<serde_json::Value>(DASHBOARD).expect("JSON");
}

#[test]
fn values_are_what_was_counted() {
    let text = filled().render().unwrap();
    for line in [
        "keyferry_spend_usd_total{provider=\"openai\",payer=\"server\"} 1.5",
        "keyferry_tokens_total{provider=\"openai\",payer=\"server\",direction=\"input\"} 12",
        "keyferry_first_byte_seconds_bucket{le=\"0.5\",route=\"/providers/{id}/{*path}\",provider=\"openai\"} 1",
        "keyferry_first_byte_seconds_bucket{le=\"0.25\",route=\"/providers/{id}/{*path}\",provider=\"openai\"} 0",
        "keyferry_overhead_seconds_bucket{le=\"0.0001\",route=\"/providers/{id}/{*path}\",provider=\"openai\"} 1",
        "keyferry_fallbacks_total{provider=\"openai\",reason=\"no_user_key\"} 1",
        "keyferry_errors_total{code=\"internal\"} 1",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

fn value(text: &str, series: &str) -> f64 {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
        .unwrap_or(0.0)
}

async fn settled(relay: &TestRelay, series: &str, expected: f64) -> String {
    for _ in 0..200 {
        let text = relay.relay.metrics().render().unwrap();
        if (value(&text, series) - expected).abs() < f64::EPSILON {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "{series} is not {expected}: {}",
        relay.relay.metrics().render().unwrap()
    );
}

#[tokio::test]
async fn requests_are_counted_by_provider_payer_status_and_end() {
    let provider = StandIn::start(|seen| {
        if seen.uri.path().ends_with("/models") {
            json_response(200, "{}")
        } else {
            json_response(401, "{}")
        }
    })
    .await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    relay.get(MODELS).await;
    relay.get(MODELS).await;
    relay
        .get("/providers/openai/v1/models/secret-looking-name")
        .await;
    relay.get("/providers/nobody/v1/models").await;
    let route = "route=\"/providers/{id}/{*path}\"";
    let text = settled(
        &relay,
        &format!("keyferry_requests_total{{{route},provider=\"openai\",payer=\"user\",status=\"200\",end=\"complete\"}}"),
        2.0,
    )
    .await;
    let text = if text.contains("unknown_provider") {
        text
    } else {
        settled(
            &relay,
            "keyferry_errors_total{code=\"unknown_provider\"}",
            1.0,
        )
        .await
    };
    let refused = "keyferry_upstream_errors_total{provider=\"openai\",kind=\"key_refused\"}";
    assert!((value(&text, refused) - 1.0).abs() < f64::EPSILON, "{text}");
    for never in ["secret-looking-name", "nobody", "CANARY"] {
        assert!(!text.contains(never), "{never} became a label: {text}");
    }
}

#[tokio::test]
async fn an_unreachable_provider_is_counted() {
    let gone = free_address();
    let relay = TestRelay::with_provider(gone, "").await;
    assert_eq!(relay.get(MODELS).await.status, 502);
    settled(
        &relay,
        "keyferry_upstream_errors_total{provider=\"openai\",kind=\"connect\"}",
        1.0,
    )
    .await;
}

#[tokio::test]
async fn open_streams_rise_and_fall() {
    let provider = StandIn::start(|_| {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let _ = sender.send(b"data: 1\n\n".to_vec()).await;
            sender.closed().await;
        });
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::new(ChannelBody(receiver)))
            .unwrap()
    })
    .await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let request = relay
        .request("GET", MODELS)
        .header("x-byok-key", CANARY)
        .body(Body::empty())
        .unwrap();
    let response = send(relay.address, request).await;
    settled(&relay, "keyferry_open_streams", 1.0).await;
    drop(response);
    let text = settled(&relay, "keyferry_open_streams", 0.0).await;
    assert!(
        text.contains("end=\"cancelled\"")
            || {
                settled(
            &relay,
            "keyferry_requests_total{route=\"/providers/{id}/{*path}\",provider=\"openai\",payer=\"user\",status=\"200\",end=\"cancelled\"}",
            1.0,
        )
        .await;
                true
            }
    );
}

#[tokio::test]
async fn the_metrics_route_answers_in_openmetrics_form() {
    let relay = TestRelay::start("").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = keyferry_relay::admin(std::sync::Arc::clone(&relay.relay));
    let server = std::sync::Arc::clone(&relay.server);
    tokio::spawn(async move { server.run(listener, router).await });
    let request = http::Request::builder()
        .uri("/metrics")
        .header("host", "x")
        .body(Body::empty())
        .unwrap();
    let reply = Reply::read(send(address, request).await).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    assert!(reply.text().contains("keyferry_build_info{version="));
}
