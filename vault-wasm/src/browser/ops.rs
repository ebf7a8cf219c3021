//! The operations of the vault by name: arguments out of plain objects, results into them.
//!
//! `ops.ts` lists the same names with their types, and who may call them.

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;

use super::{
    convert::{
        audit_event, context, created, id, key_info, lease, micros, minutes_in_range, new_key,
        new_passkey, nothing, passkey_info, proofs, repaired, settings, skipped, usage_row, way,
    },
    js::{self, Builder},
    world::Browser,
};
use crate::{
    error::{Arg, Error},
    fetch::Relay,
    vault::{KeyChanges, Steps, Vault},
};

type Begun = Result<Steps<Browser, JsValue>, Error>;

/// An object with one property.
fn one(name: &str, value: impl Into<JsValue>) -> JsValue {
    Builder::new().set(name, value).build()
}

/// Begins an operation.
pub(super) fn begin(vault: &Vault<Browser>, op: &str, args: &JsValue) -> Begun {
    let secret = |name| js::secret(args, name);
    match op {
        "create" => vault.create(&secret(Arg::Password)?).map(created),
        "unlock" => vault.unlock(&way(args)?).map(|()| nothing()),
        "repair" => {
            let drop = js::optional_bool(args, Arg::Drop)?.unwrap_or(false);
            vault.repair(&way(args)?, drop).map(repaired)
        }
        "destroy" => vault.destroy().map(|()| nothing()),
        "keysAdd" => vault.add_key(&new_key(args)?).map(key_info),
        "keysList" => vault
            .list_keys()
            .map(|keys| one("keys", js::array(keys, key_info))),
        "keysRemove" => vault.remove_key(id(args)?).map(|()| nothing()),
        "keysUpdate" => {
            let changes = KeyChanges {
                name: js::optional_text(args, Arg::Name)?,
                active: js::optional_bool(args, Arg::Active)?,
                expires_at: js::change(args, Arg::ExpiresAt, js::optional_number)?,
                daily_cap_micros: js::change(args, Arg::DailyCapUsd, micros)?,
            };
            vault.update_key(id(args)?, &changes).map(key_info)
        }
        "keysRotate" => vault
            .rotate_key(id(args)?, &secret(Arg::Key)?, Some(context(args, None)))
            .map(key_info),
        "keysTest" => {
            let deep = js::optional_bool(args, Arg::Deep)?.unwrap_or(false);
            vault
                .test_key(id(args)?, deep, Some(context(args, None)))
                .try_map(|report| js::parse(&report.answer))
        }
        "keysReveal" => vault
            .reveal_key(id(args)?, &secret(Arg::Password)?)
            // Revealing is what this is for; the caller overwrites it after showing it.
            .map(|key| one("key", Uint8Array::from(key.expose()))),
        "keysImportEnv" => vault.import_env(&secret(Arg::Text)?).map(|imported| {
            Builder::new()
                .set("added", js::array(imported.added, key_info))
                .set("skipped", js::array(imported.skipped, skipped))
                .build()
        }),
        "changePassword" => vault
            .change_password(&secret(Arg::Old)?, &secret(Arg::Next)?, &proofs(args)?)
            .map(created),
        "recoveryRenew" => vault
            .renew_recovery(&secret(Arg::Password)?, &proofs(args)?)
            .map(created),
        "passkeyRequest" => vault.passkey_request().map(|request| {
            Builder::new()
                .set("rpId", request.rp_id)
                .set(
                    "userId",
                    Uint8Array::from(request.user_id.as_bytes().as_slice()),
                )
                .set("prfSalt", Uint8Array::from(request.prf_salt.as_slice()))
                .set("passkeys", js::array(request.passkeys, passkey_info))
                .build()
        }),
        "passkeysAdd" => vault
            .add_passkey(&secret(Arg::Password)?, &new_passkey(args)?)
            .map(passkey_info),
        "passkeysList" => vault
            .list_passkeys()
            .map(|passkeys| one("passkeys", js::array(passkeys, passkey_info))),
        "passkeysRemove" => vault
            .remove_passkey(id(args)?, &secret(Arg::Password)?, &proofs(args)?)
            .map(created),
        "exportBackup" => vault
            .export(&secret(Arg::FilePassword)?, &secret(Arg::Password)?)
            .map(|file| one("file", Uint8Array::from(file.as_slice()))),
        "importBackup" => vault
            .import(&js::bytes(args, Arg::File)?, &secret(Arg::Password)?)
            .map(|imported| {
                let count = |count| u64::try_from(count).unwrap_or(u64::MAX);
                Builder::new()
                    .number("added", count(imported.added))
                    .number("known", count(imported.known))
                    .build()
            }),
        "rebind" => {
            let relay = Relay::parse(&js::text(args, Arg::Relay)?)?;
            vault
                .rebind(&relay, &secret(Arg::Password)?, &proofs(args)?)
                .map(created)
        }
        "settings" => {
            if js::optional(args, "password").is_none() {
                return vault.settings().map(settings);
            }
            let minutes = js::optional_number(args, Arg::AutoLockMinutes)?
                .map(minutes_in_range)
                .transpose()?;
            let hide = js::optional_bool(args, Arg::LockOnHide)?;
            vault
                .change_settings(&secret(Arg::Password)?, minutes, hide)
                .map(settings)
        }
        "usage" => vault
            .usage_report(js::optional_number(args, Arg::Since)?.unwrap_or(0))
            .map(|rows| one("rows", js::array(rows, usage_row))),
        "audit" => {
            let limit = js::optional_number(args, Arg::Limit)?.unwrap_or(100);
            vault
                .audit(usize::try_from(limit).unwrap_or(usize::MAX))
                .map(|events| one("events", js::array(events, audit_event)))
        }
        "lease" => vault
            .lease(&lease(args)?, Some(context(args, None)))
            .try_map(|answer| js::parse(&answer)),
        _ => Err(Error::BadArgument(Arg::Op)),
    }
}
