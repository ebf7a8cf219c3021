//! Whether and when a failed call is made again: pure.

use std::time::Duration;

use keyferry_protocol::ErrorCode;

/// Longest pause of our own making.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// What an answer means for its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the result.
    Good,
    /// Trying again may help.
    Retry,
    /// Trying again would not.
    Fail,
    /// What paid is over.
    LeaseOver,
}

/// Judges an answer by its status and, where the relay itself made it, its code.
pub(super) fn judge(status: u16, code: Option<ErrorCode>, body: &[u8]) -> Verdict {
    match (status, code) {
        (200..=299, _) => Verdict::Good,
        (_, Some(ErrorCode::LeaseExpired | ErrorCode::LeaseNotFound)) => Verdict::LeaseOver,
        // Answers that would be the same again.
        (_, Some(ErrorCode::ProviderBadResponse | ErrorCode::Internal)) => Verdict::Fail,
        // An empty account is no rush of requests, though it has the same status.
        (429, None) if memchr::memmem::find(body, b"insufficient_quota").is_some() => Verdict::Fail,
        (408 | 425 | 429 | 500..=599, _) => Verdict::Retry,
        _ => Verdict::Fail,
    }
}

/// The pause after attempt `number`: doubled each time, between half and one and a half of it by
/// `jitter`, no shorter than `asked`. `None` when no attempt is left or the lease ends before.
pub(super) fn pause(
    number: u32,
    max_attempts: u32,
    base: Duration,
    asked: Option<Duration>,
    jitter: u8,
    left: Duration,
) -> Option<Duration> {
    if number >= max_attempts {
        return None;
    }
    let doubled = base
        .saturating_mul(1 << number.saturating_sub(1).min(16))
        .min(MAX_PAUSE);
    let own = doubled / 2 + doubled * u32::from(jitter) / 255;
    let pause = own.max(asked.unwrap_or_default());
    (pause < left).then_some(pause)
}

/// A random byte for [`pause`]; the middle without randomness.
pub(super) fn jitter() -> u8 {
    let mut byte = [128];
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}

/// `Retry-After` in whole seconds; dates are not understood, and nothing is asked for then.
pub(super) fn retry_after(value: Option<&http::HeaderValue>) -> Option<Duration> {
    let seconds = value?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rushes_and_faults_are_tried_again_refusals_are_not() {
        for (status, code, body, verdict) in [
            (200, None, "", Verdict::Good),
            (429, None, "slow down", Verdict::Retry),
            (429, Some(ErrorCode::RateLimited), "", Verdict::Retry),
            (429, None, r#"{"code":"insufficient_quota"}"#, Verdict::Fail),
            (500, None, "", Verdict::Retry),
            (529, None, "", Verdict::Retry),
            (
                502,
                Some(ErrorCode::ProviderUnreachable),
                "",
                Verdict::Retry,
            ),
            (503, Some(ErrorCode::StoreUnavailable), "", Verdict::Retry),
            (502, Some(ErrorCode::ProviderBadResponse), "", Verdict::Fail),
            (400, None, "", Verdict::Fail),
            (401, None, "", Verdict::Fail),
            (402, Some(ErrorCode::DailyCapReached), "", Verdict::Fail),
            (401, Some(ErrorCode::LeaseExpired), "", Verdict::LeaseOver),
            (404, Some(ErrorCode::LeaseNotFound), "", Verdict::LeaseOver),
        ] {
            assert_eq!(
                judge(status, code, body.as_bytes()),
                verdict,
                "{status} {code:?}"
            );
        }
    }

    #[test]
    fn pauses_double_heed_the_provider_and_end_with_the_lease() {
        let base = Duration::from_secs(1);
        let long = Duration::from_secs(300);
        let at = |number, jitter| pause(number, 6, base, None, jitter, long).unwrap();
        assert_eq!(at(1, 0), Duration::from_millis(500));
        assert_eq!(at(1, 255), Duration::from_millis(1_500));
        assert_eq!(at(4, 0), Duration::from_secs(4));
        let asked = Some(Duration::from_secs(20));
        assert_eq!(pause(1, 6, base, asked, 0, long), asked);
        assert_eq!(pause(1, 6, base, asked, 0, Duration::from_secs(20)), None);
        assert_eq!(pause(6, 6, base, None, 0, long), None);
    }

    #[test]
    fn only_seconds_are_read() {
        let read = |text: &'static str| retry_after(Some(&http::HeaderValue::from_static(text)));
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Fri, 20 Nov 2026 10:00:00 GMT"), None);
        assert_eq!(retry_after(None), None);
    }
}
