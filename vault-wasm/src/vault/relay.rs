//! Calls of the relay's own routes, and what is remembered of it.

use keyferry_protocol::{ErrorCode, header, json, sealed::Sealer};

use super::{Stage, Ticket, Vault};
use crate::{
    error::Error,
    fetch::{Answer, RelayInfo, Shipment, Transport},
    format::audit::Action,
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

type ContextOf<P> = <<P as Platform>::Transport as Transport>::Context;

impl<P: Platform> Vault<P> {
    /// Posts JSON to one of the relay's own routes with a key, and reads the JSON it answers.
    ///
    /// # Errors
    /// [`Error::RelayRefused`] for anything but a 2xx; [`Error::Network`],
    /// [`Error::RelayDowngraded`], [`Error::Locked`].
    pub(super) async fn post(
        &self,
        ticket: Ticket,
        path: &str,
        provider: &str,
        key: &Secret,
        body: String,
        context: Option<&ContextOf<P>>,
    ) -> Result<Vec<u8>, Error> {
        let body = self.platform.transport().body(body.into_bytes());
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let answer = self
            .ship(&Shipment {
                method: "POST",
                path_and_query: path,
                headers: &headers,
                provider: Some(provider),
                fallback: None,
                key: Some((ticket, key)),
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
    pub async fn lease(
        &self,
        new: &NewLease,
        context: Option<&ContextOf<P>>,
    ) -> Result<Vec<u8>, Error> {
        let ticket = self.enter()?;
        let (_, provider, keys) = self
            .keys_for(false, &new.provider)
            .await
            .map_err(|_| Error::NotFound)?;
        let id = *keys.first().ok_or(Error::NotFound)?;
        let key = self.secret_of(ticket, id)?;
        let mut body = ["{\"provider\":", &json::quote(&provider)].concat();
        if let Some(seconds) = new.ttl_seconds {
            body.push_str(",\"ttlSeconds\":");
            body.push_str(&seconds.to_string());
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
        let answer = self
            .post(ticket, "/v1/leases", &provider, &key, body, context)
            .await?;
        self.note(Action::Leased, id, 201);
        Ok(answer)
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

/// Millionths as a decimal fraction.
fn decimal(micros: u64) -> String {
    let fraction = (1_000_000 + micros % 1_000_000).to_string();
    let whole = (micros / 1_000_000).to_string();
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
