//! Who a caller is.

use std::fmt;
use std::sync::Arc;

/// A caller as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// No proof was asked for.
    Anonymous,
    /// An app token proved it.
    Subject(Subject),
}

impl Identity {
    /// True when the caller has proven who they are.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        matches!(self, Self::Subject(_))
    }

    /// `iss ‖ sub` of a caller who proved it: one caller for limits, leases and jobs.
    #[must_use]
    pub fn caller_id(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Subject(subject) => Some(subject.caller_id()),
        }
    }

    /// The plan the app token names.
    #[must_use]
    pub fn plan(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Subject(subject) => subject.plan(),
        }
    }
}

/// The subject of a verified token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    caller: Arc<str>,
    plan: Option<Arc<str>>,
}

impl Subject {
    pub(super) fn new(issuer: &str, subject: &str, plan: Option<String>) -> Self {
        // Lengths make the joint unambiguous: no issuer and subject can read as another pair.
        let caller = format!("{}:{issuer}{}:{subject}", issuer.len(), subject.len());
        Self {
            caller: caller.into(),
            plan: plan.map(Into::into),
        }
    }

    /// A subject that was verified before: what [`Subject::caller_id`] and [`Subject::plan`] said.
    pub(crate) fn restored(caller: &str, plan: Option<&str>) -> Self {
        Self {
            caller: caller.into(),
            plan: plan.map(Into::into),
        }
    }

    /// `iss ‖ sub`, each with its length: two issuers never share a caller.
    #[must_use]
    pub fn caller_id(&self) -> &str {
        &self.caller
    }

    /// The claim `plan`.
    #[must_use]
    pub fn plan(&self) -> Option<&str> {
        self.plan.as_deref()
    }
}

impl fmt::Debug for Subject {
    /// Subjects are often mail addresses: they stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
