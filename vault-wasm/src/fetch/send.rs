//! One call of `vault.fetch`, from the URL asked for to the answer or the refusal.

use keyferry_protocol::{ErrorCode, Fallback, header, routing::OPENROUTER};

use super::{
    Answer, Meter, Route, SendError, Shipment, Transport,
    choose::{ChooseError, provider_of},
    clean::{Cleaned, clean},
    meter::ASK,
    target::{Target, TargetError, resolve},
};
use crate::{
    error::Error,
    format::{
        audit::Action,
        id::{Id, Kind, RecordKey},
        usage::Day,
    },
    platform::{Event, Platform},
    secret::Secret,
    vault::{DamageKind, Ticket, Vault},
};

/// A request as an app makes it.
#[derive(Debug)]
pub struct Request<T: Transport> {
    /// Absolute URL, as the browser serialises it.
    pub url: String,
    /// Method.
    pub method: String,
    /// As given.
    pub headers: Vec<(String, String)>,
    /// A body that can be sent again.
    pub body: Option<T::Body>,
    /// What belongs to this call.
    pub context: Option<T::Context>,
}

/// The vault's own answer to a request it did not send, in the words of the relay's errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// One of the relay's codes, or one of the vault's.
    pub code: &'static str,
    /// For people.
    pub message: &'static str,
    /// `error.type` of the OpenAI error shape.
    pub kind: &'static str,
    /// The provider it is about.
    pub provider: Option<String>,
    /// For the `keyneeded` event, when a key is what is needed.
    pub reason: Option<&'static str>,
}

impl Refusal {
    fn new(code: ErrorCode, provider: Option<String>, reason: Option<&'static str>) -> Self {
        Self {
            status: code.status(),
            code: code.as_str(),
            message: code.title(),
            kind: code.kind(),
            provider,
            reason,
        }
    }

    /// The relay no longer proves who it is: nothing is sent, least of all a key.
    fn downgraded() -> Self {
        let error = Error::RelayDowngraded;
        Self {
            status: 403,
            code: error.code(),
            message: "The relay no longer offers the sealing it was pinned to",
            kind: "permission_error",
            provider: None,
            reason: None,
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome<A> {
    /// The relay's or the provider's answer.
    Answer {
        /// Its body streams.
        answer: A,
        /// The key it was made with.
        key: Option<Id>,
        /// To be fed the body, and settled with [`Vault::settle`].
        meter: Option<Box<Meter>>,
    },
    /// Not sent.
    Refusal(Refusal),
}

/// Why there is neither: what `fetch` itself rejects with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchError {
    /// Neither the relay's URL nor a known provider's.
    Foreign,
    /// The network failed.
    Network,
    /// The caller's signal aborted it.
    Aborted,
    /// The vault was locked while the request was under way.
    Locked,
    /// The relay no longer offers the sealing it was pinned to.
    RelayDowngraded,
}

impl From<SendError> for FetchError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Aborted => Self::Aborted,
            SendError::Network | SendError::AppToken => Self::Network,
        }
    }
}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Foreign => Self::ForeignUrl,
            // Whoever aborts a `fetch` gets the signal's own reason.
            FetchError::Network | FetchError::Aborted => Self::Network,
            FetchError::Locked => Self::Locked,
            FetchError::RelayDowngraded => Self::RelayDowngraded,
        }
    }
}

type AnswerOf<P> = <<P as Platform>::Transport as Transport>::Answer;

impl<P: Platform> Vault<P> {
    /// Sends a request with a key of the provider it is for.
    ///
    /// # Errors
    /// [`FetchError`]; everything else is an answer or a [`Refusal`].
    pub async fn fetch(
        &self,
        request: &Request<P::Transport>,
    ) -> Result<Outcome<AnswerOf<P>>, FetchError> {
        let target = match resolve(&request.url, self.relay(), self.catalogue()) {
            Ok(target) => target,
            Err(TargetError::Foreign) => return Err(FetchError::Foreign),
            Err(TargetError::Refused(code)) => return Ok(refuse(code, None, None)),
        };
        let cleaned = clean(&request.headers, &target.route);
        let fallback = match cleaned.fallback.as_deref().map(Fallback::parse) {
            Some(None) => return Ok(refuse(ErrorCode::BadHeader, None, None)),
            Some(fallback) => fallback,
            None => None,
        };
        let provider = match self.provider_for(&target, &cleaned, request).await {
            Ok(provider) => provider,
            Err(ChooseError::Refused(code)) => return Ok(refuse(code, None, None)),
            Err(ChooseError::Body(error)) => return Err(error.into()),
        };
        let mut shipment = Shipment {
            method: &request.method,
            path_and_query: &target.path_and_query,
            headers: &cleaned.headers,
            provider: cleaned.provider.as_deref(),
            fallback,
            key: None,
            body: request.body.as_ref(),
            context: request.context.as_ref(),
        };
        let Some(provider) = provider else {
            // Nothing of a provider's is asked for: no key is needed, and none is sent.
            let answer = self.ship(&shipment).await?;
            return Ok(Outcome::Answer {
                answer,
                key: None,
                meter: None,
            });
        };
        shipment.provider = Some(&provider);

        let unified = matches!(target.route, Route::Unified(_));
        let may_stand_in = unified && cleaned.provider.is_none();
        match self.keys_for(may_stand_in, &provider).await {
            Ok((ticket, used, keys)) => {
                shipment.provider = Some(&used);
                self.try_keys(ticket, &mut shipment, &keys).await
            }
            Err((code, reason)) => {
                // The relay may pay by itself, where it was asked to and can.
                let asked = unified && fallback.is_some_and(|choice| choice != Fallback::Never);
                if asked && reason != "locked" && self.relay_pays(&provider).await {
                    let answer = self.ship(&shipment).await?;
                    return Ok(Outcome::Answer {
                        answer,
                        key: None,
                        meter: None,
                    });
                }
                self.tell_key_needed(&provider, reason);
                Ok(refuse(code, Some(provider), Some(reason)))
            }
        }
    }

    async fn provider_for(
        &self,
        target: &Target,
        cleaned: &Cleaned,
        request: &Request<P::Transport>,
    ) -> Result<Option<String>, ChooseError> {
        match &target.route {
            Route::Other => Ok(None),
            Route::Passthrough { provider } => match &cleaned.provider {
                Some(requested) if requested != provider => Err(ErrorCode::ProviderMismatch.into()),
                _ => Ok(Some(provider.clone())),
            },
            Route::Unified(route) => {
                provider_of(
                    self.catalogue(),
                    *route,
                    cleaned.provider.as_deref(),
                    cleaned.content_type.as_deref(),
                    self.platform().transport(),
                    request.body.as_ref(),
                )
                .await
            }
        }
    }

    /// The usable keys for a request, least recently used first, and the provider they are of; else
    /// the refusal and its reason.
    pub(crate) async fn keys_for(
        &self,
        may_stand_in: bool,
        provider: &str,
    ) -> Result<(Ticket, String, Vec<Id>), (ErrorCode, &'static str)> {
        let closed = |error: Error| match error {
            Error::Empty | Error::StorageLost => (ErrorCode::MissingKey, "empty"),
            _ => (ErrorCode::Locked, "locked"),
        };
        let ticket = self.enter().map_err(closed)?;
        self.refresh(ticket).await.map_err(closed)?;
        let reason = match self.usable_keys(ticket, provider).map_err(closed)? {
            Ok(keys) => return Ok((ticket, provider.to_owned(), keys)),
            Err(reason) => reason,
        };
        if may_stand_in
            && provider != OPENROUTER
            && let Ok(keys) = self.usable_keys(ticket, OPENROUTER).map_err(closed)?
        {
            return Ok((ticket, OPENROUTER.to_owned(), keys));
        }
        let code = match reason {
            "daily_cap" => ErrorCode::DailyCapReached,
            _ => ErrorCode::MissingKey,
        };
        Err((code, reason))
    }

    /// Tries each key once. A provider's own refusal moves on to the next; a refusal of the relay's
    /// does not, because another key would meet it too.
    async fn try_keys<'a>(
        &self,
        ticket: Ticket,
        shipment: &mut Shipment<'a, P::Transport>,
        keys: &[Id],
    ) -> Result<Outcome<AnswerOf<P>>, FetchError> {
        let wished = shipment.fallback;
        let already = shipment.headers.iter().any(|(name, _)| name == ASK.0);
        let asked = !already && self.must_ask(shipment.path_and_query, shipment.body).await;
        let mut headers = shipment.headers.to_vec();
        if asked {
            headers.push((ASK.0.to_owned(), ASK.1.to_owned()));
        }
        // Why none of them was used.
        let mut refused = (ErrorCode::MissingKey, "damaged");
        for (tried, id) in keys.iter().enumerate() {
            let last = tried + 1 == keys.len();
            let key = match self.secret_of(ticket, *id) {
                Ok(key) => key,
                Err(Error::Locked) => return Err(FetchError::Locked),
                Err(_) => continue,
            };
            // Counted before sending, so that requests made at once take turns.
            let begun = self.begin_use(ticket, *id);
            if !begun.map_err(|_| FetchError::Locked)? {
                refused = (ErrorCode::DailyCapReached, "daily_cap");
                continue;
            }
            let attempt = Shipment {
                headers: &headers,
                key: Some((ticket, &key)),
                fallback: if last { wished } else { Some(Fallback::Never) },
                ..*shipment
            };
            let shipped = self.ship(&attempt).await;
            if shipped.is_err() {
                self.end_use(ticket, *id);
            }
            let answer = match shipped {
                Ok(answer) => answer,
                Err(FetchError::RelayDowngraded) => {
                    return Ok(Outcome::Refusal(Refusal::downgraded()));
                }
                Err(error) => return Err(error),
            };
            drop(key);
            let status = answer.status();
            let counts = Day {
                requests: 1,
                errors: u32::from(status >= 400),
                ..Day::default()
            };
            self.count_use(ticket, *id, counts)
                .map_err(|_| FetchError::Locked)?;
            self.note(Action::Request, *id, status);
            let by_relay = answer.header(header::ERROR).is_some();
            let meter = Meter::new(&answer, asked, ticket, *id);
            if meter.is_none() {
                self.end_use(ticket, *id);
            }
            if !last && !by_relay && matches!(status, 401 | 402 | 403 | 429) {
                answer.discard();
                continue;
            }
            return Ok(Outcome::Answer {
                answer,
                key: Some(*id),
                meter,
            });
        }
        let provider = shipment.provider.unwrap_or_default();
        let (code, reason) = refused;
        self.tell_key_needed(provider, reason);
        Ok(refuse(code, Some(provider.to_owned()), Some(reason)))
    }

    fn tell_key_needed(&self, provider: &str, reason: &'static str) {
        self.emit(&Event::KeyNeeded {
            provider: Some(provider.to_owned()),
            reason,
        });
    }

    /// Decrypts a key for the moment it is needed; notes it when it does not open.
    pub(crate) fn secret_of(&self, ticket: Ticket, id: Id) -> Result<Secret, Error> {
        let opened = self.with(ticket, |session| session.open_secret(id));
        if matches!(opened, Err(Error::Corrupt | Error::FutureVersion)) {
            self.with_mut(ticket, |session| {
                session.note_damage(RecordKey::new(Kind::Secret, id), DamageKind::Corrupt);
                Ok(())
            })?;
            self.emit(&Event::Change);
        }
        opened
    }
}

fn refuse<A>(
    code: ErrorCode,
    provider: Option<String>,
    reason: Option<&'static str>,
) -> Outcome<A> {
    Outcome::Refusal(Refusal::new(code, provider, reason))
}
