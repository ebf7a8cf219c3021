//! Calls of the relay's own routes, and what is remembered of it.

use keyferry_protocol::{ErrorCode, header, json, sealed::Sealer, text};

use super::{Call, Stage, Ticket, Vault, call::Records};
use crate::{
    error::Error,
    fetch::{Answer, RelayInfo, Shipment, Transport},
    format::{audit::Action, id::Id},
    platform::Platform,
    secret::Secret,
};

/// Longest answer of the relay's own that is read.
const MAX_ANSWER: usize = 1024 * 1024;

/// What a lease is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewLease {
    /// Catalogue id.
    pub provider: String,
    /// Seconds, at most 300.
    pub ttl_seconds: Option<u64>,
    /// Millionths of a US dollar.
    pub max_micros: Option<u64>,
    /// Models it is limited to.
    pub models: Option<Vec<String>>,
}

/// What belongs to one call that talks to the relay.
pub type ContextOf<P> = <<P as Platform>::Transport as Transport>::Context;

/// JSON for one of the relay's own routes, with a key.
pub(super) struct Question {
    pub(super) path: &'static str,
    pub(super) provider: String,
    pub(super) key: Secret,
    pub(super) body: String,
}

impl<P: Platform> Vault<P> {
    /// Posts a question and reads the JSON the relay answers.
    ///
    /// # Errors
    /// [`Error::RelayRefused`] for anything but a 2xx; [`Error::Network`],
    /// [`Error::RelayDowngraded`], [`Error::Locked`].
    pub(super) async fn post(
        &self,
        ticket: Ticket,
        question: &Question,
        context: Option<&ContextOf<P>>,
    ) -> Result<Vec<u8>, Error> {
        let body = self.platform.transport().body(question.body.as_bytes());
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let answer = self
            .ship(&Shipment {
                method: "POST",
                path_and_query: question.path,
                headers: &headers,
                provider: Some(&question.provider),
                fallback: None,
                key: Some((ticket, &question.key)),
                body: Some(&body),
                context,
            })
            .await?;
        let refused = !(200..300).contains(&answer.status());
        let unreachable = answer.header(header::ERROR).as_deref()
            == Some(ErrorCode::ProviderUnreachable.as_str());
        let bytes = answer.bytes(MAX_ANSWER).await?;
        self.with(ticket, |_| Ok(()))?;
        match (refused, unreachable) {
            (false, _) => Ok(bytes),
            (true, true) => Err(Error::Network),
            (true, false) => Err(Error::RelayRefused),
        }
    }

    /// Caches a key at the relay for a short time, for the app's own server or workers. Returns the
    /// relay's answer, a JSON object with the handle.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the provider has no usable key; as the relay's own routes otherwise.
    pub fn lease(&self, new: &NewLease, context: Option<ContextOf<P>>) -> Call<'_, P, Vec<u8>> {
        Call::new(self, || {
            let wait = self.begin(Records::Fresh)?;
            let (provider, rest) = (new.provider.clone(), lease_terms(new));
            let wait = wait.ask(context, move |vault, ready| {
                let (id, key) = vault.first_key(ready.ticket, &provider)?;
                ready.key.set(Some(id));
                let body = ["{\"provider\":", &json::quote(&provider), &rest].concat();
                Ok(Question {
                    path: "/v1/leases",
                    provider,
                    key,
                    body,
                })
            });
            Ok(wait.then(|vault, ready| {
                vault.note(Action::Leased, ready.key.get().unwrap_or(Id::ONLY), 201);
                Ok(std::mem::take(&mut ready.answer))
            }))
        })
    }

    /// The least recently used key of a provider, decrypted for the moment it is needed.
    fn first_key(&self, ticket: Ticket, provider: &str) -> Result<(Id, Secret), Error> {
        let usable = self.usable_keys(ticket, provider)?;
        let id = usable.ok().and_then(|keys| keys.first().copied());
        let id = id.ok_or(Error::NotFound)?;
        Ok((id, self.secret_of(ticket, id)?))
    }

    pub(crate) fn known_relay(&self) -> Option<RelayInfo> {
        self.state.borrow().relay.clone()
    }

    pub(crate) fn remember_relay(&self, info: RelayInfo) {
        self.state.borrow_mut().relay = Some(info);
    }

    pub(crate) fn configured_relay_key(&self) -> Option<[u8; 32]> {
        self.config.relay_key
    }

    /// Takes the sealing session out, to use it.
    pub(crate) fn take_sealer(&self) -> Option<Sealer> {
        self.state.borrow_mut().sealer.take()
    }

    /// Puts it back, unless the vault was locked meanwhile: then it is wiped.
    pub(crate) fn keep_sealer(&self, ticket: Ticket, sealer: Sealer) {
        let mut state = self.state.borrow_mut();
        if self.epoch.get() == ticket.0 && matches!(state.stage, Stage::Unlocked(_)) {
            state.sealer = Some(sealer);
        }
    }
}

/// What follows the provider in the body of a lease.
fn lease_terms(new: &NewLease) -> String {
    let mut body = String::new();
    if let Some(seconds) = new.ttl_seconds {
        body.push_str(",\"ttlSeconds\":");
        body.push_str(&text::decimal(seconds));
    }
    if let Some(micros) = new.max_micros {
        body.push_str(",\"maxUsd\":");
        body.push_str(&decimal(micros));
    }
    if let Some(models) = &new.models {
        body.push_str(",\"models\":[");
        for (at, model) in models.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            body.push_str(&json::quote(model));
        }
        body.push(']');
    }
    body.push('}');
    body
}

/// Millionths as a decimal fraction.
fn decimal(micros: u64) -> String {
    let fraction = text::decimal(1_000_000 + micros % 1_000_000);
    let whole = text::decimal(micros / 1_000_000);
    [whole.as_str(), ".", fraction.get(1..).unwrap_or("0")].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_are_written_as_decimals() {
        for (micros, text) in [(0, "0.000000"), (1, "0.000001"), (1_500_000, "1.500000")] {
            assert_eq!(decimal(micros), text);
        }
    }
}
