//! The calls of a job, one after the other. What an earlier attempt finished is not done again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use keyferry_protocol::usage::{Framing, UsageReader};
use keyferry_protocol::{ErrorCode, find_model};
use serde_json::json;
use serde_json::value::RawValue;

use super::outcome::{Failure, Partial};
use crate::body::is_json;
use crate::jobs::Jobs;
use crate::jobs::audio::{AudioError, Format, Opening};
use crate::jobs::call::{self, Answer, Call, Failed};
use crate::jobs::envelope::{self, Ticket};
use crate::jobs::ledger::{Ledger as _, Note, Phase};
use crate::jobs::payload::{self, Form, Payload};
use crate::jobs::retry::{Verdict, judge};
use crate::jobs::terms::Terms;
use crate::leases::header;
use crate::routes;
use crate::state::{Live, Relay};
use crate::store::JobId;

const CHAT: &str = "/v1/chat/completions";
const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

/// What the steps came to.
pub(super) enum Step {
    /// All is done.
    Good(Partial),
    /// It cannot be done.
    Fail(Failure),
    /// It may be done later.
    Retry {
        failure: Failure,
        /// How much later, as the provider says.
        asked: Option<Duration>,
    },
}

/// What one call came to, when it is not an answer.
type Stopped = Step;

/// What all steps need.
pub(super) struct Steps<'a> {
    pub(super) relay: &'a Arc<Relay>,
    pub(super) jobs: &'a Arc<Jobs>,
    pub(super) live: &'a Live,
    pub(super) id: JobId,
    pub(super) run: u64,
    pub(super) ticket: &'a Ticket,
    pub(super) terms: &'a Terms,
}

impl Steps<'_> {
    /// Does what is left to do.
    pub(super) async fn all(&self, payload: Payload, mut done: Partial) -> Step {
        let outcome = match payload {
            Payload::Chat(body) => self.chat(body.into_bytes(), &mut done).await,
            Payload::Transcription { form, then } => {
                self.transcription(&form, then.as_deref(), &mut done).await
            }
        };
        match outcome {
            Ok(()) => Step::Good(done),
            Err(stopped) => stopped,
        }
    }

    async fn transcription(
        &self,
        form: &Form,
        then: Option<&str>,
        done: &mut Partial,
    ) -> Result<(), Stopped> {
        if done.result.transcription.is_none() {
            let answer = self.transcribe(form).await?;
            let kept = kept(&answer).ok_or_else(not_understood)?;
            self.count(&answer, "transcription", &form.model, done);
            done.result.transcription = Some(kept);
            if then.is_some() {
                self.checkpoint(done).await;
            }
        }
        let Some(then) = then else {
            return Ok(());
        };
        let answer = done.result.transcription.as_deref().map(RawValue::get);
        let answer: serde_json::Value = answer
            .and_then(|raw| serde_json::from_str(raw).ok())
            .unwrap_or_default();
        let text = payload::transcript(&answer).ok_or_else(not_understood)?;
        let body = payload::with_message(then.as_bytes(), text).ok_or_else(not_understood)?;
        self.chat(body, done).await
    }

    async fn chat(&self, body: Vec<u8>, done: &mut Partial) -> Result<(), Stopped> {
        self.say(Phase::Analysing).await;
        let model = find_model(&body).map(|field| field.name.into_owned());
        let answer = self
            .call(CHAT, "application/json", Body::from(body))
            .await?;
        let kept = json_of(&answer).ok_or_else(not_understood)?;
        self.count(&answer, "chat", &model.unwrap_or_default(), done);
        done.result.chat = Some(kept);
        Ok(())
    }

    async fn transcribe(&self, form: &Form) -> Result<Answer, Stopped> {
        self.say(Phase::Uploading).await;
        let broken = Arc::new(AtomicBool::new(false));
        let read = Arc::new(tokio::sync::Notify::new());
        let (content_type, body) = self
            .form_body(form, Arc::clone(&broken), Arc::clone(&read))
            .await
            .map_err(without_audio)?;
        let call = self.call(TRANSCRIPTIONS, &content_type, body);
        tokio::pin!(call);
        let answer = tokio::select! {
            answer = &mut call => answer,
            () = read.notified() => {
                self.say(Phase::Transcribing).await;
                call.await
            }
        };
        if broken.load(Ordering::Relaxed) {
            return Err(without_audio(AudioError::Missing));
        }
        answer
    }

    /// The form with the file as it comes out of the store. `broken` is set when that is not what
    /// was stored; `read` tells when the file has been read to its end.
    async fn form_body(
        &self,
        form: &Form,
        broken: Arc<AtomicBool>,
        read: Arc<tokio::sync::Notify>,
    ) -> Result<(String, Body), AudioError> {
        let mut stored = self.jobs.audio.download(self.id).await?;
        let mut begin = Vec::new();
        // The header tells its own length.
        let header = loop {
            match header::length(&begin) {
                Some(length) if begin.len() >= length => break length,
                None if begin.len() >= 2 => return Err(AudioError::Missing),
                _ => {}
            }
            let chunk = stored.next().await.ok_or(AudioError::Missing)??;
            begin.extend_from_slice(&chunk);
        };
        let rest = begin.split_off(header);
        let subject = self.terms.subject.as_deref();
        let key = envelope::audio_key_of(&self.live.leases, &self.ticket.handle, subject, &begin)
            .ok_or(AudioError::Missing)?;

        let format = Format::of_extension(&form.extension).ok_or(AudioError::Missing)?;
        let mut boundary = [0; 16];
        getrandom::fill(&mut boundary).map_err(|_| AudioError::Unavailable)?;
        let boundary = format!("keyferry-{}", JobId::new(boundary));
        let (head, tail) = form.frame(&boundary, format.mime);

        let state = (Some(Opening::new(key)), stored, Some(rest));
        let file = stream::unfold(state, move |(opening, mut stored, first)| {
            let (broken, read) = (Arc::clone(&broken), Arc::clone(&read));
            async move {
                let mut opening = opening?;
                let data = match first {
                    Some(first) => Some(Ok(first.into())),
                    None => stored.next().await,
                };
                let opened = match data {
                    Some(Ok(data)) => opening.push(&data).map(|part| (part, Some(opening))),
                    Some(Err(_)) => None,
                    None => {
                        read.notify_one();
                        opening.finish().map(|part| (part, None))
                    }
                };
                Some(match opened {
                    Some((part, next)) => (Ok(part.into()), (next, stored, None)),
                    None => {
                        broken.store(true, Ordering::Relaxed);
                        let error = std::io::Error::from(std::io::ErrorKind::InvalidData);
                        (Err(error), (None, stored, None))
                    }
                })
            }
        });
        let head = stream::once(async { Ok(axum::body::Bytes::from(head)) });
        let tail = stream::once(async { Ok(axum::body::Bytes::from(tail)) });
        let body = Body::from_stream(head.chain(file).chain(tail));
        Ok((format!("multipart/form-data; boundary={boundary}"), body))
    }

    async fn call(
        &self,
        path: &'static str,
        content_type: &str,
        body: Body,
    ) -> Result<Answer, Stopped> {
        let call = Call {
            path,
            provider: &self.terms.provider,
            lease: &self.ticket.lease,
            content_type,
            body,
        };
        let app = routes::app(Arc::clone(self.relay));
        let answer = call::make(app, self.live, call).await.map_err(|failed| {
            let (code, words) = match failed {
                Failed::Unbuildable => (ErrorCode::Internal, "the call cannot be made"),
                Failed::TooLarge => (
                    ErrorCode::ProviderBadResponse,
                    "the provider's answer is larger than what is kept",
                ),
                Failed::BrokenOff => (
                    ErrorCode::StreamInterrupted,
                    "the provider's answer broke off",
                ),
            };
            let failure = Failure::new(code, words);
            match failed {
                Failed::BrokenOff => Step::Retry {
                    failure,
                    asked: None,
                },
                Failed::Unbuildable | Failed::TooLarge => Step::Fail(failure),
            }
        })?;
        let failure = || Failure::of(&answer);
        match judge(answer.status, answer.code, &answer.body) {
            Verdict::Good => Ok(answer),
            Verdict::Fail => Err(Step::Fail(failure())),
            Verdict::LeaseOver => Err(Step::Fail(Failure::new(
                ErrorCode::LeaseExpired,
                "the lease ended before the work was done",
            ))),
            Verdict::Retry => Err(Step::Retry {
                failure: failure(),
                asked: answer.retry_after,
            }),
        }
    }

    /// Notes what an answered call used and who paid.
    fn count(&self, answer: &Answer, step: &str, model: &str, done: &mut Partial) {
        done.paid_by.clone_from(&answer.paid_by);
        let provider = answer.provider.as_deref().unwrap_or(&self.terms.provider);
        let usage = Framing::of(&answer.content_type).and_then(|framing| {
            let mut reader = UsageReader::new(framing, false);
            reader.feed(&answer.body);
            reader.finish();
            reader.usage()
        });
        let cost = usage.and_then(|usage| {
            let catalogue = self.live.providers.catalogue();
            let target = catalogue
                .get(provider)
                .and_then(|row| catalogue.route_to(row, model).ok());
            let name = target.map_or_else(|| model.to_owned(), |target| target.model.into_owned());
            usage.cost.or_else(|| {
                let price = self.live.prices.find(catalogue, provider, &name)?;
                Some(price.cost(&usage))
            })
        });
        #[allow(clippy::cast_precision_loss, reason = "exact up to 9 billion dollars")]
        done.usage.push(json!({
            "step": step,
            "provider": provider,
            "model": model,
            "inputTokens": usage.map(|usage| usage.input),
            "cachedTokens": usage.map(|usage| usage.cached),
            "outputTokens": usage.map(|usage| usage.output),
            "audioSeconds": usage.map(|usage| usage.milliseconds as f64 / 1_000.0),
            "costUsd": cost.map(|cost| cost.to_micros() as f64 / 1e6),
        }));
    }

    async fn say(&self, phase: Phase) {
        let note = Note {
            phase: Some(phase),
            checkpoint: None,
        };
        self.note(&note).await;
    }

    async fn checkpoint(&self, done: &Partial) {
        let sealed = envelope::seal_result(
            &self.live.leases,
            &self.ticket.handle,
            self.terms,
            &done.to_bytes(),
        );
        let note = Note {
            phase: None,
            checkpoint: sealed.as_deref(),
        };
        self.note(&note).await;
    }

    /// Whoever waits for the job notices when this is not taken.
    async fn note(&self, note: &Note<'_>) {
        let hold = self.live.config.jobs.hold();
        let _ = self.jobs.ledger().note(self.id, self.run, hold, note).await;
    }
}

/// A transcription's answer as it is kept: JSON as it is, text in a field.
fn kept(answer: &Answer) -> Option<Box<RawValue>> {
    if is_json(&answer.content_type) {
        return json_of(answer);
    }
    let text = std::str::from_utf8(&answer.body).ok()?;
    let value = json!({ "text": text.trim_end_matches(['\r', '\n']) });
    RawValue::from_string(value.to_string()).ok()
}

fn json_of(answer: &Answer) -> Option<Box<RawValue>> {
    let text = String::from_utf8(answer.body.to_vec()).ok()?;
    RawValue::from_string(text).ok()
}

fn not_understood() -> Stopped {
    Step::Fail(Failure::new(
        ErrorCode::ProviderBadResponse,
        "the provider's answer is not what this kind of job expects",
    ))
}

fn without_audio(error: AudioError) -> Stopped {
    match error {
        AudioError::Missing => Step::Fail(Failure::new(
            ErrorCode::AudioMissing,
            "the audio is not there any more",
        )),
        AudioError::Unavailable => Step::Retry {
            failure: Failure::new(
                ErrorCode::StoreUnavailable,
                "the store that holds the audio cannot be reached",
            ),
            asked: None,
        },
    }
}
