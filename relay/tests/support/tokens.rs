//! App tokens as an issuer makes them, and an issuer's key set over HTTP.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use serde_json::{Value, json};

use crate::support::{StandIn, json_response, now};

pub(crate) const ISSUER: &str = "https://id.example/";
pub(crate) const AUDIENCE: &str = "keyferry";
pub(crate) const SECRET: &str = "an-app-token-secret-of-enough-bytes";

/// Claims that are good for ten minutes.
pub(crate) fn claims(subject: &str) -> Value {
    json!({"iss": ISSUER, "sub": subject, "aud": AUDIENCE, "exp": now() + 600})
}

/// `[auth]` for tokens signed with [`SECRET`].
pub(crate) fn secret_config() -> String {
    format!(
        "[auth]\nmode = \"jwt\"\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\nsecret = \"{SECRET}\"\n"
    )
}

/// `[auth]` for tokens of an issuer that publishes its keys at `server`.
pub(crate) fn jwks_config(server: &JwksServer) -> String {
    format!(
        "[auth]\nmode = \"jwt\"\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\njwks_url = \"http://{}/keys\"\n",
        server.stand_in.address
    )
}

fn signing_input(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

/// A token signed with HS256.
pub(crate) fn hs256(secret: &[u8], claims: &Value) -> String {
    let signed = signing_input(&json!({"alg": "HS256", "typ": "JWT"}), claims);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let mac = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// A token of the subject `user`, signed with [`SECRET`].
pub(crate) fn good_token() -> String {
    hs256(SECRET.as_bytes(), &claims("user"))
}

/// A token whose plan is `plan`.
pub(crate) fn token_with_plan(plan: &str) -> String {
    let mut claims = claims("user");
    claims["plan"] = json!(plan);
    hs256(SECRET.as_bytes(), &claims)
}

/// One signing key of an issuer.
pub(crate) enum SigningKey {
    Rsa {
        kid: String,
        alg: &'static str,
        pair: Box<RsaKeyPair>,
    },
    Ec {
        kid: String,
        alg: &'static str,
        pair: Box<EcdsaKeyPair>,
    },
}

impl SigningKey {
    /// A fresh key for ES256 or ES384.
    pub(crate) fn ec(kid: &str, alg: &'static str) -> Self {
        let algorithm = match alg {
            "ES256" => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            _ => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        };
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair =
            Box::new(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap());
        Self::Ec {
            kid: kid.into(),
            alg,
            pair,
        }
    }

    /// The example key of RFC 7515 §A.2.
    pub(crate) fn rsa(kid: &str, alg: &'static str) -> Self {
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let components = KeyPairComponents {
            public_key: PublicKeyComponents {
                n: part(RSA_N),
                e: part("AQAB"),
            },
            d: part(RSA_D),
            p: part(RSA_P),
            q: part(RSA_Q),
            dP: part(RSA_DP),
            dQ: part(RSA_DQ),
            qInv: part(RSA_QI),
        };
        let pair = Box::new(RsaKeyPair::from_components(&components).unwrap());
        Self::Rsa {
            kid: kid.into(),
            alg,
            pair,
        }
    }

    /// Its public half.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Rsa { kid, alg, .. } => {
                json!({"kty": "RSA", "kid": kid, "alg": alg, "use": "sig", "n": RSA_N, "e": "AQAB"})
            }
            Self::Ec { kid, alg, pair } => {
                let (curve, width) = if *alg == "ES256" {
                    ("P-256", 32)
                } else {
                    ("P-384", 48)
                };
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": curve, "kid": kid, "alg": alg, "use": "sig",
                    "x": URL_SAFE_NO_PAD.encode(&point[1..=width]),
                    "y": URL_SAFE_NO_PAD.encode(&point[1 + width..]),
                })
            }
        }
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let random = SystemRandom::new();
        match self {
            Self::Rsa { kid, alg, pair } => {
                let signed = signing_input(&json!({"alg": alg, "kid": kid}), claims);
                let padding: &dyn signature::RsaEncoding = match *alg {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    _ => &signature::RSA_PKCS1_SHA512,
                };
                let mut bytes = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, signed.as_bytes(), &mut bytes)
                    .unwrap();
                format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
            }
            Self::Ec { kid, alg, pair } => {
                let signed = signing_input(&json!({"alg": alg, "kid": kid}), claims);
                let bytes = pair.sign(&random, signed.as_bytes()).unwrap();
                format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
            }
        }
    }
}

/// A real HTTP server that publishes a key set.
pub(crate) struct JwksServer {
    pub(crate) stand_in: StandIn,
    document: Arc<Mutex<(u16, String)>>,
}

impl JwksServer {
    pub(crate) async fn start(keys: &[&SigningKey]) -> Self {
        let document = Arc::new(Mutex::new((200, set(keys))));
        let shared = Arc::clone(&document);
        let stand_in = StandIn::start(move |_| {
            let (status, body) = shared.lock().unwrap().clone();
            json_response(status, &body)
        })
        .await;
        Self { stand_in, document }
    }

    /// From now on, these keys.
    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        *self.document.lock().unwrap() = (200, set(keys));
    }

    /// From now on, this answer.
    pub(crate) fn answer(&self, status: u16, body: &str) {
        *self.document.lock().unwrap() = (status, body.to_owned());
    }
}

fn set(keys: &[&SigningKey]) -> String {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string()
}

const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RSA_D: &str = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
const RSA_P: &str = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
const RSA_Q: &str = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
const RSA_DP: &str = "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
const RSA_DQ: &str = "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
const RSA_QI: &str = "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";
