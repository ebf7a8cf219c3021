//! What a lease is good for: pure.

use std::net::IpAddr;
use std::sync::Arc;

use keyferry_protocol::{Catalogue, ErrorCode, Provider};
use serde::{Deserialize, Serialize};

use crate::auth::{Identity, Subject};
use crate::error::ApiError;
use crate::limits::{Caller, Who};
use crate::store::{CallerId, LeaseBudget, LeaseId};
use crate::tiers::Named;

/// Who made a lease, for whom, until when, and how much of it. Stored encrypted, and authenticated
/// together with the key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terms {
    /// `iss ‖ sub` of the maker's app token, where the relay asks for one.
    pub(crate) subject: Option<String>,
    /// The plan it named.
    pub(crate) plan: Option<String>,
    /// Under which name the maker is counted. Kept, since names change when the server's secret
    /// is rotated, and a budget has one name only.
    pub(crate) caller: [u8; 16],
    /// The maker is known by a key that may never have worked.
    pub(crate) provisional: bool,
    /// Where it was made: failures of such a key count there.
    pub(crate) address: IpAddr,
    /// Provider id.
    pub(crate) provider: String,
    /// Milliseconds since 1970, by the store's clock.
    pub(crate) expires_at: u64,
    /// Micro-dollars in all; `None`: as much as the caller may spend.
    pub(crate) max_micros: Option<u64>,
    /// The only models it runs, by their names at the provider; `None`: any.
    pub(crate) models: Option<Vec<String>>,
}

impl Terms {
    /// Of a lease for `provider` that limits neither spend nor models.
    pub(crate) fn new(
        who: &Who<'_>,
        caller: &Caller,
        provider: &Provider,
        expires_at: u64,
    ) -> Self {
        Self {
            subject: who.subject.map(str::to_owned),
            plan: who.plan.map(str::to_owned),
            caller: *caller.id().as_bytes(),
            provisional: caller.is_provisional(),
            address: who.address,
            provider: provider.id.to_string(),
            expires_at,
            max_micros: None,
            models: None,
        }
    }

    /// As they are encrypted.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The inverse of [`Terms::to_bytes`].
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The caller it is counted for, whoever presents it.
    pub(crate) fn counted_as(&self, plan: Option<&str>) -> Caller {
        Caller::of_lease(
            CallerId::new(self.caller),
            self.provisional,
            self.address,
            plan.map(Arc::from),
        )
    }

    /// Its maker, when it was one who had proven who they are.
    pub(crate) fn maker(&self) -> Option<Identity> {
        let subject = self.subject.as_deref()?;
        Some(Identity::Subject(Subject::restored(
            subject,
            self.plan.as_deref(),
        )))
    }

    /// Whether its maker is the one that presents it.
    pub(crate) fn is_of(&self, identity: &Identity) -> bool {
        self.subject.as_deref() == identity.caller_id()
    }

    /// Its own budget.
    pub(crate) fn budget(&self, id: LeaseId) -> Option<LeaseBudget> {
        self.max_micros.map(|cap| LeaseBudget { id, cap })
    }

    /// Whether model and cost of a call have to be known before it is made.
    pub(crate) fn is_guarded(&self) -> bool {
        self.max_micros.is_some() || self.models.is_some()
    }

    /// Admits a call to `provider`.
    ///
    /// # Errors
    /// `lease_scope`.
    pub(crate) fn admit_provider(&self, provider: &Provider) -> Result<(), ApiError> {
        if *self.provider == *provider.id {
            return Ok(());
        }
        Err(scope("the lease is for another provider").provider(&provider.id))
    }

    /// Admits a call by the models it names.
    ///
    /// # Errors
    /// `lease_scope`.
    pub(crate) fn admit_models(
        &self,
        catalogue: &Catalogue,
        provider: &Provider,
        named: &Named,
    ) -> Result<(), ApiError> {
        let Some(models) = &self.models else {
            return Ok(());
        };
        let covered = |model: &String| {
            name_at_provider(catalogue, provider, model).is_some_and(|name| models.contains(&name))
        };
        match named {
            Named::Nothing => Ok(()),
            Named::Models(wanted) if wanted.iter().all(covered) => Ok(()),
            Named::Models(_) => {
                Err(scope("the lease does not cover this model").provider(&provider.id))
            }
            Named::Unknown => Err(scope(
                "the request does not say plainly which model it runs, and the lease does not cover them all",
            )
            .provider(&provider.id)),
        }
    }
}

impl std::fmt::Debug for Terms {
    /// Subjects are often mail addresses: they stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// The name by which `provider` knows `model`, however a request spells it; `None` when it names
/// another provider.
pub(crate) fn name_at_provider(
    catalogue: &Catalogue,
    provider: &Provider,
    model: &str,
) -> Option<String> {
    let target = catalogue.route_to(provider, model).ok()?;
    // Google's own API writes `models/gemini-…`.
    let name = target
        .model
        .strip_prefix("models/")
        .unwrap_or(&target.model);
    Some(name.to_owned())
}

/// The refusal of a call that a lease does not cover.
pub(crate) fn scope(detail: &'static str) -> ApiError {
    ApiError::new(ErrorCode::LeaseScope, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(provider: &str, models: Option<&[&str]>) -> Terms {
        Terms {
            subject: Some("someone@example.org".to_owned()),
            plan: None,
            caller: [7; 16],
            provisional: false,
            address: IpAddr::from([10, 0, 0, 1]),
            provider: provider.to_owned(),
            expires_at: 1,
            max_micros: Some(1),
            models: models.map(|models| models.iter().map(ToString::to_string).collect()),
        }
    }

    fn admits(terms: &Terms, named: &Named) -> bool {
        let catalogue = Catalogue::builtin();
        let provider = catalogue.get(&terms.provider).unwrap();
        terms.admit_models(&catalogue, provider, named).is_ok()
    }

    fn models(names: &[&str]) -> Named {
        Named::Models(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn bytes_read_back() {
        let terms = terms("openai", Some(&["gpt-4o"]));
        let read = Terms::from_bytes(&terms.to_bytes()).unwrap();
        assert_eq!(read.to_bytes(), terms.to_bytes());
        assert_eq!(read.models, terms.models);
        assert!(Terms::from_bytes(b"{}").is_none());
    }

    #[test]
    fn only_listed_models_run_however_they_are_spelt() {
        let terms = terms("openai", Some(&["gpt-4o"]));
        for (named, admitted) in [
            (models(&["gpt-4o"]), true),
            (models(&["openai/gpt-4o"]), true),
            (models(&["gpt-4o", "gpt-4o-mini"]), false),
            (models(&["gpt-4o-mini"]), false),
            (models(&["anthropic/gpt-4o"]), false),
            (Named::Nothing, true),
            (Named::Unknown, false),
        ] {
            assert_eq!(admits(&terms, &named), admitted, "{named:?}");
        }
    }

    #[test]
    fn without_a_list_any_model_runs() {
        let terms = terms("openai", None);
        assert!(admits(&terms, &models(&["gpt-4o-mini"])));
        assert!(admits(&terms, &Named::Unknown));
    }

    #[test]
    fn googles_own_spelling_is_the_same_model() {
        let terms = terms("google", Some(&["gemini-2.0-flash"]));
        assert!(admits(&terms, &models(&["models/gemini-2.0-flash"])));
        assert!(!admits(&terms, &models(&["models/gemini-2.0-pro"])));
    }

    #[test]
    fn debug_does_not_name_the_subject() {
        assert!(!format!("{:?}", terms("openai", None)).contains("someone"));
    }
}
