//! `[jobs]`

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// Provider calls wait much and compute little; each holds one upload of up to 25 MB.
const CONCURRENCY: usize = 8;
/// More than a person starts at a time; each keeps a lease and perhaps a file.
const MAX_QUEUED: u32 = 32;
/// What OpenAI takes.
const MAX_AUDIO_BYTES: u64 = 25 * 1024 * 1024;
/// A long chat as text. It waits in Redis, which is memory.
const MAX_REQUEST_BYTES: u64 = 1024 * 1024;
/// An hour to come back and look.
const RESULT_TTL_SECONDS: u64 = 3_600;
/// Within five minutes with pauses that double, the lease ends before more.
const MAX_ATTEMPTS: u32 = 6;
/// What providers ask for where they ask; doubled with each attempt.
const BACKOFF_MS: u64 = 1_000;
/// Longer than Redis takes to restart or fail over, short beside a lease.
const HOLD_MS: u64 = 20_000;

/// `[jobs]`
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobSettings {
    /// Take jobs.
    pub enabled: bool,
    /// Jobs one process works on at a time.
    pub concurrency: usize,
    /// Where audio waits: `file:///folder`, or `s3://bucket/prefix` with the rest in AWS's own
    /// environment variables. Absent: a private folder in the system's temporary one, which only
    /// this process sees; with `store.url`, no transcription.
    pub audio: Option<String>,
    /// The folder of `audio` is the same on every host that relays or works.
    pub shared: bool,
    /// How long a result is kept, in seconds.
    pub result_ttl_seconds: u64,
    /// Most jobs of one caller that have not ended.
    pub max_queued: u32,
    /// Largest audio file, in bytes.
    pub max_audio_bytes: u64,
    /// Largest chat request, in bytes.
    pub max_request_bytes: u64,
    /// How often a job is begun at most.
    pub max_attempts: u32,
    /// The pause before the second attempt, in milliseconds; doubled with each further one.
    pub backoff_ms: u64,
    /// How long a job stays with a worker that gives no sign of life, in milliseconds.
    pub hold_ms: u64,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            concurrency: CONCURRENCY,
            audio: None,
            shared: false,
            result_ttl_seconds: RESULT_TTL_SECONDS,
            max_queued: MAX_QUEUED,
            max_audio_bytes: MAX_AUDIO_BYTES,
            max_request_bytes: MAX_REQUEST_BYTES,
            max_attempts: MAX_ATTEMPTS,
            backoff_ms: BACKOFF_MS,
            hold_ms: HOLD_MS,
        }
    }
}

impl JobSettings {
    /// How long a result is kept.
    #[must_use]
    pub fn result_ttl(&self) -> Duration {
        Duration::from_secs(self.result_ttl_seconds)
    }

    /// How long a job stays with a worker that gives no sign of life.
    #[must_use]
    pub fn hold(&self) -> Duration {
        Duration::from_millis(self.hold_ms)
    }

    /// What types cannot say. `redis` says that jobs are shared through it.
    pub(crate) fn check(&self, redis: bool) -> Result<(), ConfigError> {
        let within = |field: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(ConfigError::field(
                format!("jobs.{field}"),
                format!("must be from {least} to {most}"),
            ))
        };
        let concurrency = u64::try_from(self.concurrency).unwrap_or(u64::MAX);
        within("concurrency", concurrency, 1, 1_000)?;
        within("result_ttl_seconds", self.result_ttl_seconds, 1, 86_400)?;
        within("max_queued", self.max_queued.into(), 1, 10_000)?;
        within("max_audio_bytes", self.max_audio_bytes, 1, 1 << 30)?;
        within("max_request_bytes", self.max_request_bytes, 1, 16 << 20)?;
        within("max_attempts", self.max_attempts.into(), 1, 100)?;
        within("backoff_ms", self.backoff_ms, 1, 60_000)?;
        within("hold_ms", self.hold_ms, 1_000, 120_000)?;
        let Some(audio) = &self.audio else {
            return Ok(());
        };
        let place = super::audio::Place::parse(audio)
            .map_err(|message| ConfigError::field("jobs.audio", message))?;
        if redis && place.is_folder() && !self.shared {
            return Err(ConfigError::field(
                "jobs.shared",
                "a folder serves jobs in Redis only when every relay and worker sees the same one; set jobs.shared = true if they do, or use s3://",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: &JobSettings, redis: bool) -> Option<String> {
        settings.check(redis).err().map(|error| error.to_string())
    }

    #[test]
    fn what_cannot_work_names_its_field() {
        assert_eq!(refused(&JobSettings::default(), true), None);
        let with = |change: fn(&mut JobSettings)| {
            let mut settings = JobSettings::default();
            change(&mut settings);
            settings
        };
        for (settings, field) in [
            (with(|jobs| jobs.concurrency = 0), "jobs.concurrency"),
            (with(|jobs| jobs.max_attempts = 0), "jobs.max_attempts"),
            (with(|jobs| jobs.hold_ms = 10), "jobs.hold_ms"),
            (
                with(|jobs| jobs.result_ttl_seconds = 0),
                "jobs.result_ttl_seconds",
            ),
            (
                with(|jobs| jobs.audio = Some("ftp://x".to_owned())),
                "jobs.audio",
            ),
            (
                with(|jobs| jobs.audio = Some("file:///x".to_owned())),
                "jobs.shared",
            ),
        ] {
            let message = refused(&settings, true).expect(field);
            assert!(message.starts_with(field), "{message}");
        }
        // One process has its folder to itself.
        let folder = with(|jobs| jobs.audio = Some("file:///x".to_owned()));
        assert_eq!(refused(&folder, false), None);
        let bucket = with(|jobs| jobs.audio = Some("s3://x/y".to_owned()));
        assert_eq!(refused(&bucket, true), None);
    }
}
