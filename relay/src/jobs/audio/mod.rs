//! Where audio waits for its job: an object store, which sees ciphertext only.

mod s3;
mod sniff;
mod stream;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, RetryConfig};
use tokio::io::AsyncWriteExt as _;

pub(super) use sniff::{Format, HEAD, sniff};
pub(super) use stream::{Opening, Sealing};

use super::settings::JobSettings;
use crate::config::ConfigError;
use crate::store::JobId;
use crate::upstream::Upstream;

/// S3 takes parts of 5 MiB or more.
const PART: usize = 5 * 1024 * 1024;

/// A little longer than any job's record without a result: what is older belongs to none.
pub(super) const MAX_AGE: Duration = Duration::from_secs(40 * 60);

/// Ends every object's name: a sweep touches nothing else, whatever the folder holds.
const SUFFIX: &str = ".kfaudio";

/// What `jobs.audio` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Folder(PathBuf),
    S3 { url: String, prefix: String },
}

impl Place {
    /// Reads `file:///…` or `s3://bucket[/prefix]`.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected file:///folder or s3://bucket/prefix";
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') {
                Ok(Self::Folder(path.into()))
            } else {
                Err(EXPECTED)
            };
        }
        let rest = text.strip_prefix("s3://").ok_or(EXPECTED)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains(['@', '?', '#']) {
            return Err(EXPECTED);
        }
        Ok(Self::S3 {
            url: format!("s3://{bucket}"),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }

    pub(super) const fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }
}

/// The store could not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AudioError {
    /// There is no such file, or it is not what was stored.
    Missing,
    /// The store does not work.
    Unavailable,
}

/// The store and what this process keeps there.
pub(super) struct AudioStore {
    place: Option<Place>,
    upstream: Upstream,
    opened: OnceLock<Opened>,
}

struct Opened {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// A folder of this process's own, removed with it.
    own: Option<PathBuf>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(folder) = &self.own {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl AudioStore {
    /// As `[jobs]` says. Buckets are opened at once, so that what is wrong with their settings
    /// shows at the start.
    ///
    /// # Errors
    /// Naming the field that cannot work.
    pub(super) fn new(settings: &JobSettings, upstream: Upstream) -> Result<Self, ConfigError> {
        let refused = |message: String| ConfigError::field("jobs.audio", message);
        let place = settings
            .audio
            .as_deref()
            .map(Place::parse)
            .transpose()
            .map_err(|message| refused(message.to_owned()))?;
        let store = Self {
            place,
            upstream,
            opened: OnceLock::new(),
        };
        if matches!(store.place, Some(Place::S3 { .. })) {
            store.open().map_err(refused)?;
        }
        Ok(store)
    }

    /// A place was named.
    pub(super) fn is_named(&self) -> bool {
        self.place.is_some()
    }

    fn opened(&self) -> Result<&Opened, AudioError> {
        self.open().map_err(|message| {
            tracing::error!(message, "the audio store cannot be opened");
            AudioError::Unavailable
        })
    }

    /// Where there may be something to delete: nothing was ever stored by a process that has not
    /// opened its own folder.
    fn used(&self) -> Option<&Opened> {
        if self.place.is_none() && self.opened.get().is_none() {
            return None;
        }
        self.opened().ok()
    }

    fn open(&self) -> Result<&Opened, String> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = match &self.place {
            None => folder(&own_folder()?, true)?,
            Some(Place::Folder(path)) => folder(path, false)?,
            Some(Place::S3 { url, prefix }) => self.bucket(url, prefix)?,
        };
        Ok(self.opened.get_or_init(|| opened))
    }

    /// A bucket; endpoint, region and credentials come from AWS's own environment variables.
    fn bucket(&self, url: &str, prefix: &str) -> Result<Opened, String> {
        let retry = RetryConfig {
            max_retries: 3,
            retry_timeout: Duration::from_secs(20),
            ..RetryConfig::default()
        };
        let store = AmazonS3Builder::from_env()
            .with_url(url)
            .with_http_connector(s3::OwnClient(self.upstream.clone()))
            .with_retry(retry)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Opened {
            store: Arc::new(store),
            prefix: Path::from(prefix),
            own: None,
        })
    }

    /// Begins to store a job's audio.
    pub(super) fn upload(&self, id: JobId) -> Result<Upload, AudioError> {
        let opened = self.opened()?;
        let store = Arc::clone(&opened.store);
        Ok(Upload {
            writer: Some(BufWriter::with_capacity(store, opened.path(id), PART)),
        })
    }

    /// A job's audio as it was stored.
    pub(super) async fn download(
        &self,
        id: JobId,
    ) -> Result<BoxStream<'static, Result<Bytes, AudioError>>, AudioError> {
        let opened = self.opened()?;
        let found = opened.store.get(&opened.path(id)).await.map_err(failed)?;
        Ok(found.into_stream().map_err(failed).boxed())
    }

    /// Deletes a job's audio, if there is any.
    pub(super) async fn delete(&self, id: JobId) {
        let Some(opened) = self.used() else { return };
        match opened.store.delete(&opened.path(id)).await.map_err(failed) {
            Ok(()) | Err(AudioError::Missing) => {}
            // The sweep finds it.
            Err(AudioError::Unavailable) => tracing::warn!("audio could not be deleted"),
        }
    }

    /// Deletes what is older than any job. How many that were.
    pub(super) async fn sweep(&self, older_than: Duration) -> usize {
        let Some(opened) = self.used() else { return 0 };
        let mut deleted = 0;
        let mut list = opened.store.list(Some(&opened.prefix));
        while let Some(Ok(object)) = list.next().await {
            let age = std::time::SystemTime::now()
                .duration_since(object.last_modified.into())
                .unwrap_or_default();
            let ours = object
                .location
                .filename()
                .is_some_and(|name| name.ends_with(SUFFIX));
            if ours && age >= older_than && opened.store.delete(&object.location).await.is_ok() {
                deleted += 1;
            }
        }
        deleted
    }
}

impl Opened {
    fn path(&self, id: JobId) -> Path {
        self.prefix.clone().join(format!("{id}{SUFFIX}"))
    }
}

/// Audio that is being stored. Nothing can be read of it before [`Upload::finish`]; dropped before,
/// it is given up.
pub(super) struct Upload {
    writer: Option<BufWriter>,
}

impl Upload {
    pub(super) async fn put(&mut self, data: Vec<u8>) -> Result<(), AudioError> {
        match &mut self.writer {
            Some(writer) => writer.put(data.into()).await.map_err(failed),
            None => Err(AudioError::Unavailable),
        }
    }

    pub(super) async fn finish(mut self) -> Result<(), AudioError> {
        let writer = self.writer.as_mut().ok_or(AudioError::Unavailable)?;
        writer.shutdown().await.map_err(|error| {
            tracing::warn!(kind = %error.kind(), "the audio store does not work");
            AudioError::Unavailable
        })?;
        self.writer = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(mut writer), Ok(runtime)) =
            (self.writer.take(), tokio::runtime::Handle::try_current())
        {
            // A bucket would keep the parts.
            runtime.spawn(async move { writer.abort().await });
        }
    }
}

fn folder(path: &std::path::Path, own: bool) -> Result<Opened, String> {
    std::fs::create_dir_all(path).map_err(|error| format!("cannot create the folder: {error}"))?;
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| error.to_string())?;
    Ok(Opened {
        store: Arc::new(store),
        prefix: Path::default(),
        own: own.then(|| path.to_owned()),
    })
}

/// A fresh folder that no other user can look into.
fn own_folder() -> Result<PathBuf, String> {
    use std::os::unix::fs::DirBuilderExt as _;

    let mut name = [0; 16];
    getrandom::fill(&mut name).map_err(|error| error.to_string())?;
    let path = std::env::temp_dir().join(format!("keyferry-audio-{}", JobId::new(name)));
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(|error| format!("cannot create a temporary folder: {error}"))?;
    Ok(path)
}

fn failed(error: object_store::Error) -> AudioError {
    match error {
        object_store::Error::NotFound { .. } => AudioError::Missing,
        _ => {
            // Its text names paths and hosts.
            tracing::warn!("the audio store does not work");
            AudioError::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(settings: &JobSettings) -> AudioStore {
        let upstream = Upstream::new(&crate::config::Config::default()).unwrap();
        AudioStore::new(settings, upstream).unwrap()
    }

    fn store_in(folder: &std::path::Path) -> AudioStore {
        store(&JobSettings {
            audio: Some(format!("file://{}", folder.display())),
            ..JobSettings::default()
        })
    }

    async fn put(store: &AudioStore, id: JobId) {
        let mut upload = store.upload(id).unwrap();
        upload.put(b"sealed".to_vec()).await.unwrap();
        upload.finish().await.unwrap();
    }

    #[tokio::test]
    async fn a_sweep_deletes_old_audio_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
        put(&store, JobId::new([1; 16])).await;
        let foreign = folder.path().join("notes.txt");
        std::fs::write(&foreign, "mine").unwrap();
        let count = || std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!((store.sweep(MAX_AGE).await, count()), (0, 2));
        assert_eq!((store.sweep(Duration::ZERO).await, count()), (1, 1));
        assert!(foreign.exists());
    }

    #[tokio::test]
    async fn what_is_not_finished_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
        let id = JobId::new([2; 16]);
        let mut upload = store.upload(id).unwrap();
        upload.put(b"half".to_vec()).await.unwrap();
        drop(upload);
        assert_eq!(store.download(id).await.err(), Some(AudioError::Missing));
        // Nor is there anything to delete.
        store.delete(id).await;
    }

    #[tokio::test]
    async fn a_folder_of_ones_own_is_private_and_goes_with_its_process() {
        use std::os::unix::fs::PermissionsExt as _;

        let store = store(&JobSettings::default());
        assert_eq!(store.sweep(Duration::ZERO).await, 0);
        put(&store, JobId::new([3; 16])).await;
        let folder = store.opened().unwrap().own.clone().unwrap();
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(store);
        assert!(!folder.exists());
    }

    #[test]
    fn places_are_read() {
        assert_eq!(
            Place::parse("file:///var/lib/x").unwrap(),
            Place::Folder("/var/lib/x".into())
        );
        let s3 = |url: &str, prefix: &str| Place::S3 {
            url: url.to_owned(),
            prefix: prefix.to_owned(),
        };
        assert_eq!(Place::parse("s3://b").unwrap(), s3("s3://b", ""));
        assert_eq!(Place::parse("s3://b/a/c/").unwrap(), s3("s3://b", "a/c"));
        for bad in [
            "",
            "file://x",
            "s3://",
            "s3:///x",
            "http://x/",
            "s3://a@b/c",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}
