//! What a verified token says (RFC 7519 §4.1) and whether it counts here and now.

use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use super::jwk::ALGORITHMS;
use super::token::{Token, VerifyingKey};
use super::{AuthError, Subject};

/// Seconds by which the issuer's clock may differ from ours, in either direction (RFC 7519 §4.1.4
/// allows "usually no more than a few minutes").
const LEEWAY: u64 = 30;

/// Longest `sub` and `plan` in bytes: they become part of keys in the shared store. OpenID Connect
/// Core §2 caps `sub` at 255.
const MAX_NAME: usize = 255;

/// The claims that are read here; the library checks the registered ones. Types are checked for
/// all of them, and a claim that occurs twice is an error.
#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "iss")]
    _issuer: Option<String>,
    sub: String,
    plan: Option<String>,
}

/// Who issues tokens and for whom, as checks for each accepted algorithm.
#[derive(Debug)]
pub(super) struct Expected {
    issuer: String,
    checks: Vec<Validation>,
}

impl Expected {
    /// Tokens of `issuer`; any one of `audiences` must be among a token's own.
    pub(super) fn new(issuer: String, audiences: &[String]) -> Self {
        let checks = ALGORITHMS
            .iter()
            .map(|algorithm| {
                let mut validation = Validation::new(*algorithm);
                validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
                validation.set_issuer(&[&issuer]);
                validation.set_audience(audiences);
                validation.leeway = LEEWAY;
                validation.validate_nbf = true;
                validation
            })
            .collect();
        Self { issuer, checks }
    }

    /// Verifies `token` under `key`. Only a token that is right in everything else is reported as
    /// expired.
    pub(super) fn verify(
        &self,
        token: &Token<'_>,
        key: &VerifyingKey,
    ) -> Result<Subject, AuthError> {
        let validation = self
            .validation(key.algorithm())
            .filter(|_| token.claims_algorithm(key.algorithm()))
            .ok_or(AuthError::WrongAlgorithm)?;
        match token.verify::<Claims>(key, validation) {
            Ok(claims) => claims.subject(&self.issuer),
            // The library looks at the dates first.
            Err(AuthError::Expired) => {
                let mut dateless = validation.clone();
                dateless.validate_exp = false;
                token
                    .verify::<Claims>(key, &dateless)?
                    .subject(&self.issuer)?;
                Err(AuthError::Expired)
            }
            Err(error) => Err(error),
        }
    }

    fn validation(&self, algorithm: Algorithm) -> Option<&Validation> {
        self.checks
            .iter()
            .find(|validation| validation.algorithms.contains(&algorithm))
    }
}

impl Claims {
    fn subject(self, issuer: &str) -> Result<Subject, AuthError> {
        if self.sub.is_empty() {
            return Err(AuthError::MissingClaim);
        }
        if self.sub.len() > MAX_NAME || self.plan.as_ref().is_some_and(|plan| plan.len() > MAX_NAME)
        {
            return Err(AuthError::Malformed);
        }
        Ok(Subject::new(issuer, &self.sub, self.plan))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::get_current_timestamp as now;
    use serde_json::{Value, json};

    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    /// What becomes of a well-signed token with this payload.
    fn check_text(payload: &str) -> Result<Subject, AuthError> {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &SECRET);
        let mac = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
        let token = format!("{signed}.{mac}");
        Expected::new(
            "https://id.example".into(),
            &["keyferry".into(), "other".into()],
        )
        .verify(&Token::parse(&token).unwrap(), &VerifyingKey::hmac(&SECRET))
    }

    fn check(claims: &Value) -> Result<Subject, AuthError> {
        check_text(&claims.to_string())
    }

    fn whole() -> Value {
        json!({"iss": "https://id.example", "sub": "u1", "aud": "keyferry", "exp": now() + 60})
    }

    fn with(claim: &str, value: Value) -> Value {
        let mut claims = whole();
        claims[claim] = value;
        claims
    }

    #[test]
    fn complete_claims_name_the_caller() {
        let identity = check(&json!({
            "iss": "https://id.example", "sub": "u1", "aud": ["x", "keyferry"],
            "exp": now() + 60, "nbf": now() - 60, "plan": "pro", "extra": {"ignored": true},
        }))
        .unwrap();
        assert_eq!(identity.plan(), Some("pro"));
        assert_eq!(identity.caller_id(), "18:https://id.example2:u1");
    }

    #[test]
    fn each_required_claim_is_required() {
        check(&whole()).unwrap();
        for claim in ["iss", "aud", "sub", "exp"] {
            for absent in [None, Some(Value::Null)] {
                let mut claims = whole();
                match absent {
                    None => drop(claims.as_object_mut().unwrap().remove(claim)),
                    Some(null) => claims[claim] = null,
                }
                let error = check(&claims).unwrap_err();
                assert!(
                    matches!(error, AuthError::MissingClaim | AuthError::Malformed),
                    "{claim}: {error:?}"
                );
            }
        }
    }

    #[test]
    fn values_of_others_are_refused() {
        for (claim, value, error) in [
            ("iss", json!("https://id.example/"), AuthError::WrongIssuer),
            ("aud", json!("keyferry2"), AuthError::WrongAudience),
            ("aud", json!([]), AuthError::WrongAudience),
            ("sub", json!(""), AuthError::MissingClaim),
            ("sub", json!("x".repeat(256)), AuthError::Malformed),
            ("plan", json!("x".repeat(256)), AuthError::Malformed),
            ("nbf", json!(now() + 40), AuthError::NotYetValid),
            ("exp", json!(now() - 31), AuthError::Expired),
            ("exp", json!(0), AuthError::Expired),
        ] {
            let claims = with(claim, value.clone());
            assert_eq!(check(&claims).unwrap_err(), error, "{claim}: {value}");
        }
    }

    #[test]
    fn expiry_is_told_last() {
        for (claim, value, error) in [
            ("iss", json!("https://eve.example"), AuthError::WrongIssuer),
            ("aud", json!("eve"), AuthError::WrongAudience),
            ("sub", json!(""), AuthError::MissingClaim),
            ("nbf", json!(now() + 600), AuthError::NotYetValid),
        ] {
            let mut claims = with(claim, value);
            claims["exp"] = json!(now() - 60);
            assert_eq!(check(&claims).unwrap_err(), error, "{claim}");
        }
    }

    #[test]
    fn dates_within_the_leeway_pass() {
        #[allow(clippy::cast_precision_loss, reason = "exact for dates of our time")]
        let fraction = now() as f64 + 0.5;
        for (claim, value) in [
            ("exp", json!(now() - 20)),
            ("exp", json!(fraction)),
            ("nbf", json!(now() + 20)),
        ] {
            check(&with(claim, value.clone()))
                .unwrap_or_else(|error| panic!("{claim} {value}: {error}"));
        }
    }

    #[test]
    fn ambiguous_or_mistyped_claims_are_refused() {
        check_text(&whole().to_string()).unwrap();
        for (claim, value) in [
            ("exp", json!((now() + 60).to_string())),
            ("exp", json!(-1)),
            ("nbf", json!("0")),
            ("iss", json!(["https://id.example"])),
            ("aud", json!({"keyferry": true})),
            ("sub", json!(1)),
            ("plan", json!(["free", "pro"])),
        ] {
            assert!(
                check(&with(claim, value.clone())).is_err(),
                "{claim} {value}"
            );
        }
        for (claim, value) in [
            ("sub", r#""u2""#),
            ("iss", r#""https://id.example""#),
            ("aud", r#""keyferry""#),
            ("exp", "9999999999"),
            ("nbf", "0,\"nbf\":0"),
        ] {
            let text = whole().to_string();
            let twice = format!("{{\"{claim}\":{value},{}", &text[1..]);
            assert_eq!(
                check_text(&twice).unwrap_err(),
                AuthError::Malformed,
                "{twice}"
            );
        }
        assert!(check_text(r#"{"exp":-1e999}"#).is_err());
    }
}
