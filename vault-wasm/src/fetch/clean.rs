//! Headers an app may set, and those it may not.

use keyferry_protocol::header;

use super::Route;

/// What an app's headers said that concerns the vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cleaned {
    /// What is sent on; lower-case names.
    pub(super) headers: Vec<(String, String)>,
    /// `X-BYOK-Provider`.
    pub(super) provider: Option<String>,
    /// `X-BYOK-Fallback`.
    pub(super) fallback: Option<String>,
    /// `Content-Type`.
    pub(super) content_type: Option<String>,
}

/// Takes every credential an SDK put into the headers out of them, and reads our own.
pub(super) fn clean(headers: &[(String, String)], route: &Route) -> Cleaned {
    let mut cleaned = Cleaned::default();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            header::PROVIDER => cleaned.provider = Some(value.trim().to_owned()),
            header::FALLBACK => cleaned.fallback = Some(value.trim().to_owned()),
            header::KEY => {}
            // A lease handle stands where a key would: only the relay's own routes take it from an app.
            header::LEASE if *route != Route::Other => {}
            name if header::PROVIDER_AUTH.contains(&name) => {}
            "cookie" | "proxy-authorization" => {}
            _ => {
                if name == "content-type" {
                    cleaned.content_type = Some(value.clone());
                }
                cleaned.headers.push((name, value.clone()));
            }
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_never_pass() {
        let given: Vec<(String, String)> = [
            ("Authorization", "Bearer sk-x"),
            ("X-Api-Key", "sk-ant-x"),
            ("x-goog-api-key", "AIza"),
            ("api-key", "x"),
            ("X-BYOK-Key", "sk-x"),
            ("X-BYOK-Lease", "kfl_x"),
            ("Cookie", "a=b"),
            ("Content-Type", "application/json"),
            ("X-Stainless-Lang", "js"),
            ("X-BYOK-Provider", " openai "),
            ("X-BYOK-Fallback", "allow"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let cleaned = clean(
            &given,
            &Route::Passthrough {
                provider: "openai".into(),
            },
        );
        let names: Vec<&str> = cleaned
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["content-type", "x-stainless-lang"]);
        assert_eq!(cleaned.provider.as_deref(), Some("openai"));
        assert_eq!(cleaned.fallback.as_deref(), Some("allow"));
        assert_eq!(cleaned.content_type.as_deref(), Some("application/json"));
    }

    #[test]
    fn the_relays_own_routes_take_leases() {
        let given = [("X-BYOK-Lease".to_owned(), "kfl_x".to_owned())];
        assert_eq!(clean(&given, &Route::Other).headers.len(), 1);
    }
}
