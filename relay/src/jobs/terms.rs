//! What a job is: pure.

use serde::{Deserialize, Serialize};

/// The kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One chat completion.
    Chat,
    /// The transcript of an audio file, and what a chat completion makes of it.
    Transcription,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Chat, Self::Transcription];

    /// As it travels, and as dashboards of the queue show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Transcription => "transcription",
        }
    }

    /// The inverse of [`Kind::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whose job it is and until when it may begin. Stored encrypted, and authenticated together with
/// everything else of the job.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terms {
    /// `iss ‖ sub` of the maker's app token, where the relay asks for one.
    pub(crate) subject: Option<String>,
    /// What it does.
    pub(crate) kind: Kind,
    /// The provider it calls.
    pub(crate) provider: String,
    /// When its lease ends, in milliseconds since 1970.
    pub(crate) expires_at: u64,
}

impl Terms {
    /// As they are encrypted.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The inverse of [`Terms::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl std::fmt::Debug for Terms {
    /// Subjects are often mail addresses: they stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms")
            .field("kind", &self.kind)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
