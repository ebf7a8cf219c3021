//! The attempts a plan allows, one after the other, until one has an answer for the client.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method};
use keyferry_protocol::Payer;
use keyferry_protocol::catalogue::Unified;
use keyferry_protocol::routing::Target;

use super::request::{self, Payload};
use crate::auth::Identity;
use crate::body::WholeBody;
use crate::edge::{Context, Outcome};
use crate::error::ApiError;
use crate::keys::{self, UserKey};
use crate::payer::{Attempt, Plan, Via};
use crate::proxy::{self, Answer, Call, Metered};
use crate::secret::Secret;
use crate::state::Relay;
use crate::upstream::UpstreamError;
use crate::usage::{self, Costing, Meter, Metering};

/// Everything the attempts have in common.
pub(super) struct Exchange<'a> {
    pub(super) relay: &'a Relay,
    pub(super) context: &'a Context,
    pub(super) identity: &'a Identity,
    pub(super) route: Unified,
    pub(super) method: Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Option<&'a str>,
    pub(super) payload: &'a Payload,
    /// The provider that serves the model.
    pub(super) direct: Target<'a, 'a>,
    /// OpenRouter, reselling it.
    pub(super) resold: Option<Target<'a, 'a>>,
    pub(super) user_key: Option<&'a UserKey<'a>>,
}

/// What one attempt came to.
enum Step {
    /// This is what the client gets.
    Done(Response),
    /// The plan has another way.
    Next(Attempt),
}

impl Exchange<'_> {
    /// Goes through the plan.
    ///
    /// # Errors
    /// `missing_key` when no key fits; what made the last attempt fail.
    pub(super) async fn run(&self, plan: Plan) -> Result<Response, ApiError> {
        let mut attempt = plan
            .first
            .ok_or_else(|| keys::missing(self.direct.provider))?;
        loop {
            match self.try_one(attempt, &plan).await? {
                Step::Done(response) => return Ok(response),
                Step::Next(next) => attempt = next,
            }
        }
    }

    async fn try_one(&self, attempt: Attempt, plan: &Plan) -> Result<Step, ApiError> {
        let (target, key) = self.means(attempt)?;
        let provider = target.provider;
        let path = provider.unified_path(self.route);
        let call = Call {
            provider,
            method: self.method.clone(),
            target: request::target(&path, self.query)?,
            headers: self.headers,
        };
        let outcome = outcome(attempt);
        let live = &self.context.live;
        let renamed = self.payload.with_model(&target.model);
        let whole = renamed.as_ref().unwrap_or_else(|| self.payload.whole());
        let mut meter = self.meter(attempt, target, &path, whole).await?;
        let (mut body, mut asked) = (whole.bytes().clone(), false);
        if self.payload.is_json()
            && let Some(changed) = usage::asking_for_usage(provider, &path, whole)
        {
            (body, asked) = (changed, !usage::wants_usage(self.headers));
        }
        // The body is here in full, so the server notices a client that leaves by itself.
        let sent = proxy::send(self.relay, live, &call, key, Body::from(body), None).await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                error.settle(meter);
                let next = match (attempt, error.upstream()) {
                    (Attempt::User, Some(UpstreamError::Connect)) => plan.after_unreachable(),
                    _ => None,
                };
                if let Some(next) = next {
                    return Ok(Step::Next(next));
                }
                self.context.conclude(Outcome {
                    provider: Some(provider.id.clone()),
                    ..outcome
                });
                return Ok(Step::Done(error.into_api(provider).into_response()));
            }
        };
        let (answer, next) = self.judge(attempt, plan, answer, target).await;
        if let Some(next) = next {
            meter.answered(answer.status().as_u16(), None, false);
            return Ok(Step::Next(next));
        }
        let metered = Metered { meter, asked };
        Ok(Step::Done(proxy::relay_answer(
            self.context,
            provider,
            answer,
            metered,
            outcome,
        )))
    }

    /// Asks for admission of an attempt, to be paid by whoever pays it.
    async fn meter(
        &self,
        attempt: Attempt,
        target: &Target<'_, '_>,
        path: &str,
        body: &WholeBody,
    ) -> Result<Box<Meter>, ApiError> {
        let payer = match attempt {
            Attempt::User => Payer::User,
            Attempt::Server(..) => Payer::Server,
        };
        let metering = Metering {
            relay: self.relay,
            context: self.context,
            identity: self.identity,
            headers: self.headers,
            key: self.user_key,
        };
        let costing = Costing {
            provider: target.provider,
            method: &self.method,
            path,
            models: Some(&[&target.model]),
            body: Some(body),
            is_json: self.payload.is_json(),
        };
        metering.begin(payer, &costing).await
    }

    /// The provider and key of an attempt.
    fn means(&self, attempt: Attempt) -> Result<(&Target<'_, '_>, &Secret), ApiError> {
        let missing = || keys::missing(self.direct.provider);
        let target = match attempt {
            Attempt::User | Attempt::Server(Via::Provider, _) => &self.direct,
            Attempt::Server(Via::OpenRouter, _) => self.resold.as_ref().ok_or_else(missing)?,
        };
        let key = match attempt {
            Attempt::User => self.user_key.map(UserKey::secret),
            Attempt::Server(..) => self.context.live.providers.server_key(&target.provider.id),
        };
        Ok((target, key.ok_or_else(missing)?))
    }

    /// Whether the answer to the user's key proves it bad and the plan has a way on. Reading so
    /// far is undone: the answer goes to the client whole if it is to.
    async fn judge<'k>(
        &self,
        attempt: Attempt,
        plan: &Plan,
        mut answer: Answer<'k>,
        target: &Target<'_, '_>,
    ) -> (Answer<'k>, Option<Attempt>) {
        let status = answer.status();
        if attempt != Attempt::User || !status.is_client_error() || plan.after_bad_key().is_none() {
            return (answer, None);
        }
        let seen = answer.peek(self.context.live.config.timeouts.idle).await;
        let bad = target.provider.is_bad_key(status.as_u16(), &seen);
        (answer, plan.after_bad_key().filter(|_| bad))
    }
}

fn outcome(attempt: Attempt) -> Outcome {
    let (payer, fallback) = match attempt {
        Attempt::User => (Payer::User, None),
        Attempt::Server(_, reason) => (Payer::Server, Some(reason)),
    };
    Outcome {
        payer: Some(payer),
        fallback,
        ..Outcome::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry_protocol::FallbackReason;

    #[test]
    fn the_payer_is_always_named() {
        assert_eq!(outcome(Attempt::User).payer, Some(Payer::User));
        let server = outcome(Attempt::Server(Via::Provider, FallbackReason::NoUserKey));
        assert_eq!(server.payer, Some(Payer::Server));
        assert_eq!(server.fallback, Some(FallbackReason::NoUserKey));
    }
}
