//! Sealing the key as the vault does, with one encapsulation for many requests.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use keyferry_protocol::base64url;
use keyferry_protocol::header::Fallback;
use keyferry_protocol::sealed::{Binding, KeySet, Sealer as Session, SealingKey};

use crate::payload::{KEY, Random};
use crate::wire::Wire;

/// Makes a fresh `X-BYOK-Key` for each request to one relay.
#[derive(Debug)]
pub(crate) struct Sealer {
    key: SealingKey,
    origin: String,
    provider: &'static str,
    session: RefCell<(Session, Random)>,
}

impl Sealer {
    /// Asks the relay at `address` for its sealing keys; `None` when it publishes none. `origin`
    /// is the relay's public origin.
    pub(crate) async fn of(
        address: SocketAddr,
        origin: String,
        provider: &'static str,
    ) -> Result<Option<Self>> {
        let document = well_known(address).await?;
        let Some(sealing) = document.get("sealing") else {
            return Ok(None);
        };
        let field = |name: &str| {
            let text = sealing.get(name).and_then(serde_json::Value::as_str);
            text.and_then(base64url::decode)
                .with_context(|| format!("no {name} among the sealing keys"))
        };
        let signature = field("signature")?
            .try_into()
            .ok()
            .context("no signature")?;
        let identity = field("identity")?.try_into().ok().context("no identity")?;
        let set = KeySet::open(&field("keySet")?, &signature, &identity, now()?)?;
        let key = set.keys.first().context("no sealing key")?.clone();
        // What is sealed here opens nothing: numbers that repeat from run to run are no loss.
        let mut random = Random::new(now()?);
        let session = RefCell::new((begin(&key, &mut random)?, random));
        Ok(Some(Self {
            key,
            origin,
            provider,
            session,
        }))
    }

    /// Appends the header's value for a POST to `path`.
    pub(crate) fn seal(&self, path: &str, out: &mut Vec<u8>) -> Result<()> {
        let mut session = self.session.borrow_mut();
        let (session, random) = &mut *session;
        let now = now()?;
        if session.is_spent(now) {
            *session = begin(&self.key, random)?;
        }
        let binding = Binding {
            origin: &self.origin,
            method: "POST",
            target: path,
            provider: self.provider,
            fallback: Fallback::Never,
        };
        let mut nonce = [0; 12];
        fill(random, &mut nonce);
        let value = session
            .seal(KEY.as_bytes(), &binding, now, nonce)
            .map_err(|error| anyhow!("could not seal: {error}"))?;
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }
}

fn begin(key: &SealingKey, random: &mut Random) -> Result<Session> {
    let mut entropy = [0; 32];
    fill(random, &mut entropy);
    Session::new(&key.kid, &key.public, entropy, now()?)
        .map_err(|error| anyhow!("could not encapsulate: {error}"))
}

fn fill(random: &mut Random, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        for (byte, fresh) in chunk.iter_mut().zip(random.next().to_le_bytes()) {
            *byte = fresh;
        }
    }
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

async fn well_known(address: SocketAddr) -> Result<serde_json::Value> {
    let mut wire = Wire::connect(address).await?;
    let request = format!("GET /.well-known/keyferry HTTP/1.1\r\nhost: {address}\r\n\r\n");
    wire.send(request.as_bytes()).await?;
    let head = wire.response().await?;
    let mut body = Vec::new();
    wire.body(head.framing, |piece| body.extend_from_slice(piece))
        .await?;
    if head.status != 200 {
        bail!("the relay does not describe itself: {}", head.status);
    }
    Ok(serde_json::from_slice(&body)?)
}
