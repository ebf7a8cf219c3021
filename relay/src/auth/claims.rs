//! What a verified token says (RFC 7519 §4.1) and whether it counts here and now.

use serde::Deserialize;

use super::{AuthError, Subject};

/// Seconds by which the issuer's clock may differ from ours, in either direction (RFC 7519 §4.1.4
/// allows "usually no more than a few minutes").
pub(super) const LEEWAY: u64 = 30;

/// Longest `sub` and `plan` in bytes: they become part of keys in the shared store. OpenID Connect
/// Core §2 caps `sub` at 255.
const MAX_NAME: usize = 255;

/// The claims that decide something. A claim that occurs twice is an error.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    plan: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Seconds since 1970, possibly with a fraction (RFC 7519 §2).
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum NumericDate {
    Whole(u64),
    Fraction(f64),
}

impl NumericDate {
    /// Whether the date lies at or before `now`.
    fn is_past(self, now: u64) -> bool {
        match self {
            Self::Whole(seconds) => seconds <= now,
            // Exact for every date before the year 285,000,000.
            #[allow(clippy::cast_precision_loss)]
            Self::Fraction(seconds) => !seconds.is_finite() || seconds <= now as f64,
        }
    }
}

/// Who issues tokens and for whom.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) issuer: String,
    /// Any one of these must be among the token's audiences.
    pub(super) audiences: Vec<String>,
}

impl Claims {
    /// Checks every required claim. Expiry comes last: only a token that is right in everything
    /// else is reported as expired.
    ///
    /// `now` is in seconds since 1970.
    pub(super) fn check(self, expected: &Expected, now: u64) -> Result<Subject, AuthError> {
        if self.iss.as_deref() != Some(&expected.issuer) {
            return Err(AuthError::WrongIssuer);
        }
        let ours = |audience: &String| expected.audiences.contains(audience);
        let for_us = match &self.aud {
            None => false,
            Some(Audience::One(audience)) => ours(audience),
            Some(Audience::Many(audiences)) => audiences.iter().any(ours),
        };
        if !for_us {
            return Err(AuthError::WrongAudience);
        }
        let subject = self
            .sub
            .filter(|sub| !sub.is_empty())
            .ok_or(AuthError::MissingClaim)?;
        if subject.len() > MAX_NAME || self.plan.as_ref().is_some_and(|plan| plan.len() > MAX_NAME)
        {
            return Err(AuthError::Malformed);
        }
        let expires = self.exp.ok_or(AuthError::MissingClaim)?;
        if self
            .nbf
            .is_some_and(|nbf| !nbf.is_past(now.saturating_add(LEEWAY)))
        {
            return Err(AuthError::NotYetValid);
        }
        if expires.is_past(now.saturating_sub(LEEWAY)) {
            return Err(AuthError::Expired);
        }
        Ok(Subject::new(&expected.issuer, &subject, self.plan))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn check(claims: serde_json::Value) -> Result<Subject, AuthError> {
        let expected = Expected {
            issuer: "https://id.example".into(),
            audiences: vec!["keyferry".into(), "other".into()],
        };
        serde_json::from_value::<Claims>(claims)
            .unwrap()
            .check(&expected, NOW)
    }

    #[test]
    fn complete_claims_name_the_caller() {
        let identity = check(json!({
            "iss": "https://id.example", "sub": "u1", "aud": ["x", "keyferry"],
            "exp": NOW + 60, "nbf": NOW - 60, "plan": "pro", "extra": {"ignored": true},
        }))
        .unwrap();
        assert_eq!(identity.plan(), Some("pro"));
        assert_eq!(identity.caller_id(), "18:https://id.example2:u1");
    }

    #[test]
    fn each_required_claim_is_required() {
        let whole =
            json!({"iss": "https://id.example", "sub": "u1", "aud": "keyferry", "exp": NOW + 60});
        check(whole.clone()).unwrap();
        for (claim, error) in [
            ("iss", AuthError::WrongIssuer),
            ("aud", AuthError::WrongAudience),
            ("sub", AuthError::MissingClaim),
            ("exp", AuthError::MissingClaim),
        ] {
            let mut claims = whole.clone();
            claims.as_object_mut().unwrap().remove(claim);
            assert_eq!(check(claims).unwrap_err(), error, "{claim}");
        }
    }

    #[test]
    fn values_of_others_are_refused() {
        let whole =
            json!({"iss": "https://id.example", "sub": "u1", "aud": "keyferry", "exp": NOW + 60});
        for (claim, value, error) in [
            ("iss", json!("https://id.example/"), AuthError::WrongIssuer),
            ("aud", json!("keyferry2"), AuthError::WrongAudience),
            ("aud", json!([]), AuthError::WrongAudience),
            ("sub", json!(""), AuthError::MissingClaim),
            ("sub", json!("x".repeat(256)), AuthError::Malformed),
            ("nbf", json!(NOW + 31), AuthError::NotYetValid),
            ("exp", json!(NOW - 30), AuthError::Expired),
            ("exp", json!(0), AuthError::Expired),
        ] {
            let mut claims = whole.clone();
            claims[claim] = value.clone();
            assert_eq!(check(claims).unwrap_err(), error, "{claim}: {value}");
        }
    }

    #[test]
    fn dates_at_the_edge_of_the_leeway_pass() {
        for (claim, value) in [
            ("exp", json!(NOW - 29)),
            ("exp", json!(1_800_000_000.5)),
            ("nbf", json!(NOW + 30)),
        ] {
            let mut claims =
                json!({"iss": "https://id.example", "sub": "u1", "aud": "keyferry", "exp": NOW});
            claims[claim] = value.clone();
            check(claims).unwrap_or_else(|error| panic!("{claim} {value}: {error}"));
        }
    }

    #[test]
    fn ambiguous_or_mistyped_claims_are_not_read() {
        for text in [
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"exp":"1800000060"}"#,
            r#"{"exp":-1e999}"#,
            r#"{"aud":{"keyferry":true}}"#,
            r#"{"plan":["free","pro"]}"#,
        ] {
            assert!(serde_json::from_str::<Claims>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_negative_expiry_is_past() {
        let claims =
            json!({"iss": "https://id.example", "sub": "u1", "aud": "keyferry", "exp": -1});
        assert_eq!(check(claims).unwrap_err(), AuthError::Expired);
    }
}
