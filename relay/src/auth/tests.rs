//! Official vectors, attacks on the token format, and the key cache.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::{Validation, get_current_timestamp as now};
use serde_json::{Value, json};

use super::jwk::{KeySet, KeySetError};
use super::token::{Token, VerifyingKey};
use super::{AuthError, FetchFuture, JwksSource, TokenVerifier};
use crate::secret::Secret;

// RFC 7515 appendix A: keys and tokens of A.1 (HS256), A.2 (RS256) and A.3 (ES256).
const RFC_HS256_KEY: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const RFC_HS256: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const RFC_RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RFC_RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const RFC_EC_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const RFC_EC_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const RFC_ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
/// RFC 7515 §A.5: the same payload, unsecured.
const RFC_NONE: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";

fn hs_key() -> VerifyingKey {
    VerifyingKey::hmac(&URL_SAFE_NO_PAD.decode(RFC_HS256_KEY).unwrap())
}

fn rsa_jwk() -> Value {
    json!({"kty": "RSA", "n": RFC_RSA_N, "e": "AQAB"})
}

fn ec_jwk() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": RFC_EC_X, "y": RFC_EC_Y})
}

fn set(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn verify_with(set: &KeySet, token: &str) -> Result<Value, AuthError> {
    let token = Token::parse(token)?;
    let key = set.key_for(&token).ok_or(AuthError::UnknownKey)?;
    // The examples expired in 2011, and name neither subject nor audience.
    let mut signature_only = Validation::new(key.algorithm());
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    token.verify(key, &signature_only)
}

#[test]
fn rfc_7515_vectors_verify() {
    for (set, token) in [
        (KeySet::single(hs_key()), RFC_HS256),
        (set(&[rsa_jwk()]).unwrap(), RFC_RS256),
        (set(&[ec_jwk()]).unwrap(), RFC_ES256),
    ] {
        let claims = verify_with(&set, token).unwrap();
        assert_eq!(claims["iss"], "joe");
        assert_eq!(claims["exp"], 1_300_819_380);
    }
}

#[test]
fn any_changed_byte_breaks_the_vectors() {
    let sets = [
        (KeySet::single(hs_key()), RFC_HS256),
        (set(&[rsa_jwk()]).unwrap(), RFC_RS256),
        (set(&[ec_jwk()]).unwrap(), RFC_ES256),
    ];
    for (set, token) in &sets {
        for at in 0..token.len() {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(verify_with(set, &changed).is_err(), "byte {at} of {token}");
        }
    }
}

#[test]
fn unsecured_and_malformed_tokens_are_refused() {
    let keys = KeySet::single(hs_key());
    let crit = format!(
        "{}.e30.AA",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","crit":["exp"]}"#)
    );
    let twice = format!(
        "{}.e30.AA",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","alg":"HS256"}"#)
    );
    let long = "a".repeat(9000);
    for token in [
        RFC_NONE,
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        &crit,
        &twice,
        &long,
        "eyJhbGciOiJIUzI1NiJ9==.e30.AA",
    ] {
        assert!(verify_with(&keys, token).is_err(), "{token}");
    }
}

#[test]
fn a_public_key_is_never_an_hmac_secret() {
    // RFC 8725 §2.1: the attacker signs with HS256 under the published RSA modulus.
    let modulus = URL_SAFE_NO_PAD.decode(RFC_RSA_N).unwrap();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#),
        URL_SAFE_NO_PAD.encode(r#"{"iss":"x"}"#)
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &modulus);
    let mac = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    let forged = format!("{signed}.{mac}");
    let mut jwk = rsa_jwk();
    jwk["kid"] = json!("k1");
    assert!(verify_with(&set(&[jwk]).unwrap(), &forged).is_err());
    assert!(verify_with(&set(&[rsa_jwk()]).unwrap(), &forged).is_err());
}

#[test]
fn keys_for_other_uses_are_skipped() {
    for (field, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("alg", json!("HS256")),
        ("alg", json!("PS256")),
        ("alg", json!("RSA-OAEP")),
        ("kty", json!("oct")),
        ("kty", json!("OKP")),
        ("n", json!("not base64!")),
        ("e", json!(7)),
    ] {
        let mut jwk = rsa_jwk();
        jwk[field] = value.clone();
        assert_eq!(
            set(&[jwk]).err(),
            Some(KeySetError::NoUsableKey),
            "{field} {value}"
        );
    }
    let mut short = ec_jwk();
    short["x"] = json!("AA");
    assert!(set(&[short.clone()]).is_err());
    // One bad key does not spoil the set.
    verify_with(
        &set(&[short, json!("nonsense"), ec_jwk()]).unwrap(),
        RFC_ES256,
    )
    .unwrap();
    for text in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
        assert_eq!(
            KeySet::parse(text.as_bytes()).err(),
            Some(KeySetError::Malformed),
            "{text}"
        );
    }
}

#[test]
fn the_key_is_chosen_by_id_and_never_guessed() {
    let named = |kid: &str, mut jwk: Value| {
        jwk["kid"] = json!(kid);
        jwk
    };
    // No kid in the token: the only key of its algorithm.
    let mixed = set(&[named("a", rsa_jwk()), named("b", ec_jwk())]).unwrap();
    verify_with(&mixed, RFC_RS256).unwrap();
    verify_with(&mixed, RFC_ES256).unwrap();
    // Two of them: refused.
    let twins = set(&[named("a", rsa_jwk()), named("b", rsa_jwk())]).unwrap();
    assert_eq!(verify_with(&twins, RFC_RS256), Err(AuthError::UnknownKey));
    // An unknown id: refused although a key would fit.
    let foreign = format!(
        "{}.e30.AA",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"z"}"#)
    );
    assert_eq!(verify_with(&mixed, &foreign), Err(AuthError::UnknownKey));
    // One id for both kinds: told apart by algorithm.
    let shared = set(&[named("a", rsa_jwk()), named("a", ec_jwk())]).unwrap();
    let token = format!(
        "{}.e30.AA",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"a"}"#)
    );
    assert_eq!(verify_with(&shared, &token), Err(AuthError::BadSignature));
}

/// An issuer with an EC key made for the test.
struct Issuer {
    kid: &'static str,
    pair: ring::signature::EcdsaKeyPair,
}

impl Issuer {
    fn new(kid: &'static str) -> Self {
        use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING as ALG, EcdsaKeyPair};
        let random = ring::rand::SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ALG, &random).unwrap();
        Self {
            kid,
            pair: EcdsaKeyPair::from_pkcs8(&ALG, document.as_ref(), &random).unwrap(),
        }
    }

    fn jwk(&self) -> Value {
        use ring::signature::KeyPair as _;
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "kid": self.kid, "alg": "ES256", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]),
        })
    }

    fn token(&self) -> String {
        let header = json!({"alg": "ES256", "kid": self.kid}).to_string();
        let claims = json!({"iss": "joe", "sub": "u1", "aud": "keyferry", "exp": now() + 600});
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let random = ring::rand::SystemRandom::new();
        let signature = self.pair.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Answers with what the test put in, and remembers how often it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Bytes, String>>>,
    asked: Mutex<usize>,
}

impl Script {
    fn push(&self, keys: &[&Issuer]) {
        let keys: Vec<Value> = keys.iter().map(|issuer| issuer.jwk()).collect();
        let document = json!({ "keys": keys }).to_string();
        self.answers.lock().unwrap().push_back(Ok(document.into()));
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

impl JwksSource for Script {
    fn fetch(&self) -> FetchFuture {
        *self.asked.lock().unwrap() += 1;
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            // A real issuer takes a moment: those who ask meanwhile have to wait for it.
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer.unwrap_or_else(|| Err("down".to_owned()))
        })
    }
}

fn verifier(script: &Arc<Script>) -> Arc<TokenVerifier> {
    let source: Arc<dyn JwksSource> = Arc::<Script>::clone(script);
    Arc::new(TokenVerifier::with_jwks(
        "joe".into(),
        vec!["keyferry".into()],
        source,
    ))
}

async fn code(verifier: &TokenVerifier, issuer: &Issuer) -> Option<AuthError> {
    verifier.verify(&issuer.token()).await.err()
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_for_many_callers() {
    let (issuer, script) = (Issuer::new("a"), Arc::new(Script::default()));
    script.push(&[&issuer]);
    let verifier = verifier(&script);
    let callers = (0..50).map(|_| {
        let (verifier, token) = (Arc::clone(&verifier), issuer.token());
        tokio::spawn(async move { verifier.verify(&token).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(script.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_noticed_at_its_first_token_and_an_old_one_goes() {
    let (old, new, script) = (
        Issuer::new("a"),
        Issuer::new("b"),
        Arc::new(Script::default()),
    );
    script.push(&[&old]);
    let verifier = verifier(&script);
    assert_eq!(code(&verifier, &old).await, None);
    tokio::time::advance(Duration::from_secs(11)).await;
    script.push(&[&new]);
    assert_eq!(code(&verifier, &new).await, None);
    assert_eq!(script.asked(), 2);
    tokio::time::advance(Duration::from_secs(11)).await;
    script.push(&[&new]);
    assert_eq!(code(&verifier, &old).await, Some(AuthError::UnknownKey));
}

#[tokio::test(start_paused = true)]
async fn made_up_key_ids_do_not_become_requests_to_the_issuer() {
    let (issuer, foreign) = (Issuer::new("a"), Issuer::new("zzz"));
    let script = Arc::new(Script::default());
    script.push(&[&issuer]);
    let verifier = verifier(&script);
    assert_eq!(code(&verifier, &issuer).await, None);
    for _ in 0..100 {
        assert_eq!(code(&verifier, &foreign).await, Some(AuthError::UnknownKey));
    }
    assert_eq!(script.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_is_refused_after_ten_minutes_at_most() {
    let (old, new, script) = (
        Issuer::new("a"),
        Issuer::new("b"),
        Arc::new(Script::default()),
    );
    script.push(&[&old]);
    let verifier = verifier(&script);
    assert_eq!(code(&verifier, &old).await, None);
    tokio::time::advance(Duration::from_secs(601)).await;
    script.push(&[&new]);
    assert_eq!(code(&verifier, &old).await, Some(AuthError::UnknownKey));
}

#[tokio::test(start_paused = true)]
async fn the_set_is_renewed_ahead_without_making_anyone_wait() {
    let (issuer, script) = (Issuer::new("a"), Arc::new(Script::default()));
    script.push(&[&issuer]);
    script.push(&[&issuer]);
    let verifier = verifier(&script);
    assert_eq!(code(&verifier, &issuer).await, None);
    tokio::time::advance(Duration::from_secs(9 * 60)).await;
    let before = tokio::time::Instant::now();
    assert_eq!(code(&verifier, &issuer).await, None);
    assert_eq!(before.elapsed(), Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(script.asked(), 2);
    // The second fetch counts from its own time: ten minutes after the first all is still fresh.
    tokio::time::advance(Duration::from_secs(2 * 60)).await;
    assert_eq!(code(&verifier, &issuer).await, None);
    assert_eq!(script.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_locks_nobody_out_for_an_hour() {
    let (issuer, script) = (Issuer::new("a"), Arc::new(Script::default()));
    script.push(&[&issuer]);
    let verifier = verifier(&script);
    assert_eq!(code(&verifier, &issuer).await, None);
    tokio::time::advance(Duration::from_secs(59 * 60)).await;
    assert_eq!(code(&verifier, &issuer).await, None);
    tokio::time::advance(Duration::from_secs(2 * 60)).await;
    assert_eq!(
        code(&verifier, &issuer).await,
        Some(AuthError::KeysUnavailable)
    );
    script.push(&[&issuer]);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(code(&verifier, &issuer).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_broken_document_never_replaces_a_good_one() {
    let (issuer, script) = (Issuer::new("a"), Arc::new(Script::default()));
    script.push(&[&issuer]);
    let verifier = verifier(&script);
    assert_eq!(code(&verifier, &issuer).await, None);
    tokio::time::advance(Duration::from_secs(601)).await;
    script
        .answers
        .lock()
        .unwrap()
        .push_back(Ok(Bytes::from_static(b"<html>maintenance")));
    assert_eq!(code(&verifier, &issuer).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_does_not_take_the_answer_along() {
    let (issuer, script) = (Issuer::new("a"), Arc::new(Script::default()));
    script.push(&[&issuer]);
    let verifier = verifier(&script);
    let token = issuer.token();
    let gone = tokio::time::timeout(Duration::from_millis(1), verifier.verify(&token)).await;
    assert!(gone.is_err());
    assert_eq!(code(&verifier, &issuer).await, None);
    assert_eq!(script.asked(), 1);
}

#[tokio::test]
async fn expiry_is_told_only_of_otherwise_good_tokens() {
    let secret = [7; 32];
    let verifier = TokenVerifier::with_secret(
        "joe".into(),
        vec!["keyferry".into()],
        &Secret::new(secret.to_vec()),
    );
    let sign = |key: &[u8], claims: Value| {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT","kid":"ignored"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        let mac = ring::hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
    };
    let claims =
        |iss: &str, exp: u64| json!({"iss": iss, "sub": "u", "aud": "keyferry", "exp": exp});
    for (token, expected) in [
        (sign(&secret, claims("joe", now() + 60)), None),
        (
            sign(&secret, claims("joe", now() - 60)),
            Some(AuthError::Expired),
        ),
        (
            sign(&secret, claims("eve", now() - 60)),
            Some(AuthError::WrongIssuer),
        ),
        (
            sign(&[8; 32], claims("joe", now() - 60)),
            Some(AuthError::BadSignature),
        ),
    ] {
        assert_eq!(verifier.verify(&token).await.err(), expected);
    }
}

#[test]
fn debug_output_holds_no_subject_and_no_key() {
    let identity = super::Subject::new("joe", "someone@mail.example", Some("pro".into()));
    let text = format!("{identity:?} {:?}", hs_key());
    assert!(!text.contains("someone"), "{text}");
    assert!(text.contains("HS256"));
}
