//! The vault's types as plain objects, and arguments as the vault's types.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::AbortSignal;

use super::{
    js::{self, Builder},
    transport::{Body, Context, WebTransport},
};
use crate::{
    error::{Arg, Error},
    fetch::{Refusal, Request},
    format::{audit::Event, id::Id, settings::Settings},
    lock::MAX_IDLE_MINUTES,
    vault::{
        Created, Damage, KeyInfo, NewKey, NewLease, NewPasskey, PasskeyInfo, PasskeyProof,
        Repaired, Skipped, Snapshot, Unlock, UsageRow,
    },
};

pub(super) fn context(args: &JsValue, signal: Option<AbortSignal>) -> Context {
    let app_token = js::optional(args, "appToken").and_then(|value| value.dyn_into().ok());
    Context { signal, app_token }
}

pub(super) fn created(created: Created) -> JsValue {
    Builder::new()
        .set("recoveryCode", js::shown(&created.recovery_code))
        .build()
}

/// Passkeys that were just used, to be enrolled again under the new vault key.
pub(super) fn proofs(args: &JsValue) -> Result<Vec<PasskeyProof>, Error> {
    let Some(list) = js::optional(args, "passkeys") else {
        return Ok(Vec::new());
    };
    let list = list
        .dyn_into::<Array>()
        .map_err(|_| Error::BadArgument(Arg::Passkeys))?;
    let mut proofs = Vec::new();
    for proof in list.iter() {
        proofs.push(PasskeyProof {
            credential_id: js::bytes(&proof, Arg::CredentialId)?,
            prf: js::secret(&proof, Arg::Prf)?,
        });
    }
    Ok(proofs)
}

pub(super) fn passkey_info(info: PasskeyInfo) -> JsValue {
    Builder::new()
        .set("id", info.id.to_hex())
        .set("name", info.name.as_str())
        .number("createdAt", info.created_at)
        .set(
            "credentialId",
            Uint8Array::from(info.credential_id.as_slice()),
        )
        .set("prfSalt", Uint8Array::from(info.prf_salt.as_slice()))
        .build()
}

pub(super) fn usage_row(row: UsageRow) -> JsValue {
    Builder::new()
        .set("keyId", row.key.to_hex())
        .set("provider", row.provider.as_str())
        .number("day", u64::from(row.counts.day) * 86_400_000)
        .number("requests", u64::from(row.counts.requests))
        .number("errors", u64::from(row.counts.errors))
        .number("estimated", u64::from(row.counts.estimated))
        .number("inputTokens", row.counts.input_tokens)
        .number("outputTokens", row.counts.output_tokens)
        .set("costUsd", usd(row.counts.cost_micros))
        .build()
}

pub(super) fn nothing() -> JsValue {
    Builder::new().build()
}

pub(super) fn minutes_in_range(minutes: u64) -> Result<u16, Error> {
    u16::try_from(minutes)
        .ok()
        .filter(|minutes| (1..=MAX_IDLE_MINUTES).contains(minutes))
        .ok_or(Error::BadArgument(Arg::AutoLockMinutes))
}

pub(super) fn way(args: &JsValue) -> Result<Unlock, Error> {
    if js::optional(args, "password").is_some() {
        return Ok(Unlock::Password(js::secret(args, Arg::Password)?));
    }
    if let Some(code) = js::optional(args, "recoveryCode") {
        return Ok(Unlock::RecoveryCode(match code.as_string() {
            Some(text) => crate::Secret::new(text.into_bytes()),
            None => js::secret(args, Arg::RecoveryCode)?,
        }));
    }
    let passkey = js::optional(args, "passkey").ok_or(Error::BadArgument(Arg::Password))?;
    Ok(Unlock::Passkey {
        credential_id: js::bytes(&passkey, Arg::CredentialId)?,
        prf: js::secret(&passkey, Arg::Prf)?,
    })
}

pub(super) fn id(args: &JsValue) -> Result<Id, Error> {
    Id::parse_hex(&js::text(args, Arg::Id)?).ok_or(Error::NotFound)
}

/// US dollars as millionths.
pub(super) fn micros(args: &JsValue, name: Arg) -> Result<Option<u64>, Error> {
    match js::optional(args, name.name()) {
        None => Ok(None),
        Some(value) => value
            .as_f64()
            .and_then(|usd| js::to_u64((usd * 1e6).round()))
            .map(Some)
            .ok_or(Error::BadArgument(name)),
    }
}

pub(super) fn usd(micros: u64) -> JsValue {
    #[allow(
        clippy::cast_precision_loss,
        reason = "nobody spends 2^53 millionths of a dollar"
    )]
    JsValue::from_f64(micros as f64 / 1e6)
}

pub(super) fn snapshot(snapshot: &Snapshot) -> JsValue {
    let providers = js::array(&snapshot.providers, |provider| {
        Builder::new()
            .set("id", provider.id.as_str())
            .set("name", provider.name.as_str())
            .set("origin", provider.origin.as_str())
            .set("keyPage", provider.key_page.as_str())
            .set("hasKey", provider.has_key)
            .build()
    });
    Builder::new()
        .set("state", snapshot.status.name())
        .set("providers", providers)
        .optional_number("lockAt", snapshot.lock_at)
        .optional_number("warnAt", snapshot.warn_at)
        .set("damaged", damages(&snapshot.damaged))
        .build()
}

fn damages(damages: &[Damage]) -> JsValue {
    js::array(damages, |damage| {
        Builder::new()
            .set("id", damage.record.id.to_hex())
            .set("record", damage.about())
            .set("kind", damage.kind.name())
            .build()
    })
}

pub(super) fn repaired(repaired: Repaired) -> JsValue {
    Builder::new()
        .set("relisted", repaired.relisted)
        .set("found", damages(&repaired.found))
        .set("keys", js::array(repaired.keys, key_info))
        .set("dropped", js::array(repaired.dropped, key_info))
        .build()
}

pub(super) fn key_info(info: KeyInfo) -> JsValue {
    let record = info.record;
    Builder::new()
        .set("id", record.id.to_hex())
        .set("provider", record.provider.as_str())
        .set("name", record.name.as_str())
        .set("preview", record.preview.as_str())
        .set("active", record.active)
        .set("knownShape", record.known_shape)
        .number("createdAt", record.created_at)
        .number("updatedAt", record.updated_at)
        .optional_number("lastUsedAt", info.last_used_at)
        .optional_number("lastTestedAt", record.tested_at)
        .set("status", record.status.name())
        .optional_number("expiresAt", record.expires_at)
        .set(
            "dailyCapUsd",
            record.daily_cap_micros.map_or(JsValue::NULL, usd),
        )
        .optional_text("refusal", info.refusal)
        .optional_text("damaged", info.damaged)
        .build()
}

pub(super) fn refusal_object(refusal: &Refusal) -> JsValue {
    Builder::new()
        .number("status", u64::from(refusal.status))
        .set("code", refusal.code)
        .set("message", refusal.message)
        .set("kind", refusal.kind)
        .optional_text("provider", refusal.provider.as_deref())
        .optional_text("reason", refusal.reason)
        .build()
}

pub(super) fn fetch_request(
    request: &JsValue,
    signal: Option<AbortSignal>,
) -> Result<Request<WebTransport>, Error> {
    let mut headers = Vec::new();
    for pair in js::get(request, "headers")
        .dyn_into::<Array>()
        .unwrap_or_default()
    {
        let pair = pair
            .dyn_into::<Array>()
            .map_err(|_| Error::BadArgument(Arg::Headers))?;
        match (pair.get(0).as_string(), pair.get(1).as_string()) {
            (Some(name), Some(value)) => headers.push((name, value)),
            _ => return Err(Error::BadArgument(Arg::Headers)),
        }
    }
    Ok(Request {
        url: js::text(request, Arg::Url)?,
        method: js::text(request, Arg::Method)?,
        headers,
        body: Body::from_js(js::get(request, "body")),
        context: Some(context(request, signal)),
    })
}

pub(super) fn new_key(args: &JsValue) -> Result<NewKey, Error> {
    Ok(NewKey {
        provider: js::text(args, Arg::Provider)?,
        key: js::secret(args, Arg::Key)?,
        name: js::optional_text(args, Arg::Name)?,
        expires_at: js::optional_number(args, Arg::ExpiresAt)?,
        daily_cap_micros: micros(args, Arg::DailyCapUsd)?,
    })
}

pub(super) fn new_passkey(args: &JsValue) -> Result<NewPasskey, Error> {
    Ok(NewPasskey {
        name: js::optional_text(args, Arg::Name)?.unwrap_or_default(),
        credential_id: js::bytes(args, Arg::CredentialId)?,
        prf_salt: js::bytes(args, Arg::PrfSalt)?
            .try_into()
            .map_err(|_| Error::BadArgument(Arg::PrfSalt))?,
        prf: js::secret(args, Arg::Prf)?,
    })
}

pub(super) fn lease(args: &JsValue) -> Result<NewLease, Error> {
    let models = js::optional(args, "models").map(|list| {
        let list = list.dyn_into::<Array>().unwrap_or_default();
        list.iter().filter_map(|model| model.as_string()).collect()
    });
    Ok(NewLease {
        provider: js::text(args, Arg::Provider)?,
        ttl_seconds: js::optional_number(args, Arg::TtlSeconds)?,
        max_micros: micros(args, Arg::MaxUsd)?,
        models,
    })
}

pub(super) fn skipped(skipped: Skipped) -> JsValue {
    Builder::new()
        .number("line", u64::try_from(skipped.line).unwrap_or(u64::MAX))
        .set("reason", skipped.reason)
        .build()
}

pub(super) fn audit_event(event: Event) -> JsValue {
    let id = (event.id != Id::ONLY).then(|| event.id.to_hex());
    Builder::new()
        .number("at", event.at)
        .set("action", event.action.name())
        .optional_text("id", id.as_deref())
        .number("number", u64::from(event.number))
        .build()
}

pub(super) fn settings(settings: Settings) -> JsValue {
    Builder::new()
        .number("autoLockMinutes", u64::from(settings.auto_lock_minutes))
        .set("lockOnHide", settings.lock_on_hide)
        .number("createdAt", settings.created_at)
        .optional_number("exportedAt", settings.exported_at)
        .set("relayPinned", settings.relay_key.is_some())
        .build()
}
