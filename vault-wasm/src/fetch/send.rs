//! One call of `vault.fetch`, from the URL asked for to the answer or the refusal.

use keyferry_protocol::{ErrorCode, Fallback, header};

use super::{
    Answer, Outgoing, Route, SendError, Transport,
    choose::{ChooseError, provider_of, stand_in},
    clean::{Cleaned, clean},
    target::{Target, TargetError, resolve},
};
use crate::{
    error::Error,
    format::{
        id::{Id, Kind, RecordKey},
        usage::Day,
    },
    platform::{Event, Platform},
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

/// The vault's own answer to a request it did not send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One of the relay's codes.
    pub code: ErrorCode,
    /// The provider it is about.
    pub provider: Option<String>,
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
            FetchError::Network => Self::Network,
            FetchError::Aborted => Self::Aborted,
            FetchError::Locked => Self::Locked,
        }
    }
}

/// Why a key could not be had for a request.
enum NoKey {
    Locked(Error),
    Because(&'static str),
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
            Err(TargetError::Refused(code)) => return Ok(refuse(code, None)),
        };
        let cleaned = clean(&request.headers, &target.route);
        if cleaned
            .fallback
            .as_deref()
            .is_some_and(|value| Fallback::parse(value).is_none())
        {
            return Ok(refuse(ErrorCode::BadHeader, None));
        }

        let provider = match self.provider_for(&target, &cleaned, request).await {
            Ok(provider) => provider,
            Err(ChooseError::Refused(code)) => return Ok(refuse(code, None)),
            Err(ChooseError::Body(error)) => return Err(error.into()),
        };
        let Some(provider) = provider else {
            // Nothing of a provider's is asked for: no key is needed, and none is sent.
            let answer = self.send_once(&target, &cleaned, request, None).await?;
            return Ok(Outcome::Answer { answer, key: None });
        };

        let (ticket, provider, keys) = match self.keys_for(&target, &cleaned, &provider).await {
            Ok(found) => found,
            Err(NoKey::Locked(error)) => {
                let reason = if error == Error::Locked {
                    "locked"
                } else {
                    "empty"
                };
                self.tell_key_needed(&provider, reason);
                let code = if error == Error::Locked {
                    ErrorCode::Locked
                } else {
                    ErrorCode::MissingKey
                };
                return Ok(refuse(code, Some(provider)));
            }
            Err(NoKey::Because(reason)) => {
                self.tell_key_needed(&provider, reason);
                let code = match reason {
                    "daily_cap" => ErrorCode::DailyCapReached,
                    _ => ErrorCode::MissingKey,
                };
                return Ok(refuse(code, Some(provider)));
            }
        };
        self.try_keys(ticket, &target, &cleaned, request, &provider, &keys)
            .await
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

    /// The usable keys for a request, least recently used first, and the provider they are of.
    async fn keys_for(
        &self,
        target: &Target,
        cleaned: &Cleaned,
        provider: &str,
    ) -> Result<(Ticket, String, Vec<Id>), NoKey> {
        let ticket = self.enter().map_err(NoKey::Locked)?;
        self.refresh(ticket).await.map_err(NoKey::Locked)?;
        let look = |provider: &str| self.usable_keys(ticket, provider).map_err(NoKey::Locked);
        match look(provider)? {
            Ok(keys) => Ok((ticket, provider.to_owned(), keys)),
            Err(reason) => {
                let stand_in = matches!(target.route, Route::Unified(_))
                    .then(|| stand_in(provider, cleaned.provider.as_deref()))
                    .flatten();
                if let Some(stand_in) = stand_in
                    && let Ok(keys) = look(stand_in)?
                {
                    return Ok((ticket, stand_in.to_owned(), keys));
                }
                Err(NoKey::Because(reason))
            }
        }
    }

    /// Tries each key once. A provider's own refusal moves on to the next; a refusal of the relay's
    /// does not, because another key would meet it too.
    async fn try_keys(
        &self,
        ticket: Ticket,
        target: &Target,
        cleaned: &Cleaned,
        request: &Request<P::Transport>,
        provider: &str,
        keys: &[Id],
    ) -> Result<Outcome<AnswerOf<P>>, FetchError> {
        let mut damaged = false;
        for (tried, id) in keys.iter().enumerate() {
            let last = tried + 1 == keys.len();
            // Counted before sending, so that requests made at once take turns.
            self.count_use(ticket, *id, Day::default())
                .map_err(|_| FetchError::Locked)?;
            let credential = match self.secret_of(ticket, *id) {
                Ok(credential) => credential,
                Err(Error::Locked) => return Err(FetchError::Locked),
                Err(_) => {
                    damaged = true;
                    continue;
                }
            };
            let with_key = WithKey {
                provider,
                credential,
                forbid_fallback: !last,
            };
            let answer = self
                .send_once(target, cleaned, request, Some(&with_key))
                .await?;
            drop(with_key);

            let by_relay = answer.header(header::ERROR).is_some();
            let refused = matches!(answer.status(), 401 | 402 | 403 | 429) && !by_relay;
            let counts = Day {
                requests: 1,
                errors: u32::from(answer.status() >= 400),
                ..Day::default()
            };
            self.count_use(ticket, *id, counts)
                .map_err(|_| FetchError::Locked)?;
            if refused && !last {
                answer.discard();
                continue;
            }
            return Ok(Outcome::Answer {
                answer,
                key: Some(*id),
            });
        }
        let reason = if damaged { "damaged" } else { "missing" };
        self.tell_key_needed(provider, reason);
        Ok(refuse(ErrorCode::MissingKey, Some(provider.to_owned())))
    }

    /// Sends once; a second time only with a fresh app token.
    async fn send_once(
        &self,
        target: &Target,
        cleaned: &Cleaned,
        request: &Request<P::Transport>,
        with_key: Option<&WithKey<'_>>,
    ) -> Result<AnswerOf<P>, FetchError> {
        let transport = self.platform().transport();
        let mut fresh = false;
        loop {
            let mut headers = cleaned.headers.clone();
            let mut set =
                |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
            match with_key {
                Some(with_key) => {
                    set(header::PROVIDER, with_key.provider);
                    if with_key.forbid_fallback {
                        set(header::FALLBACK, Fallback::Never.as_str());
                    } else if let Some(fallback) = &cleaned.fallback {
                        set(header::FALLBACK, fallback);
                    }
                }
                None => {
                    if let Some(provider) = &cleaned.provider {
                        set(header::PROVIDER, provider);
                    }
                    if let Some(fallback) = &cleaned.fallback {
                        set(header::FALLBACK, fallback);
                    }
                }
            }
            if let Some(token) = transport.app_token(request.context.as_ref(), fresh).await? {
                set("authorization", &["Bearer ", &token].concat());
            }
            let outgoing = Outgoing {
                method: request.method.clone(),
                url: self.relay().url(&target.path_and_query),
                headers,
                credential: with_key.map(|with_key| &with_key.credential),
            };
            let answer = transport
                .send(&outgoing, request.body.as_ref(), request.context.as_ref())
                .await?;
            let expired =
                answer.header(header::ERROR).as_deref() == Some(ErrorCode::AuthExpired.as_str());
            if !expired || fresh {
                return Ok(answer);
            }
            answer.discard();
            fresh = true;
        }
    }

    fn tell_key_needed(&self, provider: &str, reason: &'static str) {
        self.emit(&Event::KeyNeeded {
            provider: Some(provider.to_owned()),
            reason,
        });
    }

    /// Decrypts a key for the moment it is needed; notes it when it does not open.
    fn secret_of(&self, ticket: Ticket, id: Id) -> Result<crate::secret::Secret, Error> {
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

/// What a request carries of a key.
struct WithKey<'a> {
    provider: &'a str,
    credential: crate::secret::Secret,
    forbid_fallback: bool,
}

fn refuse<A>(code: ErrorCode, provider: Option<String>) -> Outcome<A> {
    Outcome::Refusal(Refusal { code, provider })
}
