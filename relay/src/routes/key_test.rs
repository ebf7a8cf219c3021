//! `POST /v1/keys/test`: asks the provider whether a key works, and answers with a verdict in
//! fixed words. Nothing the provider said is repeated, because providers echo keys.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use keyferry_protocol::catalogue::Unified;
use keyferry_protocol::{Payer, Provider, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{check_query, meta, small_json};
use crate::callers;
use crate::check_report::{Report, read_report};
use crate::edge::{Context, Ctx, Outcome};
use crate::error::ApiError;
use crate::keys::{self, SealedFor};
use crate::leases;
use crate::proxy::{self, Call, CallError};
use crate::secret::Secret;
use crate::state::Relay;
use crate::upstream::UpstreamError;
use crate::wishes::Wishes;

/// The request is one small object.
const MAX_REQUEST: u64 = 4096;

/// What is said of another one.
const EXPECTED: &str = "expected {\"provider\": string, \"deep\"?: boolean}";

/// OpenRouter's model list, the longest, is about half of this.
const MAX_ANSWER: usize = 2 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    provider: String,
    #[serde(default)]
    deep: bool,
}

/// What a test found.
struct Finding {
    verdict: Verdict,
    detail: Option<&'static str>,
    report: Report,
}

/// Tests the key in `X-BYOK-Key`.
pub(super) async fn handle(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let live = &context.live;
    let (parts, body) = request.into_parts();
    check_query(&parts.uri)?;
    let wishes = Wishes::read(&parts.headers)?;
    let identity = callers::identify(&relay, &context, &parts.headers).await?;
    let ask: Ask = small_json::read(&context, &parts.headers, body, MAX_REQUEST, EXPECTED).await?;
    let provider = live.providers.get(&ask.provider)?;
    wishes.agree_with_body(provider)?;
    let sealed_for = SealedFor::new(&parts, &wishes.provider, wishes.fallback);
    let key = keys::user_key(&relay, &context, &sealed_for)
        .await?
        .ok_or_else(|| keys::missing(provider))?;
    if let Some(lease) = key.lease() {
        lease.terms.admit_provider(provider)?;
        if ask.deep && lease.terms.is_guarded() {
            return Err(leases::scope(
                "a deep test runs a model, and the lease limits which it runs or what it spends",
            )
            .provider(&provider.id));
        }
    }

    let address = callers::address_of(&context, &parts.headers);
    let who = callers::who(&identity, Some(key.secret()), address);
    relay.limits().admit_address(&live.policy, address).await?;
    relay.limits().admit_key_test(&live.policy, &who).await?;

    let begun = Instant::now();
    let tester = Tester {
        relay: &relay,
        context: &context,
        provider,
        key: key.secret(),
    };
    let finding = tester.run(ask.deep).await;
    let took = begun.elapsed();
    relay.metrics().key_test(&provider.id, finding.verdict);
    if finding.verdict == Verdict::Invalid && !identity.is_authenticated() {
        // Counted, not refused: the verdict is there. The next one may not be.
        let _ = relay.limits().address_failed(&live.policy, address).await;
    }
    context.conclude(Outcome {
        provider: Some(provider.id.clone()),
        payer: Some(Payer::User),
        provider_time: Some(took),
        ..Outcome::default()
    });
    Ok(meta::document(StatusCode::OK, &answer(&finding, took)))
}

fn answer(finding: &Finding, took: Duration) -> Value {
    let mut answer = json!({
        "verdict": finding.verdict.as_str(),
        "latencyMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    });
    if let Some(fields) = answer.as_object_mut() {
        if let Some(detail) = finding.detail {
            fields.insert("detail".to_owned(), json!(detail));
        }
        if let Some(models) = &finding.report.models {
            fields.insert("models".to_owned(), json!(models));
        }
        if let Some(credit) = &finding.report.credit {
            fields.insert("credit".to_owned(), json!(credit));
        }
    }
    answer
}

struct Tester<'a> {
    relay: &'a Relay,
    context: &'a Context,
    provider: &'a Provider,
    key: &'a Secret,
}

impl Tester<'_> {
    /// The cheap check, and after it, if asked for, one token of an answer: some providers list
    /// models for keys that may not use them.
    async fn run(&self, deep: bool) -> Finding {
        let limit = self.context.live.config.timeouts.key_test;
        let test = async {
            let mut finding = self.shallow().await;
            if deep && finding.verdict == Verdict::Valid {
                let deeper = self.deep().await;
                finding.verdict = deeper.verdict;
                finding.detail = deeper.detail;
            }
            finding
        };
        tokio::time::timeout(limit, test).await.unwrap_or_else(|_| {
            Finding::of(
                Verdict::Unreachable,
                Some("the provider did not answer in time"),
            )
        })
    }

    async fn shallow(&self) -> Finding {
        let check = &self.provider.check;
        let Ok(target) = PathAndQuery::try_from(check.path.as_ref()) else {
            return Finding::of(
                Verdict::Unreachable,
                Some("the provider's check has no address"),
            );
        };
        match self.ask(Method::GET, target, Bytes::new()).await {
            Err(finding) => finding,
            Ok((status, body)) => {
                let report = read_report(check.body, status, &body);
                let mut finding = self.judge(status, &body);
                if let (Some(verdict), Verdict::Valid) = (report.verdict, finding.verdict) {
                    finding.verdict = verdict;
                }
                Finding { report, ..finding }
            }
        }
    }

    async fn deep(&self) -> Finding {
        let model = self.provider.deep_model.as_deref();
        let (Some(model), true) = (model, self.provider.serves(Unified::ChatCompletions)) else {
            return Finding::of(
                Verdict::Valid,
                Some("no model is known to try at this provider; the key was only listed with"),
            );
        };
        let path = self.provider.unified_path(Unified::ChatCompletions);
        let Ok(target) = PathAndQuery::try_from(path) else {
            return Finding::of(Verdict::Unreachable, None);
        };
        let body = json!({
            "model": model,
            "max_tokens": 1,
            "messages": [{ "role": "user", "content": "1" }],
        });
        match self
            .ask(Method::POST, target, body.to_string().into())
            .await
        {
            Err(finding) => finding,
            Ok((status, body)) => self.judge(status, &body),
        }
    }

    async fn ask(
        &self,
        method: Method,
        target: PathAndQuery,
        body: Bytes,
    ) -> Result<(u16, Bytes), Finding> {
        let mut headers = HeaderMap::new();
        if !body.is_empty() {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let live = &self.context.live;
        let call = Call {
            provider: self.provider,
            method,
            target,
            headers: &headers,
        };
        let answer = proxy::send(self.relay, live, &call, self.key, Body::from(body), None)
            .await
            .map_err(|error| Finding::of(Verdict::Unreachable, Some(reason(error))))?;
        let (status, body, _) = answer.read(MAX_ANSWER, live.config.timeouts.idle).await;
        Ok((status.as_u16(), body))
    }

    fn judge(&self, status: u16, body: &[u8]) -> Finding {
        match self.provider.verdict(status, body) {
            Some(verdict) => Finding::of(verdict, detail(verdict)),
            None => Finding::of(
                Verdict::Unreachable,
                Some("the provider's answer says nothing about the key"),
            ),
        }
    }
}

impl Finding {
    fn of(verdict: Verdict, detail: Option<&'static str>) -> Self {
        Self {
            verdict,
            detail,
            report: Report::default(),
        }
    }
}

fn reason(error: CallError) -> &'static str {
    match error {
        CallError::Upstream(UpstreamError::Connect) => "no connection to the provider",
        CallError::Upstream(UpstreamError::Timeout) => "the provider did not answer in time",
        _ => "the provider closed the connection without an answer",
    }
}

fn detail(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Valid => None,
        Verdict::Invalid => Some("the provider does not accept this key"),
        Verdict::WrongScope => Some("the key is known, but may not be used for this"),
        Verdict::NoCredit => Some("the account behind the key has no credit left"),
        Verdict::RateLimited => Some("the provider limits this key right now"),
        Verdict::DeprecatedFormat => Some("the provider no longer takes keys of this form"),
        Verdict::Unreachable => Some("the provider failed; nothing is known about the key"),
    }
}
