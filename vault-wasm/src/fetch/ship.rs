//! Sending one request to the relay: sealing the key, and the retries that change nothing but the
//! envelope.

use keyferry_protocol::{
    ErrorCode, Fallback, header,
    sealed::{Binding, Sealer},
};

use super::{Answer, FetchError, Outgoing, Transport};
use crate::{
    format::id::RecordKey,
    platform::{Platform, random_bytes},
    secret::Secret,
    store::Durability,
    vault::{Changes, Ticket, Vault},
};

/// A request for the relay.
pub(crate) struct Shipment<'a, T: Transport> {
    /// Upper case.
    pub(crate) method: &'a str,
    /// Below the relay's base.
    pub(crate) path_and_query: &'a str,
    /// Cleaned, lower-case names.
    pub(crate) headers: &'a [(String, String)],
    /// Value of `X-BYOK-Provider`.
    pub(crate) provider: Option<&'a str>,
    /// Value of `X-BYOK-Fallback`.
    pub(crate) fallback: Option<Fallback>,
    /// The key, and the ticket it was read with.
    pub(crate) key: Option<(Ticket, &'a Secret)>,
    pub(crate) body: Option<&'a T::Body>,
    pub(crate) context: Option<&'a T::Context>,
}

impl<P: Platform> Vault<P> {
    /// Sends. Once more with a fresh app token when the relay calls the last one expired, and once
    /// more with what the relay says of itself now when it does not take the seal.
    pub(crate) async fn ship(
        &self,
        shipment: &Shipment<'_, P::Transport>,
    ) -> Result<<P::Transport as Transport>::Answer, FetchError> {
        let transport = self.platform().transport();
        let (mut fresh_token, mut fresh_seal) = (false, false);
        loop {
            let mut headers = shipment.headers.to_vec();
            let mut set =
                |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
            if let Some(provider) = shipment.provider {
                set(header::PROVIDER, provider);
            }
            if let Some(fallback) = shipment.fallback {
                set(header::FALLBACK, fallback.as_str());
            }
            if let Some(token) = transport.app_token(shipment.context, fresh_token).await? {
                set("authorization", &["Bearer ", &token].concat());
            }
            let sealed = match shipment.key {
                Some((ticket, key)) => self.seal(ticket, shipment, key, fresh_seal).await?,
                None => None,
            };
            let outgoing = Outgoing {
                method: shipment.method.to_owned(),
                url: self.relay().url(shipment.path_and_query),
                headers,
                credential: sealed.as_ref().or(shipment.key.map(|(_, key)| key)),
            };
            let answer = transport
                .send(&outgoing, shipment.body, shipment.context)
                .await?;
            let error = answer
                .header(header::ERROR)
                .and_then(|code| ErrorCode::parse(&code));
            match error {
                Some(ErrorCode::AuthExpired) if !fresh_token => fresh_token = true,
                Some(ErrorCode::ClockSkew | ErrorCode::UnknownKid | ErrorCode::SealedRequired)
                    if !fresh_seal && shipment.key.is_some() =>
                {
                    fresh_seal = true;
                }
                _ => return Ok(answer),
            }
            answer.discard();
        }
    }

    /// Seals a key for one request, when the relay publishes sealing keys. `None` when it does not,
    /// and never has.
    async fn seal(
        &self,
        ticket: Ticket,
        shipment: &Shipment<'_, P::Transport>,
        key: &Secret,
        anew: bool,
    ) -> Result<Option<Secret>, FetchError> {
        let info = self.relay_info(anew).await?;
        let pin = self.pin(ticket)?;
        let Some(sealing) = &info.sealing else {
            return if pin.is_some() {
                Err(FetchError::RelayDowngraded)
            } else {
                Ok(None)
            };
        };
        // Nobody signs the relay's time: it must not decide what is still to be believed.
        let own = self.now() / 1000;
        let identity = pin.unwrap_or(sealing.identity);
        let set = sealing
            .open(&identity, own)
            .map_err(|_| FetchError::RelayDowngraded)?;
        let to = set.current(own).ok_or(FetchError::RelayDowngraded)?;
        let now = info.relay_seconds(self.now());
        if pin.is_none() {
            self.pin_relay(ticket, identity).await;
        }
        let random = self.platform().random();
        let sealer = match self.take_sealer() {
            Some(sealer) if sealer.kid() == to.kid && !sealer.is_spent(now) => Ok(sealer),
            _ => {
                let entropy = random_bytes(random).map_err(|_| FetchError::Network)?;
                Sealer::new(&to.kid, &to.public, entropy, now)
            }
        };
        let mut sealer = sealer.map_err(|_| FetchError::RelayDowngraded)?;
        let target = [self.relay().path(), shipment.path_and_query].concat();
        let binding = Binding {
            origin: self.relay().origin(),
            method: shipment.method,
            target: &target,
            provider: shipment.provider.unwrap_or_default(),
            fallback: shipment.fallback.unwrap_or_default(),
        };
        let nonce = random_bytes(random).map_err(|_| FetchError::Network)?;
        // Sealing encrypts the key itself.
        let sealed = sealer.seal(key.expose(), &binding, now, nonce);
        self.keep_sealer(ticket, sealer);
        sealed
            .map(|header| Some(Secret::new(header.into_bytes())))
            .map_err(|_| FetchError::Network)
    }

    /// Keeps the identity of a relay seen for the first time. A failed write is tried again with
    /// the next request.
    async fn pin_relay(&self, ticket: Ticket, identity: [u8; 32]) {
        let pinned = self
            .commit(ticket, Durability::Relaxed, &|session| {
                let mut changes = Changes::default();
                if session.settings().relay_key.is_none() {
                    let mut settings = session.settings().clone();
                    settings.relay_key = Some(identity);
                    changes.put(RecordKey::SETTINGS, settings.encode());
                }
                Ok(changes)
            })
            .await;
        drop(pinned);
    }
}
