//! The upload of a transcription job: text fields kept, the file encrypted into the store as it
//! arrives. Fields may come in any order.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use http_body_util::BodyDataStream;
use keyferry_protocol::ErrorCode;
use multer::{Constraints, Field, Multipart, SizeLimit};

use super::JobHandle;
use super::Jobs;
use super::audio::{AudioError, HEAD, Sealing, Upload, sniff};
use super::envelope;
use super::payload::Form;
use crate::error::ApiError;
use crate::proxy::{Arrival, Inbound, too_large};
use crate::state::Live;
use crate::store::JobId;

/// Longest text field, in bytes, but for the chat that follows. Whisper reads 224 tokens of prompt.
const MAX_FIELD: u64 = 8 * 1024;
/// Room for boundaries and headers of all parts.
const FRAME: u64 = 64 * 1024;
/// Times of words, times of segments.
const MAX_GRANULARITIES: usize = 4;

const FIELDS: [&str; 9] = [
    "kind",
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "timestamp_granularities[]",
    "then",
    "file",
];

/// What a form said. Its audio is in the store, and deleted with this unless it is kept.
pub(crate) struct Uploaded {
    pub(super) form: Form,
    pub(super) then: Option<String>,
    pub(super) stored: Stored,
}

/// Deletes a job's audio when dropped: there will be no job.
pub(super) struct Stored {
    jobs: Option<Arc<Jobs>>,
    id: JobId,
}

impl Stored {
    /// There is a job now, which deletes it at its end.
    pub(super) fn keep(mut self) {
        self.jobs = None;
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let (Some(jobs), Ok(runtime)) = (self.jobs.take(), tokio::runtime::Handle::try_current())
        {
            let id = self.id;
            runtime.spawn(async move { jobs.audio.delete(id).await });
        }
    }
}

impl Uploaded {
    /// The model that transcribes, as the client named it.
    pub(crate) fn model(&self) -> &str {
        &self.form.model
    }

    /// What was written into it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let form = &self.form;
        let written = [
            Some(&form.model),
            form.language.as_ref(),
            form.prompt.as_ref(),
            form.temperature.as_ref(),
            self.then.as_ref(),
        ];
        written
            .into_iter()
            .flatten()
            .chain(&form.timestamp_granularities)
            .map(String::as_str)
    }

    /// The chat that follows.
    pub(crate) fn then(&self) -> Option<&str> {
        self.then.as_deref()
    }

    /// Reads a form. On failure, or when the client leaves, nothing stays in the store.
    ///
    /// # Errors
    /// The body's own faults, `bad_form`, `bad_field`, `duplicate_field`, `missing_model`,
    /// `unsupported_audio`, `store_unavailable`.
    pub(crate) async fn read(
        jobs: &Arc<Jobs>,
        live: &Live,
        handle: &JobHandle,
        subject: Option<&str>,
        boundary: &str,
        body: Body,
    ) -> Result<Self, ApiError> {
        let settings = &live.config.jobs;
        // What the call to the provider holds in memory is limited, too, the form around it included.
        let held = live.config.server.buffered_limit();
        let most = settings.max_audio_bytes.min(held.saturating_sub(FRAME));
        let limit = most + settings.max_request_bytes + FRAME;
        let (body, arrival) = Inbound::new(body, limit, live.config.timeouts.body_idle)?;
        let sizes = SizeLimit::new()
            .per_field(MAX_FIELD)
            .for_field("then", settings.max_request_bytes)
            .for_field("file", most);
        let constraints = Constraints::new()
            .allowed_fields(FIELDS.to_vec())
            .size_limit(sizes);
        let stream = BodyDataStream::new(Body::new(body));
        let mut parts = Multipart::with_constraints(stream, boundary, constraints);
        let reading = Reading {
            jobs,
            live,
            handle,
            subject,
            arrival: &arrival,
        };
        reading.all(&mut parts).await
    }
}

struct Reading<'a> {
    jobs: &'a Arc<Jobs>,
    live: &'a Live,
    handle: &'a JobHandle,
    subject: Option<&'a str>,
    arrival: &'a Arrival,
}

#[derive(Default)]
struct Texts {
    kind: Option<String>,
    model: Option<String>,
    then: Option<String>,
    extension: Option<&'static str>,
    form: Form,
}

impl Reading<'_> {
    async fn all(&self, parts: &mut Multipart<'_>) -> Result<Uploaded, ApiError> {
        let mut texts = Texts::default();
        let stored = Stored {
            jobs: Some(Arc::clone(self.jobs)),
            id: self.handle.id(),
        };
        while let Some(field) = parts.next_field().await.map_err(|e| self.refused(&e))? {
            self.take(field, &mut texts).await?;
        }
        if texts.kind.as_deref() != Some("transcription") {
            return Err(bad_field("the field 'kind' must be 'transcription'"));
        }
        let formats = [None, Some("json"), Some("verbose_json"), Some("text")];
        if !formats.contains(&texts.form.response_format.as_deref()) {
            return Err(bad_field(
                "'response_format' is one of json, verbose_json, text",
            ));
        }
        let model = texts.model.filter(|model| !model.is_empty());
        let extension = texts.extension.ok_or_else(|| {
            ApiError::new(ErrorCode::UnsupportedAudio, "the form has no part 'file'")
        })?;
        Ok(Uploaded {
            form: Form {
                model: model.ok_or_else(|| {
                    ApiError::new(ErrorCode::MissingModel, "the form has no field 'model'")
                })?,
                extension: extension.to_owned(),
                ..texts.form
            },
            then: texts.then,
            stored,
        })
    }

    async fn take(&self, field: Field<'_>, texts: &mut Texts) -> Result<(), ApiError> {
        let Texts {
            kind,
            model,
            then,
            extension,
            form,
        } = texts;
        let place = match field.name().unwrap_or_default() {
            "file" if extension.is_some() => return Err(duplicate()),
            "file" => {
                *extension = Some(self.store(field).await?);
                return Ok(());
            }
            "timestamp_granularities[]" => {
                let text = self.text(field).await?;
                form.timestamp_granularities.push(text);
                if form.timestamp_granularities.len() > MAX_GRANULARITIES {
                    return Err(duplicate());
                }
                return Ok(());
            }
            "kind" => kind,
            "model" => model,
            "then" => then,
            "language" => &mut form.language,
            "prompt" => &mut form.prompt,
            "response_format" => &mut form.response_format,
            "temperature" => &mut form.temperature,
            _ => return Err(bad_field("the form has a field that is not known")),
        };
        if place.is_some() {
            return Err(duplicate());
        }
        *place = Some(self.text(field).await?);
        Ok(())
    }

    async fn text(&self, field: Field<'_>) -> Result<String, ApiError> {
        let bytes = field.bytes().await.map_err(|error| self.refused(&error))?;
        String::from_utf8(bytes.to_vec()).map_err(|_| bad_field("a form field is not UTF-8"))
    }

    /// Encrypts the file into the store; what it is.
    async fn store(&self, mut field: Field<'_>) -> Result<&'static str, ApiError> {
        let mut head = Vec::new();
        let mut next = self.chunk(&mut field).await?;
        while let Some(chunk) = next.take() {
            head.extend_from_slice(&chunk);
            if head.len() >= HEAD {
                break;
            }
            next = self.chunk(&mut field).await?;
        }
        let format = sniff(&head).ok_or_else(|| {
            let detail = if head.is_empty() {
                "the file is empty"
            } else {
                "the file is none of flac, mp3, mp4, mpeg, m4a, ogg, wav, webm"
            };
            ApiError::new(ErrorCode::UnsupportedAudio, detail)
        })?;
        let (header, key) =
            envelope::audio_key(&self.live.leases, self.handle, self.subject).ok_or_else(failed)?;
        let mut sealing = Sealing::new(key);
        let mut upload = self.jobs.audio.upload(self.handle.id()).map_err(lost)?;
        upload.put(header).await.map_err(lost)?;
        self.pass(&mut upload, &mut sealing, &head).await?;
        while let Some(chunk) = self.chunk(&mut field).await? {
            self.pass(&mut upload, &mut sealing, &chunk).await?;
        }
        let last = sealing.finish().ok_or_else(failed)?;
        upload.put(last).await.map_err(lost)?;
        upload.finish().await.map_err(lost)?;
        Ok(format.extension)
    }

    async fn pass(
        &self,
        upload: &mut Upload,
        sealing: &mut Sealing,
        data: &[u8],
    ) -> Result<(), ApiError> {
        let sealed = sealing.push(data).ok_or_else(failed)?;
        if sealed.is_empty() {
            return Ok(());
        }
        upload.put(sealed).await.map_err(lost)
    }

    async fn chunk(&self, field: &mut Field<'_>) -> Result<Option<Bytes>, ApiError> {
        field.chunk().await.map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &multer::Error) -> ApiError {
        if let Some(error) = self.arrival.error() {
            return error;
        }
        match error {
            multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
                too_large()
            }
            multer::Error::UnknownField { .. } => {
                bad_field("the form has a field that is not known")
            }
            // The parser's own words could quote the form.
            _ => ApiError::new(ErrorCode::BadForm, "not a valid multipart form"),
        }
    }
}

fn bad_field(detail: &'static str) -> ApiError {
    ApiError::new(ErrorCode::BadField, detail)
}

fn duplicate() -> ApiError {
    ApiError::new(
        ErrorCode::DuplicateField,
        "a form field occurs more than once",
    )
}

fn failed() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the audio could not be encrypted")
}

fn lost(_: AudioError) -> ApiError {
    ApiError::new(
        ErrorCode::StoreUnavailable,
        "the store that is to hold the audio cannot be reached",
    )
    .retry_after(2)
}
