//! `GET /v1/jobs/{id}/events`: a job's changes as they happen, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderName, HeaderValue, header};
use keyferry_protocol::ErrorCode;
use tokio::sync::watch::Receiver;

use super::Asked;
use crate::edge::{Context, Ctx};
use crate::error::ApiError;
use crate::jobs::View;
use crate::state::Relay;

/// Longest silence of an event stream: proxies give up after 60 s and more.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Tells of the job of `X-BYOK-Job` until it has ended or the client is gone.
pub(in crate::routes) async fn handle(
    State(relay): State<Arc<Relay>>,
    Ctx(context): Ctx,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let asked = Asked::read(&relay, &context, &parts, 1).await?;
    // Before the first look, so that no change falls between the two.
    let changes = relay.jobs().watch(asked.handle.id());
    let first = asked.view(&relay, &context.live).await?;
    let events = Events {
        relay,
        context,
        asked,
        changes,
        next: Some(first),
        told: String::new(),
        ended: false,
    };
    let body = Body::from_stream(stream::unfold(events, Events::step));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        // nginx would otherwise collect the stream before passing it on.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, body).into_response())
}

struct Events {
    relay: Arc<Relay>,
    context: Arc<Context>,
    asked: Asked,
    changes: Receiver<u64>,
    /// What is to be told without waiting.
    next: Option<View>,
    told: String,
    ended: bool,
}

type Chunk = Result<Bytes, std::convert::Infallible>;

impl Events {
    async fn step(mut self) -> Option<(Chunk, Self)> {
        if self.ended {
            return None;
        }
        let view = match self.next.take() {
            Some(view) => view,
            None => {
                let changed = tokio::time::timeout(KEEP_ALIVE, self.changes.changed()).await;
                match self.asked.view(&self.relay, &self.context.live).await {
                    Ok(view) => view,
                    // Forgotten meanwhile.
                    Err(error) if error.code() == ErrorCode::JobNotFound => return None,
                    Err(_) => {
                        if changed.is_ok() {
                            tokio::time::sleep(KEEP_ALIVE / 15).await;
                        }
                        return Some((Ok(Bytes::from_static(b": waiting\n\n")), self));
                    }
                }
            }
        };
        let text = view.to_json();
        if text == self.told {
            // Clients reconnect to an instance that stays.
            self.ended = self.relay.is_draining();
            return Some((Ok(Bytes::from_static(b": waiting\n\n")), self));
        }
        self.ended = view.is_final();
        let event = format!("event: status\ndata: {text}\n\n");
        self.told = text;
        Some((Ok(event.into()), self))
    }
}
