//! Whether a job's work may be done, as far as that can be told before it is.

use axum::body::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use keyferry_protocol::catalogue::Unified;
use keyferry_protocol::routing::is_model_name;
use keyferry_protocol::{ErrorCode, Provider, json};

use crate::auth::Identity;
use crate::body::WholeBody;
use crate::error::ApiError;
use crate::jobs::Work;
use crate::keys::UserKey;
use crate::leases::name_at_provider;
use crate::routes::unified;
use crate::state::Live;
use crate::tiers::{Named, RequestFacts, named};
use crate::wishes::Wishes;

/// What decides whether work may be done.
pub(super) struct Admission<'a> {
    pub(super) live: &'a Live,
    pub(super) wishes: &'a Wishes,
    pub(super) key: &'a UserKey<'a>,
    pub(super) identity: &'a Identity,
}

impl<'a> Admission<'a> {
    /// Where the work goes, and the models it runs by their names there; `None` when it does not
    /// say plainly.
    ///
    /// # Errors
    /// What a call with the same body would be refused with.
    pub(super) fn admit(
        &self,
        work: &Work,
    ) -> Result<(&'a Provider, Option<Vec<String>>), ApiError> {
        match work {
            Work::Chat(body) => {
                let (provider, named) = self.chat(body)?;
                Ok((provider, self.names(provider, &named)))
            }
            Work::Transcription(uploaded) => {
                let model = uploaded.model();
                if !is_model_name(model) {
                    return Err(bad_field("the field 'model' is not a usable name"));
                }
                let provider = self.provider(model, Unified::Transcriptions)?;
                let named = Named::Models(vec![model.to_owned()]);
                self.models(provider, &named)?;
                let mut models = self.names(provider, &named);
                if let Some(then) = uploaded.then() {
                    let (next, named) = self.chat(then)?;
                    if next.id != provider.id {
                        return Err(ApiError::new(
                            ErrorCode::ProviderMismatch,
                            "the chat in 'then' must be served by the provider that transcribes: the job has one key",
                        )
                        .provider(&next.id));
                    }
                    let more = self.names(provider, &named);
                    models = models
                        .zip(more)
                        .map(|(models, more)| [models, more].concat());
                }
                Ok((provider, models))
            }
        }
    }

    fn chat(&self, body: &str) -> Result<(&'a Provider, Named), ApiError> {
        let whole = WholeBody::new(Bytes::copy_from_slice(body.as_bytes()));
        let model = unified::json_model(&whole)?;
        let [stream] = whole.fields(["stream"])?;
        let [messages] = json::top_level(whole.bytes(), ["messages"])?;
        if stream.is_some_and(|value| value.as_bool() != Some(false) && !value.is_null()) {
            return Err(bad_field(
                "a job's answer is not streamed: leave 'stream' out",
            ));
        }
        if messages.is_none_or(|value| value.kind != json::Kind::Array) {
            return Err(bad_field("the request has no list of 'messages'"));
        }
        let provider = self.provider(&model.name, Unified::ChatCompletions)?;
        let path = provider.unified_path(Unified::ChatCompletions);
        let json = HeaderValue::from_static("application/json");
        let facts = RequestFacts {
            provider,
            method: &Method::POST,
            path: &path,
            headers: &HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
        };
        let named = named(&facts, &whole)?;
        self.models(provider, &named)?;
        Ok((provider, named))
    }

    fn provider(&self, model: &str, route: Unified) -> Result<&'a Provider, ApiError> {
        let target = unified::find_target(self.live, model, self.wishes, Some(self.key))?;
        if !target.provider.serves(route) {
            return Err(unified::lacks(target.provider, route));
        }
        self.live.providers.get(&target.provider.id)
    }

    /// Holds models against the caller's plan and the lease.
    fn models(&self, provider: &Provider, named: &Named) -> Result<(), ApiError> {
        if let Some(gate) = self.live.tiers.gate(self.identity.plan()) {
            gate.admit(named)?;
        }
        if let Some(lease) = self.key.lease() {
            lease.terms.admit_provider(provider)?;
            let catalogue = self.live.providers.catalogue();
            lease.terms.admit_models(catalogue, provider, named)?;
        }
        Ok(())
    }

    fn names(&self, provider: &Provider, named: &Named) -> Option<Vec<String>> {
        let catalogue = self.live.providers.catalogue();
        match named {
            Named::Models(models) => models
                .iter()
                .map(|model| name_at_provider(catalogue, provider, model))
                .collect(),
            Named::Nothing | Named::Unknown => None,
        }
    }
}

fn bad_field(detail: &'static str) -> ApiError {
    ApiError::new(ErrorCode::BadField, detail)
}
