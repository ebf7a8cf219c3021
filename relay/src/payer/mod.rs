//! Who pays for a request: pure policy, from facts to a plan.
//!
//! ```text
//! facts ─► plan ─► first attempt ─► the answer ─► next attempt, if the plan has one for it
//! ```
//!
//! The user's key pays whenever it is there. The server's key pays only where the operator, the
//! caller's standing, the route, the body, the price list and the client's choice all allow it.

mod stateless;

use keyferry_protocol::{Fallback, FallbackReason};

pub(crate) use stateless::is_stateless;

/// Which of the server's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// The one for the provider that serves the model.
    Provider,
    /// The one for OpenRouter, which resells it.
    OpenRouter,
}

/// What decides. Everything is about this one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The request brought a key.
    pub(crate) user_key: bool,
    /// What `X-BYOK-Fallback` says; `None` when it was not sent.
    pub(crate) choice: Option<Fallback>,
    /// The caller proved who they are, or the operator pays for strangers.
    pub(crate) may_spend: bool,
    /// The route is unified, so its cost can be known beforehand.
    pub(crate) unified: bool,
    /// The request stores nothing at the provider and refers to nothing stored there.
    pub(crate) stateless: bool,
    /// The operator has a key for the provider, and the model has a price there.
    pub(crate) provider_key: bool,
    /// The operator has a key for OpenRouter, which serves the route and has a price for the model.
    pub(crate) openrouter_key: bool,
}

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// With the key the request brought.
    User,
    /// With the server's.
    Server(Via, FallbackReason),
}

/// What is tried, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The first attempt; `None` when no key fits.
    pub(crate) first: Option<Attempt>,
    /// The server's key to use when the user's is proven bad or cannot be tried.
    next: Option<Via>,
}

impl Plan {
    /// The attempt after the user's key was proven bad.
    pub(crate) fn after_bad_key(&self) -> Option<Attempt> {
        self.next
            .map(|via| Attempt::Server(via, FallbackReason::UserKeyInvalid))
    }

    /// The attempt after the provider could not be reached, before any byte was sent.
    pub(crate) fn after_unreachable(&self) -> Option<Attempt> {
        self.next
            .map(|via| Attempt::Server(via, FallbackReason::ProviderUnreachable))
    }
}

/// Decides.
pub(crate) fn plan(facts: &Facts) -> Plan {
    let server = server_key(facts);
    if !facts.user_key {
        let first = server.map(|via| Attempt::Server(via, FallbackReason::NoUserKey));
        return Plan { first, next: None };
    }
    // With a key of the user's own, money of others is spent on an explicit word only.
    let allowed = matches!(facts.choice, Some(Fallback::Allow | Fallback::AllowAny));
    Plan {
        first: Some(Attempt::User),
        next: server.filter(|_| allowed),
    }
}

/// The server's key that may pay, whatever became of the user's.
fn server_key(facts: &Facts) -> Option<Via> {
    let Facts {
        choice,
        may_spend,
        unified,
        stateless,
        ..
    } = *facts;
    if choice == Some(Fallback::Never) || !may_spend || !unified || !stateless {
        return None;
    }
    if facts.provider_key {
        return Some(Via::Provider);
    }
    (facts.openrouter_key && choice == Some(Fallback::AllowAny)).then_some(Via::OpenRouter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Facts = Facts {
        user_key: false,
        choice: None,
        may_spend: true,
        unified: true,
        stateless: true,
        provider_key: true,
        openrouter_key: true,
    };

    const CHOICES: [Option<Fallback>; 4] = [
        None,
        Some(Fallback::Never),
        Some(Fallback::Allow),
        Some(Fallback::AllowAny),
    ];

    /// Every combination of facts.
    fn combinations() -> impl Iterator<Item = Facts> {
        (0_u32..64).flat_map(|bits| {
            CHOICES.into_iter().map(move |choice| Facts {
                user_key: bits & 1 != 0,
                choice,
                may_spend: bits & 2 != 0,
                unified: bits & 4 != 0,
                stateless: bits & 8 != 0,
                provider_key: bits & 16 != 0,
                openrouter_key: bits & 32 != 0,
            })
        })
    }

    #[test]
    fn a_user_key_always_goes_first() {
        for facts in combinations().filter(|facts| facts.user_key) {
            assert_eq!(plan(&facts).first, Some(Attempt::User), "{facts:?}");
        }
    }

    #[test]
    fn the_server_never_pays_without_every_condition() {
        for facts in combinations() {
            let all = facts.may_spend
                && facts.unified
                && facts.stateless
                && (facts.provider_key || facts.openrouter_key);
            if all && facts.choice != Some(Fallback::Never) {
                continue;
            }
            let plan = plan(&facts);
            assert!(
                !matches!(plan.first, Some(Attempt::Server(..))),
                "{facts:?}"
            );
            assert_eq!(plan.after_bad_key(), None, "{facts:?}");
            assert_eq!(plan.after_unreachable(), None, "{facts:?}");
        }
    }

    #[test]
    fn with_a_user_key_the_client_must_say_so() {
        for (choice, next) in [
            (None, None),
            (Some(Fallback::Never), None),
            (Some(Fallback::Allow), Some(Via::Provider)),
            (Some(Fallback::AllowAny), Some(Via::Provider)),
        ] {
            let plan = plan(&Facts {
                user_key: true,
                choice,
                ..ALL
            });
            assert_eq!(
                plan.after_bad_key(),
                next.map(|via| Attempt::Server(via, FallbackReason::UserKeyInvalid))
            );
            assert_eq!(
                plan.after_unreachable(),
                next.map(|via| Attempt::Server(via, FallbackReason::ProviderUnreachable))
            );
        }
    }

    #[test]
    fn without_a_user_key_silence_is_consent_and_never_is_not() {
        for (choice, pays) in [
            (None, true),
            (Some(Fallback::Never), false),
            (Some(Fallback::Allow), true),
            (Some(Fallback::AllowAny), true),
        ] {
            let first = plan(&Facts { choice, ..ALL }).first;
            assert_eq!(first.is_some(), pays, "{choice:?}");
        }
    }

    #[test]
    fn openrouter_pays_only_on_allow_any_and_only_without_a_key_of_the_provider() {
        for choice in CHOICES {
            let facts = Facts {
                choice,
                provider_key: false,
                ..ALL
            };
            let expected = (choice == Some(Fallback::AllowAny))
                .then_some(Attempt::Server(Via::OpenRouter, FallbackReason::NoUserKey));
            assert_eq!(plan(&facts).first, expected, "{choice:?}");
        }
        for facts in combinations().filter(|facts| facts.provider_key) {
            let plan = plan(&facts);
            for attempt in [plan.first, plan.after_bad_key()].into_iter().flatten() {
                assert!(
                    !matches!(attempt, Attempt::Server(Via::OpenRouter, _)),
                    "{facts:?}"
                );
            }
        }
    }
}
